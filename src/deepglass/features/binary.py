"""Binary values: a negative and a positive class."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self, cast

import numpy as np
import polars as pl

from deepglass.errors import SpecError
from deepglass.features._classes import ClassFeature, class_index, code_texts
from deepglass.features._value_keys import as_keys, common_type, count_values, number_values, value_type
from deepglass.features.base import Raw, TypeGuess

_POSITIVE = frozenset(["true", "t", "yes", "y", "1", "positive", "pos", "on", "spam", "sick", "present"])
_NEGATIVE = frozenset(["false", "f", "no", "n", "0", "negative", "neg", "off", "ham", "healthy", "absent"])
_WORDS = _POSITIVE | _NEGATIVE
_MAX_SPELLINGS = 8  # of two words, such as no, No and NO


@dataclass(frozen=True, kw_only=True)
class Binary(ClassFeature):
    """One of two values: true and false, 0 and 1, yes and no in any case, or any two.

    The positive class is true, 1, yes and the like, else the rarer value.

    Args:
        positive: value of the positive class; empty takes true, 1, yes and the like, else the rarer value.

    Example:
        >>> paid = Binary(name="paid").fit([pl.Series(["yes", "no", "yes", None])])
        >>> paid.values_
        ('no', 'yes')
    """

    positive: str | bool | int | float = ""  # YAML reads yes as True

    values_: tuple[str, ...] | None = None  # (negative, positive); fewer where the training rows have fewer

    parallel: ClassVar[tuple[str, ...]] = ("values_", "counts_")

    @classmethod
    def infer_type(cls, raw: Raw, name: str) -> TypeGuess | None:
        type_ = value_type(raw)
        if type_ is None:
            return None
        numbers = number_values(raw)
        if numbers is not None and len(np.unique(numbers)) > _MAX_SPELLINGS:
            return None
        keys = as_keys(raw, type_).drop_nulls()
        values = (
            list(_merge_spellings(dict(count_values([raw], type_)))) if 2 <= keys.n_unique() <= _MAX_SPELLINGS else []
        )
        if len(values) != 2:
            return TypeGuess(0.9, "true and false, one of them only") if type_ == "boolean" and len(keys) else None
        why = f"two values, {min(values)!r} and {max(values)!r}"
        words = {v.lower() for v in values}
        if type_ == "boolean" or (words & _POSITIVE and words & _NEGATIVE):
            return TypeGuess(0.95, why)
        if len(keys) < 10:
            return TypeGuess(0.4, f"{why}, in {len(keys)} rows only")
        if type_ == "string":
            return TypeGuess(0.85 if cast(float, keys.str.len_chars().mean()) <= 50 else 0.5, why)
        whole = all(v.lstrip("-").isdigit() for v in values)
        return TypeGuess(0.75 if whole else 0.5, why)

    def fit(self, chunks: Iterable[Raw]) -> Self:
        """Raises: SourceError: `bad-value` for more than two values, or when `positive` is none of them."""
        chunks = list(chunks)
        type_ = common_type(chunks, self.column)
        counts = _merge_spellings(dict(count_values(chunks, type_)))
        if len(counts) > 2:
            listing = ", ".join(repr(v) for v in list(counts)[:4])
            raise self.bad_value(f"expected two values, not {len(counts)}: {listing}; try category")
        self.check_names(list(counts))
        positive = self._positive(list(counts))
        values = tuple(sorted(counts, key=lambda v: v == positive))
        return replace(self, values_=values, counts_=tuple(counts[v] for v in values), type_=type_)

    def _positive(self, values: Sequence[str]) -> str:
        """The positive value; `values` has the more frequent first."""
        if self.positive != "" and len(values) == 2:
            try:
                return values[class_index(self.name_of(self.positive), values, "positive")]
            except SpecError as error:
                text = f"positive is {self.positive!r}, but the values are {' and '.join(values)}"
                raise self.bad_value(text) from error
        words = {v: {v.lower()} for v in values}
        for code, name in self.names.items() if isinstance(self.names, Mapping) else enumerate(self.names):
            words.setdefault(name, set()).update(code_texts(code))  # 1 is the positive class, whatever its name
        for v in values:
            other_words = set[str]().union(*(words[o] for o in values if o != v))
            if other_words & _NEGATIVE or (words[v] & _POSITIVE and not other_words & _POSITIVE):
                return v
        return values[-1] if values else ""

    def keys(self, raw: Raw) -> pl.Series:
        """Values as text; words such as yes and no in any case as the training rows spell them."""
        keys = super().keys(raw)
        spelling = {v.lower(): v for v in self.values_ if v.lower() in _WORDS}
        if self.type_ != "string" or len(spelling) < 2 or keys.is_in(self.values_).all():
            return keys
        lowered = keys.str.to_lowercase()
        return keys.zip_with(~lowered.is_in(list(spelling)).fill_null(False), lowered.replace(spelling))

    @property
    def num_classes(self) -> int:
        return 2

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.values_


def _merge_spellings(counts: dict[str, int]) -> dict[str, int]:
    """Values and their numbers of rows; spellings of one word for true or false are merged into the first.

    Exactly two values are not merged: they may differ by case alone.
    """
    lowered = {v.lower() for v in counts}
    if len(counts) <= 2 or len(lowered) != 2 or not lowered <= _WORDS:
        return counts
    first = {v.lower(): v for v in reversed(counts)}
    return {v: sum(n for other, n in counts.items() if other.lower() == key) for key, v in first.items()}
