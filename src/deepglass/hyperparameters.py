"""Training hyperparameters that a network architecture recommends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class TrainingDefaults:
    """Default training hyperparameters of a trunk; each is a setting under `training`.

    Args:
        optimizer: a name in `training.optimizers`.
        learning_rate: the peak of the schedule.
        weight_decay: decoupled for adamw, lion and muon, L2 regularisation for the others.
        batch_size: rows per step; halved until an epoch has ten steps.
        schedule: a name in `training.schedules`, a function of progress in [0, 1].
        epochs: maximum number of epochs without a budget; early stopping usually ends training before.
        precision: "bfloat16" is used in training where the device is fast at it.
        warmup: share of the run in which the learning rate rises.
        clip: maximum gradient norm per parameter group; 0 for no clipping.
        augment: augmentation of the training images.
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
"""Common defaults of the trunks for images."""
