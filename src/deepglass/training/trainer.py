"""One loop for all kinds of learning.

The trainer takes a loss from the objective, goes back through it and steps the optimizer of the group that the loss
names. It knows nothing of what is learned; everything that steers it stands in the plan.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from deepglass.data.batches import Dataset, Loader
from deepglass.device import autocast, deterministic
from deepglass.errors import TrainingError
from deepglass.objectives.base import Evaluation, Loss, Objective
from deepglass.training.callbacks import Callback, EvaluationRecord
from deepglass.training.checkpoint import Checkpoints, State, flatten_optimizer, restore_optimizer
from deepglass.training.clock import LOOK_EVERY, Clock
from deepglass.training.interrupt import interruptible
from deepglass.training.optimizer_groups import build_optimizers
from deepglass.training.plan import Plan, StepCosts

MOST_FAILURES = 8  # non-finite losses after which a run is given up: the rate is then 1/256 of what was asked


@dataclass(frozen=True)
class History:
    """What came of a run.

    Args:
        records: an entry an evaluation.
        plan: as it was in the end, replans included.
        step: the last step that was done.
        stop_reason: "done", "early" (no improvement), "interrupted".
        seconds: from the start of training to its end.
        evaluation: of the best weights, which the objective holds now.
    """

    records: list[EvaluationRecord]
    plan: Plan
    step: int
    stop_reason: str
    seconds: float
    evaluation: Evaluation | None


class Trainer:
    """Trains an objective along a plan.

    Args:
        callbacks: told what happens.
        checkpoints: where states are kept; without them a run cannot be resumed.
        store_plan: called with each changed plan before it is applied.
    """

    def __init__(
        self,
        callbacks: Sequence[Callback] = (),
        checkpoints: Checkpoints | None = None,
        store_plan: Callable[[Plan], None] = lambda plan: None,
    ) -> None:
        self.callbacks = callbacks
        self.checkpoints = checkpoints
        self.store_plan = store_plan

    def fit(
        self,
        objective: Objective,
        loader: Loader,
        plan: Plan,
        valid: Dataset | None = None,
        clock: Clock | None = None,
        state: State | None = None,
    ) -> History:
        """Train from the start, or from a state, to the end of the plan; the best weights stay in the objective.

        Raises:
            TrainingError: `diverged`, when the loss stays non-finite however small the rate.
        """
        run = _Run(objective, loader, plan, valid, clock, self)
        if state is not None:
            run.restore(state)
        with interruptible() as interrupted, deterministic():
            return run.go(interrupted)

    def probe(
        self, objective: Objective, loader: Loader, plan: Plan, valid: Dataset | None, seconds: float
    ) -> StepCosts:
        """Measure a step and an evaluation within about so many seconds; everything is put back afterwards."""
        run = _Run(objective, loader, plan, valid, None, Trainer())
        before = run.state()
        end = time.perf_counter() + 0.6 * seconds
        times: list[float] = []
        while len(times) < 5 or (time.perf_counter() < end and len(times) < 200):
            start = time.perf_counter()
            with deterministic():
                run.step_once()
            times.append(time.perf_counter() - start)
            if len(times) >= 2 and time.perf_counter() > end + 0.4 * seconds:
                break
        evaluation = _time_evaluation(objective, valid) if valid else 0.0  # no rows, no cost
        run.restore(before)
        warm = sorted(times[1:])  # the first step also makes what later steps reuse
        return StepCosts(warm[len(warm) // 2], evaluation)


class _Run:
    """The moving parts of one `fit`."""

    def __init__(
        self,
        objective: Objective,
        loader: Loader,
        plan: Plan,
        valid: Dataset | None,
        clock: Clock | None,
        trainer: Trainer,
    ) -> None:
        self.objective, self.loader, self.plan, self.valid, self.clock = objective, loader, plan, valid, clock
        self.trainer = trainer
        self.device = torch.device(plan.device)
        self.optimizers = build_optimizers(objective, plan)
        self.step = 0
        self.records: list[EvaluationRecord] = []
        self.rate_scale = 1.0
        self.failures = 0
        self.stale = 0  # evaluations since the last improvement
        self.best_monitor: float | None = None
        self.best: dict[str, Tensor] = {}
        self.best_evaluation: Evaluation | None = None
        self.sums: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}  # losses summed, by name: a step may yield many of a group
        self.started = time.perf_counter()
        self.earlier_seconds = 0.0

    # -- the loop ----------------------------------------------------------------------------------------------

    def go(self, interrupted: threading.Event) -> History:
        self._tell("on_train_start", self.plan, self.step)
        good = self.state()
        reason = "done"
        while self.step < self.plan.last_step:
            self.step_once()
            if interrupted.is_set():
                reason = "interrupted"
                break
            due = self.step >= self.plan.last_step or self.step % self.plan.evaluate_every == 0
            late = self.clock is not None and self.clock.late()
            if (due or late or self.step % LOOK_EVERY == 0) and not self._look():
                self._recover(good)
                continue
            last = self.step >= self.plan.last_step
            if last or due:
                self._evaluate()
                if self.plan.patience and self.stale >= self.plan.patience and not last:
                    reason = "early"
                    break
            if last or self.step % self.plan.checkpoint_every == 0:
                good = self.state()
                self._save(good)
        return self._finish(reason)

    def step_once(self) -> None:
        """One call of the objective's `losses`."""
        self.objective.train()  # before the loader, which may ask the objective for its batch
        batch = self.loader.next()
        progress = self.plan.progress(self.step)
        for optimizer in self.optimizers.values():
            optimizer.set_rate(progress, self.rate_scale)
        losses = self.objective.losses(batch, progress)
        while (loss := self._next(losses)) is not None:
            if loss.value.requires_grad:
                self.optimizers[loss.group].step(loss.value)
            self._sum(loss)
        self.step += 1

    def _next(self, losses: Iterator[Loss]) -> Loss | None:
        with autocast(self.device, self.plan.precision):
            return next(losses, None)

    def _sum(self, loss: Loss) -> None:
        for name, value in {loss.group: loss.value, **{f"{loss.group}/{n}": v for n, v in loss.logs.items()}}.items():
            value = torch.as_tensor(value, device=self.device).detach().float()
            self.sums[name] = self.sums[name] + value if name in self.sums else value
            self.counts[name] = self.counts.get(name, 0) + 1

    def _look(self) -> bool:
        """Read the losses and the clock; False when a loss was not finite."""
        means = {n: m for n, m in self._means().items() if "/" not in n}  # a figure that is only logged may be nan
        if not all(math.isfinite(m) for m in means.values()):
            return False
        self._tell("on_step_end", self.step, self.plan, sum(means.values()))
        if self.clock is not None:
            length = self.clock.length(self.plan, self.step)
            if length is not None and length != self.plan.last_step:
                plan = self.plan.replanned(self.step, length)
                self.trainer.store_plan(plan)
                self.plan = plan
                self._tell("on_replan", plan)
        return True

    def _recover(self, good: State) -> None:
        """Go back to the last good state at half the rate."""
        at = self.step
        failures, scale, plan = self.failures + 1, self.rate_scale / 2, self.plan
        if failures > MOST_FAILURES:
            raise TrainingError(
                "diverged",
                f"the loss was not finite {failures} times, the last at step {at}, even at a rate of "
                f"{self.plan.learning_rate * scale:.2g}; try another training.optimizer, or look at the inputs",
            )
        records = self.records
        self.restore(good)
        self.failures, self.rate_scale, self.plan, self.records = failures, scale, plan, records
        self._record(event=f"non-finite loss at step {at}: back to step {self.step}, rate halved")

    # -- evaluation --------------------------------------------------------------------------------------------

    def _evaluate(self) -> None:
        if self.valid is None or not len(self.valid):
            self._record()
            return
        start = time.perf_counter()
        evaluation = self.objective.evaluate(self.valid, _evaluation_batch(self.plan), search=False)
        if self.clock is not None:
            self.clock.evaluated(time.perf_counter() - start, self.step)
        sign = 1 if self.objective.monitor.higher_is_better else -1
        better = math.isfinite(evaluation.monitor) and (
            self.best_monitor is None or sign * evaluation.monitor > sign * self.best_monitor
        )
        if better:
            self.best_monitor, self.best_evaluation, self.stale = evaluation.monitor, evaluation, 0
            self.best = {n: t.detach().clone() for n, t in self.objective.state_dict().items()}
        elif math.isfinite(evaluation.monitor):  # else it has nothing to be judged by yet
            self.stale += 1
        self._record(evaluation, better, "; ".join(evaluation.warnings))

    def _record(self, evaluation: Evaluation | None = None, better: bool = False, event: str = "") -> None:
        rate = next(iter(self.optimizers.values())).optimizer.param_groups[0]["lr"] if self.optimizers else 0.0
        record = EvaluationRecord(
            step=self.step,
            epoch=self.step / self.plan.batches_per_epoch,
            seconds=round(self._seconds(), 3),
            learning_rate=rate,
            losses=self._means(),
            monitor=evaluation.monitor if evaluation and math.isfinite(evaluation.monitor) else None,
            valid=evaluation.metrics if evaluation else {},
            best=better,
            event=event,
        )
        self.sums, self.counts = {}, {}
        self.records.append(record)
        self._tell("on_evaluation_end", record)

    def _finish(self, reason: str) -> History:
        if reason == "interrupted":
            self._save(self.state())
            if self.best_monitor is None:
                self._evaluate()
        if self.best:
            self.objective.load_state_dict(self.best)
        if self.best_evaluation is None and self.valid is not None and self.best:
            self.best_evaluation = self.objective.evaluate(self.valid, _evaluation_batch(self.plan), search=False)
        self.objective.eval()
        self._tell("on_train_end", reason)
        return History(self.records, self.plan, self.step, reason, self._seconds(), self.best_evaluation)

    # -- state -------------------------------------------------------------------------------------------------

    def state(self) -> State:
        """Everything that the next step depends on, copied."""
        tensors = {f"objective.{n}": t.detach().clone() for n, t in self.objective.state_dict().items()}
        tensors |= {f"best.{n}": t for n, t in self.best.items()}
        position = self.loader.state_dict()
        tensors |= {f"loader.{n}": v for n, v in position.items() if isinstance(v, Tensor)}
        tensors["random"] = torch.get_rng_state()
        if self.device.type == "cuda":
            tensors["random.cuda"] = torch.cuda.get_rng_state(self.device)
        values: dict[str, Any] = {
            "step": self.step,
            "rate_scale": self.rate_scale,
            "failures": self.failures,
            "stale": self.stale,
            "best_monitor": self.best_monitor,
            "loader": {n: v for n, v in position.items() if not isinstance(v, Tensor)},
            "seconds": self._seconds(),
            "sums": {n: float(s) for n, s in self.sums.items()},
            "counts": self.counts,
        }
        for name, optimizer in self.optimizers.items():
            part = flatten_optimizer(name, optimizer.optimizer)
            tensors |= {f"optimizer.{n}": t.detach().clone() for n, t in part.tensors.items()}
            values |= {f"optimizer.{n}": v for n, v in part.values.items()}
        return State(tensors, values)

    def restore(self, state: State) -> None:
        """Go back to a state."""
        pick = lambda prefix: {n[len(prefix) :]: t for n, t in state.tensors.items() if n.startswith(prefix)}  # noqa: E731
        self.objective.load_state_dict(pick("objective."))
        self.best = pick("best.")
        torch.set_rng_state(state.tensors["random"])
        if "random.cuda" in state.tensors:
            torch.cuda.set_rng_state(state.tensors["random.cuda"], self.device)
        values = state.values
        self.step, self.rate_scale, self.failures = values["step"], values["rate_scale"], values["failures"]
        self.stale, self.best_monitor = values["stale"], values["best_monitor"]
        self.loader.load_state_dict({**values["loader"], **pick("loader.")})
        self.earlier_seconds = values["seconds"] - (time.perf_counter() - self.started)
        self.sums = {n: torch.tensor(s, device=self.device) for n, s in values["sums"].items()}
        self.counts = dict(values["counts"])
        for name, optimizer in self.optimizers.items():
            restore_optimizer(f"optimizer.{name}", optimizer.optimizer, state)

    def _save(self, state: State) -> None:
        if self.trainer.checkpoints is not None:
            self.trainer.checkpoints.save(state)

    def _means(self) -> dict[str, float]:
        return {n: float(s) / self.counts[n] for n, s in self.sums.items()}

    def _seconds(self) -> float:
        since = self.clock.elapsed() if self.clock is not None else time.perf_counter() - self.started
        return self.earlier_seconds + since

    def _tell(self, what: str, *arguments: Any) -> None:
        for callback in self.trainer.callbacks:
            getattr(callback, what)(*arguments)


def _evaluation_batch(plan: Plan) -> int:
    return max(512, plan.batch_size)


def _time_evaluation(objective: Objective, valid: Dataset) -> float:
    """What an evaluation of all rows costs, from a part of them."""
    count = min(len(valid), 512)
    part = valid.subset(torch.arange(count).numpy())
    start = time.perf_counter()
    objective.evaluate(part, count, search=False)
    return (time.perf_counter() - start) * max(1.0, len(valid) / max(count, 1))
