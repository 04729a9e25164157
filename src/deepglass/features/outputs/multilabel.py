"""Predicts any number of labels, each with a calibrated probability and its own threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from deepglass import metrics
from deepglass.constraints import NonNegative
from deepglass.features._classes import class_index
from deepglass.features.base import Column
from deepglass.features.multilabel import MIN_CASES, Multilabel
from deepglass.features.outputs._calibrations import LabelCalibration, ThresholdRule, threshold_rule
from deepglass.features.outputs._classes import check_focal, focal_exponent, focal_factor
from deepglass.features.outputs.base import Calibration, Output, PredictedRow, Prediction, PredictionArrays
from deepglass.metrics.calibration import fit_temperature
from deepglass.metrics.classes import ClassCurve
from deepglass.metrics.table import METRICS, Metric

if TYPE_CHECKING:
    from torch import Tensor, nn

    from deepglass.nn.explanation_targets import ExplanationTarget
    from deepglass.nn.tokens import Field

_MAX_PROBABILITIES = 5  # most likely labels in a decoded prediction, beside the predicted ones
_MIN_ROWS = 20  # fewer rows are too few to fit a temperature
_MAX_CALIBRATION_LABELS = 50_000  # labels that the temperature is fitted on; more do not change it
_MAX_EXPLAINED = 5  # labels


@dataclass(frozen=True, kw_only=True)
class MultilabelOutput(Multilabel, Output):
    """Predicts any number of labels, each with a calibrated probability and its own threshold.

    Args:
        threshold: probability from which on a label is predicted: a number or rule as of binary outputs, for all
            labels, or {label: number or rule}; without one the threshold of each label has the highest F1.
        loss: "cross_entropy", or "focal", which gives less weight to labels that are predicted well.
        focal_gamma: exponent of the focal loss, >= 0; 0 is the cross-entropy.
    """

    loss: Literal["cross_entropy", "focal"] = "cross_entropy"
    focal_gamma: NonNegative = 2.0
    threshold: float | str | Mapping[Any, Any] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_focal(self.loss, self.focal_gamma)
        stated = self.threshold
        settings = stated.values() if isinstance(stated, Mapping) and self._by_label else [stated]
        for setting in settings:
            if setting is not None:
                threshold_rule(setting)

    metric: ClassVar[Metric] = METRICS["map"]
    weighs_metrics: ClassVar[bool] = True
    calibration_fields: ClassVar[type | None] = LabelCalibration

    def head(self, dim: int) -> nn.Module:
        from deepglass.nn.encoders_heads import LinearHead

        return LinearHead(dim, _log_odds(np.array(self.counts_), self.rows_).tolist())

    def prediction(self, params: Tensor) -> Prediction:
        return MultilabelPrediction(params, focal_exponent(self.loss, self.focal_gamma))

    def score(self, mode: PredictionArrays, truth: Column, calibration: Calibration | None = None) -> dict[str, float]:
        """`map`, `f1_macro`, `f1_micro`, `accuracy` (all labels of a row correct) and `log_loss` (per label)."""
        probs = _probs(mode, calibration)[truth.mask]
        true = truth.values[truth.mask] > 0
        predicted, weights = probs >= _thresholds(calibration), truth.present_weight
        scores = (
            metrics.multi_label(true, probs, predicted)
            if weights is None
            else metrics.weighted_multi_label(true, probs, predicted, weights)
        )
        if len(true):
            scores["log_loss"] = _entropy(true, probs, weights)
        return scores if "map" in scores or not len(true) else {"map": 0.0, **scores}

    def per_class(
        self, mode: PredictionArrays, truth: Column, calibration: Calibration | None = None
    ) -> dict[str, dict[str, float]]:
        """`rows`, `average_precision`, `precision`, `recall` and `f1` of each label; undefined ones are 0."""
        probs = _probs(mode, calibration)[truth.mask]
        true, predicted = truth.values[truth.mask] > 0, probs >= _thresholds(calibration)
        scores = {}
        for k, name in enumerate(self.vocabulary_):
            num_hits, num_true, num_predicted = (
                int(x.sum()) for x in (true[:, k] & predicted[:, k], true[:, k], predicted[:, k])
            )
            scores[name] = {
                "rows": float(num_true),
                "average_precision": metrics.average_precision(true[:, k], probs[:, k]) if num_true else 0.0,
                "precision": num_hits / max(num_predicted, 1),
                "recall": num_hits / max(num_true, 1),
                "f1": 2 * num_hits / max(num_true + num_predicted, 1),
            }
        return scores

    def precision_recall(self, mode: PredictionArrays, truth: Column) -> list[ClassCurve]:
        curves = []
        for k, name in enumerate(self.vocabulary_):
            log_odds, true = mode["log_odds"][truth.mask, k], truth.values[truth.mask, k] > 0
            if true.any():
                hits = true[np.argsort(-log_odds, kind="stable")].cumsum()
                precision, recall = hits / np.arange(1, len(hits) + 1), hits / true.sum()
                area = metrics.average_precision(true, log_odds)
                curves.append(ClassCurve(name, precision, recall, area, int(true.sum())))
        return curves

    def baseline(self, truth: Column) -> PredictionArrays:
        """The share of each label."""
        labels = truth.values[truth.mask].astype(np.int64)
        return {"log_odds": _log_odds(labels.sum(0), len(labels))[None].astype(np.float32)}

    def baseline_loss(self, truth: Column) -> float:
        labels = truth.values[truth.mask] > 0
        if not len(labels):
            return 1.0
        probs = np.repeat(_probs(self.baseline(truth), None), len(labels), 0)
        if self.loss != "focal":
            return _entropy(labels, probs)
        own = np.where(labels, probs, 1 - probs)
        return float(-((1 - own) ** self.focal_gamma * np.log(np.maximum(own, 1e-12))).mean())

    def check_target(self, truth: Column, source: str) -> None:
        """Raises: SourceError: `one-class` if all rows have the same labels."""
        labels = truth.values[truth.mask]
        if not len(labels) or (labels == labels[0]).all():
            raise self.target_error("one-class", source, "different labels", "the same in each")
        self._rules()  # raises for unknown labels

    def target_warnings(self, truth: Column) -> list[str]:
        """A warning about rare labels."""
        counts = truth.values[truth.mask].sum(0, dtype=np.int64)
        rare = [self.vocabulary_[k] for k in np.flatnonzero(counts < MIN_CASES)] if self.vocabulary_ else []
        if not rare:
            return []
        listing = ", ".join(repr(n) for n in rare[:3]) + (", ..." if len(rare) > 3 else "")
        return [
            f"{self.name}: {len(rare)} of {len(self.vocabulary_)} labels are in fewer than {MIN_CASES} rows: {listing}"
        ]

    @property
    def calibration_length(self) -> int:
        return len(self.class_names)

    def calibrate(self, mode: PredictionArrays, truth: Column) -> Calibration:
        """A temperature for all labels, if it helps, and the threshold of maximal F1 of each label.

        Labels with few cases share the threshold of maximal F1 over all labels.
        """
        true, log_odds = truth.values[truth.mask], mode["log_odds"][truth.mask]
        if len(true) < _MIN_ROWS:
            return {} if self.threshold is None else {"temperature": 1.0, "thresholds": self._thresholds([])}
        sample = np.random.default_rng(0).permutation(true.size)[:_MAX_CALIBRATION_LABELS]
        logits, label = log_odds.reshape(-1)[sample], true.reshape(-1)[sample].astype(np.int64)
        temperature = fit_temperature(np.stack([np.zeros_like(logits), logits], 1), label).value
        probs = _probs(mode, {"temperature": temperature})[truth.mask]
        shared = metrics.best_threshold(probs.reshape(-1), true.reshape(-1), "f1")
        cases = true.sum(0, dtype=np.int64)
        has_cases = (cases >= MIN_CASES) & (len(true) - cases >= MIN_CASES)
        thresholds = [
            metrics.best_threshold(p, t, "f1") if o else shared
            for p, t, o in zip(probs.T, true.T, has_cases, strict=True)
        ]
        if self.threshold is not None:
            thresholds = self._thresholds(thresholds)
            for k, rule in enumerate(self._rules()):
                columns = [k] if has_cases[k] else np.arange(true.shape[1])  # labels of few cases share one
                label = true[:, columns].reshape(-1)
                if rule is not None and rule.name != "value" and 0 < label.sum() < label.size:
                    thresholds[k] = metrics.choose_threshold(probs[:, columns].reshape(-1), label, *rule).threshold
        return {"temperature": temperature, "thresholds": thresholds}

    def calibration_notes(self, calibration: Calibration) -> list[str]:
        """The thresholds that the setting `threshold` chose."""
        if self.threshold is None or "thresholds" not in calibration:
            return []
        chosen = zip(self.class_names, self._rules(), calibration["thresholds"], strict=True)
        listing = [f"{name} {value:.3g} ({rule})" for name, rule, value in chosen if rule is not None]
        more = ", ..." if len(listing) > _MAX_EXPLAINED else ""
        return [f"{self.name}: thresholds on the validation rows: {', '.join(listing[:_MAX_EXPLAINED])}{more}"]

    @property
    def _by_label(self) -> bool:
        return isinstance(self.threshold, Mapping) and set(self.threshold) != {"cost"}

    def _rules(self) -> list[ThresholdRule | None]:
        """The rule of each label; None for the highest F1. Raises: SpecError: `unknown-name` for an unknown label."""
        if not (isinstance(self.threshold, Mapping) and self._by_label):
            rule = None if self.threshold is None else threshold_rule(self.threshold)
            return [rule] * len(self.class_names)
        rules: list[ThresholdRule | None] = [None] * len(self.class_names)
        for label, setting in self.threshold.items():
            rules[class_index(label, self.class_names, f"outputs.{self.name}.threshold")] = threshold_rule(setting)
        return rules

    def _thresholds(self, others: Sequence[float]) -> list[float]:
        """The thresholds that are set as numbers, and others, one half where there are none."""
        others = others or [0.5] * len(self.class_names)
        rules = zip(self._rules(), others, strict=True)
        return [rule.least if rule is not None and rule.name == "value" else value for rule, value in rules]

    def explanation_target(self, row: PredictedRow) -> ExplanationTarget:
        from deepglass.nn.explanation_targets import label_target

        labels = list(row.decoded["value"]) or list(row.decoded["probabilities"])[:1]
        labels = labels[:_MAX_EXPLAINED]
        names = labels if row.decoded["value"] else [f"{label}, not predicted" for label in labels]
        columns = [self.class_names.index(label) for label in labels]
        return label_target(names, columns, row.calibration.get("temperature", 1.0))

    def decode(self, mode: PredictionArrays, calibration: Calibration | None = None) -> list[dict[str, Any]]:
        """`value`, the labels, most likely first; `confidence`, that exactly these are correct; `probabilities`.

        The confidence assumes independent labels.
        """
        probs = _probs(mode, calibration)
        predicted = probs >= _thresholds(calibration)
        confidences = np.where(predicted, probs, 1 - probs).prod(1)
        rows = []
        for p, c, confidence in zip(probs, predicted, confidences, strict=True):
            order = np.argsort(-p, kind="stable")
            listing = [k for i, k in enumerate(order) if i < _MAX_PROBABILITIES or c[k]]
            rows.append(
                {
                    "value": [self.vocabulary_[k] for k in order if c[k]],
                    "confidence": float(confidence),
                    "probabilities": {self.vocabulary_[k]: float(p[k]) for k in listing},
                }
            )
        return rows


class MultilabelPrediction(Prediction):
    """Independent label probabilities; params: (B, K) logits.

    Args:
        gamma: exponent of the focal loss; 0 for the cross-entropy.
    """

    def __init__(self, params: Tensor, gamma: float = 0.0) -> None:
        self.params, self.gamma = params.float(), gamma

    def loss(self, target: Field) -> Tensor:
        """Mean binary cross-entropy over the labels."""
        from torch.nn import functional as F

        losses = F.binary_cross_entropy_with_logits(self.params, target.values.float(), reduction="none")
        if self.gamma:
            losses = losses * focal_factor(-losses, self.gamma)
        return losses.mean(-1)

    def mode(self) -> dict[str, Tensor]:
        return {"log_odds": self.params}

    def ensemble_mean(self, members: int) -> MultilabelPrediction:
        """Averages the members' probabilities, not their logits."""
        from torch.nn import functional as F

        grouped = self.params.reshape(-1, members, self.params.shape[-1])
        log_odds = F.logsigmoid(grouped).logsumexp(1) - F.logsigmoid(-grouped).logsumexp(1)
        return MultilabelPrediction(log_odds, self.gamma)


def _log_odds(counts: np.ndarray, rows: int) -> np.ndarray:
    """Log odds of the share of rows with each label; shares of 0 and 1 are moved by half a row."""
    counts = np.clip(counts, 0.5, max(rows - 0.5, 0.5)).astype(np.float64)
    return np.log(counts / np.maximum(rows - counts, 0.5))


def _probs(mode: PredictionArrays, calibration: Calibration | None) -> np.ndarray:
    logits = mode["log_odds"].astype(np.float64) / (calibration or {}).get("temperature", 1.0)
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -500, 500))))


def _thresholds(calibration: Calibration | None) -> np.ndarray:
    return np.array((calibration or {}).get("thresholds", 0.5))


def _entropy(true: np.ndarray, probs: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Mean binary cross-entropy per label, in nats; `weights` (N,) of the rows."""
    likelihood = np.where(true, probs, 1 - probs)
    if weights is not None and weights.sum() > 0:
        return float(np.average(-np.log(np.maximum(likelihood, 1e-12)).mean(1), weights=weights))
    return float(-np.log(np.maximum(likelihood, 1e-12)).mean())
