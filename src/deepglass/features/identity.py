"""Identity: who it is, answered by an embedding in which the same one is near, so that strangers can be compared too.

The people of the test are others than those of the training: what is learned is not their names but what tells people
apart. So answers are judged by pairs: is this the same one, or another?
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import numpy as np

from deepglass.features._value_keys import ValueType, as_keys, common_type, count_values, to_codes
from deepglass.features.base import Column, Feature, Raw, TypeGuess

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class Identity(Feature):
    """Who or what a row shows: a person, an animal, a voice, a signature.

    Code 0 is missing, code 1 + k the k-th of `vocabulary_`; one that training has not seen has a code beyond them that
    follows from its name, so that two strangers can be told apart. The same name always has the same code.

    Example:
        >>> who = Identity(name="who").fit([pl.Series(["Ada", "Bo", "Ada"])])
        >>> who.encode(pl.Series(["Bo", None, "Ada"])).values
        array([2, 0, 1], dtype=int32)
    """

    vocabulary_: tuple[str, ...] | None = None
    counts_: tuple[int, ...] | None = None
    type_: ValueType | None = None

    @classmethod
    def infer_type(cls, raw: Raw, name: str) -> TypeGuess | None:
        """Never by itself: a column of names looks like one of classes, and only the user knows what is asked."""
        return None

    def fit(self, chunks: Iterable[Raw]) -> Self:
        chunks = list(chunks)
        type_ = common_type(chunks, self.column)
        counts = count_values(chunks, type_)
        return replace(self, vocabulary_=tuple(v for v, _ in counts), counts_=tuple(n for _, n in counts), type_=type_)

    def encode(self, raw: Raw) -> Column:
        """Codes (N,) int32: 0 missing, 1..K known, beyond them strangers."""
        keys = as_keys(raw, self.type_)
        codes = to_codes(keys, self.vocabulary_)
        present = keys.is_not_null().to_numpy()
        for i in np.flatnonzero(present & (codes == 0)):
            codes[i] = 1 + len(self.vocabulary_) + _fingerprint(keys[int(i)])
        return Column(codes, present)

    def encoder(self, dim: int) -> nn.Module:
        from deepglass.nn.encoders_heads import FieldEncoder
        from deepglass.nn.metric_learning import KnownCategoryEncoder
        from deepglass.nn.tabular import CategoryEmbedding

        count = 1 + len(self.vocabulary_)
        return FieldEncoder(KnownCategoryEncoder(CategoryEmbedding([count], dim), count))

    @property
    def class_names(self) -> tuple[str, ...]:
        return ()  # the answers are no classes: those of the test are unknown


def _fingerprint(key: str) -> int:
    """30 bits that follow from a name: two of a thousand strangers share theirs once in two thousand sets."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=4).digest(), "big") >> 2
