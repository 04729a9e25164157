"""Identities: who or what a row shows, for metric learning; also identities that training has not seen.

The test split has other identities than the training split, so outputs are scored on pairs of rows: same or different?
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from deepglass.features._value_keys import ValueType, as_keys, common_type, count_values, to_codes
from deepglass.features.base import Column, Feature, Raw, TypeGuess

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class Identity(Feature):
    """Identity of a row: a person, an animal, a voice, a signature.

    Code 0 is missing, code 1 + k the k-th of `vocabulary_`; unseen identities have larger codes, a hash of their name.

    Example:
        >>> who = Identity(name="who").fit([pl.Series(["Ada", "Bo", "Ada"])])
        >>> who.encode(pl.Series(["Bo", None, "Ada"])).values
        array([2, 0, 1], dtype=int32)
    """

    vocabulary_: tuple[str, ...] | None = None
    counts_: tuple[int, ...] | None = None
    type_: ValueType | None = None

    parallel: ClassVar[tuple[str, ...]] = ("vocabulary_", "counts_")

    @classmethod
    def infer_type(cls, raw: Raw, name: str) -> TypeGuess | None:
        """Never inferred: names look like classes, so the user has to choose this kind."""
        return None

    def fit(self, chunks: Iterable[Raw]) -> Self:
        chunks = list(chunks)
        type_ = common_type(chunks, self.column)
        counts = count_values(chunks, type_)
        return replace(self, vocabulary_=tuple(v for v, _ in counts), counts_=tuple(n for _, n in counts), type_=type_)

    def encode(self, raw: Raw) -> Column:
        """Codes (N,) int32: 0 missing, 1..K of the vocabulary, above K unseen."""
        keys = as_keys(raw, self.type_)
        codes = to_codes(keys, self.vocabulary_)
        present = keys.is_not_null().to_numpy()
        for i in np.flatnonzero(present & (codes == 0)):
            codes[i] = 1 + len(self.vocabulary_) + _hash(keys[int(i)])
        return Column(codes, present)

    def encoder(self, dim: int) -> nn.Module:
        from deepglass.nn.encoders_heads import FieldEncoder
        from deepglass.nn.metric_learning import KnownCategoryEncoder
        from deepglass.nn.tabular import CategoryEmbedding

        count = 1 + len(self.vocabulary_)
        return FieldEncoder(KnownCategoryEncoder(CategoryEmbedding([count], dim), count))


def _hash(key: str) -> int:
    """30-bit hash of a name: a collision among 1000 names has probability 1 / 2000."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=4).digest(), "big") >> 2
