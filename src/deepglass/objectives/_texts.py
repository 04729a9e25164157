"""Objectives of one text column."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from deepglass.data.batches import Dataset
from deepglass.errors import SpecError
from deepglass.features.base import Feature
from deepglass.features.outputs.base import Output
from deepglass.features.text import Text, Tokenization

F = TypeVar("F", bound=Feature)


def only_text(inputs: Sequence[Feature], outputs: Sequence[Output], objective: str) -> Text:
    """The only input, a text; `objective` is named in errors.

    Raises:
        SpecError: `bad-value` for a target, other inputs or several.
    """
    if outputs:
        raise SpecError("bad-value", f"--target: {objective} has no target; leave {outputs[0].name!r} out")
    if len(inputs) != 1 or not isinstance(inputs[0], Text):
        came = ", ".join(f"{f.name} ({f.kind})" for f in inputs[:6])
        raise SpecError("bad-value", f"inputs: {objective} expects one text column, got {came}; name it")
    return inputs[0]


def with_tokenization(feature: F, tokenization: Tokenization, max_vocabulary: int | None = None) -> F:
    """A text without a stated tokenization with this one, and this limit unless it states its own."""
    if not isinstance(feature, Text) or feature.tokenization or feature.tokenizer:
        return feature
    text, limit = replace(feature, tokenization=tokenization), feature.max_vocabulary or max_vocabulary
    return text if limit is None else replace(text, max_vocabulary=limit)


def first_rows(data: Dataset, share: float) -> Dataset:
    """About this share of the rows, the first ones, as a text has an order; at least one."""
    count = min(max(math.ceil(len(data) * share), 1), len(data))
    return data.subset(np.arange(count))
