"""One optimizer, learning-rate schedule and gradient clipping per parameter group."""

import torch
from torch import Tensor
from torch.optim import Optimizer

from deepglass.objectives.base import Objective, ParameterGroup
from deepglass.training.optimizers import make_optimizer, set_learning_rates
from deepglass.training.plan import Plan
from deepglass.training.schedules import schedule


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

    def step(self, loss: Tensor) -> Tensor:
        """Back-propagate a scalar loss and update the group; the gradient's norm before clipping."""
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        parameters = [p for g in self.optimizer.param_groups for p in g["params"]]
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
