"""What the features of categorical and of binary columns share."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import polars as pl

from deepglass.errors import SpecError, near_miss
from deepglass.features._value_keys import ValueType, as_keys, count_unseen, to_codes, to_native
from deepglass.features.base import Column, Feature, Raw

if TYPE_CHECKING:
    from torch import nn

CodeNames = Mapping[Any, str] | tuple[str, ...]

_WORDS = {True: ("true", "yes", "on", "y", "t", "1"), False: ("false", "no", "off", "n", "f", "0")}


@dataclass(frozen=True, kw_only=True)
class ClassFeature(Feature):
    """One of some classes: code 0 is an unknown or missing value, code 1 + k the k-th of `class_names`.

    Args:
        names: of the classes, where the data have codes: {CODE: NAME}, or a list for the codes 0, 1, 2, ...; new rows
            may have either. Values without a name keep their own.
        counts_: training rows of each class.
        type_: of the values.
    """

    names: CodeNames = ()

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

    def name_of(self, value: Any) -> Any:
        """The name of a code as a setting states it; any other value itself."""
        codes = self.names.items() if isinstance(self.names, Mapping) else enumerate(self.names)
        return next((name for code, name in codes if set(code_texts(code)) & set(code_texts(value))), value)

    def check_names(self, values: Sequence[str]) -> None:
        """Check the names of the classes against those of the training rows.

        Raises:
            SourceError: `bad-value` where a list does not name each value, or a mapping names others instead.
        """
        listed = [*self.names.values()] if isinstance(self.names, Mapping) else [*self.names]
        unnamed, unused = [v for v in values if v not in listed], [name for name in listed if name not in values]
        if not self.names or not unnamed:
            return
        examples = ", ".join(map(repr, unnamed[:4])) + (", ..." if len(unnamed) > 4 else "")
        if not isinstance(self.names, Mapping):
            last = f"the codes 0 to {len(listed) - 1}"
            raise self.bad_value(f"names: a list of {len(listed)} names has {last}, the column has {examples} too")
        if unused:
            codes = [code for code, name in self.names.items() if name in unused]
            hint = near_miss(str(codes[0]), unnamed)
            raise self.bad_value(f"names: no training row has {codes[0]!r}, and {examples} has no name{hint}")

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


def code_texts(code: Any) -> list[str]:
    """The texts that mean a code: 3.0 is "3", True also "yes"; in features.json a code is a text."""
    if isinstance(code, bool) or code in ("true", "false"):
        return [*_WORDS[code in (True, "true")]]
    text = str(code).strip()
    return [re.sub(r"^(-?\d+)\.0+$", r"\1", text)]


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
