"""The plan of a run: every number that steers training, fixed before it starts.

With epochs or steps the plan follows from spec and data by fixed rules. With a time budget it is fixed after a probe
and stored. If the pace changes, a `Replan` is stored first and then applied at a step boundary, so a stored plan can
be replayed to the same bits without a clock.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, NamedTuple

from deepglass.config import restore
from deepglass.formatting import plain_duration

FREE_ROWS, MAX_FREE_COLUMNS = 256, 1_000  # an evaluation of at most so many rows and columns costs less than a step


class Replan(NamedTuple):
    """A change of length: from step `at` on, the run has `steps` steps in all."""

    at: int
    steps: int


class Stage(NamedTuple):
    """A further stage of training, with its own schedule: its first step, and its length, such as `--epochs 5`."""

    first_step: int
    length: str


MIN_STEPS = 10  # of a time budget: fewer change the network hardly
MIN_EVALUATION_BATCH = 512  # rows


@dataclass(frozen=True)
class Plan:
    """Every number that steers a run.

    Args:
        steps: length of the run before any replan, earlier stages included.
        batch_size: rows per step.
        batches_per_epoch: steps per pass over the training rows.
        evaluate_every, checkpoint_every: in steps.
        evaluation_rows: validation rows of an evaluation during training, chosen at random once; None for all. The best
            weights are evaluated on all of them at the end.
        precision: of training; evaluation is always float32.
        threads: of the CPU.
        optimizer, learning_rate, weight_decay, schedule, warmup: as in `TrainingDefaults`.
        clip: maximum gradient norm per parameter group; 0 for no clipping.
        patience: evaluations without an improvement before early stopping; 0 for none.
        seed: for weight initialisation and batch order.
        budget: in seconds, where the plan was fitted to a time.
        replans: changes of length in the last stage, in order.
        has_epochs: whether training passes over its rows; an agent makes its own.
        stages: those after the first one; the other fields hold for the last stage.
    """

    steps: int
    batch_size: int
    batches_per_epoch: int
    evaluate_every: int
    checkpoint_every: int
    evaluation_rows: int | None = None
    precision: Literal["float32", "bfloat16"] = "float32"
    device: str = "cpu"
    threads: int = 2
    optimizer: str = "adamw"
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    schedule: str = "one_cycle"
    warmup: float = 0.1
    clip: float = 0.0
    patience: int = 0
    seed: int = 0
    budget: float | None = None
    replans: tuple[Replan, ...] = field(default=())
    stages: tuple[Stage, ...] = ()
    has_epochs: bool = True

    @property
    def first_step(self) -> int:
        """Number of steps before the last stage."""
        return self.stages[-1].first_step if self.stages else 0

    @property
    def last_step(self) -> int:
        """Length of the run after all replans."""
        return self.replans[-1].steps if self.replans else self.steps

    @property
    def epochs(self) -> float:
        return self.last_step / self.batches_per_epoch

    @property
    def evaluation_batch_size(self) -> int:
        """Rows of a batch whose predictions are only evaluated."""
        return max(MIN_EVALUATION_BATCH, self.batch_size)

    @property
    def budget_warning(self) -> str | None:
        """What to tell where a time budget holds too few steps to learn from; None where it does not."""
        steps = self.last_step - self.first_step
        if self.budget is None or (steps >= MIN_STEPS and (steps >= self.batches_per_epoch or not self.has_epochs)):
            return None
        held = f"the time budget of {plain_duration(self.budget)} holds {steps:,} step{'' if steps == 1 else 's'}"
        if steps < MIN_STEPS:
            return f"{held}, fewer than {MIN_STEPS}: the network has hardly learned; a longer time budget is needed"
        share = f"{100 * steps / self.batches_per_epoch:.0f} %"
        return f"{held}, less than an epoch: training sees {share} of its rows; a longer time budget would help"

    def progress(self, step: int) -> float:
        """Progress of the last stage at a step, 0 to 1; continuous over replans."""
        at, start, total = self.first_step, 0.0, self.steps
        for replan in self.replans:
            if replan.at > step:
                break
            start += (1 - start) * (replan.at - at) / max(total - at, 1)
            at, total = replan.at, replan.steps
        return min(start + (1 - start) * (step - at) / max(total - at, 1), 1.0)

    def with_steps(self, at: int, steps: int) -> Plan:
        """The plan with its length changed to `steps` from step `at` on."""
        return replace(self, replans=(*self.replans, Replan(at, max(steps, at))))

    def to_json(self) -> dict[str, Any]:
        lists = {"replans": [list(r) for r in self.replans], "stages": [list(s) for s in self.stages]}
        return {**asdict(self), **lists}

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> Plan:
        """The plan of `to_json`.

        Raises:
            SpecError: `unknown-key` or `bad-value` for values that are no plan.
        """
        return restore(Plan, values, "plan")


def steps_per_record(plan: Plan, rows: int, rows_per_query: int) -> int:
    """Steps between two records of a callback that predicts `rows` rows, so that recording costs little.

    Args:
        rows_per_query: rows learned from for each prediction; learning from a row costs three times as much.
    """
    return math.ceil(rows_per_query * rows / (3 * plan.batch_size))


class StepCosts(NamedTuple):
    """Seconds per training step and per evaluation, as a probe measured them."""

    step: float
    evaluation: float


def fit_to_budget(plan: Plan, budget: float, costs: StepCosts, max_steps: int) -> Plan:
    """The plan with as many steps as fit into a budget.

    Evaluations take at most 1/12 of the budget, without the last one, which calibration needs as well.

    Args:
        plan: without a budget.
        budget: in seconds.
        costs: measured by a probe.
        max_steps: upper limit of the stage, whatever the budget.
    """
    reserve = reserve_seconds(budget, costs)
    evaluations = max(1, min(20, math.floor(budget / 12 / max(costs.evaluation, 1e-6))))
    training = budget - reserve - (evaluations - 1) * costs.evaluation
    steps = max(1, min(math.floor(training / max(costs.step, 1e-9)), max_steps))
    every = max(1, math.ceil(steps / evaluations))
    return replace(
        plan,
        steps=plan.first_step + steps,
        budget=budget,
        evaluate_every=every,
        checkpoint_every=max(1, min(math.ceil(steps / 4), math.ceil(15 / max(costs.step, 1e-9)))),
    )


def reserve_seconds(budget: float, costs: StepCosts) -> float:
    """Seconds reserved for the last evaluation and for calibration."""
    return 1.3 * costs.evaluation + 0.02 * budget + 0.05
