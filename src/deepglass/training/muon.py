"""Muon: orthogonalised momentum for hidden weights, AdamW for the rest.

Own code, since torch's Muon takes 2-D parameters only and brings no AdamW for the others.
"""

import math
from collections.abc import Iterable
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim import Optimizer
from torch.optim.adamw import adamw

_OUTER = frozenset({"encoder", "encoders", "embedding", "embeddings", "table", "head", "heads", "output"})
_QUINTIC = (3.4445, -4.7750, 2.0315)  # Jordan's coefficients: small singular values grow fastest


def orthogonalise(matrices: Tensor, steps: int = 5) -> Tensor:
    """Approximate U V^T of each matrix's SVD U S V^T by Newton-Schulz: singular values end between 0.7 and 1.2.

    Args:
        matrices: of any scale.
        steps: iterations.

    Shapes:
        matrices: (N, R, C) float, as the result.

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
    """Muon for parameter groups with `orthogonal=True`, AdamW for the others.

    A hidden weight's update is scaled to the size of AdamW's updates, so that one learning rate serves both.
    Convolutions count as matrices (C_out, C_in * Y * X).

    Args:
        params: parameters or groups of them; a group may set `orthogonal`.
        lr: learning rate, on AdamW's scale.
        momentum: its decay; Nesterov momentum is used.
        betas: AdamW's.
        eps: AdamW's.
        weight_decay: decoupled, multiplied by the learning rate.
        fused: whether AdamW's part uses the fused kernel.
        precision: of the iteration; bfloat16 suffices, and pays where the device computes it natively.

    A hidden weight of R rows and C columns costs about 30 R R C operations per step (R the smaller), and its forward
    and backward pass 6 R C per row of the batch and token. So Muon is cheap where rows times tokens are many times the
    width, as in transformers and convolutions, and expensive in an MLP.

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
    def applies_to(name: str, parameter: Tensor) -> bool:
        """Whether a parameter is a hidden weight: a matrix, and not of an encoder, embedding or head."""
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
        for same in _by_shape(params):  # matrices of one shape are orthogonalised as one batch
            rows = params[same[0]].shape[0]
            updates = orthogonalise(torch.stack([ahead[i].reshape(rows, -1) for i in same]).to(self._dtype))
            scale = 0.2 * math.sqrt(max(updates.shape[1:]))
            for i, update in zip(same, updates, strict=True):
                params[i].add_(update.view(params[i].shape), alpha=-group["lr"] * scale)

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
    """Indices of parameters of equal shape, in the order of their first."""
    indices: dict[torch.Size, list[int]] = {}
    for i, p in enumerate(params):
        indices.setdefault(p.shape, []).append(i)
    return list(indices.values())
