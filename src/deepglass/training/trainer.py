"""The trainer: one loop for every kind of learning.

It back-propagates each loss of the objective and steps the optimizer of the parameter group that the loss names. All
numbers that steer it stand in the plan.
"""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from deepglass.data.batches import Dataset, Loader
from deepglass.device import deterministic
from deepglass.objectives.base import Evaluation, Objective
from deepglass.training.callbacks import EvaluationRecord
from deepglass.training.checkpoint import State
from deepglass.training.clock import Clock
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
        stop_reason: "done", "early" (early stopping), "interrupted" (Ctrl-C or `TrainerControl.stop`).
        seconds: of training.
        evaluation: of the best weights, which the objective holds afterwards.
    """

    records: list[EvaluationRecord]
    plan: Plan
    step: int
    stop_reason: str
    seconds: float
    evaluation: Evaluation | None


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
            loop.restore(state)
        with _interruptible() as interrupted, deterministic():
            stop_reason = loop.run(interrupted)
        return History(loop.records, loop.plan, loop.step, stop_reason, loop.seconds(), loop.best.evaluation)

    def probe(
        self, objective: Objective, loader: Loader, plan: Plan, valid: Dataset | None, seconds: float
    ) -> StepCosts:
        """Measure the cost of a step and of an evaluation in about `seconds`; every state is restored afterwards."""
        loop = TrainingLoop(self, objective, loader, plan, valid)
        before = loop.state()
        end = time.perf_counter() + 0.6 * seconds
        times: list[float] = []
        fewest, most = _PROBE_STEPS
        while len(times) < fewest or (time.perf_counter() < end and len(times) < most):
            start = time.perf_counter()
            with deterministic():
                loop.step_once()
            times.append(time.perf_counter() - start)
            if len(times) >= 2 and time.perf_counter() > end + 0.4 * seconds:
                break
        evaluation = _evaluation_seconds(objective, valid) if valid else 0.0
        loop.restore(before)
        warm = sorted(times[1:])  # the first step also allocates what later steps reuse
        return StepCosts(
            self.reduce("step_seconds", warm[len(warm) // 2]), self.reduce("evaluation_seconds", evaluation)
        )


def _evaluation_seconds(objective: Objective, valid: Dataset) -> float:
    """The cost of an evaluation of all rows, estimated from some of them."""
    count = min(len(valid), _PROBE_ROWS)
    some = valid.subset(np.arange(count))
    start = time.perf_counter()
    objective.evaluate(some, count, search=False)
    return (time.perf_counter() - start) * max(1.0, len(valid) / max(count, 1))


@contextmanager
def _interruptible() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C sets, so that the loop can end in order; the second one raises at once."""
    interrupted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield interrupted
        return

    def handle(signum: int, frame: object) -> None:
        if interrupted.is_set():
            raise KeyboardInterrupt
        interrupted.set()

    previous = signal.signal(signal.SIGINT, handle)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, previous)
