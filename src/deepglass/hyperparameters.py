"""Training hyperparameters that a network architecture recommends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class TrainingDefaults:
    """How a trunk is trained well when nobody says otherwise; each value is a setting under `training`.

    Args:
        optimizer: a name in `training.optimizers`.
        learning_rate: the peak of the schedule.
        weight_decay: decoupled where the optimizer decouples it.
        batch_size: rows a step; at most a tenth of the rows is used.
        schedule: a name in `training.schedules`, a function of progress in [0, 1].
        epochs: at most so many passes where no budget is given (early stopping ends most of them before).
        precision: "bfloat16" is used in training where the device is fast at it.
        warmup: share of the run in which the learning rate rises.
        clip: the gradients' largest norm, a group; 0 means none.
        augment: pictures are varied in training.
    """

    optimizer: str = "adamw"
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    batch_size: int = 256
    schedule: str = "one_cycle"
    epochs: int = 50
    precision: Literal["float32", "bfloat16"] = "float32"
    warmup: float = 0.1
    clip: float = 0.0
    augment: bool = False


IMAGE_DEFAULTS = TrainingDefaults(
    weight_decay=0.05, batch_size=128, schedule="linear", warmup=0.1, precision="bfloat16", augment=True
)
"""What the trunks for pictures have in common."""
