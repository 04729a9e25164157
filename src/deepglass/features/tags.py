"""Tags: a label for each word of a text (token classification)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
import polars as pl

from deepglass.features.base import Column, Feature, Raw, TypeGuess

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class Tags(Feature):
    """A label for each word: lists of text, as long as the list or text of words that they tag.

    Code 0 is an unseen tag; loss and metrics ignore it.

    Example:
        >>> tags = Tags(name="tags").fit([pl.Series([["DET", "NOUN"], ["NOUN"]])])
        >>> tags.encode(pl.Series([["NOUN", "VERB"]])).values
        array([1, 0], dtype=int32)
    """

    vocabulary_: tuple[str, ...] | None = None  # by falling count
    counts_: tuple[int, ...] | None = None

    parallel: ClassVar[tuple[str, ...]] = ("vocabulary_", "counts_")
    sequential: ClassVar[bool] = True

    @classmethod
    def infer_type(cls, raw: Raw, name: str) -> TypeGuess | None:
        """Lists of text may be tags; the user or the source has to choose this kind."""
        if isinstance(raw, pl.Series) and raw.dtype == pl.List(pl.String):
            return TypeGuess(0.3, "lists of texts")
        return None

    def fit(self, chunks: Iterable[Raw]) -> Self:
        labels = pl.concat([pl.Series(values=[], dtype=pl.String), *(_flat(self._lists(raw)) for raw in chunks)])
        counts = sorted(labels.value_counts(sort=False).iter_rows(), key=lambda pair: (-pair[1], pair[0]))
        return replace(self, vocabulary_=tuple(n for n, _ in counts), counts_=tuple(c for _, c in counts))

    def encode(self, raw: Raw) -> Column:
        """Codes (total,) int32: 1 + index in the vocabulary."""
        lists = self._lists(raw)
        mask = lists.is_not_null().to_numpy()
        lengths = lists.list.len().fill_null(0).to_numpy().astype(np.int64)
        codes_of = {tag: code for code, tag in enumerate(self.vocabulary_, 1)}
        codes = _flat(lists).replace_strict(codes_of, default=0, return_dtype=pl.Int32).to_numpy()
        return Column(np.array(codes, np.int32), mask, np.concatenate([[0], np.cumsum(lengths)]))

    def count_anomalies(self, raw: Raw) -> dict[str, int]:
        unseen = int((~_flat(self._lists(raw)).is_in(list(self.vocabulary_))).sum())
        return {"unseen tag": unseen} if unseen else {}

    def encoder(self, dim: int) -> nn.Module:
        from deepglass.nn.embeddings import TokenEncoder

        return TokenEncoder(1 + len(self.vocabulary_), dim)

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.vocabulary_

    def _lists(self, raw: Raw) -> pl.Series:
        if not isinstance(raw, pl.Series):
            raise self.bad_value(f"expected lists of tags, got {type(raw).__name__}")
        if raw.dtype == pl.Null:
            return raw.cast(pl.List(pl.String))
        if raw.dtype == pl.String:  # tags separated by spaces
            return raw.str.extract_all(r"\S+")
        if not isinstance(raw.dtype, pl.List) or raw.dtype.inner.is_nested():
            raise self.bad_value(f"expected lists of tags, got {raw.dtype}")
        return raw.cast(pl.List(pl.String))


def _flat(lists: pl.Series) -> pl.Series:
    return lists.explode(empty_as_null=False).drop_nulls()
