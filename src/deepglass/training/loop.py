"""The training loop: steps, checks, evaluations, recovery, and the state that a checkpoint keeps."""

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from deepglass.data.batches import Dataset, Loader
from deepglass.device import autocast
from deepglass.errors import TrainingError
from deepglass.objectives.base import Evaluation, Loss, Objective
from deepglass.training.callbacks import Callback, EvaluationRecord
from deepglass.training.checkpoint import Checkpoints, State, flatten_optimizer, not_a_state, restore_optimizer
from deepglass.training.clock import CHECK_EVERY, Clock
from deepglass.training.control import TrainerControl
from deepglass.training.distributed.processes import Processes
from deepglass.training.distributed.steps import Computation
from deepglass.training.hooks import call
from deepglass.training.optimizers import build_optimizers
from deepglass.training.plan import Plan
from deepglass.training.tracking import BestWeights, WeightedAverages

MAX_RECOVERIES = 8  # from non-finite losses; the learning rate is then 1/256 of the plan's


@dataclass
class LoopSettings:
    """What a training loop reports to and is steered by.

    Args:
        callbacks: called at each event, in order.
        checkpoints: where states are saved; without them a run cannot be resumed.
        store_plan: called with each changed plan before it is applied.
        control: commands to the trainer while it runs.
        processes: that train together. They agree on each value that steers control flow, by its name: "loss",
            "monitor", "kl", "clock", "steps", "stop", "step_seconds", "evaluation_seconds", "probe".
    """

    callbacks: Sequence[Callback] = ()
    checkpoints: Checkpoints | None = None
    store_plan: Callable[[Plan], None] = lambda plan: None
    control: TrainerControl = field(default_factory=TrainerControl)
    processes: Processes = field(default_factory=Processes)


