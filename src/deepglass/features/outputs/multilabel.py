"""Predicts any number of labels, each with a probability and a threshold of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from deepglass import metrics
from deepglass.errors import SourceError
from deepglass.features.base import Column
from deepglass.features.multilabel import _MIN_CASES, Multilabel
from deepglass.features.outputs.base import Calibration, ClassCurve, Output, Prediction, PredictionArrays
from deepglass.metrics.calibration import best_threshold, fit_temperature
from deepglass.metrics.table import METRICS, Metric

if TYPE_CHECKING:
    from torch import Tensor, nn

    from deepglass.nn.explanation_targets import ExplanationTarget
    from deepglass.nn.tokens import Field

_SHOWN = 5  # probabilities an answer, beside those of what it chose
_MIN_ROWS = 20  # fewer rows say nothing about a temperature
_CAPPED = 50_000  # decisions that a temperature is fitted on; more do not move it
_EXPLAINED = 5  # targets of an explanation, at most


@dataclass(frozen=True, kw_only=True)
class MultilabelOutput(Multilabel, Output):
    """Predicts any number of labels, each with a probability and a threshold of its own."""

    metric: ClassVar[Metric] = METRICS["map"]

    def head(self, dim: int) -> nn.Module:
        from deepglass.nn.encoders_heads import LinearHead

        return LinearHead(dim, _log_odds(np.array(self.counts_), self.rows_).tolist())

    def prediction(self, params: Tensor) -> Prediction:
        return MultilabelPrediction(params)

    def score(self, best: PredictionArrays, truth: Column, calibration: Calibration | None = None) -> dict[str, float]:
        """`map`, `f1_macro`, `f1_micro`, `accuracy` (every label of a row right) and `log_loss` (a label's)."""
        probs = _probs(best, calibration)[truth.mask]
        true = truth.values[truth.mask] > 0
        figures = metrics.multi_label(true, probs, probs >= _thresholds(calibration))
        if len(true):
            figures["log_loss"] = _entropy(true, probs)
        return figures if "map" in figures or not len(true) else {"map": 0.0, **figures}

    def per_class(
        self, best: PredictionArrays, truth: Column, calibration: Calibration | None = None
    ) -> dict[str, dict[str, float]]:
        """Label -> `rows` that have it, `average_precision`, `precision`, `recall`, `f1`; what cannot be said is 0."""
        probs = _probs(best, calibration)[truth.mask]
        true, chosen = truth.values[truth.mask] > 0, probs >= _thresholds(calibration)
        found = {}
        for k, name in enumerate(self.vocabulary_):
            hits, has, said = (int(x.sum()) for x in (true[:, k] & chosen[:, k], true[:, k], chosen[:, k]))
            found[name] = {
                "rows": float(has),
                "average_precision": metrics.average_precision(true[:, k], probs[:, k]) if has else 0.0,
                "precision": hits / max(said, 1),
                "recall": hits / max(has, 1),
                "f1": 2 * hits / max(has + said, 1),
            }
        return found

    def precision_recall(self, best: PredictionArrays, truth: Column) -> list[ClassCurve]:
        curves = []
        for k, name in enumerate(self.vocabulary_):
            log_odds, true = best["log_odds"][truth.mask, k], truth.values[truth.mask, k] > 0
            if true.any():
                hits = true[np.argsort(-log_odds, kind="stable")].cumsum()
                precision, recall = hits / np.arange(1, len(hits) + 1), hits / true.sum()
                area = metrics.average_precision(true, log_odds)
                curves.append(ClassCurve(name, precision, recall, area, int(true.sum())))
        return curves

    def baseline(self, truth: Column) -> PredictionArrays:
        """The share of each label."""
        known = truth.values[truth.mask].astype(np.int64)
        return {"log_odds": _log_odds(known.sum(0), len(known))[None].astype(np.float32)}

    def baseline_loss(self, truth: Column) -> float:
        known = truth.values[truth.mask] > 0
        return _entropy(known, np.repeat(_probs(self.baseline(truth), None), len(known), 0)) if len(known) else 1.0

    def check_target(self, truth: Column, source: str) -> None:
        """Raises: SourceError: `one-class` where no label is in some rows and not in others."""
        known = truth.values[truth.mask]
        if not len(known) or (known == known[0]).all():
            raise SourceError(
                "one-class", f"{source}: expected different labels in {self.column!r} of the training rows, found the "
                "same in each"
            )  # fmt: skip

    def target_warnings(self, truth: Column) -> list[str]:
        """Labels that hardly a row has."""
        counts = truth.values[truth.mask].sum(0, dtype=np.int64)
        rare = [self.vocabulary_[k] for k in np.flatnonzero(counts < _MIN_CASES)] if self.vocabulary_ else []
        if not rare:
            return []
        shown = ", ".join(repr(n) for n in rare[:3]) + (", ..." if len(rare) > 3 else "")
        return [
            f"{self.name}: {len(rare)} of {len(self.vocabulary_)} labels are in fewer than {_MIN_CASES} rows: {shown}"
        ]

    def calibrate(self, best: PredictionArrays, truth: Column) -> Calibration:
        """A temperature for all labels where it helps, and for each the threshold at which its F1 is best.

        A label with few cases takes the threshold that is best for all labels together.
        """
        true, log_odds = truth.values[truth.mask], best["log_odds"][truth.mask]
        if len(true) < _MIN_ROWS:
            return {}
        flat = np.random.default_rng(0).permutation(true.size)[:_CAPPED]
        logits, label = log_odds.reshape(-1)[flat], true.reshape(-1)[flat].astype(np.int64)
        temperature = fit_temperature(np.stack([np.zeros_like(logits), logits], 1), label).value
        probs = _probs(best, {"temperature": temperature})[truth.mask]
        shared = best_threshold(probs.reshape(-1), true.reshape(-1), "f1")
        cases = true.sum(0, dtype=np.int64)
        own = (cases >= _MIN_CASES) & (len(true) - cases >= _MIN_CASES)
        thresholds = [best_threshold(p, t, "f1") if o else shared for p, t, o in zip(probs.T, true.T, own, strict=True)]
        return {"temperature": temperature, "thresholds": thresholds}

    def explanation_target(
        self, prediction: Any, best: Any, decoded: Mapping[str, Any], calibration: Calibration
    ) -> ExplanationTarget:
        from deepglass.nn.explanation_targets import label_target

        labels = list(decoded["value"]) or list(decoded["probabilities"])[:1]
        labels = labels[:_EXPLAINED]
        names = labels if decoded["value"] else [f"{label}, which was not found" for label in labels]
        columns = [self.class_names.index(label) for label in labels]
        return label_target(names, columns, calibration.get("temperature", 1.0))

    def decode(self, best: PredictionArrays, calibration: Calibration | None = None) -> list[dict[str, Any]]:
        """`value`, the labels, the likeliest first; `confidence` that just these are right; `probabilities`.

        The confidence takes the labels for independent of each other.
        """
        probs = _probs(best, calibration)
        chosen = probs >= _thresholds(calibration)
        sure = np.where(chosen, probs, 1 - probs).prod(1)
        answers = []
        for p, c, confidence in zip(probs, chosen, sure, strict=True):
            order = np.argsort(-p, kind="stable")
            shown = [k for i, k in enumerate(order) if i < _SHOWN or c[k]]
            answers.append(
                {
                    "value": [self.vocabulary_[k] for k in order if c[k]],
                    "confidence": float(confidence),
                    "probabilities": {self.vocabulary_[k]: float(p[k]) for k in shown},
                }
            )
        return answers


class MultilabelPrediction(Prediction):
    """The probability of each label by itself; params: (B, K) logits."""

    def __init__(self, params: Tensor) -> None:
        self.params = params.float()

    def loss(self, target: Field) -> Tensor:
        """The mean binary cross-entropy of the labels."""
        from torch.nn import functional as F

        return F.binary_cross_entropy_with_logits(self.params, target.values.float(), reduction="none").mean(-1)

    def mode(self) -> dict[str, Tensor]:
        return {"log_odds": self.params}

    def ensemble_mean(self, members: int) -> MultilabelPrediction:
        """The members' probabilities are averaged, not their logits."""
        from torch.nn import functional as F

        grouped = self.params.reshape(-1, members, self.params.shape[-1])
        return MultilabelPrediction(F.logsigmoid(grouped).logsumexp(1) - F.logsigmoid(-grouped).logsumexp(1))


def _log_odds(counts: np.ndarray, rows: int) -> np.ndarray:
    """Of the share of rows with each label; one that none or all have counts as half a row off."""
    counts = np.clip(counts, 0.5, max(rows - 0.5, 0.5)).astype(np.float64)
    return np.log(counts / np.maximum(rows - counts, 0.5))


def _probs(best: PredictionArrays, calibration: Calibration | None) -> np.ndarray:
    logits = best["log_odds"].astype(np.float64) / (calibration or {}).get("temperature", 1.0)
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -500, 500))))


def _thresholds(calibration: Calibration | None) -> np.ndarray:
    return np.array((calibration or {}).get("thresholds", 0.5))


def _entropy(true: np.ndarray, probs: np.ndarray) -> float:
    """The mean binary cross-entropy of a label, in nats."""
    right = np.where(true, probs, 1 - probs)
    return float(-np.log(np.maximum(right, 1e-12)).mean())
