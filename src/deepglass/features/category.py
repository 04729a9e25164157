"""Categories: one of several values that have no order, as inputs and as answers (classes)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self, cast

import polars as pl

from deepglass.features._value_keys import (
    ValueType,
    as_keys,
    common_type,
    count_values,
    native,
    to_codes,
    unseen,
    value_type,
)
from deepglass.features.base import Column, Feature, Raw, TypeGuess
from deepglass.features.number import FEW, looks_like_codes

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class Category(Feature):
    """One of several values: text, whole numbers or true and false.

    Code 0 is an unknown or missing value, code 1 + k the k-th of `vocabulary_`. As an answer, rows whose label is not
    in the vocabulary count as unlabelled and are named by `notes`.

    Args:
        max_values: the rarest values beyond so many are taken for unknown.

    Example:
        >>> port = Category(name="port").fit([pl.Series(["S", "C", "S", None])])
        >>> port.encode(pl.Series(["C", "Q", "S"])).values
        array([2, 0, 1], dtype=int32)
    """

    max_values: int = 10_000

    vocabulary_: tuple[str, ...] | None = None  # as text; numbers ascending, text by falling frequency
    counts_: tuple[int, ...] | None = None
    type_: ValueType | None = None

    tabular: ClassVar[bool] = True
    joint: ClassVar[bool] = True
    has_classes: ClassVar[bool] = True

    @classmethod
    def infer_type(cls, raw: Raw, name: str) -> TypeGuess | None:
        """By how often values repeat: 0.8 for few different ones, 0.2 where nearly each is different."""
        type_ = value_type(raw)
        if type_ is None:
            return None
        keys = as_keys(raw, type_).drop_nulls()
        if not len(keys):
            return TypeGuess(0.1, "no value at all")
        distinct = keys.n_unique()
        said = f"{distinct} different values in {len(keys):,} rows"
        if type_ == "boolean":
            return TypeGuess(0.6, "true and false")
        if type_ != "string":
            codes = looks_like_codes(keys.cast(pl.Float64).to_numpy(), name)
            return TypeGuess(0.7, f"whole numbers, {said}") if codes else TypeGuess(0.2, f"numbers, {said}")
        if distinct == 1:
            return TypeGuess(0.6, "one value only")
        if cast(float, keys.str.len_chars().mean()) > 50:
            return TypeGuess(0.3, f"long texts, {said}")
        if distinct <= max(FEW, 0.05 * len(keys)) and distinct <= len(keys) / 2:
            return TypeGuess(0.8, said)
        return TypeGuess(0.55 if distinct < 0.3 * len(keys) else 0.2, said)

    def fit(self, chunks: Iterable[Raw]) -> Self:
        chunks = list(chunks)
        type_ = common_type(chunks, self.column)
        counts = count_values(chunks, type_)[: self.max_values]
        if type_ != "string":
            counts = sorted(counts, key=lambda pair: native(pair[0], type_))
        vocabulary, numbers = tuple(v for v, _ in counts), tuple(n for _, n in counts)
        return replace(self, vocabulary_=vocabulary, counts_=numbers, type_=type_)

    def encode(self, raw: Raw) -> Column:
        """Codes (N,) int32; the mask is False where the code is 0."""
        codes = to_codes(as_keys(raw, self.type_), self.vocabulary_)
        return Column(codes, codes > 0)

    def count_anomalies(self, raw: Raw) -> dict[str, int]:
        return unseen(as_keys(raw, self.type_), self.vocabulary_)

    def encoder(self, dim: int) -> nn.Module:
        return self.joint_encoder([self], dim)

    @classmethod
    def joint_encoder(cls, features: Sequence[Category], dim: int) -> nn.Module:
        """One module for several categories: a `Field` of (B, F) codes to `Tokens` (B, F, dim)."""
        from deepglass.nn.encoders_heads import FieldEncoder
        from deepglass.nn.tabular import CategoryEmbedding

        return FieldEncoder(CategoryEmbedding([1 + len(f.vocabulary_) for f in features], dim))

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.vocabulary_


# -- classes, shared with `binary` -----------------------------------------------------------------------------------
