"""Optimizers by name, and one per parameter group.

Lion and Muon have own code, since torch lacks Lion and its Muon takes 2-D parameters only.

    make_optimizer("adamw", network.named_parameters(), learning_rate=1e-3, weight_decay=0.01)

Weight decay applies to weights only: parameters with two axes or more whose own name contains "weight". Biases, norms,
scales, learned tokens and frequencies are excluded, since decay would change what a network can express instead of
regularising it. A parameter with an attribute `lr_multiplier` uses that multiple of the learning rate. Every group
stores its peak learning rate as `initial_lr`; `set_learning_rates` scales it.
"""

import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop

from deepglass.device import fast_bfloat16
from deepglass.errors import SpecError, near_miss
from deepglass.objectives.base import Objective, ParameterGroup
from deepglass.training.muon import Muon
from deepglass.training.plan import Plan
from deepglass.training.schedules import schedule

ParamGroup = dict[str, Any]
"""A parameter group of torch: {"params": [...], "weight_decay": ...}."""

Setting = float | bool | tuple[float, float]

BackPropagate = Callable[[Tensor, Sequence[Tensor]], None]
"""Gives parameters the gradient of a scalar loss."""

_FUSED = ("cpu", "cuda", "mps")  # devices with fused kernels in torch


def _light(cls: type[Optimizer]) -> type[Optimizer]:
    """An optimizer of torch that does not load torch's compiler.

    Torch loads it, which takes more than a second, only to exclude some methods from compilation.
    """
    names = ("step", "add_param_group", "load_state_dict", "state_dict", "zero_grad")
    methods = {name: inspect.unwrap(getattr(cls, name)) for name in names}
    return type(cls.__name__, (cls,), {**methods, "step": torch.no_grad()(methods["step"])})


