"""Binary: two values, one of which is the case that is looked for; as input and as answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self, cast

import polars as pl

from deepglass.errors import SourceError
from deepglass.features._value_keys import (
    ValueType,
    as_keys,
    common_type,
    count_values,
    to_codes,
    unseen,
    value_type,
)
from deepglass.features.base import Column, Feature, Raw, TypeGuess

if TYPE_CHECKING:
    from torch import nn


_POSITIVE = frozenset(["true", "t", "yes", "y", "1", "positive", "pos", "on", "spam", "sick", "present"])
_NEGATIVE = frozenset(["false", "f", "no", "n", "0", "negative", "neg", "off", "ham", "healthy", "absent"])
_WORDS = _POSITIVE | _NEGATIVE
_MOST = 8  # spellings of two words, such as no, No and NO


@dataclass(frozen=True, kw_only=True)
class Binary(Feature):
    """One of two values: true and false, 0 and 1, yes and no (also Yes and NO among them), or any two.

    Code 0 is an unknown or missing value, 1 the negative and 2 the positive one: true, 1, yes and the like, else the
    rarer. Where the rarer value has less than a tenth of the rows, the probability from which on it is answered moves
    to where the validation rows' macro F1 is best; figures at one half are reported beside.

    Args:
        positive: the value to look for, when it is not the one that the words or the counts suggest.

    Example:
        >>> paid = Binary(name="paid").fit([pl.Series(["yes", "no", "yes", None])])
        >>> paid.values_
        ('no', 'yes')
    """

    positive: str = ""

    values_: tuple[str, ...] | None = None  # (negative, positive); fewer where the training rows have fewer
    counts_: tuple[int, ...] | None = None
    type_: ValueType | None = None

    tabular: ClassVar[bool] = True
    joint: ClassVar[bool] = True
    has_classes: ClassVar[bool] = True

    @classmethod
    def infer_type(cls, raw: Raw, name: str) -> TypeGuess | None:
        type_ = value_type(raw)
        if type_ is None:
            return None
        keys = as_keys(raw, type_).drop_nulls()
        found = list(_one_spelling(dict(count_values([raw], type_)))) if 2 <= keys.n_unique() <= _MOST else []
        if len(found) != 2:
            return TypeGuess(0.9, "true and false, one of them only") if type_ == "boolean" and len(keys) else None
        said = f"two values, {min(found)!r} and {max(found)!r}"
        words = {v.lower() for v in found}
        if type_ == "boolean" or (words & _POSITIVE and words & _NEGATIVE):
            return TypeGuess(0.95, said)
        if len(keys) < 10:
            return TypeGuess(0.4, f"{said}, in {len(keys)} rows only")
        if type_ == "string":
            return TypeGuess(0.85 if cast(float, keys.str.len_chars().mean()) <= 50 else 0.5, said)
        whole = all(v.lstrip("-").isdigit() for v in found)
        return TypeGuess(0.75 if whole else 0.5, said)

    def fit(self, chunks: Iterable[Raw]) -> Self:
        """Raises: SourceError: `bad-value` for more than two values, or when `positive` is none of them."""
        chunks = list(chunks)
        type_ = common_type(chunks, self.column)
        counts = _one_spelling(dict(count_values(chunks, type_)))
        if len(counts) > 2:
            listed = ", ".join(repr(v) for v in list(counts)[:4])
            raise SourceError(
                "bad-value", f"column {self.column!r}: expected two values, not {len(counts)}: {listed}; try category"
            )
        positive = self._positive(list(counts))
        values = tuple(sorted(counts, key=lambda v: v == positive))
        return replace(self, values_=values, counts_=tuple(counts[v] for v in values), type_=type_)

    def _positive(self, found: Sequence[str]) -> str:
        """The value to look for; `found` has the more frequent first."""
        if self.positive:
            if self.positive not in found and len(found) == 2:
                raise SourceError(
                    "bad-value",
                    f"column {self.column!r}: positive: expected {' or '.join(found)}, got {self.positive!r}",
                )
            return self.positive
        for v in found:
            others = {o.lower() for o in found if o != v}
            if others & _NEGATIVE or (v.lower() in _POSITIVE and not others & _POSITIVE):
                return v
        return found[-1] if found else ""

    def encode(self, raw: Raw) -> Column:
        """Codes (N,) int32; the mask is False where the code is 0."""
        codes = to_codes(self._keys(raw), self.values_)
        return Column(codes, codes > 0)

    def count_anomalies(self, raw: Raw) -> dict[str, int]:
        return unseen(self._keys(raw), self.values_)

    def _keys(self, raw: Raw) -> pl.Series:
        """Values as text; words for true and false as training wrote them, whatever their case."""
        keys = as_keys(raw, self.type_)
        spelled = {v.lower(): v for v in self.values_ if v.lower() in _WORDS}
        if self.type_ != "string" or len(spelled) < 2 or keys.is_in(self.values_).all():
            return keys
        lowered = keys.str.to_lowercase()
        return keys.zip_with(~lowered.is_in(list(spelled)).fill_null(False), lowered.replace(spelled))

    def encoder(self, dim: int) -> nn.Module:
        return self.joint_encoder([self], dim)

    @classmethod
    def joint_encoder(cls, features: Sequence[Binary], dim: int) -> nn.Module:
        """One module for several: a `Field` of (B, F) codes to `Tokens` (B, F, dim)."""
        from deepglass.nn.encoders_heads import FieldEncoder
        from deepglass.nn.tabular import CategoryEmbedding

        return FieldEncoder(CategoryEmbedding([3] * len(features), dim))

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.values_


def _one_spelling(counts: dict[str, int]) -> dict[str, int]:
    """Values and their numbers of rows; where they are two words for true and false, NO and no are the first of them.

    Two values stay as they are: they may differ by their case alone.
    """
    lowered = {v.lower() for v in counts}
    if len(counts) <= 2 or len(lowered) != 2 or not lowered <= _WORDS:
        return counts
    first = {v.lower(): v for v in reversed(counts)}
    return {v: sum(n for other, n in counts.items() if other.lower() == key) for key, v in first.items()}
