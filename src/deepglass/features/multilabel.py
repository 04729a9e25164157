"""Sets: several labels at once, or none, such as the genres of a film; as input and as answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
import polars as pl

from deepglass import metrics
from deepglass.errors import SourceError
from deepglass.features.base import (
    Calibration,
    ClassCurve,
    Column,
    Feature,
    Prediction,
    PredictionArrays,
    Raw,
    TypeGuess,
)
from deepglass.metrics.calibration import best_threshold, fit_temperature
from deepglass.metrics.table import METRICS, Metric
from deepglass.parsing import is_missing

if TYPE_CHECKING:
    from torch import Tensor, nn

    from deepglass.nn.explanation_targets import ExplanationTarget
    from deepglass.nn.tokens import Field

_SEPARATORS = (";", "|", ",")  # in the order in which they are believed: a comma may stand within a label
_SHOWN = 5  # probabilities an answer, beside those of what it chose
_MIN_ROWS = 20  # fewer rows say nothing about a temperature
_MIN_CASES = 10  # rows with a label, and rows without it, from which a threshold of its own can be learned
_LOOKED_AT = 5_000  # cells, to see whether they hold labels
_CAPPED = 50_000  # decisions that a temperature is fitted on; more do not move it
_EXPLAINED = 5  # targets of an explanation, at most


@dataclass(frozen=True, kw_only=True)
class Multilabel(Feature):
    """Several labels a row, without order: lists of text, text such as "comedy; drama", or an array (N, K) of 0 and 1.

    A row with an empty list is known to have none of them; a missing one is unknown. Labels that training has not seen
    are left out and counted by `notes`.

    Args:
        names: what the columns of an array are called, in their order; without them "0", "1", ...
        separator: between the labels of a text; "" finds it: ; or | or , whichever comes first in the training rows.
        max_labels: the rarest labels beyond so many are left out.

    Example:
        >>> genres = Multilabel(name="genres").fit([pl.Series([["drama"], ["comedy", "drama"], []])])
        >>> genres.encode(pl.Series([["comedy"], None])).values
        array([[0, 1],
               [0, 0]], dtype=uint8)
    """

    names: tuple[str, ...] = ()
    separator: str = ""
    max_labels: int = 1_000

    vocabulary_: tuple[str, ...] | None = None  # by falling frequency; the columns' order for an array
    counts_: tuple[int, ...] | None = None  # rows with each label
    rows_: int | None = None  # rows that are known
    separator_: str | None = None

    tabular: ClassVar[bool] = True
    metric: ClassVar[Metric | None] = METRICS["map"]

    @classmethod
    def infer_type(cls, raw: Raw, name: str) -> TypeGuess | None:
        """Lists of text whose labels come again, and texts that hold such labels: see `_written_labels`."""
        if isinstance(raw, pl.Series) and raw.dtype == pl.String:
            return _written_labels(raw)
        if not isinstance(raw, pl.Series) or raw.dtype not in (pl.List(pl.String), pl.List(pl.Categorical)):
            return None
        labels = raw.drop_nulls().explode(empty_as_null=False).drop_nulls()
        if not len(labels):
            return TypeGuess(0.3, "lists, all empty")
        distinct = labels.n_unique()
        said = f"lists of labels, {distinct} different ones in {len(raw):,} rows"
        return TypeGuess(0.8 if distinct <= max(20, 0.2 * len(labels)) else 0.45, said)

    def fit(self, chunks: Iterable[Raw]) -> Multilabel:
        """Raises: SourceError: `bad-value` for values that are no labels."""
        chunks = list(chunks)
        separator = self.separator or _separator(chunks)
        counts: Counter[str] = Counter()
        known, columns = 0, 0
        for raw in chunks:
            if isinstance(raw, np.ndarray):
                table = self._array(raw, None)
                columns = table.shape[1]
                present = ~np.isnan(table).any(1)
                known += int(present.sum())
                counts.update(dict(zip(self._named(columns), (table[present] > 0).sum(0).tolist(), strict=True)))
                continue
            for labels in self._lists(raw, separator):
                known += labels is not None
                counts.update(set(labels or ()))
        if columns:
            chosen = [(n, counts[n]) for n in self._named(columns)]
        else:
            chosen = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[: self.max_labels]
        vocabulary, numbers = tuple(n for n, _ in chosen), tuple(c for _, c in chosen)
        return replace(self, vocabulary_=vocabulary, counts_=numbers, rows_=known, separator_=separator)

    def encode(self, raw: Raw) -> Column:
        """Which labels each row has, (N, K) uint8 of 0 and 1."""
        if isinstance(raw, np.ndarray):
            table = self._array(raw, len(self.vocabulary_))
            mask = ~np.isnan(table).any(1)
            return Column(((table > 0) & mask[:, None]).astype(np.uint8), mask)
        lists = self._lists(raw, self.separator_)
        place = {label: k for k, label in enumerate(self.vocabulary_)}
        values = np.zeros((len(lists), max(len(place), 1)), np.uint8)
        pairs = [(i, place[n]) for i, labels in enumerate(lists) for n in labels or () if n in place]
        if pairs:
            values[tuple(np.array(pairs).T)] = 1
        return Column(values, np.array([labels is not None for labels in lists], bool))

    def count_anomalies(self, raw: Raw) -> dict[str, int]:
        if isinstance(raw, np.ndarray):
            return {}
        known = set(self.vocabulary_)
        unseen = sum(n not in known for labels in self._lists(raw, self.separator_) for n in labels or ())
        return {"unseen label": unseen} if unseen else {}

    def encoder(self, dim: int) -> nn.Module:
        from deepglass.nn.sets import LabelsEncoder

        return LabelsEncoder(max(len(self.vocabulary_), 1), dim)

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

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.vocabulary_

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

    def _named(self, columns: int) -> tuple[str, ...]:
        if self.names and len(self.names) != columns:
            raise SourceError(
                "bad-value", f"column {self.column!r}: has {columns} labels, but {len(self.names)} names are given"
            )
        return self.names or tuple(map(str, range(columns)))

    def _array(self, raw: np.ndarray, columns: int | None) -> np.ndarray:
        """(N, K) float64 of 0 and 1, a row of NaN for a missing one."""
        if raw.ndim != 2 or raw.dtype.kind not in "biuf":
            raise SourceError("bad-value", f"column {self.column!r}: expected an array (rows, labels) of 0 and 1")
        table = raw.astype(np.float64)
        odd = np.argwhere(~np.isnan(table) & (table != 0) & (table != 1))
        if len(odd):
            row, k = odd[0]
            raise SourceError("bad-value", f"column {self.column!r}, row {row}: expected 0 or 1, got {raw[row, k]}")
        if columns is not None and table.shape[1] != columns:
            raise SourceError("bad-value", f"column {self.column!r}: expected {columns} labels, not {table.shape[1]}")
        return table

    def _lists(self, raw: Raw, separator: str) -> list[list[str] | None]:
        """The labels of each row, None = missing."""
        if not isinstance(raw, pl.Series):
            raise SourceError("bad-value", f"column {self.column!r}: expected lists of labels, got files")
        if raw.dtype == pl.Null:
            return [None] * len(raw)
        if raw.dtype in (pl.List, pl.Array):
            inner = cast(pl.List, raw.dtype).inner
            if inner.is_nested():
                raise SourceError("bad-value", f"column {self.column!r}: expected lists of labels, got {raw.dtype}")
            return [None if labels is None else _clean(labels) for labels in raw.to_list()]
        missing = is_missing(raw).to_list()
        cells = raw.to_list()
        return [None if gone else _clean(str(c).split(separator)) for c, gone in zip(cells, missing, strict=True)]


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


def _written_labels(raw: pl.Series) -> TypeGuess | None:
    """Texts that a separator takes apart into few labels, each in many rows, of which rows have now more, now fewer.

    So much is asked because a comma stands in much else: a city and its country are always two, the clauses of a
    sentence hardly ever come again.
    """
    known = raw.filter(~is_missing(raw))
    known = known.gather_every(max(1, len(known) // _LOOKED_AT)).str.strip_chars()
    distinct = known.n_unique()
    for separator in _SEPARATORS:
        lists = known.str.split(separator).list.eval(pl.element().str.strip_chars())
        sizes = lists.list.len()
        counts = sizes.value_counts()["count"].sort(descending=True)
        if len(counts) < 2 or counts[1] < max(_MIN_CASES, 0.1 * len(known)):
            continue
        labels = lists.explode(empty_as_null=False)
        several = labels.n_unique()
        if labels.str.contains(r"^[\d\s]*$").any() or not 3 <= several <= min(distinct / 2, len(labels) / _MIN_CASES):
            continue
        if (lists.list.n_unique() == sizes).all():
            return TypeGuess(0.92, f"{several} labels between {separator!r}, {distinct} different choices of them")
    return None


def _clean(labels: Iterable[Any]) -> list[str]:
    return [text for label in labels if label is not None and (text := str(label).strip())]


def _separator(chunks: Sequence[Raw]) -> str:
    """The first that stands in a tenth of the texts of the training rows; else any that stands in one."""
    texts = [t for raw in chunks if isinstance(raw, pl.Series) and raw.dtype == pl.String for t in raw.drop_nulls()]
    shares = {s: sum(s in t for t in texts) / len(texts) for s in _SEPARATORS} if texts else {}
    often = next((s for s, share in shares.items() if share >= 0.1), None)
    return often or next((s for s, share in shares.items() if share), _SEPARATORS[0])


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
