"""Multi-label columns: any number of labels per row, such as the genres of a film."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

import numpy as np
import polars as pl

from deepglass.constraints import Count
from deepglass.errors import SourceError
from deepglass.features.base import Column, Feature, Raw, TypeGuess
from deepglass.parsing import is_missing

if TYPE_CHECKING:
    from torch import nn


_SEPARATORS = (";", "|", ",")  # in order of preference: a comma may be part of a label
_BLANK = " "  # between labels of one word, where no other separator occurs
MIN_CASES = 10  # rows with a label and rows without it, needed to fit its own threshold
_MAX_INFERENCE_ROWS = 5_000  # texts that the kind is inferred from


@dataclass(frozen=True, kw_only=True)
class Multilabel(Feature):
    """A set of labels: lists of text, text such as "comedy; drama", or an array (N, K) of 0 and 1.

    An empty list has none of the labels; a missing one is unlabelled. Unseen labels are left out and counted.

    Args:
        names: names of the columns of an array; empty names them "0", "1", ...
        separator: character between the labels of a text; empty learns it: the first of ; | , in at least a tenth of
            the texts, or a blank between labels that repeat.
        max_labels: size limit of the vocabulary, most frequent first; > 0.

    Example:
        >>> genres = Multilabel(name="genres").fit([pl.Series([["drama"], ["comedy", "drama"], []])])
        >>> genres.encode(pl.Series([["comedy"], None])).values
        array([[0, 1],
               [0, 0]], dtype=uint8)
    """

    names: tuple[str, ...] = ()
    separator: str = ""
    max_labels: Count = 1_000

    vocabulary_: tuple[str, ...] | None = None  # by falling frequency; the columns' order for an array
    counts_: tuple[int, ...] | None = None  # rows with each label
    rows_: int | None = None  # rows that are not missing
    separator_: str | None = None

    parallel: ClassVar[tuple[str, ...]] = ("vocabulary_", "counts_")
    tabular: ClassVar[bool] = True
    has_entries: ClassVar[bool] = True

    @classmethod
    def infer_type(cls, raw: Raw, name: str) -> TypeGuess | None:
        """Lists of text with repeated labels, and texts of such labels, see `_infer_from_text`."""
        if isinstance(raw, pl.Series) and raw.dtype == pl.String:
            return _infer_from_text(raw)
        if not isinstance(raw, pl.Series) or raw.dtype not in (pl.List(pl.String), pl.List(pl.Categorical)):
            return None
        labels = raw.drop_nulls().explode(empty_as_null=False).drop_nulls()
        if not len(labels):
            return TypeGuess(0.3, "lists, all empty")
        distinct = labels.n_unique()
        why = f"lists of labels, {distinct} different ones in {len(raw):,} rows"
        return TypeGuess(0.8 if distinct <= max(20, 0.2 * len(labels)) else 0.45, why)

    def fit(self, chunks: Iterable[Raw]) -> Self:
        """Raises: SourceError: `bad-value` for values that are not labels."""
        chunks = list(chunks)
        separator = self.separator or _separator(chunks)
        counts: Counter[str] = Counter()
        rows, columns = 0, 0
        for raw in chunks:
            if isinstance(raw, np.ndarray):
                table = self._array(raw, None)
                columns = table.shape[1]
                present = ~np.isnan(table).any(1)
                rows += int(present.sum())
                counts.update(dict(zip(self._array_names(columns), (table[present] > 0).sum(0).tolist(), strict=True)))
                continue
            for labels in self._lists(raw, separator):
                rows += labels is not None
                counts.update(set(labels or ()))
        if columns:
            labels_and_counts = [(n, counts[n]) for n in self._array_names(columns)]
        else:
            labels_and_counts = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[: self.max_labels]
        vocabulary, numbers = tuple(n for n, _ in labels_and_counts), tuple(c for _, c in labels_and_counts)
        return replace(self, vocabulary_=vocabulary, counts_=numbers, rows_=rows, separator_=separator)

    def encode(self, raw: Raw) -> Column:
        """Multi-hot labels, (N, K) uint8."""
        if isinstance(raw, np.ndarray):
            table = self._array(raw, len(self.vocabulary_))
            mask = ~np.isnan(table).any(1)
            return Column(((table > 0) & mask[:, None]).astype(np.uint8), mask)
        lists = self._lists(raw, self.separator_)
        indices = {label: k for k, label in enumerate(self.vocabulary_)}
        values = np.zeros((len(lists), max(len(indices), 1)), np.uint8)
        pairs = [(i, indices[n]) for i, labels in enumerate(lists) for n in labels or () if n in indices]
        if pairs:
            values[tuple(np.array(pairs).T)] = 1
        return Column(values, np.array([labels is not None for labels in lists], bool))

    def count_anomalies(self, raw: Raw) -> dict[str, int]:
        if isinstance(raw, np.ndarray):
            return {}
        vocabulary = set(self.vocabulary_)
        unseen = sum(n not in vocabulary for labels in self._lists(raw, self.separator_) for n in labels or ())
        return {"unseen label": unseen} if unseen else {}

    def encoder(self, dim: int) -> nn.Module:
        from deepglass.nn.encoders_heads import LabelsEncoder

        return LabelsEncoder(max(len(self.vocabulary_), 1), dim)

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.vocabulary_

    def part_names(self) -> tuple[str, ...]:
        return tuple(f"{self.name}: {label}" for label in self.vocabulary_)

    def _array_names(self, columns: int) -> tuple[str, ...]:
        if self.names and len(self.names) != columns:
            raise self.bad_value(f"has {columns} labels, but `names` has {len(self.names)}")
        return self.names or tuple(map(str, range(columns)))

    def _array(self, raw: np.ndarray, columns: int | None) -> np.ndarray:
        """(N, K) float64 of 0 and 1, a row of NaN for a missing one."""
        if raw.ndim != 2 or raw.dtype.kind not in "biuf":
            raise self.bad_value("expected an array (rows, labels) of 0 and 1")
        table = raw.astype(np.float64)
        odd = np.argwhere(~np.isnan(table) & (table != 0) & (table != 1))
        if len(odd):
            row, k = odd[0]
            raise SourceError("bad-value", f"column {self.column!r}, row {row}: expected 0 or 1, got {raw[row, k]}")
        if columns is not None and table.shape[1] != columns:
            raise self.bad_value(f"expected {columns} labels, not {table.shape[1]}")
        return table

    def _lists(self, raw: Raw, separator: str) -> list[list[str] | None]:
        """The labels of each row, None = missing."""
        if not isinstance(raw, pl.Series):
            raise self.bad_value("expected lists of labels, got files")
        if raw.dtype == pl.Null:
            return [None] * len(raw)
        if raw.dtype in (pl.List, pl.Array):
            inner = cast(pl.List, raw.dtype).inner
            if inner.is_nested():
                raise self.bad_value(f"expected lists of labels, got {raw.dtype}")
            return [None if labels is None else _strip(labels) for labels in raw.to_list()]
        missing = is_missing(raw).to_list()
        cells = raw.to_list()
        return [None if absent else _strip(str(c).split(separator)) for c, absent in zip(cells, missing, strict=True)]


def _infer_from_text(raw: pl.Series) -> TypeGuess | None:
    """Texts that a separator splits into few labels, each in many rows, in varying numbers per row.

    The conditions exclude other uses of a comma: city and country always come in pairs, clauses of a sentence hardly
    ever repeat.
    """
    texts = raw.filter(~is_missing(raw))
    texts = texts.gather_every(max(1, len(texts) // _MAX_INFERENCE_ROWS)).str.strip_chars()
    distinct = texts.n_unique()
    for separator in (*_SEPARATORS, _BLANK):
        lists = texts.str.split(separator).list.eval(pl.element().str.strip_chars())
        sizes = lists.list.len()
        counts = sizes.value_counts()["count"].sort(descending=True)
        if len(counts) < 2 or counts[1] < max(MIN_CASES, 0.1 * len(texts)):
            continue
        labels = lists.explode(empty_as_null=False)
        num_labels = labels.n_unique()
        if labels.str.contains(r"^[\d\s]*$").any() or not 3 <= num_labels <= min(distinct / 2, len(labels) / MIN_CASES):
            continue
        if (lists.list.n_unique() == sizes).all():
            return TypeGuess(0.92, f"{num_labels} labels between {separator!r}, {distinct} different choices of them")
    return None


def _strip(labels: Iterable[Any]) -> list[str]:
    return [text for label in labels if label is not None and (text := str(label).strip())]


def _separator(chunks: Sequence[Raw]) -> str:
    """The first separator in at least a tenth of the texts, else the first in any."""
    texts = [t for raw in chunks if isinstance(raw, pl.Series) and raw.dtype == pl.String for t in raw.drop_nulls()]
    shares = {s: sum(s in t for t in texts) / len(texts) for s in _SEPARATORS} if texts else {}
    often = next((s for s, share in shares.items() if share >= 0.1), None)
    if separator := often or next((s for s, share in shares.items() if share), None):
        return separator
    return _BLANK if texts and _infer_from_text(pl.Series(texts, dtype=pl.String)) else _SEPARATORS[0]
