"""What the features of categorical and of binary columns share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import polars as pl

from deepglass.errors import SpecError, near_miss
from deepglass.features._value_keys import ValueType, as_keys, count_unseen, to_codes, to_native
from deepglass.features.base import Column, Feature, Raw

if TYPE_CHECKING:
    from torch import nn

_WORDS = {True: ("true", "yes", "on", "y", "t", "1"), False: ("false", "no", "off", "n", "f", "0")}


@dataclass(frozen=True, kw_only=True)
class ClassFeature(Feature):
    """One of some classes: code 0 is an unknown or missing value, code 1 + k the k-th of `class_names`.

    Args:
        counts_: training rows of each class.
        type_: of the values.
    """

    counts_: tuple[int, ...] | None = None
    type_: ValueType | None = None

    tabular: ClassVar[bool] = True
    joint: ClassVar[bool] = True
    has_classes: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.counts_ is not None and self.type_ is not None:
            for name in self.class_names:
                to_native(name, self.type_)  # ValueError for a stored class that is no value of this type

    def encode(self, raw: Raw) -> Column:
        """Codes (N,) int32; the mask is False where the code is 0."""
        codes = to_codes(self.keys(raw), self.class_names)
        return Column(codes, codes > 0)

    def count_anomalies(self, raw: Raw) -> dict[str, int]:
        return count_unseen(self.keys(raw), self.class_names)

    def encoder(self, dim: int) -> nn.Module:
        return self.joint_encoder([self], dim)

    @classmethod
    def joint_encoder(cls, features: Sequence[ClassFeature], dim: int) -> nn.Module:
        """One module for several features: a `Field` of (B, F) codes to `Tokens` (B, F, dim)."""
        from deepglass.nn.encoders_heads import FieldEncoder
        from deepglass.nn.tabular import CategoryEmbedding

        return FieldEncoder(CategoryEmbedding([1 + f.num_classes for f in features], dim))

    def keys(self, raw: Raw) -> pl.Series:
        """Values as text, as in `class_names`; null = missing."""
        return as_keys(raw, self.type_)

    @property
    def num_classes(self) -> int:
        return len(self.class_names)


def class_index(value: Any, names: Sequence[str], where: str) -> int:
    """The index of a class by its name as YAML or Python have it: `yes` may come as True, 3 as 3.0.

    Args:
        where: the setting, for messages.

    Raises:
        SpecError: `unknown-name`.
    """
    if isinstance(value, bool):
        texts = [str(value), *_WORDS[value]]
    elif isinstance(value, float) and value.is_integer():
        texts = [str(value), str(int(value))]
    else:
        texts = [str(value)]
    for text in texts:
        if text in names:
            return names.index(text)
    lowered = [name.lower() for name in names]
    for text in texts:
        if lowered.count(text.lower()) == 1:
            return lowered.index(text.lower())
    raise SpecError("unknown-name", f"{where}: no class {value!r}{near_miss(str(value), names)}")
