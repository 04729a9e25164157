"""Model selection and early stopping by the monitored metric."""

import math

from torch import Tensor

from deepglass.objectives.base import Evaluation, Objective


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