class Lion(Optimizer):
    """Lion: the update is the sign of the momentum, so every weight moves by the learning rate.

    Needs a learning rate 3 to 10 times smaller and a weight decay as many times larger than AdamW's.

    Args:
        params: parameters or groups of them.
        lr: learning rate.
        betas: weight of the momentum in the update, and its decay.
        weight_decay: decoupled, multiplied by the learning rate.

    Source: Chen et al., 2023, arXiv 2302.06675, algorithm 2.
    """

    def __init__(
        self,
        params: Iterable[Parameter] | Iterable[ParamGroup],
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
        updates = torch._foreach_lerp(momenta, grads, 1 - betas[0])
        torch._foreach_sign_(updates)
        if weight_decay:
            torch._foreach_mul_(params, 1 - lr * weight_decay)
        torch._foreach_add_(params, updates, alpha=-lr)
        torch._foreach_lerp_(momenta, grads, 1 - betas[1])


class OptimizerEntry(NamedTuple):
    """An optimizer class, its default learning rate, and its settings with their defaults.

    Args:
        fixed: further arguments of the class, not settings.
        fusable: whether the class has a fused kernel.
    """

    cls: Callable[..., Optimizer]
    learning_rate: float
    settings: Mapping[str, Setting]
    fixed: Mapping[str, Any] = {}
    fusable: bool = True


_ADAM: dict[str, Setting] = {"betas": (0.9, 0.999), "eps": 1e-8}
OPTIMIZERS: dict[str, OptimizerEntry] = {
    "sgd": OptimizerEntry(_light(SGD), 0.1, {"momentum": 0.0, "nesterov": False}),
    "momentum": OptimizerEntry(_light(SGD), 0.05, {"momentum": 0.9}),
    "nesterov": OptimizerEntry(_light(SGD), 0.05, {"momentum": 0.9}, {"nesterov": True}),
    "rmsprop": OptimizerEntry(
        _light(RMSprop), 1e-3, {"alpha": 0.99, "eps": 1e-8, "momentum": 0.0}, {"foreach": True}, fusable=False
    ),
    "adam": OptimizerEntry(_light(Adam), 1e-3, _ADAM),
    "adamw": OptimizerEntry(_light(AdamW), 1e-3, _ADAM),
    "lion": OptimizerEntry(Lion, 3e-4, {"betas": (0.9, 0.99)}, fusable=False),
    "muon": OptimizerEntry(Muon, 3e-3, {"momentum": 0.95, "betas": (0.9, 0.95), "eps": 1e-8}),
}
"""Name -> optimizer.

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
    **settings: Setting,
) -> Optimizer:
    """An optimizer over named parameters, with weight decay on weights only.

    Args:
        name: one of `OPTIMIZERS`.
        params: (name, parameter), as `Module.named_parameters` gives them; those without `requires_grad` are left out.
        learning_rate: the peak that a schedule scales; None takes the optimizer's default.
        weight_decay: decoupled for adamw, lion and muon, L2 regularisation for the others.
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
    entry = OPTIMIZERS[name]
    for key in settings:
        if key not in entry.settings:
            raise SpecError("unknown-key", f"optimizer {name!r} has no setting {key!r}{near_miss(key, entry.settings)}")
    rate = entry.learning_rate if learning_rate is None else learning_rate
    if not rate > 0 or not math.isfinite(rate):
        raise SpecError("bad-value", f"learning_rate: expected a number above 0, got {rate!r}")
    if not weight_decay >= 0 or not math.isfinite(weight_decay):
        raise SpecError("bad-value", f"weight_decay: expected a number of at least 0, got {weight_decay!r}")
    groups = _groups(name, list(params), rate, weight_decay)
    assert groups, "an optimizer needs at least one parameter with requires_grad"
    arguments: dict[str, Any] = {**entry.settings, **settings, **entry.fixed}
    if "betas" in arguments:
        arguments["betas"] = tuple(arguments["betas"])  # a list in YAML
    if entry.fusable:
        arguments["fused"] = all(p.device.type in _FUSED and p.is_floating_point() for g in groups for p in g["params"])
    if entry.cls is Muon:
        arguments["precision"] = "bfloat16" if fast_bfloat16(groups[0]["params"][0].device) else "float32"
    optimizer = entry.cls(groups, **arguments)
    optimizer.register_load_state_dict_post_hook(_match_layout)
    return optimizer


def set_learning_rates(optimizer: Optimizer, factor: float) -> None:
    """Set the learning rate of every group to `factor` times its peak."""
    for group in optimizer.param_groups:
        group["lr"] = group["initial_lr"] * factor


def decays(name: str, parameter: Tensor) -> bool:
    """Whether weight decay applies to this parameter: a weight of two axes or more."""
    return parameter.ndim >= 2 and "weight" in name.rpartition(".")[2]


def _groups(name: str, params: list[tuple[str, Parameter]], rate: float, weight_decay: float) -> list[ParamGroup]:
    """Parameter groups by Muon or not, weight decay and learning-rate multiplier; shared parameters occur once."""
    kinds: dict[tuple[bool, bool, float], dict[int, Parameter]] = {}
    for key, p in params:
        if p.requires_grad:
            hidden = name == "muon" and Muon.applies_to(key, p)
            kinds.setdefault((not hidden, not decays(key, p), getattr(p, "lr_multiplier", 1.0)), {})[id(p)] = p
    return [
        {"params": list(kinds[kind].values()), "lr": rate * kind[2], "initial_lr": rate * kind[2]}
        | {"weight_decay": 0.0 if kind[1] else weight_decay}
        | ({"orthogonal": not kind[0]} if name == "muon" else {})
        for kind in sorted(kinds)
    ]


def _match_layout(optimizer: Optimizer) -> None:
    """Give loaded optimizer state the memory layout of its parameter.

    A fused update ignores strides, and a file holds tensors in row-major order, so after a reload the momentum of a
    channels-last weight would be applied to the wrong elements.
    """
    for p, state in optimizer.state.items():
        for key, value in state.items():
            if isinstance(value, Tensor) and value.shape == p.shape and value.stride() != p.stride():
                state[key] = torch.empty_like(p, dtype=value.dtype).copy_(value)


class GroupOptimizer:
    """A group's optimizer along a plan; the group's own settings win over the plan's.

    Raises:
        SpecError: an unknown optimizer, schedule or setting.
    """

    def __init__(self, group: ParameterGroup, plan: Plan) -> None:
        self.optimizer = _optimizer(group, plan)
        self.clip = plan.clip if group.clip is None else group.clip
        self.span = group.span
        self.schedule = schedule(group.schedule or plan.schedule, plan.warmup)

    def set_learning_rate(self, progress: float, scale: float = 1.0) -> None:
        """Set the learning rate at `progress` (0 to 1) of the run to `scale` times the schedule's."""
        start, end = self.span
        own_progress = min(max((progress - start) / (end - start), 0.0), 1.0)
        set_learning_rates(self.optimizer, self.schedule(own_progress) * scale)

    def step(self, loss: Tensor, back_propagate: BackPropagate) -> Tensor:
        """Back-propagate a scalar loss and update the group; the gradient's norm before clipping."""
        self.optimizer.zero_grad(set_to_none=True)
        parameters = [p for g in self.optimizer.param_groups for p in g["params"]]
        back_propagate(loss, parameters)
        if self.clip:
            norm = torch.nn.utils.clip_grad_norm_(parameters, self.clip)
        else:
            norm = torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
        self.optimizer.step()
        return norm


def build_optimizers(objective: Objective, plan: Plan) -> dict[str, GroupOptimizer]:
    """An optimizer per parameter group, by the group's name; a bare module is a group with the plan's settings."""
    groups = objective.parameter_groups()
    return {
        n: GroupOptimizer(g if isinstance(g, ParameterGroup) else ParameterGroup(g), plan) for n, g in groups.items()
    }


def _optimizer(group: ParameterGroup, plan: Plan) -> Optimizer:
    """The plan's optimizer, unless the group names another, which brings its own default learning rate."""
    name = group.optimizer or plan.optimizer
    rate = plan.learning_rate if name == plan.optimizer else None
    rate = rate if group.learning_rate is None else group.learning_rate
    decay = plan.weight_decay if group.weight_decay is None else group.weight_decay
    return make_optimizer(name, group.module.named_parameters(), rate, decay, **group.settings)
