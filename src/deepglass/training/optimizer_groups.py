"""What moves an objective's groups of parameters: an optimizer each, its schedule, the clipping of its gradients."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.optim import Optimizer

from deepglass.objectives.base import Objective, ParameterGroup
from deepglass.training.optimizers import make_optimizer, set_learning_rates
from deepglass.training.plan import Plan
from deepglass.training.schedules import schedule


class GroupOptimizer:
    """A group's optimizer along a plan; what the group asks for itself comes first.

    Raises:
        SpecError: an unknown optimizer, schedule or setting.
    """

    def __init__(self, group: ParameterGroup, plan: Plan) -> None:
        self.optimizer = _optimizer(group, plan)
        self.clip = plan.clip if group.clip is None else group.clip
        self.span = group.span
        self.schedule = schedule(group.schedule or plan.schedule, plan.warmup)

    def set_rate(self, progress: float, scale: float = 1.0) -> None:
        """Set the learning rate for a place in the run, from 0 to 1, `scale` times the schedule's."""
        start, end = self.span
        own = min(max((progress - start) / (end - start), 0.0), 1.0)
        set_learning_rates(self.optimizer, self.schedule(own) * scale)

    def step(self, loss: Tensor) -> None:
        """One step down a loss, a scalar."""
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if self.clip:
            parameters = [p for g in self.optimizer.param_groups for p in g["params"]]
            torch.nn.utils.clip_grad_norm_(parameters, self.clip)
        self.optimizer.step()


def build_optimizers(objective: Objective, plan: Plan) -> dict[str, GroupOptimizer]:
    """What moves each group, by the group's name; a bare module is a group without wishes."""
    return {
        n: GroupOptimizer(g if isinstance(g, ParameterGroup) else ParameterGroup(g), plan)
        for n, g in objective.parameter_groups().items()
    }


def _optimizer(group: ParameterGroup, plan: Plan) -> Optimizer:
    """The plan's optimizer, but for what the group asks for; another optimizer brings its own rate."""
    name = group.optimizer or plan.optimizer
    rate = plan.learning_rate if name == plan.optimizer else None
    rate = rate if group.learning_rate is None else group.learning_rate
    decay = plan.weight_decay if group.weight_decay is None else group.weight_decay
    return make_optimizer(name, group.module.named_parameters(), rate, decay, **group.settings)
