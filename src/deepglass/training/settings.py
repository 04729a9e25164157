"""The `training` section of a spec."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic.dataclasses import dataclass

from deepglass.config import SECTION
from deepglass.constraints import Count, Fraction, NonNegative, NonNegativeInt, Positive, Seed
from deepglass.values import parse_seconds


@dataclass(frozen=True, config=SECTION)
class TrainingSettings:
    """Training length and optimisation; None takes the default of the network or follows from the number of rows.

    Args:
        time: budget for training, validation and calibration, in seconds or as text such as "60s".
        epochs: passes over the training rows.
        steps: optimizer updates.
        optimizer: name of the optimizer, see `deepglass list optimizers`.
        learning_rate: peak of the learning rate schedule.
        weight_decay: decoupled weight decay for optimizers such as AdamW.
        schedule: name of the learning rate schedule, see `deepglass list schedules`.
        warmup: share of the run with a rising learning rate, in [0, 1).
        batch_size: rows per step; "auto" takes the network's default, at most a tenth of the training rows.
        precision: floating point format in training; "auto" takes bfloat16 where it is fast and the network
            recommends it.
        clip: maximum norm of the gradients.
        patience: evaluations without improvement before early stopping; 0 turns it off.
        augment: data augmentation: true, false, or the settings below `training.augment`; None: the network's default.
        threads: CPU threads; None: torch's default.
        device: device of training: "auto", "cpu", "cuda" or "mps".
        seed: random seed for weight initialisation and batch order; the split has its own.
        record: store embeddings, decision boundaries, margins, layer statistics and samples while training, which the
            report shows; false saves their time.
        checkpoint: store the state at each evaluation; false saves its time, and an interrupted run starts again.
    """

    time: float | str | None = None
    epochs: Count | None = None
    steps: Count | None = None
    optimizer: str | None = None
    learning_rate: Positive | None = None
    weight_decay: NonNegative | None = None
    schedule: str | None = None
    warmup: Fraction | None = None
    batch_size: Count | Literal["auto"] = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    clip: NonNegative | None = None
    patience: NonNegativeInt | None = None
    augment: bool | Mapping[str, Any] | None = None
    threads: Count | None = None
    device: str = "auto"
    seed: Seed = 0
    record: bool = True
    checkpoint: bool = True

    def __post_init__(self) -> None:
        lengths = [n for n in ("time", "epochs", "steps") if getattr(self, n) is not None]
        if len(lengths) > 1:
            raise ValueError(f"give one of time, epochs and steps, not {' and '.join(lengths)}")
        if self.time is not None:
            parse_seconds(self.time, "training.time")

    @property
    def budget(self) -> float | None:
        """The time budget in seconds."""
        return None if self.time is None else parse_seconds(self.time, "training.time")
