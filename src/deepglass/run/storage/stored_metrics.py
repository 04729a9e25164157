"""What metrics.json of a run holds, by which it is checked when it is read."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from pydantic import ConfigDict, Field
from typing_extensions import TypedDict

Metrics = dict[str, dict[str, float]]  # output or objective -> metric -> value
Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class StoredSeconds(TypedDict):
    """How long a run took."""

    train: Seconds
    total: Seconds


class FoldMetrics(TypedDict):
    """One fold of a cross-validation."""

    run: str
    test: Metrics
    seconds: StoredSeconds


class StoredMetrics(TypedDict):
    """The content of metrics.json; further keys are texts, numbers and lists of them.

    Args:
        train: "loss" -> parameter group -> mean loss at the last evaluation.
        baselines: output -> baseline -> metric -> value.
        constant_intervals: output -> why its intervals have one width for all rows.
        spread, folds: of a cross-validation: standard deviation over the folds, and what they measured.
        stop_signal: that ended the training.
    """

    __pydantic_config__ = ConfigDict(extra="allow", strict=True)  # type: ignore[misc]

    train: Metrics
    valid: NotRequired[Metrics]
    test: NotRequired[Metrics]
    baselines: dict[str, Metrics]
    constant_intervals: NotRequired[dict[str, str]]
    spread: NotRequired[Metrics]
    folds: NotRequired[list[FoldMetrics]]
    seconds: StoredSeconds
    examples_per_second: float
    parameters: Count
    device: str
    precision: str
    seed: int
    weights_sha256: str
    stop_reason: str
    stop_signal: NotRequired[Literal["SIGINT", "SIGTERM", "SIGHUP"]]
    step: Count
    notes: list[str]
    diagnostics: NotRequired[list[str]]
    versions: dict[str, str]
