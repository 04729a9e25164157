"""Optimizers by name, and the two that torch lacks in this form: Lion and Muon.

    make_optimizer("adamw", network.named_parameters(), learning_rate=1e-3, weight_decay=0.01)

Only weights decay: parameters whose own name has "weight" in it and that have two axes or more. Biases, norms,
scales, learned tokens and frequencies do not, since pulling them to zero changes what a network can say and not how
smooth it is. A parameter that has a `rate` moves at so many times the learning rate. Every group remembers its peak
learning rate as `initial_lr`; `set_learning_rates` scales it.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop

from deepglass.device import fast_bfloat16
from deepglass.errors import SpecError, near_miss
from deepglass.training.muon import Muon

Group = dict[str, Any]
"""What torch calls a parameter group: {"params": [...], "weight_decay": ...}."""

_FUSED = ("cpu", "cuda", "mps")  # the devices that have torch's fused kernels


class Lion(Optimizer):
    """A step of the sign of the momentum, so that every weight moves by the learning rate.

    Needs a learning rate 3 to 10 times smaller and a weight decay as many times larger than AdamW's.

    Args:
        params: parameters or groups of them.
        lr: length of the step.
        betas: how much of the momentum the step uses, and how much of it is kept.
        weight_decay: decoupled, times the learning rate.

    Source: Chen et al., 2023, arXiv 2302.06675, algorithm 2.
    """

    def __init__(
        self,
        params: Iterable[Parameter] | Iterable[Group],
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            params: list[Tensor] = [p for p in group["params"] if p.grad is not None]
            if params:
                self._update(params, **{k: group[k] for k in ("lr", "betas", "weight_decay")})

    def _update(self, params: list[Tensor], lr: float, betas: tuple[float, float], weight_decay: float) -> None:
        for p in params:
            if "momentum" not in self.state[p]:
                self.state[p]["momentum"] = torch.zeros_like(p)
        grads = [p.grad for p in params if p.grad is not None]
        momenta = [self.state[p]["momentum"] for p in params]
        moves = torch._foreach_lerp(momenta, grads, 1 - betas[0])
        torch._foreach_sign_(moves)
        if weight_decay:
            torch._foreach_mul_(params, 1 - lr * weight_decay)
        torch._foreach_add_(params, moves, alpha=-lr)
        torch._foreach_lerp_(momenta, grads, 1 - betas[1])


def _sgd(groups: list[Group], *, momentum: float = 0.0, nesterov: bool = False) -> Optimizer:
    return SGD(groups, momentum=momentum, nesterov=nesterov, fused=_fused(groups))


def _momentum(groups: list[Group], *, momentum: float = 0.9) -> Optimizer:
    return SGD(groups, momentum=momentum, fused=_fused(groups))


def _nesterov(groups: list[Group], *, momentum: float = 0.9) -> Optimizer:
    return SGD(groups, momentum=momentum, nesterov=True, fused=_fused(groups))


def _rmsprop(groups: list[Group], *, alpha: float = 0.99, eps: float = 1e-8, momentum: float = 0.0) -> Optimizer:
    return RMSprop(groups, alpha=alpha, eps=eps, momentum=momentum, foreach=True)


def _adam(groups: list[Group], *, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8) -> Optimizer:
    return Adam(groups, betas=(betas[0], betas[1]), eps=eps, fused=_fused(groups))


def _adamw(groups: list[Group], *, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8) -> Optimizer:
    return AdamW(groups, betas=(betas[0], betas[1]), eps=eps, fused=_fused(groups))


def _lion(groups: list[Group], *, betas: tuple[float, float] = (0.9, 0.99)) -> Optimizer:
    return Lion(groups, betas=(betas[0], betas[1]))


def _muon(
    groups: list[Group],
    *,
    momentum: float = 0.95,
    betas: tuple[float, float] = (0.9, 0.95),
    eps: float = 1e-8,
) -> Optimizer:
    fast = fast_bfloat16(groups[0]["params"][0].device)
    return Muon(
        groups,
        momentum=momentum,
        betas=(betas[0], betas[1]),
        eps=eps,
        fused=_fused(groups),
        precision="bfloat16" if fast else "float32",
    )


class Maker(NamedTuple):
    """How an optimizer is made, and the learning rate that it starts from when none is given."""

    make: Callable[..., Optimizer]
    learning_rate: float


OPTIMIZERS: dict[str, Maker] = {
    "sgd": Maker(_sgd, 0.1),
    "momentum": Maker(_momentum, 0.05),
    "nesterov": Maker(_nesterov, 0.05),
    "rmsprop": Maker(_rmsprop, 1e-3),
    "adam": Maker(_adam, 1e-3),
    "adamw": Maker(_adamw, 1e-3),
    "lion": Maker(_lion, 3e-4),
    "muon": Maker(_muon, 3e-3),
}
"""Name -> maker.

