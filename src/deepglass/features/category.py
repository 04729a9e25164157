"""Categories: one of several unordered values."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Self, cast

import numpy as np
import polars as pl

from deepglass.constraints import Count
from deepglass.features._classes import ClassFeature
from deepglass.features._value_keys import (
    as_keys,
    common_type,
    count_values,
    number_values,
    to_native,
    value_type,
)
from deepglass.features._whole_numbers import MAX_CODES, code_evidence
from deepglass.features.base import Raw, TypeGuess


@dataclass(frozen=True, kw_only=True)
class Category(ClassFeature):
    """One of several values: text, integers or booleans.

    As an output, rows whose label is not in the vocabulary count as unlabelled and are reported.

    Args:
        max_values: size limit of the vocabulary, most frequent first; > 0; rarer values are unknown.

    Example:
        >>> port = Category(name="port").fit([pl.Series(["S", "C", "S", None])])
        >>> port.encode(pl.Series(["C", "Q", "S"])).values
        array([2, 0, 1], dtype=int32)
    """

    max_values: Count = 10_000

    vocabulary_: tuple[str, ...] | None = None  # as text; numbers ascending, text by falling frequency

    parallel: ClassVar[tuple[str, ...]] = ("vocabulary_", "counts_")

    @classmethod
    def infer_type(cls, raw: Raw, name: str) -> TypeGuess | None:
        """By how often values repeat: 0.8 for few distinct ones, 0.2 where nearly all are distinct."""
        type_ = value_type(raw)
        if type_ is None:
            return None
        numbers = number_values(raw)
        keys = as_keys(raw, type_).drop_nulls() if numbers is None else pl.Series(values=numbers)
        if not len(keys):
            return TypeGuess(0.1, "no value")
        distinct = keys.n_unique() if numbers is None else len(np.unique(numbers))
        why = f"{distinct} different values in {len(keys):,} rows"
        if type_ == "boolean":
            return TypeGuess(0.6, "true and false")
        if numbers is not None:
            evidence = code_evidence(numbers.astype(np.float64), name)
            return TypeGuess(0.7, f"whole numbers, {why}") if evidence.are_codes else TypeGuess(0.2, f"numbers, {why}")
        if distinct == 1:
            return TypeGuess(0.6, "one value only" if len(keys) == len(raw) else "one value, or missing")
        if cast(float, keys.str.len_chars().mean()) > 50:
            return TypeGuess(0.3, f"long texts, {why}")
        if distinct <= max(MAX_CODES, 0.05 * len(keys)) and distinct <= len(keys) / 2:
            return TypeGuess(0.8, why)
        return TypeGuess(0.55 if distinct < 0.3 * len(keys) else 0.2, why)

    def fit(self, chunks: Iterable[Raw]) -> Self:
        chunks = list(chunks)
        type_ = common_type(chunks, self.column)
        counts = count_values(chunks, type_)[: self.max_values]
        if type_ != "string":
            counts = sorted(counts, key=lambda pair: to_native(pair[0], type_))
        self.check_names([value for value, _ in counts])
        if self.names:
            order = [*self.names.values()] if isinstance(self.names, Mapping) else [*self.names]
            counts = sorted(counts, key=lambda pair: order.index(pair[0]) if pair[0] in order else len(order))
        vocabulary, numbers = tuple(v for v, _ in counts), tuple(n for _, n in counts)
        return replace(self, vocabulary_=vocabulary, counts_=numbers, type_=type_)

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.vocabulary_
