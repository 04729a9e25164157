"""What outputs fit on the validation rows and a run folder stores: fields and their types, by which it is checked."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from deepglass.constraints import Count, NonNegative, OpenShare, Positive, Share


class ClassCalibration(NamedTuple):
    """Of classes: a temperature and its cross-fitted metrics; of two classes a threshold where one is rare.

    `bias` is added to the logits of each class after the temperature, where the loss weighs classes.
    """

    temperature: Positive = 1.0
    log_loss_before: float = 0.0
    log_loss_after: float = 0.0
    ece_before: float = 0.0
    ece_after: float = 0.0
    threshold: Share = 0.5
    bias: tuple[float, ...] = ()


class LabelCalibration(NamedTuple):
    """Of labels: a temperature for all, a threshold each."""

    temperature: Positive
    thresholds: tuple[Share, ...]


class IntervalCalibration(NamedTuple):
    """Of numbers: half the width of the interval, one or one an entry.

    Where the prediction has a `scale`, half the width of a row's interval is `half_width` times it. Then
    `constant_half_width` is that of intervals of one width for all rows, for comparison.
    """

    half_width: NonNegative | tuple[NonNegative, ...]
    confidence_level: OpenShare
    constant_half_width: NonNegative | tuple[NonNegative, ...] | None = None
    scale_range: tuple[Positive, Positive] | None = None  # of the validation rows; a scale beyond it counts as its end
    rows: Count | None = None  # that it was fitted to


class PixelCalibration(NamedTuple):
    """Of masks: the accuracy of the pixels in each bin of confidence."""

    accuracy: tuple[Share, ...]


class ScoreCalibration(NamedTuple):
    """Of boxes: Platt scaling of their scores, its calibration error, and a threshold."""

    slope: float
    shift: float
    ece_before: float
    ece_after: float
    threshold: float


class SimilarityCalibration(NamedTuple):
    """Of identities: a logistic map of their similarity, and the similarity at one half."""

    threshold: float
    slope: float
    offset: float


def is_finite(values: Mapping[str, Any]) -> bool:
    """Whether all numbers of a calibration are finite."""
    try:
        json.dumps(values, allow_nan=False, default=lambda value: value.tolist())
    except ValueError:
        return False
    return True
