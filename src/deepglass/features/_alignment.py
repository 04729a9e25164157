"""Answers that go step by step with an input, and other cuts of ragged values."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from deepglass.features.base import Column

_NEARLY_ALL = 0.98  # of the rows; the others are cut or lack steps


def input_in_line(own: Column, inputs: Mapping[str, Column]) -> str | None:
    """The first input with as many steps as the answer, in nearly all rows where both are known."""
    for name, column in inputs.items():
        if column.offsets is None:
            continue
        both = own.mask & column.mask
        same = np.diff(own.offsets)[both] == np.diff(column.offsets)[both]
        if len(same) and same.mean() >= _NEARLY_ALL:
            return name
    return None


def trimmed(column: Column, beside: Column) -> Column:
    """An answer with as many steps as its input; a row that has another number of them is unknown."""
    own, other = np.diff(column.offsets), np.diff(beside.offsets)
    kept = np.minimum(own, other)
    known = column.mask & (own >= other)  # a longer one was cut with its input
    if (kept == own).all():
        return Column(column.values, known, column.offsets)
    return Column(column.values[first_of_each(own, kept)], known, np.concatenate([[0], np.cumsum(kept)]))


def first_of_each(lengths: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Of values laid end to end, (total,) bool: the first `kept` (N,) of each row's `lengths` (N,)."""
    starts = np.cumsum(lengths) - lengths
    return np.arange(lengths.sum()) - np.repeat(starts, lengths) < np.repeat(kept, lengths)


def padded_rows(column: Column, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Ragged values as (N, length, ...), cut or filled with zeros, and which of them are there, (N, length)."""
    lengths = np.diff(column.offsets) * column.mask
    mask = np.arange(length) < lengths[:, None]
    places = (column.offsets[:-1, None] + np.arange(length)).clip(max=max(len(column.values) - 1, 0))
    if not len(column.values):
        return np.zeros((len(column), length, *column.values.shape[1:]), column.values.dtype), mask
    values = column.values[places]
    values[~mask] = 0
    return values, mask
