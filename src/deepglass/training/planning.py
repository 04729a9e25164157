"""Fixed rules that make the plan of a run from its settings, training defaults and number of rows."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import torch

from deepglass.device import Precision, fast_bfloat16, pick
from deepglass.errors import SpecError, near_miss
from deepglass.hyperparameters import TrainingDefaults
from deepglass.training.optimizers import OPTIMIZERS
from deepglass.training.plan import FREE_ROWS, MAX_FREE_COLUMNS, Plan, Stage
from deepglass.training.schedules import SCHEDULES
from deepglass.training.settings import TrainingSettings

NUM_EVALUATIONS = 40  # of a run without a time budget
EVALUATION_COST = 1 / 3  # of a row, relative to learning from it: a forward pass without a backward pass
MAX_EVALUATION_SHARE = 0.2  # cost of all evaluations relative to that of the steps
MIN_SAMPLE = 2_048  # rows; a smaller sample only after the number of evaluations has fallen to the next
MIN_EVALUATIONS = 10
DEFAULT_PATIENCE = 10  # evaluations, of a run whose length is not set


class Evaluations(NamedTuple):
    """How a run is evaluated: how often, and on how many validation rows, None for all."""

    number: int
    rows: int | None


def make_plan(
    training: TrainingSettings,
    defaults: TrainingDefaults,
    rows: int,
    device: str,
    evaluated_rows: int = 0,
    columns: int = 1,
) -> Plan:
    """The plan of a run; a time budget is fitted later, after a probe.

    Args:
        rows: number of training rows.
        evaluated_rows: number of validation rows.
        columns: number of inputs.
    """
    _check_name(training.schedule, SCHEDULES, "schedule")
    batch_size = batch_size_for(rows, defaults.batch_size) if training.batch_size == "auto" else training.batch_size
    batch_size = min(batch_size, rows)
    per_epoch = max(rows // batch_size, 1)
    epochs = training.epochs or defaults.epochs
    steps = training.steps or epochs * per_epoch
    open_ended = training.epochs is None and training.steps is None and training.time is None
    evaluated_rows = evaluated_rows if training.time is None else 0
    evaluations = plan_evaluations(steps * batch_size, steps, evaluated_rows, columns)
    every = max(1, math.ceil(steps / evaluations.number))
    patience = training.patience if training.patience is not None else DEFAULT_PATIENCE if open_ended else 0
    return Plan(
        steps=steps,
        batch_size=batch_size,
        batches_per_epoch=per_epoch,
        evaluate_every=every,
        checkpoint_every=every,
        evaluation_rows=evaluations.rows,
        precision=precision_for(training, defaults, device),
        device=device,
        threads=threads_for(training),
        patience=patience,
        seed=training.seed,
        **_optimizer_settings(training, defaults),
    )


def plan_evaluations(learned_rows: int, steps: int, rows: int, columns: int = 1) -> Evaluations:
    """Evaluations whose cost is at most `MAX_EVALUATION_SHARE` of that of the steps; by default `NUM_EVALUATIONS`.

    Args:
        learned_rows: rows of all steps together.
        rows: number of validation rows.
        columns: number of inputs.
    """
    count = min(NUM_EVALUATIONS, steps)
    if count <= _most_evaluations(learned_rows, rows, columns):
        return Evaluations(count, None)
    most = _most_evaluated_rows(learned_rows)
    sample = min(rows, max(most // count, MIN_SAMPLE))
    count = min(count, max(most // sample, MIN_EVALUATIONS))
    sample = min(sample, max(most // count, FREE_ROWS))
    return Evaluations(max(1, min(count, most // sample)), sample if sample < rows else None)


def _most_evaluated_rows(learned_rows: int) -> int:
    """Of all evaluations together, as many as cost `MAX_EVALUATION_SHARE` of learning from these rows."""
    return int(MAX_EVALUATION_SHARE * learned_rows / EVALUATION_COST)


def _most_evaluations(learned_rows: int, rows: int, columns: int) -> int:
    """Of these validation rows; few rows cost too little to be limited."""
    is_free = rows <= FREE_ROWS and columns <= MAX_FREE_COLUMNS
    return NUM_EVALUATIONS if is_free or not rows else _most_evaluated_rows(learned_rows) // rows


def append_stage(
    plan: Plan,
    training: TrainingSettings,
    defaults: TrainingDefaults,
    step: int,
    evaluated_rows: int = 0,
    columns: int = 1,
) -> Plan:
    """The plan of a further stage, which begins at a step, with its own warm-up and schedule, without early stopping.

    Its evaluations are fewer where they would cost too much, and of the same validation rows as before.

    Args:
        training: the length of the stage: its time, epochs or steps.
        evaluated_rows: number of validation rows.
        columns: number of inputs.
    """
    steps = training.steps or (training.epochs or defaults.epochs) * plan.batches_per_epoch
    rows = 0 if training.time is not None else plan.evaluation_rows or evaluated_rows
    count = min(NUM_EVALUATIONS, steps, _most_evaluations(steps * plan.batch_size, rows, columns))
    every = math.ceil(steps / max(count, 1))
    name, value = next((n, v) for n in ("time", "epochs", "steps") if (v := getattr(training, n)) is not None)
    return replace(
        plan,
        steps=step + steps,
        evaluate_every=every,
        checkpoint_every=every,
        patience=0,
        budget=None,
        replans=(),
        stages=(*plan.stages, Stage(step, f"--{name} {value}")),
    )


def batch_size_for(rows: int, default: int) -> int:
    """The default batch size, halved until an epoch has at least ten steps."""
    size = default
    while size > 16 and rows < 10 * size:
        size //= 2
    return size


def threads_for(training: TrainingSettings) -> int:
    """Number of CPU threads: the setting, or what torch uses by default."""
    return training.threads or torch.get_num_threads()


def precision_for(training: TrainingSettings, defaults: TrainingDefaults, device: str) -> Precision:
    """The setting; "auto" is bfloat16 where the trunk's defaults say so and the device computes it natively."""
    if training.precision != "auto":
        return training.precision
    return "bfloat16" if defaults.precision == "bfloat16" and fast_bfloat16(pick(device)) else "float32"


def max_steps(plan: Plan, defaults: TrainingDefaults) -> int:
    """Upper limit of the steps of a stage with a time budget: more stop paying, and a budget need not be used up."""
    return 4 * defaults.epochs * plan.batches_per_epoch


def _optimizer_settings(training: TrainingSettings, defaults: TrainingDefaults) -> dict[str, Any]:
    """The trunk's defaults, overridden by the settings; another optimizer brings its own learning rate."""
    names = ("optimizer", "learning_rate", "weight_decay", "schedule", "warmup", "clip")
    values = {n: getattr(training, n) if getattr(training, n) is not None else getattr(defaults, n) for n in names}
    if training.learning_rate is None and training.optimizer not in (None, defaults.optimizer):
        _check_name(training.optimizer, OPTIMIZERS, "optimizer")
        values["learning_rate"] = OPTIMIZERS[training.optimizer].learning_rate
    return values


def _check_name(name: str | None, names: Mapping[str, Any], what: str) -> None:
    if name is not None and name not in names:
        raise SpecError("unknown-name", f"training.{what}: no {what} {name!r}{near_miss(name, names)}")
