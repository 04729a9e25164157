"""Training hyperparameters that a network architecture recommends."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class TrainingDefaults:
    """Default training settings of a trunk, used where the spec states none.

    Args:
        optimizer: a name in `training.optimizers`.
        learning_rate: peak of the schedule.
        weight_decay: decoupled for optimizers such as AdamW.
        batch_size: rows per step; limited to a tenth of the training rows.
        schedule: a name in `training.schedules`.
        epochs: maximum without a time, epoch or step budget; early stopping usually ends training before.
        precision: "bfloat16" is used only in training, on devices where it is fast.
        warmup: share of the run with a rising learning rate, from 0 to 1.
        clip: maximum gradient norm of a parameter group; 0 for no clipping.
        augment: augment images in training.
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
