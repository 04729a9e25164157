"""What outputs fit on the validation rows and a run folder stores: fields and their types, by which it is checked."""

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from deepglass.constraints import Count, NonNegative, OpenShare, Positive, Share
from deepglass.errors import near_miss

_BEST = ("best_f1", "best_f1_macro", "best_balanced_accuracy")


class ClassCalibration(NamedTuple):
    """Of classes: a temperature and its cross-fitted metrics; of two classes a threshold where one is rare.

    `threshold_rule` says how the threshold was chosen. `bias` is added to the logits of each class after the
    temperature, where the loss weighs classes.
    """

    temperature: Positive = 1.0
    log_loss_before: float = 0.0
    log_loss_after: float = 0.0
    ece_before: float = 0.0
    ece_after: float = 0.0
    threshold: Share = 0.5
    bias: tuple[float, ...] = ()
    threshold_rule: str = ""


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
    # of the validation rows, of vectors one an entry; a scale beyond it counts as its end
    scale_range: tuple[Positive, Positive] | tuple[tuple[Positive, Positive], ...] | None = None
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


class ThresholdRule(NamedTuple):
    """How a decision threshold is chosen.

    Args:
        name: "value" for a number, else a rule of `metrics.choose_threshold`.
        least: the threshold itself, or the least recall or precision.
        costs: of a false negative and of a false positive.
    """

    name: str
    least: float = 0.0
    costs: tuple[float, float] = (1.0, 1.0)

    def __str__(self) -> str:
        if self.name == "cost":
            return (
                f"least cost, {self.costs[0]:g} for each false negative and {self.costs[1]:g} for each false positive"
            )
        return {"value": "as set", "recall": f"recall>={self.least:g}", "precision": f"precision>={self.least:g}"}.get(
            self.name, self.name
        )


def threshold_rule(setting: Any) -> ThresholdRule:
    """The rule that a setting `threshold` states.

    Raises:
        ValueError: it states none.
    """
    if isinstance(setting, int | float) and not isinstance(setting, bool) and 0 <= setting <= 1:
        return ThresholdRule("value", float(setting))
    if isinstance(setting, str):
        text = setting.replace(" ", "")
        if text in _BEST:
            return ThresholdRule(text)
        if match := re.fullmatch(r"(recall|precision)>=(0?\.\d+|[01](?:\.0*)?)", text):
            return ThresholdRule(match[1], float(match[2]))
    if isinstance(setting, Mapping) and set(setting) == {"cost"} and isinstance(setting["cost"], Mapping):
        costs = {"fn": 1.0, "fp": 1.0, **setting["cost"]}
        numbers = all(isinstance(c, int | float) and not isinstance(c, bool) and c > 0 for c in costs.values())
        if set(costs) == {"fn", "fp"} and numbers:
            return ThresholdRule("cost", costs=(float(costs["fn"]), float(costs["fp"])))
    options = (*_BEST, "recall>=0.8", "precision>=0.9")
    hint = near_miss(setting, options) if isinstance(setting, str) else ""
    raise ValueError(
        f"threshold: expected a number from 0 to 1, one of {', '.join(options)}, or {{cost: {{fn: 5, fp: 1}}}}, "
        f"got {setting!r}{hint if 'did you mean' in hint else ''}"
    )


def is_finite(values: Mapping[str, Any]) -> bool:
    """Whether all numbers of a calibration are finite."""
    try:
        json.dumps(values, allow_nan=False, default=lambda value: value.tolist())
    except ValueError:
        return False
    return True