class TrainingLoop:
    """The state of one call of `Trainer.fit`; arguments as there."""

    def __init__(
        self,
        settings: LoopSettings,
        objective: Objective,
        loader: Loader,
        plan: Plan,
        valid: Dataset | None,
        clock: Clock | None = None,
    ) -> None:
        self.objective, self.plan, self.valid, self.clock = objective, plan, valid, clock
        self.valid_sample = valid  # for the evaluations during training
        if valid is not None and plan.evaluation_rows is not None:
            self.valid_sample = objective.validation_sample(valid, plan.evaluation_rows, plan.seed)
        self.settings, self.processes, self.control = settings, settings.processes, settings.control
        self.reduce = objective.reduce = self.processes.reduce
        self.device = torch.device(plan.device)
        self.optimizers = build_optimizers(objective, plan)
        self.step, self.is_stepping = 0, False
        self.computation = Computation(self.processes, loader)
        self.loader = self.computation.loader
        self.records: list[EvaluationRecord] = []
        self.events: list[str] = []  # for the next record
        self.lr_scale = 1.0
        self.recoveries = 0
        self.best = BestWeights(bool(objective.monitor.higher_is_better))
        self.losses, self.gradient_norms = WeightedAverages(self.device), WeightedAverages(self.device)
        self.start = time.perf_counter()
        self.earlier_seconds = 0.0  # of the run that is resumed

    # -- the loop ----------------------------------------------------------------------------------------------

    def run(self, interrupted: threading.Event) -> str:
        """Train to the end of the plan; why training ended: "done", "early" or "interrupted"."""
        for callback in self.settings.callbacks:
            callback.control = self.control
        self._call("on_train_start", self.plan, self.step)
        last_good_state, stop_reason = self.state(), "done"
        while self.step < self.plan.last_step:
            if self._obey_commands(interrupted):
                stop_reason = "interrupted"
                break
            if self._stops_early():
                stop_reason = "early"
                break
            self.step_once()
            last = self.step >= self.plan.last_step
            evaluate = last or self.step % self.plan.evaluate_every == 0
            due = self.clock is not None and self.reduce("clock", float(self.clock.is_due())) > 0
            if evaluate or due or self.is_stepping or self.step % CHECK_EVERY == 0:
                if not self._losses_are_finite():
                    self._recover(last_good_state)
                    continue
                self._fit_length_to_clock()
                last = self.step >= self.plan.last_step
            if last or evaluate:
                self.evaluate()
            if last or self._stops_early() or self.step % self.plan.checkpoint_every == 0:
                last_good_state = self.state()
                self._save(last_good_state)
        self._finish(stop_reason)
        return stop_reason

    def _stops_early(self) -> bool:
        return 0 < self.plan.patience <= self.best.evals_since_best

    def step_once(self) -> None:
        """One training step: one call of the objective's `losses`."""
        self.objective.train()  # before the loader, which may ask the objective for its batch
        self.objective.zero_grad(set_to_none=True)  # also of groups that this step leaves out: callbacks read them
        batch = self.loader.next()
        progress = self.plan.progress(self.step)
        for optimizer in self.optimizers.values():
            optimizer.set_learning_rate(progress, self.lr_scale)
        self.objective.learning_rate = self._learning_rate()
        # in a further stage what objectives do by progress (exploration, layer-wise pre-training) is over
        losses = self.objective.losses(batch, 1.0 if self.plan.stages else progress)
        while (loss := self._next(losses)) is not None:
            if loss.value.requires_grad:
                back_propagate = partial(self.processes.back_propagate, weight=loss.weight)
                norm = self.optimizers[loss.group].step(loss.value, back_propagate)
                self.gradient_norms.add(loss.group, norm)
            self.losses.add(loss.group, loss.value, loss.weight)
            for name, value in loss.logs.items():
                self.losses.add(f"{loss.group}/{name}", value, loss.weight)
        self.step += 1

    def _next(self, losses: Iterator[Loss]) -> Loss | None:
        with autocast(self.device, self.plan.precision), self.computation.of_batch():
            return next(losses, None)

    def _obey_commands(self, interrupted: threading.Event) -> bool:
        """Wait while training is paused and change the learning rate; whether training must end."""
        paused = self.control.before_step(interrupted)
        self.start += paused
        if self.clock is not None:
            self.clock.exclude(paused)
        peak, stepping = self.processes.maxima(self.control.take_learning_rate() or 0.0, self.control.is_stepping)
        self.is_stepping = bool(stepping)
        if peak:
            self.lr_scale = peak / self.plan.learning_rate
            self.events.append(f"peak learning rate set to {peak:g} at step {self.step}")
        return self.reduce("stop", float(interrupted.is_set() or self.control.stopped.is_set())) > 0

    def _losses_are_finite(self) -> bool:
        self.losses.combine(self.processes)
        means = {n: m for n, m in self.losses.means().items() if "/" not in n}  # a logged value may be nan
        total = self.reduce("loss", sum(means.values()))
        if not math.isfinite(total):
            return False
        self._call("on_step_end", self.step, self.plan, total)
        return True

    def _fit_length_to_clock(self) -> None:
        if self.clock is None:
            return
        length = self.clock.new_length(self.plan, self.step)
        length = int(self.reduce("steps", self.plan.last_step if length is None else length))
        if length != self.plan.last_step:
            plan = self.plan.with_steps(self.step, length)
            self.settings.store_plan(plan)
            self.plan = plan
            self._call("on_replan", plan)

    def _recover(self, last_good_state: State) -> None:
        """Go back to the last good state at half the learning rate."""
        failed_at = self.step
        recoveries, scale, records = self.recoveries + 1, self.lr_scale / 2, self.records
        if recoveries > MAX_RECOVERIES:
            raise TrainingError(
                "diverged",
                f"the loss was not finite {recoveries} times, the last time at step {failed_at}, even at a learning "
                f"rate of {self.plan.learning_rate * scale:.2g}; try another training.optimizer, or check the inputs",
            )
        self.restore(last_good_state)
        self.recoveries, self.lr_scale, self.records = recoveries, scale, records
        self.events.append(f"non-finite loss at step {failed_at}: back to step {self.step}, learning rate halved")
        self._record()

    # -- evaluation --------------------------------------------------------------------------------------------

    def evaluate(self) -> None:
        """Evaluate on the validation rows or their sample, keep the weights if they are the best, and record it."""
        if self.valid_sample is None or not len(self.valid_sample):
            self._record()
            return
        start = time.perf_counter()
        evaluation = self.objective.evaluate(self.valid_sample, self.plan.evaluation_batch_size, search=False)
        if self.clock is not None:
            self.clock.add_evaluation(time.perf_counter() - start)
        self.computation.check_equal(self.objective, self.step)
        monitor = self.reduce("monitor", evaluation.monitor)
        improved = self.best.update(monitor, evaluation, self.objective)
        self.events.extend(evaluation.warnings)
        self._record(evaluation, _finite_or_none(monitor), improved)

    def _record(
        self, evaluation: Evaluation | None = None, monitor: float | None = None, improved: bool = False
    ) -> None:
        self.losses.combine(self.processes)
        record = EvaluationRecord(
            step=self.step,
            epoch=self.step / self.plan.batches_per_epoch,
            seconds=round(self.seconds(), 3),
            learning_rate=self._learning_rate(),
            losses=self.losses.means(),
            gradient_norm=self.gradient_norms.means(),
            monitor=monitor,
            valid=evaluation.metrics if evaluation else {},
            best=improved,
            event="; ".join(self.events),
            valid_loss=_finite_or_none(evaluation.loss) if evaluation else None,
        )
        self.losses.clear()
        self.gradient_norms.clear()
        self.events = []
        self.records.append(record)
        self._call("on_evaluation_end", record)

    def _learning_rate(self) -> float:
        """Of the first parameter group; 0 without one."""
        optimizer = next(iter(self.optimizers.values()), None)
        return float(optimizer.optimizer.param_groups[0]["lr"]) if optimizer else 0.0

    def _finish(self, stop_reason: str) -> None:
        """Load the best weights."""
        if stop_reason == "interrupted":
            self._save(self.state())
            if self.best.monitor is None:
                self.evaluate()
        if self.best.tensors:
            self.objective.load_state_dict(self.best.tensors)
            if self.valid is not None and (self.best.evaluation is None or self.valid_sample is not self.valid):
                self._call("on_phase_start", "validating")
                batch_size = self.plan.evaluation_batch_size
                self.best.evaluation = self.objective.evaluate(self.valid, batch_size, search=False)
        self.objective.eval()
        self._call("on_train_end", stop_reason)

    # -- state -------------------------------------------------------------------------------------------------

    def state(self) -> State:
        """Everything that the next step depends on, copied."""
        tensors = {f"objective.{n}": t.detach().clone() for n, t in self.objective.state_dict().items()}
        tensors |= {f"best.{n}": t for n, t in self.best.tensors.items()}
        self.losses.combine(self.processes)
        position = self.loader.state_dict()
        tensors |= {f"loader.{n}": v for n, v in position.items() if isinstance(v, Tensor)}
        tensors["random"] = torch.get_rng_state()
        if self.device.type == "cuda":
            tensors["random.cuda"] = torch.cuda.get_rng_state(self.device)
        values: dict[str, Any] = {
            "step": self.step,
            "first_step": self.plan.first_step,
            "lr_scale": self.lr_scale,
            "recoveries": self.recoveries,
            "evals_since_best": self.best.evals_since_best,
            "best_monitor": self.best.monitor,
            "loader": {n: v for n, v in position.items() if not isinstance(v, Tensor)},
            "seconds": self.seconds(),
            "losses": self.losses.state_dict(),
            "gradient_norms": self.gradient_norms.state_dict(),
            "events": list(self.events),
            "callbacks": {type(c).__name__: c.state_dict() for c in self.settings.callbacks},
            "failures": {type(c).__name__: c.failure for c in self._recorders() if c.failure},
        }
        for name, group in self.optimizers.items():
            optimizer = flatten_optimizer(name, group.optimizer)
            tensors |= {f"optimizer.{n}": t.detach().clone() for n, t in optimizer.tensors.items()}
            values |= {f"optimizer.{n}": v for n, v in optimizer.values.items()}
        return State(tensors, values)

    def restore(self, state: State) -> None:
        """Go back to a state."""
        tensors, values = state
        self.objective.load_state_dict(_without_prefix("objective.", tensors))
        self.best.tensors = _without_prefix("best.", tensors)
        self.best.evals_since_best, self.best.monitor = values["evals_since_best"], values["best_monitor"]
        torch.set_rng_state(tensors["random"])
        if "random.cuda" in tensors:
            torch.cuda.set_rng_state(tensors["random.cuda"], self.device)
        self.step, self.lr_scale, self.recoveries = values["step"], values["lr_scale"], values["recoveries"]
        self.loader.load_state_dict({**values["loader"], **_without_prefix("loader.", tensors)})
        self.earlier_seconds = values["seconds"] - (time.perf_counter() - self.start)
        self.losses.load_state_dict(values["losses"])
        self.gradient_norms.load_state_dict(values["gradient_norms"])
        for name, group in self.optimizers.items():
            restore_optimizer(f"optimizer.{name}", group.optimizer, state)

    def resume(self, state: State) -> None:
        """Go on from a checkpoint of another process.

        Raises:
            SourceError: `damaged-run` for a state of another training.
        """
        try:
            self.restore(state)
            self.events = list(state.values.get("events", ()))
            for callback in self.settings.callbacks:
                callback.load_state_dict(state.callback(type(callback)))
            for recorder in self._recorders():
                recorder.failure = state.values.get("failures", {}).get(type(recorder).__name__, recorder.failure)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, RuntimeError) as error:
            place = self.settings.checkpoints.folder if self.settings.checkpoints else "checkpoint"
            raise not_a_state(place, f"{type(error).__name__}: {error}".partition("\n")[0]) from error

    def _recorders(self) -> list[Callback]:
        return [c for c in self.settings.callbacks if isinstance(c, Callback) and c.is_recorder]

    def _save(self, state: State) -> None:
        if self.settings.checkpoints is not None:
            self.settings.checkpoints.save(state)

    def seconds(self) -> float:
        """Since training began, without pauses; of a resumed run with what came before."""
        since = self.clock.elapsed() if self.clock is not None else time.perf_counter() - self.start
        return self.earlier_seconds + since

    def _call(self, hook: str, *arguments: Any) -> None:
        call(self.settings.callbacks, hook, *arguments)


def begin_stage(state: State, plan: Plan) -> State:
    """The state with which the last stage of a plan begins, from the last one of the stage before.

    It has the best weights, the position in the data and the random state, and fresh optimizers.
    """
    best = {f"objective.{n}": t for n, t in _without_prefix("best.", state.tensors).items()}
    tensors = {n: t for n, t in {**state.tensors, **best}.items() if not n.startswith("optimizer.")}
    values = {n: v for n, v in state.values.items() if not n.startswith("optimizer.")}
    no_means: dict[str, Any] = {"sums": {}, "weights": {}}
    fresh = {"first_step": plan.first_step, "lr_scale": 1.0, "recoveries": 0, "evals_since_best": 0}
    return State(tensors, {**values, **fresh, "losses": no_means, "gradient_norms": no_means})


def _finite_or_none(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _without_prefix(prefix: str, tensors: Any) -> dict[str, Tensor]:
    return {name[len(prefix) :]: t for name, t in tensors.items() if name.startswith(prefix)}
