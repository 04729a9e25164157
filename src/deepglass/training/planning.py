"""Fixed rules that make the plan of a run from its settings, training defaults and number of rows."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from deepglass.device import Precision, fast_bfloat16, pick
from deepglass.errors import SpecError, near_miss
from deepglass.hyperparameters import TrainingDefaults
from deepglass.training.optimizers import OPTIMIZERS
from deepglass.training.plan import Plan, Stage
from deepglass.training.schedules import SCHEDULES
from deepglass.training.settings import TrainingSettings

NUM_EVALUATIONS = 40  # of a run without a time budget
DEFAULT_PATIENCE = 10  # evaluations, of a run whose length is not set


def make_plan(training: TrainingSettings, defaults: TrainingDefaults, rows: int, device: str) -> Plan:
    """The plan for a number of training rows; a time budget is fitted later, after a probe."""
    _check_name(training.schedule, SCHEDULES, "schedule")
    batch_size = batch_size_for(rows, defaults.batch_size) if training.batch_size == "auto" else training.batch_size
    batch_size = min(batch_size, rows)
    per_epoch = max(rows // batch_size, 1)
    epochs = training.epochs or defaults.epochs
    steps = training.steps or epochs * per_epoch
    open_ended = training.epochs is None and training.steps is None and training.time is None
    every = max(1, math.ceil(steps / NUM_EVALUATIONS))
    patience = training.patience if training.patience is not None else DEFAULT_PATIENCE if open_ended else 0
    return Plan(
        steps=steps,
        batch_size=batch_size,
        batches_per_epoch=per_epoch,
        evaluate_every=every,
        checkpoint_every=every,
        precision=precision_for(training, defaults, device),
        device=device,
        threads=threads_for(training),
        patience=patience,
        seed=training.seed,
        **_optimizer_settings(training, defaults),
    )


def append_stage(plan: Plan, training: TrainingSettings, defaults: TrainingDefaults, step: int) -> Plan:
    """The plan of a further stage, which begins at a step, with its own warm-up and schedule, without early stopping.

    Args:
        training: the length of the stage: its time, epochs or steps.
    """
    steps = training.steps or (training.epochs or defaults.epochs) * plan.batches_per_epoch
    every = max(1, math.ceil(steps / NUM_EVALUATIONS))
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