Source:
    sgd: Robbins & Monro, 1951. momentum: Polyak, 1964. nesterov: Nesterov, 1983; Sutskever et al., 2013.
    rmsprop: Tieleman & Hinton, 2012. adam: Kingma & Ba, 2015, arXiv 1412.6980.
    adamw: Loshchilov & Hutter, 2019, arXiv 1711.05101. lion and muon: see their classes.
"""


def make_optimizer(
    name: str,
    params: Iterable[tuple[str, Parameter]],
    learning_rate: float | None = None,
    weight_decay: float = 0.0,
    **settings: float | bool | tuple[float, float],
) -> Optimizer:
    """An optimizer over named parameters, with weight decay on weights only.

    Args:
        name: one of `OPTIMIZERS`.
        params: (name, parameter), as `Module.named_parameters` gives them; those without a gradient are left out.
        learning_rate: the peak that a schedule scales; None takes the optimizer's own.
        weight_decay: decoupled for adamw, lion and muon, part of the gradient for the others.
        settings: further settings of that optimizer, such as `momentum` or `betas`.

    Example:
        >>> layer = torch.nn.Linear(3, 2)
        >>> [g["weight_decay"] for g in make_optimizer("adamw", layer.named_parameters(), 1e-3, 0.01).param_groups]
        [0.01, 0.0]

    Raises:
        SpecError: `unknown-name` or `unknown-key` with the near miss; `bad-value` for a rate that is not positive.
    """
    if name not in OPTIMIZERS:
        raise SpecError("unknown-name", f"optimizer: no optimizer {name!r}{near_miss(name, OPTIMIZERS)}")
    make, default = OPTIMIZERS[name]
    known = [p.name for p in inspect.signature(make).parameters.values() if p.kind is p.KEYWORD_ONLY]
    for key in settings:
        if key not in known:
            raise SpecError("unknown-key", f"optimizer {name!r} has no setting {key!r}{near_miss(key, known)}")
    rate = default if learning_rate is None else learning_rate
    if not rate > 0 or not math.isfinite(rate):
        raise SpecError("bad-value", f"learning_rate: expected a number above 0, not {rate!r}")
    if not weight_decay >= 0 or not math.isfinite(weight_decay):
        raise SpecError("bad-value", f"weight_decay: expected a number of at least 0, not {weight_decay!r}")
    groups = _groups(name, list(params), rate, weight_decay)
    assert groups, "an optimizer needs at least one parameter that asks for a gradient"
    optimizer = make(groups, **settings)
    optimizer.register_load_state_dict_post_hook(_match_layout)
    return optimizer


def set_learning_rates(optimizer: Optimizer, factor: float) -> None:
    """Scale the peak learning rate of every group: what a schedule does before each step."""
    for group in optimizer.param_groups:
        group["lr"] = group["initial_lr"] * factor


def decays(name: str, parameter: Tensor) -> bool:
    """Whether weight decay is meant for this parameter: a weight of two axes or more."""
    return parameter.ndim >= 2 and "weight" in name.rpartition(".")[2]


def _groups(name: str, params: list[tuple[str, Parameter]], rate: float, weight_decay: float) -> list[Group]:
    """Groups by what is done to a parameter, empty ones left out; equal parameters come once."""
    kinds: dict[tuple[bool, bool, float], dict[int, Parameter]] = {}
    for key, p in params:
        if p.requires_grad:
            hidden = name == "muon" and Muon.suits(key, p)
            kinds.setdefault((not hidden, not decays(key, p), getattr(p, "lr_multiplier", 1.0)), {})[id(p)] = p
    return [
        {"params": list(kinds[kind].values()), "lr": rate * kind[2], "initial_lr": rate * kind[2]}
        | {"weight_decay": 0.0 if kind[1] else weight_decay}
        | ({"orthogonal": not kind[0]} if name == "muon" else {})
        for kind in sorted(kinds)
    ]


def _fused(groups: list[Group]) -> bool:
    """Whether torch's one-kernel update can be used; on the CPU it is the fastest one too."""
    return all(p.device.type in _FUSED and p.is_floating_point() for g in groups for p in g["params"])


def _match_layout(optimizer: Optimizer) -> None:
    """Give loaded state the memory layout of its parameter.

    A fused update walks through memory without looking at strides, and a file holds tensors in row order, so
    after a reload the momentum of a channels-last weight would meet the wrong elements.
    """
    for p, state in optimizer.state.items():
        for key, value in state.items():
            if isinstance(value, Tensor) and value.shape == p.shape and value.stride() != p.stride():
                state[key] = torch.empty_like(p, dtype=value.dtype).copy_(value)
