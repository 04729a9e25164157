"""The `training` section of a spec."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from deepglass.config import parse_seconds


@dataclass(frozen=True)
class TrainingSettings:
    """How long and how to train; what is None follows from the trunk's recipe and the number of rows.

    Args:
        time: seconds for training, validation and calibration, or text such as "60s".
        epochs: passes over the training rows.
        steps: updates.
        optimizer, learning_rate, weight_decay, schedule, warmup, batch_size, precision: as in `trunks.base.Recipe`.
        clip: the gradients' largest norm.
        patience: evaluations without improvement after which training ends; 0 means never.
        augment: vary pictures in training: true, false, or the settings of `data.augment.Augment`; None: where the
            trunk's recipe says so.
        threads: of the processor; None: as many as torch takes.
        device: "auto", "cpu", "cuda", "mps".
        seed: of initialisation and order; the split has its own.
    """

    time: float | str | None = None
    epochs: int | None = None
    steps: int | None = None
    optimizer: str | None = None
    learning_rate: float | None = None
    weight_decay: float | None = None
    schedule: str | None = None
    warmup: float | None = None
    batch_size: int | Literal["auto"] = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    clip: float | None = None
    patience: int | None = None
    augment: bool | Mapping[str, Any] | None = None
    threads: int | None = None
    device: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        given = [n for n in ("time", "epochs", "steps") if getattr(self, n) is not None]
        if len(given) > 1:
            raise ValueError(f"give one of time, epochs and steps, not {' and '.join(given)}")
        for name in ("epochs", "steps", "learning_rate", "batch_size", "threads"):
            value = getattr(self, name)
            if isinstance(value, int | float) and value <= 0:
                raise ValueError(f"{name} must be above 0, not {value}")
        for name in ("weight_decay", "warmup", "clip", "patience"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise ValueError(f"{name} must be at least 0, not {value}")
        if self.time is not None:
            parse_seconds(self.time, "training.time")

    @property
    def budget(self) -> float | None:
        """Seconds, where there is a time."""
        return None if self.time is None else parse_seconds(self.time, "training.time")
