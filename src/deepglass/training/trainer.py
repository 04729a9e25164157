"""The trainer: one loop for every kind of learning.

It back-propagates each loss of the objective and steps the optimizer of the parameter group that the loss names. All
numbers that steer it stand in the plan.
"""

import time
from dataclasses import dataclass

import numpy as np

from deepglass.data.batches import Dataset, Loader
from deepglass.device import deterministic
from deepglass.objectives.base import Evaluation, Objective
from deepglass.training.callbacks import EvaluationRecord
from deepglass.training.checkpoint import State
from deepglass.training.clock import Clock
from deepglass.training.distributed.steps import share_state
from deepglass.training.interrupt import interruptible
from deepglass.training.loop import LoopSettings, TrainingLoop
from deepglass.training.plan import Plan, StepCosts

_PROBE_STEPS = 5, 200  # fewest and most steps of a probe
_PROBE_ROWS = 512  # validation rows that a probe evaluates


@dataclass(frozen=True)
class History:
    """The result of a training run.

    Args:
        records: one per evaluation.
        plan: the plan at the end, with its replans.
        step: the last step that was done.
        stop_reason: "done", "early" (early stopping), "interrupted" (a signal or `TrainerControl.stop`).
        seconds: of training.
        evaluation: of the best weights, which the objective holds afterwards.
        signum: number of the signal that interrupted training; None without one.
        processes: number of processes that trained.
    """

    records: list[EvaluationRecord]
    plan: Plan
    step: int
    stop_reason: str
    seconds: float
    evaluation: Evaluation | None
    signum: int | None = None
    processes: int = 1


class Trainer(LoopSettings):
    """Trains an objective along a plan; arguments as `LoopSettings`."""

    def fit(
        self,
        objective: Objective,
        loader: Loader,
        plan: Plan,
        valid: Dataset | None = None,
        clock: Clock | None = None,
        state: State | None = None,
    ) -> History:
        """Train to the end of the plan; the objective holds the best weights afterwards.

        Args:
            objective: to train.
            loader: its batches.
            plan: the numbers of the run.
            valid: rows that choose the best weights; None takes the last weights.
            clock: adapts the number of steps to a time budget.
            state: a checkpoint to resume from.

        Raises:
            TrainingError: `diverged`, when the loss stays non-finite at every learning rate.
        """
        loop = TrainingLoop(self, objective, loader, plan, valid, clock)
        if state is not None:
            loop.resume(state)
        if self.processes.count > 1:
            state = share_state(self.processes, loop.state())
            if not self.processes.is_first:
                loop.restore(state)
        with interruptible() as interrupted, deterministic():
            stop_reason = loop.run(interrupted)
        evaluation, signum, count = loop.best.evaluation, interrupted.signum, self.processes.count
        return History(loop.records, loop.plan, loop.step, stop_reason, loop.seconds(), evaluation, signum, count)

    def probe(
        self, objective: Objective, loader: Loader, plan: Plan, valid: Dataset | None, seconds: float
    ) -> StepCosts:
        """Measure the cost of a step and of an evaluation in about `seconds`; every state is restored afterwards."""
        loop = TrainingLoop(self, objective, loader, plan, valid)
        before = loop.state()
        end = time.perf_counter() + 0.6 * seconds
        times: list[float] = []
        fewest, most = _PROBE_STEPS
        while len(times) < fewest or (self._goes_on(time.perf_counter() < end) and len(times) < most):
            start = time.perf_counter()
            with deterministic():
                loop.step_once()
            times.append(time.perf_counter() - start)
            if len(times) >= 2 and not self._goes_on(time.perf_counter() <= end + 0.4 * seconds):
                break
        evaluation = _evaluation_seconds(objective, valid) if valid else 0.0
        loop.restore(before)
        warm = sorted(times[1:])  # the first step also allocates what later steps reuse
        return StepCosts(
            self.processes.reduce("step_seconds", warm[len(warm) // 2]),
            self.processes.reduce("evaluation_seconds", evaluation),
        )

    def _goes_on(self, in_time: bool) -> bool:
        """Whether the first process has time left for the probe."""
        return self.processes.reduce("probe", float(in_time)) > 0


def _evaluation_seconds(objective: Objective, valid: Dataset) -> float:
    """The cost of an evaluation of all rows, estimated from some of them."""
    count = min(len(valid), _PROBE_ROWS)
    some = valid.subset(np.arange(count))
    start = time.perf_counter()
    objective.evaluate(some, count, search=False)
    return (time.perf_counter() - start) * max(1.0, len(valid) / max(count, 1))
