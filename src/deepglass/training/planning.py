"""The plan of a run: fixed rules from spec, recipe and number of rows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch

from deepglass.device import fast_bfloat16, pick
from deepglass.errors import SpecError, near_miss
from deepglass.hyperparameters import TrainingDefaults
from deepglass.training.optimizers import OPTIMIZERS
from deepglass.training.plan import Plan
from deepglass.training.schedules import SCHEDULES
from deepglass.training.settings import TrainingSettings

EVALUATIONS = 40  # in a run without a budget
PATIENCE = 10  # evaluations, where nothing says how long to train


def make_plan(training: TrainingSettings, defaults: TrainingDefaults, rows: int, device: str) -> Plan:
    """The plan for so many training rows; a time budget is fitted in later, by a probe."""
    _known(training.schedule, SCHEDULES, "schedule")
    batch_size = batch_size_for(rows, defaults.batch_size) if training.batch_size == "auto" else training.batch_size
    batch_size = min(batch_size, rows)
    per_epoch = max(rows // batch_size, 1)
    epochs = training.epochs or defaults.epochs
    steps = training.steps or epochs * per_epoch
    open_ended = training.epochs is None and training.steps is None and training.time is None
    every = max(1, math.ceil(steps / EVALUATIONS))
    patience = training.patience if training.patience is not None else PATIENCE if open_ended else 0
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
        **_chosen(training, defaults),
    )


def batch_size_for(rows: int, wanted: int) -> int:
    """The recipe's batch size, halved until an epoch has at least ten steps."""
    size = wanted
    while size > 16 and rows < 10 * size:
        size //= 2
    return size


def threads_for(training: TrainingSettings) -> int:
    """How many threads a run computes with: what was asked for, or all that torch was given."""
    return training.threads or torch.get_num_threads()


def precision_for(training: TrainingSettings, defaults: TrainingDefaults, device: str) -> Any:
    if training.precision != "auto":
        return training.precision
    return "bfloat16" if defaults.precision == "bfloat16" and fast_bfloat16(pick(device)) else "float32"


def most_steps(plan: Plan, defaults: TrainingDefaults) -> int:
    """Where more steps stop paying: a budget is a ceiling, not a duty."""
    return 4 * defaults.epochs * plan.batches_per_epoch


def _chosen(training: TrainingSettings, defaults: TrainingDefaults) -> dict[str, Any]:
    """The recipe's values, each overridden where the spec says so; another optimizer brings its own rate."""
    names = ("optimizer", "learning_rate", "weight_decay", "schedule", "warmup", "clip")
    values = {n: getattr(training, n) if getattr(training, n) is not None else getattr(defaults, n) for n in names}
    if training.learning_rate is None and training.optimizer not in (None, defaults.optimizer):
        _known(training.optimizer, OPTIMIZERS, "optimizer")
        values["learning_rate"] = OPTIMIZERS[training.optimizer].learning_rate
    return values


def _known(name: str | None, names: Mapping[str, Any], what: str) -> None:
    if name is not None and name not in names:
        raise SpecError("unknown-name", f"training.{what}: no {what} {name!r}{near_miss(name, names)}")
