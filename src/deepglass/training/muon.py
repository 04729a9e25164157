"""Muon: momentum whose singular values are made equal, for the weights inside a network; AdamW for the rest."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim import Optimizer
from torch.optim.adamw import adamw

_OUTER = frozenset({"encoder", "encoders", "embedding", "embeddings", "table", "head", "heads", "output"})
_QUINTIC = (3.4445, -4.7750, 2.0315)  # Jordan's coefficients: the steepest rise of small singular values


def orthogonalise(matrices: Tensor, steps: int = 5) -> Tensor:
    """Nearly U V^T of each matrix's decomposition U S V^T: singular values end between 0.7 and 1.2.

    Args:
        matrices: of any scale.
        steps: of the Newton-Schulz iteration.

    Shapes:
        matrices: (N, R, C) float; the same comes out.

    Source: Jordan et al., 2024, "Muon", https://kellerjordan.github.io/posts/muon
    """
    a, b, c = _QUINTIC
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp_min(1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


class Muon(Optimizer):
    """Orthogonalised momentum for groups with `orthogonal=True`, AdamW for the others.

    A hidden weight's step is scaled to the size that AdamW's steps have, so that one learning rate serves both.
    Convolutions count as matrices (C_out, C_in * Y * X).

    Args:
        params: parameters or groups of them; a group may set `orthogonal`.
        lr: length of the step, on AdamW's scale.
        momentum: how much of the momentum is kept; the step looks ahead as Nesterov's does.
        betas: AdamW's.
        eps: AdamW's.
        weight_decay: decoupled, times the learning rate.
        fused: whether AdamW's part runs as one kernel.
        precision: of the iteration; bfloat16 is enough for it and worth it where the processor is fast at that.

    A hidden weight of R rows and C columns costs about 30 R R C operations a step (R the smaller), and its forward
    and backward pass 6 R C for each row of the batch and token. So Muon is cheap where rows times tokens are many times
    the width, as in transformers and convolutions, and dear in an MLP.

    Source: Jordan et al., 2024, "Muon"; the scale 0.2 sqrt(max(rows, columns)) from Liu et al., 2025,
    arXiv 2502.16982, section 2.2.
    """

    def __init__(
        self,
        params: Iterable[Parameter] | Iterable[dict[str, Any]],
        lr: float = 3e-3,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.95),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        fused: bool = False,
        precision: Literal["float32", "bfloat16"] = "float32",
    ) -> None:
        defaults = {"lr": lr, "momentum": momentum, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, {**defaults, "orthogonal": False, "fused": fused})
        self._dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32

    @staticmethod
    def suits(name: str, parameter: Tensor) -> bool:
        """Whether a parameter is a weight inside a network: a matrix, and not of an encoder, embedding or head."""
        *parts, last = name.split(".")
        return parameter.ndim >= 2 and "weight" in last and not _OUTER.intersection(parts)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            params: list[Tensor] = [p for p in group["params"] if p.grad is not None]
            if params:
                self._orthogonal(params, group) if group["orthogonal"] else self._adamw(params, group)

    def _orthogonal(self, params: list[Tensor], group: dict[str, Any]) -> None:
        for p in params:
            if "momentum" not in self.state[p]:
                self.state[p]["momentum"] = torch.zeros_like(p)
        grads = [p.grad for p in params if p.grad is not None]
        momenta = [self.state[p]["momentum"] for p in params]
        torch._foreach_lerp_(momenta, grads, 1 - group["momentum"])
        ahead = torch._foreach_lerp(grads, momenta, group["momentum"])
        if group["weight_decay"]:
            torch._foreach_mul_(params, 1 - group["lr"] * group["weight_decay"])
        for same in _by_shape(params):  # matrices of one shape go through the iteration together
            rows = params[same[0]].shape[0]
            moves = orthogonalise(torch.stack([ahead[i].reshape(rows, -1) for i in same]).to(self._dtype))
            length = 0.2 * math.sqrt(max(moves.shape[1:]))
            for i, move in zip(same, moves, strict=True):
                params[i].add_(move.view(params[i].shape), alpha=-group["lr"] * length)

    def _adamw(self, params: list[Tensor], group: dict[str, Any]) -> None:
        for p in params:
            if not self.state[p]:
                self.state[p]["step"] = torch.zeros((), dtype=torch.float32, device=p.device)
                self.state[p]["mean"] = torch.zeros_like(p)
                self.state[p]["square"] = torch.zeros_like(p)
        states = [self.state[p] for p in params]
        adamw(
            params,
            [p.grad for p in params if p.grad is not None],
            [s["mean"] for s in states],
            [s["square"] for s in states],
            [],
            [s["step"] for s in states],
            fused=group["fused"],
            amsgrad=False,
            beta1=group["betas"][0],
            beta2=group["betas"][1],
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
        )


def _by_shape(params: list[Tensor]) -> list[list[int]]:
    """The positions of parameters of equal shape, in the order of their first."""
    places: dict[torch.Size, list[int]] = {}
    for i, p in enumerate(params):
        places.setdefault(p.shape, []).append(i)
    return list(places.values())
