"""Predicts an embedding in which rows of one identity are near each other (metric learning)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np

from deepglass import metrics
from deepglass.constraints import Fraction, Ge, Le, Positive
from deepglass.errors import SourceError
from deepglass.features._value_keys import to_native
from deepglass.features.base import Column
from deepglass.features.identity import Identity
from deepglass.features.outputs._calibrations import SimilarityCalibration
from deepglass.features.outputs.base import Calibration, Output, PredictedRow, Prediction, PredictionArrays
from deepglass.metrics.calibration import Logistic, fit_logistic
from deepglass.metrics.table import METRICS, Metric

if TYPE_CHECKING:
    from torch import Tensor, nn

    from deepglass.nn.explanation_targets import ExplanationTarget
    from deepglass.nn.tokens import Field

_NUM_NEAREST = 5  # identities of the vocabulary in a prediction
TRIPLET_SCALE = 16.0  # of the softplus of the triplet loss
_MAX_PAIRS = 200_000  # of positives and of negatives; more do not change the third digit of a metric
_SELECTION_SCALE = 10.0  # a similarity difference of 0.1 is a logit of 1
_DEFAULT_THRESHOLD = 0.5  # similarity, without a calibration


@dataclass(frozen=True, kw_only=True)
class IdentityOutput(Identity, Output):
    """Predicts an embedding in which rows of one identity are near each other (metric learning).

    Args:
        embedding_dim: entries of the embedding, at least 2.
        loss: "arcface" (class centres with an angular margin) or "triplet" (positives nearer than negatives; needs
            several rows of an identity in a batch).
        margin: margin of the loss, 0 to 1.5: radians for arcface, a distance for triplet.
        scale: factor from cosines to logits, > 0.
        dropout: dropout rate of the image features, in [0, 1).

    Source: Deng et al., 2018, arXiv 1801.07698 (ArcFace); Schroff et al., 2015, arXiv 1503.03832 (triplets).
    """

    embedding_dim: Annotated[int, Ge(2)] = 128
    loss: Literal["arcface", "triplet"] = "arcface"
    margin: Annotated[float, Ge(0), Le(1.5)] = 0.3
    scale: Positive = 16.0
    dropout: Fraction = 0.4

    metric: ClassVar[Metric] = METRICS["roc_auc"]
    calibration_fields: ClassVar[type | None] = SimilarityCalibration
    uses_feature_maps: ClassVar[bool] = True

    def head(self, dim: int) -> nn.Module:
        from deepglass.nn.metric_learning import EmbeddingHead

        return EmbeddingHead(dim, self.embedding_dim, len(self.vocabulary_), train_embedding=self.loss == "arcface")

    def dense_head(self, dim: int, widths: Sequence[int], grid: tuple[int, int] | None = None) -> nn.Module:
        from deepglass.nn.metric_learning import EmbeddingHead

        identities, lead = len(self.vocabulary_), self.loss == "arcface"
        return EmbeddingHead(
            dim, self.embedding_dim, identities, train_embedding=lead, width=widths[-1], dropout=self.dropout
        )

    def prediction(self, params: Tensor) -> Prediction:
        return IdentityPrediction(params, self)

    def score(self, mode: PredictionArrays, truth: Column, calibration: Calibration | None = None) -> dict[str, float]:
        """Over pairs of rows: `roc_auc`, `equal_error_rate`, and with a calibration `balanced_accuracy`."""
        same, similarity = self._compare_pairs(mode, truth)
        scores = {
            "roc_auc": metrics.roc_auc(same, similarity),
            "equal_error_rate": metrics.equal_error_rate(same, similarity),
        }
        if calibration:
            predicted = (similarity >= calibration["threshold"]).astype(np.int64)
            scores["balanced_accuracy"] = metrics.balanced_accuracy(same, predicted)
        return {name: value for name, value in scores.items() if np.isfinite(scores["roc_auc"])}

    def selection_value(self, mode: PredictionArrays, truth: Column) -> float | None:
        """Smooth ranking loss of positive over negative pairs; 1 if all pairs are equally similar.

        The training loss needs class centres, which unseen identities do not have; this needs pairs only.
        """
        same, similarity = self._compare_pairs(mode, truth)
        positives, negatives = similarity[same == 1], similarity[same == 0]
        if not len(positives) or not len(negatives):
            return None
        random = np.random.default_rng(0)
        gap = random.choice(negatives, _MAX_PAIRS) - random.choice(positives, _MAX_PAIRS)
        return float(np.logaddexp(0, _SELECTION_SCALE * gap).mean() / np.log(2))

    def baseline(self, truth: Column) -> PredictionArrays:
        """The same embedding for all rows."""
        embedding = np.zeros((1, self.embedding_dim), np.float32)
        count = min(_NUM_NEAREST, len(self.vocabulary_))
        return {
            "embedding": embedding,
            "nearest": np.arange(count)[None],
            "similarity": np.zeros((1, count), np.float32),
        }

    def baseline_loss(self, truth: Column) -> float:
        """Loss of an embedding orthogonal to each centre, with all pairs at the same distance."""
        identities = len(self.vocabulary_)
        if self.loss == "triplet":
            return float(np.log(identities) + np.logaddexp(0, TRIPLET_SCALE * self.margin) / TRIPLET_SCALE)
        logit_gap = self.scale * np.sin(self.margin)  # cos(90 degrees + margin) = -sin(margin)
        return float(np.log(np.exp(-logit_gap) + identities - 1) + logit_gap)

    def check_target(self, truth: Column, source: str) -> None:
        """Raises: SourceError: `one-class`, `too-few-rows`."""
        _, counts = np.unique(truth.values[truth.mask], return_counts=True)
        if len(counts) < 2:
            got = f"only {self.vocabulary_[0]!r}" if self.vocabulary_ else "none"
            raise self.target_error("one-class", source, "at least two identities", got)
        if counts.max() < 2:
            raise SourceError(
                "too-few-rows",
                f"{source}: expected several rows of an identity in {self.column!r}, but every name occurs once; "
                "there is no positive pair to learn from",
            )

    def target_warnings(self, truth: Column) -> list[str]:
        _, counts = np.unique(truth.values[truth.mask], return_counts=True)
        single = int((counts == 1).sum())
        return [f"{self.name}: {single} of {len(counts)} identities have one row, no positive pair"] if single else []

    def calibrate(self, mode: PredictionArrays, truth: Column) -> Calibration:
        """Logistic map from similarity to the probability of the same identity, and the threshold at 0.5."""
        same, similarity = self._compare_pairs(mode, truth)
        fit = fit_logistic(similarity, same, evidence=int(truth.mask.sum()))
        if fit is None:
            return {}
        return {"threshold": fit.threshold, "slope": fit.slope, "offset": fit.offset}

    def explanation_target(self, row: PredictedRow) -> ExplanationTarget:
        """The similarity to the nearest identity of the vocabulary."""
        from deepglass.nn.explanation_targets import ExplanationTarget

        k = int(row.mode["nearest"][0, 0])
        return ExplanationTarget((str(row.decoded["value"]),), "similarity", lambda p: p.cosine[:, k : k + 1])

    def decode(self, mode: PredictionArrays, calibration: Calibration | None = None) -> list[dict[str, Any]]:
        """`value`, the nearest identity, with `confidence` and `similarity`; the `nearest` ones; the `embedding`."""
        similarity = mode["similarity"].astype(np.float64)
        confidence = _logistic(calibration)(similarity) if calibration else None
        names = [to_native(v, self.type_) for v in self.vocabulary_]
        rows = zip(mode["nearest"].astype(int).tolist(), similarity.tolist(), mode["embedding"].tolist(), strict=True)
        return [
            {
                "value": names[neighbours[0]] if neighbours else None,
                **({} if confidence is None or not neighbours else {"confidence": float(confidence[i, 0])}),
                "similarity": similarities[0] if neighbours else 0.0,
                "nearest": {self.vocabulary_[k]: s for k, s in zip(neighbours, similarities, strict=True)},
                "embedding": embedding,
            }
            for i, (neighbours, similarities, embedding) in enumerate(rows)
        ]

    def compare(self, mode: PredictionArrays, calibration: Calibration | None = None) -> Verdict:
        """Whether the first two rows are the same identity."""
        a, b = mode["embedding"][:2].astype(np.float64)
        similarity = float(a @ b)
        threshold = (calibration or {}).get("threshold", _DEFAULT_THRESHOLD)
        same = similarity >= threshold
        if not calibration:
            return Verdict(same, None, similarity, threshold)
        probability = float(_logistic(calibration)(np.array(similarity)))
        return Verdict(same, probability if same else 1 - probability, similarity, threshold)

    def _compare_pairs(self, mode: PredictionArrays, truth: Column) -> tuple[np.ndarray, np.ndarray]:
        """Pairs of rows: whether they are the same identity, (P,) int64, and their similarity, (P,) float64."""
        codes, unit = truth.values[truth.mask], mode["embedding"][truth.mask].astype(np.float64)
        pairs, same = _sample_pairs(codes)
        similarity = np.einsum("pe,pe->p", unit[pairs[0]], unit[pairs[1]])
        if len(unit) and (unit == unit[0]).all():
            return same, similarity
        positives = np.flatnonzero(same)
        is_copy = (unit[pairs[0][positives]] == unit[pairs[1][positives]]).all(1)
        if is_copy.sum() == len(same):
            return same, similarity
        copies = positives[is_copy]  # of one row, as in bootstrap samples: not a pair of two rows
        return np.delete(same, copies), np.delete(similarity, copies)


class Verdict(NamedTuple):
    """Result of an identity verification: whether two rows are the same identity.

    Args:
        confidence: probability that the result is correct, with equal priors; None without a calibration.
        similarity: cosine of the two embeddings, -1 to 1.
        threshold: minimum similarity of the same identity.
    """

    same: bool
    confidence: float | None
    similarity: float
    threshold: float


class IdentityPrediction(Prediction):
    """A unit embedding; params: (B, E + K), the embedding and its cosines to the centres of the vocabulary."""

    def __init__(self, params: Tensor, feature: IdentityOutput) -> None:
        from deepglass.nn import metric_learning

        self.params, self.feature = params, feature
        self.unit, self.cosine = metric_learning.split(params, feature.embedding_dim)

    def loss(self, target: Field) -> Tensor:
        """ArcFace or triplet loss; 0 for unseen identities, which have no centre."""
        import torch

        from deepglass.nn.metric_learning import arcface, triplet_loss
        from deepglass.nn.tokens import whole_batch

        f, codes = self.feature, target.values.reshape(-1).long()
        in_vocabulary = (codes >= 1) & (codes <= self.cosine.shape[1])
        label = torch.where(in_vocabulary, codes - 1, 0)
        loss = arcface(self.cosine, label, f.margin if f.loss == "arcface" else 0.0, f.scale)
        if f.loss == "triplet":  # without a margin the centres only locate the identities
            batch = whole_batch()  # its rows are compared with each other
            units, labels = batch.gather(self.unit), batch.gather(torch.where(in_vocabulary, label, -1))
            loss = loss + batch.own(triplet_loss(units, labels, f.margin, TRIPLET_SCALE))
        return torch.where(in_vocabulary, loss, 0.0)

    def mode(self) -> dict[str, Tensor]:
        similarity, nearest = self.cosine.topk(min(_NUM_NEAREST, self.cosine.shape[1]), dim=1)
        return {"embedding": self.unit, "nearest": nearest, "similarity": similarity}

    def ensemble_mean(self, members: int) -> IdentityPrediction:
        """Normalised mean of the members' embeddings, which share the centres."""
        import torch
        from torch.nn import functional as F

        mean = self.params.reshape(-1, members, self.params.shape[-1]).mean(1)
        unit, cosine = mean[:, : self.feature.embedding_dim], mean[:, self.feature.embedding_dim :]
        length = unit.norm(dim=1, keepdim=True).clamp_min(1e-6)
        return IdentityPrediction(torch.cat([F.normalize(unit, dim=1), cosine / length], 1), self.feature)


def _logistic(calibration: Calibration) -> Logistic:
    return Logistic(calibration["slope"], calibration["offset"])


def _sample_pairs(codes: np.ndarray) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    """Row indices of pairs (P,) each, and whether they are the same identity; a fixed sample of too many."""
    count = len(codes)
    if count * (count - 1) // 2 <= 2 * _MAX_PAIRS:
        first, second = np.triu_indices(count, 1)
    else:
        random = np.random.default_rng(0)
        order = np.argsort(codes, kind="stable")
        groups = np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)
        random.shuffle(groups)
        positives, remaining = [], _MAX_PAIRS
        for group in groups:  # all positive pairs of an identity, until there are enough
            rows = group if len(group) <= 200 else random.choice(group, 200, replace=False)
            a, b = np.triu_indices(len(rows), 1)
            positives.append(np.stack([rows[a], rows[b]]))
            remaining -= len(a)
            if remaining <= 0:
                break
        pairs = random.integers(0, count, (2, _MAX_PAIRS))
        negatives = pairs[:, codes[pairs[0]] != codes[pairs[1]]]
        first, second = np.concatenate([*positives, negatives], 1)
    return (first, second), (codes[first] == codes[second]).astype(np.int64)
