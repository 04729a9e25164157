"""Sets: several labels at once, or none, such as the genres of a film; as input and as answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

import numpy as np
import polars as pl

from deepglass.errors import SourceError
from deepglass.features.base import (
    Column,
    Feature,
    Raw,
    TypeGuess,
)
from deepglass.parsing import is_missing

if TYPE_CHECKING:
    from torch import nn


_SEPARATORS = (";", "|", ",")  # in the order in which they are believed: a comma may stand within a label
_MIN_CASES = 10  # rows with a label, and rows without it, from which a threshold of its own can be learned
_LOOKED_AT = 5_000  # cells, to see whether they hold labels


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
    has_entries: ClassVar[bool] = True

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

    def fit(self, chunks: Iterable[Raw]) -> Self:
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

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.vocabulary_

    def part_names(self) -> tuple[str, ...]:
        return tuple(f"{self.name}: {label}" for label in self.vocabulary_)

    def _named(self, columns: int) -> tuple[str, ...]:
        if self.names and len(self.names) != columns:
            raise SourceError(
                "bad-value", f"column {self.column!r}: expected {columns} names, one a label, got {len(self.names)}"
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
