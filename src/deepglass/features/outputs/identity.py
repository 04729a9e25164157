"""Predicts an embedding in which rows of one identity are near each other (metric learning)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import numpy as np

from deepglass import metrics
from deepglass.errors import SourceError, SpecError
from deepglass.features._value_keys import native
from deepglass.features.base import Column
from deepglass.features.identity import Identity
from deepglass.features.outputs.base import Calibration, Output, Prediction, PredictionArrays
from deepglass.metrics.calibration import Logistic, fit_logistic
from deepglass.metrics.table import METRICS, Metric

if TYPE_CHECKING:
    from torch import Tensor, nn

    from deepglass.nn.explanation_targets import ExplanationTarget
    from deepglass.nn.tokens import Field

_NEAREST = 5  # known ones an answer names
SOFT = 16.0  # how sharply a triplet's margin bends
_MOST_PAIRS = 200_000  # of one sort, fellows or strangers; more do not change a figure's third digit
_SOFT = 10.0  # a difference of a tenth in similarity counts as much as a logit of 1
_PLAIN_THRESHOLD = 0.5  # where no validation pair has taught a better one


@dataclass(frozen=True, kw_only=True)
class IdentityOutput(Identity, Output):
    """Predicts an embedding in which rows of one identity are near each other (metric learning).

    Args:
        embedding_dim: the length of the embedding.
        loss: "arcface" (each known one has a centre, and a margin around it) or "triplet" (nearer to one's fellows than
            to strangers; it needs several rows of each in a batch).
        margin: of the loss: radians for arcface, a distance for triplet.
        scale: of arcface's cosines as logits.
        dropout: share of a picture's features that is left out in training.

    Source: Deng et al., 2018, arXiv 1801.07698 (ArcFace); Schroff et al., 2015, arXiv 1503.03832 (triplets).
    """

    embedding_dim: int = 128
    loss: Literal["arcface", "triplet"] = "arcface"
    margin: float = 0.3
    scale: float = 16.0
    dropout: float = 0.4

    metric: ClassVar[Metric] = METRICS["roc_auc"]
    uses_feature_maps: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        got = f"{self.embedding_dim}, {self.scale}, {self.margin} and {self.dropout}"
        if self.embedding_dim < 2 or self.scale <= 0 or not 0 <= self.margin <= 1.5 or not 0 <= self.dropout < 1:
            raise SpecError(
                "bad-value",
                f"outputs.{self.name}: expected an embedding of at least 2, a scale above 0, a margin from 0 to 1.5 "
                f"and a dropout below 1, got {got}",
            )

    def head(self, dim: int) -> nn.Module:
        from deepglass.nn.metric_learning import EmbeddingHead

        return EmbeddingHead(dim, self.embedding_dim, len(self.vocabulary_), lead=self.loss == "arcface")

    def dense_head(self, dim: int, widths: Sequence[int], grid: tuple[int, int] | None = None) -> nn.Module:
        from deepglass.nn.metric_learning import EmbeddingHead

        known, lead = len(self.vocabulary_), self.loss == "arcface"
        return EmbeddingHead(dim, self.embedding_dim, known, lead=lead, width=widths[-1], dropout=self.dropout)

    def prediction(self, params: Tensor) -> Prediction:
        return IdentityPrediction(params, self)

    def score(self, best: PredictionArrays, truth: Column, calibration: Calibration | None = None) -> dict[str, float]:
        """Over all pairs of rows: `roc_auc`, `equal_error_rate`, and from a threshold `balanced_accuracy`."""
        same, similarity = self._compared(best, truth)
        figures = {
            "roc_auc": metrics.roc_auc(same, similarity),
            "equal_error_rate": metrics.equal_error_rate(same, similarity),
        }
        if calibration:
            said = (similarity >= calibration["threshold"]).astype(np.int64)
            figures["balanced_accuracy"] = metrics.balanced_accuracy(same, said)
        return {name: value for name, value in figures.items() if np.isfinite(figures["roc_auc"])}

    def selection_value(self, best: PredictionArrays, truth: Column) -> float | None:
        """How well fellows and strangers are told apart, smoothly; 1 where all are alike.

        The loss of training knows centres, which strangers have none of. This is its like for any rows: a soft count
        of the cases in which two strangers are more alike than two fellows, which goes on falling as they move apart.
        """
        same, similarity = self._compared(best, truth)
        fellows, strangers = similarity[same == 1], similarity[same == 0]
        if not len(fellows) or not len(strangers):
            return None
        random = np.random.default_rng(0)
        gap = random.choice(strangers, _MOST_PAIRS) - random.choice(fellows, _MOST_PAIRS)
        return float(np.logaddexp(0, _SOFT * gap).mean() / np.log(2))

    def baseline(self, truth: Column) -> PredictionArrays:
        """All alike."""
        embedding = np.zeros((1, self.embedding_dim), np.float32)
        shown = min(_NEAREST, len(self.vocabulary_))
        return {
            "embedding": embedding,
            "nearest": np.arange(shown)[None],
            "similarity": np.zeros((1, shown), np.float32),
        }

    def baseline_loss(self, truth: Column) -> float:
        """That of an embedding without direction: a right angle to each centre, all as far apart."""
        known = len(self.vocabulary_)
        if self.loss == "triplet":
            return float(np.log(known) + np.logaddexp(0, SOFT * self.margin) / SOFT)
        further = self.scale * np.sin(self.margin)  # cos(90 degrees + margin) = -sin(margin)
        return float(np.log(np.exp(-further) + known - 1) + further)

    def check_target(self, truth: Column, source: str) -> None:
        """Raises: SourceError: `one-class`, `too-few-rows`."""
        _, counts = np.unique(truth.values[truth.mask], return_counts=True)
        if len(counts) < 2:
            came = f"found only {self.vocabulary_[0]!r}" if self.vocabulary_ else "found no name at all"
            raise SourceError(
                "one-class", f"{source}: expected two or more in {self.column!r} of the training rows, {came}"
            )
        if counts.max() < 2:
            raise SourceError(
                "too-few-rows",
                f"{source}: expected several rows of each in {self.column!r}, but every name occurs once; nothing can "
                "be learned about who is the same",
            )

    def target_warnings(self, truth: Column) -> list[str]:
        _, counts = np.unique(truth.values[truth.mask], return_counts=True)
        alone = int((counts == 1).sum())
        return [f"{self.name}: {alone} of {len(counts)} have one row only, and so no fellow"] if alone else []

    def calibrate(self, best: PredictionArrays, truth: Column) -> Calibration:
        """The map from a similarity to the probability of "the same", and the threshold at one half."""
        same, similarity = self._compared(best, truth)
        found = fit_logistic(similarity, same, evidence=int(truth.mask.sum()))
        if found is None:
            return {}
        return {"threshold": found.threshold, "slope": found.slope, "offset": found.offset}

    def explanation_target(
        self, prediction: Any, best: Any, decoded: Mapping[str, Any], calibration: Calibration
    ) -> ExplanationTarget:
        """The similarity to the nearest known identity."""
        from deepglass.nn.explanation_targets import ExplanationTarget

        k = int(best["nearest"][0, 0])
        return ExplanationTarget((str(decoded["value"]),), "similarity", lambda p: p.cosine[:, k : k + 1])

    def decode(self, best: PredictionArrays, calibration: Calibration | None = None) -> list[dict[str, Any]]:
        """`value`, the nearest known one, with `confidence` and `similarity`; `nearest` others; the `embedding`."""
        similarity = best["similarity"].astype(np.float64)
        sure = _logistic(calibration)(similarity) if calibration else None
        names = [native(v, self.type_) for v in self.vocabulary_]
        rows = zip(best["nearest"].astype(int).tolist(), similarity.tolist(), best["embedding"].tolist(), strict=True)
        return [
            {
                "value": names[near[0]] if near else None,
                **({} if sure is None or not near else {"confidence": float(sure[i, 0])}),
                "similarity": alike[0] if near else 0.0,
                "nearest": {self.vocabulary_[k]: s for k, s in zip(near, alike, strict=True)},
                "embedding": embedding,
            }
            for i, (near, alike, embedding) in enumerate(rows)
        ]

    def compare(self, best: PredictionArrays, calibration: Calibration | None = None) -> Verdict:
        """Whether the first two rows of an answer are the same one."""
        a, b = best["embedding"][:2].astype(np.float64)
        similarity = float(a @ b)
        threshold = (calibration or {}).get("threshold", _PLAIN_THRESHOLD)
        same = similarity >= threshold
        if not calibration:
            return Verdict(same, None, similarity, threshold)
        probability = float(_logistic(calibration)(np.array(similarity)))
        return Verdict(same, probability if same else 1 - probability, similarity, threshold)

    def _compared(self, best: PredictionArrays, truth: Column) -> tuple[np.ndarray, np.ndarray]:
        """Pairs of rows: whether they are the same one, (P,) int64, and how alike they are, (P,) float64."""
        codes, unit = truth.values[truth.mask], best["embedding"][truth.mask].astype(np.float64)
        pairs, same = _pairs(codes)
        similarity = np.einsum("pe,pe->p", unit[pairs[0]], unit[pairs[1]])
        twice = np.zeros(len(same), bool)  # the same picture twice, as when rows are drawn again, says nothing
        fellows = np.flatnonzero(same)
        twice[fellows] = (unit[pairs[0][fellows]] == unit[pairs[1][fellows]]).all(1)
        keep = ~twice if not twice.all() and not (len(unit) and (unit == unit[0]).all()) else np.ones(len(same), bool)
        return same[keep], similarity[keep]


class Verdict(NamedTuple):
    """Whether two are the same one.

    Args:
        confidence: the probability that the verdict is right, where both cases are as likely beforehand; None where
            no validation pairs have taught it.
        similarity: the cosine of the two embeddings, -1..1.
        threshold: the similarity from which on they are the same.
    """

    same: bool
    confidence: float | None
    similarity: float
    threshold: float


class IdentityPrediction(Prediction):
    """A point on the sphere; params: (B, E + K), the embedding and its cosine to the centre of each known one."""

    def __init__(self, params: Tensor, feature: IdentityOutput) -> None:
        from deepglass.nn import metric_learning

        self.params, self.feature = params, feature
        self.unit, self.cosine = metric_learning.split(params, feature.embedding_dim)

    def loss(self, target: Field) -> Tensor:
        """Strangers have no centre: theirs is 0, and `Identity.selection_value` judges them."""
        import torch

        from deepglass.nn.metric_learning import arcface, triplet_loss

        f, codes = self.feature, target.values.reshape(-1).long()
        known = (codes >= 1) & (codes <= self.cosine.shape[1])
        label = torch.where(known, codes - 1, 0)
        loss = arcface(self.cosine, label, f.margin if f.loss == "arcface" else 0.0, f.scale)
        if f.loss == "triplet":  # the centres only learn where each known one lies
            loss = loss + triplet_loss(self.unit, torch.where(known, label, -1), f.margin, SOFT)
        return torch.where(known, loss, 0.0)

    def mode(self) -> dict[str, Tensor]:
        similarity, nearest = self.cosine.topk(min(_NEAREST, self.cosine.shape[1]), dim=1)
        return {"embedding": self.unit, "nearest": nearest, "similarity": similarity}

    def ensemble_mean(self, members: int) -> IdentityPrediction:
        """The direction of the members' mean: they share the centres, and so the space."""
        import torch
        from torch.nn import functional as F

        mean = self.params.reshape(-1, members, self.params.shape[-1]).mean(1)
        unit, cosine = mean[:, : self.feature.embedding_dim], mean[:, self.feature.embedding_dim :]
        length = unit.norm(dim=1, keepdim=True).clamp_min(1e-6)
        return IdentityPrediction(torch.cat([F.normalize(unit, dim=1), cosine / length], 1), self.feature)


def _logistic(calibration: Calibration) -> Logistic:
    return Logistic(calibration["slope"], calibration["offset"])


def _pairs(codes: np.ndarray) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    """Places of two rows (P,) each, and whether they are the same one; of too many, some by a fixed rule."""
    count = len(codes)
    if count * (count - 1) // 2 <= 2 * _MOST_PAIRS:
        first, second = np.triu_indices(count, 1)
    else:
        random = np.random.default_rng(0)
        order = np.argsort(codes, kind="stable")
        groups = np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)
        random.shuffle(groups)
        some, left = [], _MOST_PAIRS
        for group in groups:  # all fellows of one after another, until there are enough
            rows = group if len(group) <= 200 else random.choice(group, 200, replace=False)
            a, b = np.triu_indices(len(rows), 1)
            some.append(np.stack([rows[a], rows[b]]))
            left -= len(a)
            if left <= 0:
                break
        drawn = random.integers(0, count, (2, _MOST_PAIRS))
        strangers = drawn[:, codes[drawn[0]] != codes[drawn[1]]]
        first, second = np.concatenate([*some, strangers], 1)
    return (first, second), (codes[first] == codes[second]).astype(np.int64)
