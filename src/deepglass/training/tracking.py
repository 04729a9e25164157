"""What the training loop keeps between evaluations: weighted means of logged values, and the best weights."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from deepglass.objectives.base import Evaluation, Objective
from deepglass.training.distributed.processes import Processes


class WeightedAverages:
    """Running weighted means by name, summed on the device: adding a value does not wait for it.

    Args:
        device: where the values are computed.

    Example:
        >>> averages = WeightedAverages(torch.device("cpu"))
        >>> averages.add("loss", 1.0, weight=3), averages.add("loss", 5.0, weight=1)
        (None, None)
        >>> averages.means()
        {'loss': 2.0}
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.sums: dict[str, Tensor] = {}
        self.weights: dict[str, float] = {}
        self._common: dict[str, Tensor] = {}  # sum and weight of what all processes have

    def add(self, name: str, value: float | Tensor, weight: float = 1.0) -> None:
        term = torch.as_tensor(value, device=self.device).detach().float() * weight
        self.sums[name] = self.sums[name] + term if name in self.sums else term
        self.weights[name] = self.weights.get(name, 0.0) + weight

    def means(self) -> dict[str, float]:
        return {name: float(total) / (self.weights[name] or 1.0) for name, total in self.sums.items()}

    def combine(self, processes: Processes) -> None:
        """Add what the other processes have added since the last call."""
        if processes.count == 1 or not self.sums:
            return
        zero = torch.zeros(2, dtype=torch.float64)
        names = sorted(self.sums)
        before = torch.stack([self._common.get(n, zero) for n in names])
        own = torch.tensor([[float(self.sums[n]), self.weights[n]] for n in names], dtype=torch.float64)
        self._common = dict(zip(names, before + processes.total(own - before), strict=True))
        for name, (value, weight) in self._common.items():
            self.sums[name] = value.to(self.device, torch.float32)
            self.weights[name] = float(weight)
            self._common[name] = torch.tensor([float(self.sums[name]), float(weight)], dtype=torch.float64)

    def clear(self) -> None:
        self.sums, self.weights, self._common = {}, {}, {}

    def state_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return {"sums": {n: float(s) for n, s in self.sums.items()}, "weights": dict(self.weights)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.sums = {n: torch.tensor(s, device=self.device) for n, s in state["sums"].items()}
        self.weights = dict(state["weights"])
        self._common = {n: torch.tensor([float(s), self.weights[n]], dtype=torch.float64) for n, s in self.sums.items()}


class BestWeights:
    """The weights with the best monitored metric so far.

    Args:
        higher_is_better: direction of the metric.

    Attributes:
        monitor: the best value; None before the first finite one.
        evals_since_best: evaluations without an improvement, for early stopping.
        evaluation: of the best weights; None after a restart from a checkpoint.
        tensors: the best weights, copied.
    """

    def __init__(self, higher_is_better: bool) -> None:
        self.sign = 1 if higher_is_better else -1
        self.monitor: float | None = None
        self.evals_since_best = 0
        self.evaluation: Evaluation | None = None
        self.tensors: dict[str, Tensor] = {}

    def update(self, monitor: float, evaluation: Evaluation, objective: Objective) -> bool:
        """Keep the objective's weights if the metric improved; True if it did. A non-finite metric is ignored."""
        if not math.isfinite(monitor):
            return False
        if self.monitor is not None and self.sign * monitor <= self.sign * self.monitor:
            self.evals_since_best += 1
            return False
        self.monitor, self.evaluation, self.evals_since_best = monitor, evaluation, 0
        self.tensors = {n: t.detach().clone() for n, t in objective.state_dict().items()}
        return True
