"""Alignment of ragged outputs with the steps of an input, and padding of ragged columns."""

from collections.abc import Mapping

import numpy as np

from deepglass.features.base import Column

_MIN_EQUAL_SHARE = 0.98  # of the rows; the others are truncated or lack steps


def find_aligned_input(target: Column, inputs: Mapping[str, Column]) -> str | None:
    """The first input whose lengths equal those of the target in nearly all rows where both are present."""
    for name, column in inputs.items():
        if column.offsets is None:
            continue
        present = target.mask & column.mask
        equal = np.diff(target.offsets)[present] == np.diff(column.offsets)[present]
        if len(equal) and equal.mean() >= _MIN_EQUAL_SHARE:
            return name
    return None


def trim_to_input(target: Column, aligned: Column) -> Column:
    """Targets truncated to the lengths of the aligned input; a row with fewer steps than its input is missing."""
    lengths, input_lengths = np.diff(target.offsets), np.diff(aligned.offsets)
    trimmed = np.minimum(lengths, input_lengths)
    mask = target.mask & (lengths >= input_lengths)  # a longer one was truncated with its input
    if (trimmed == lengths).all():
        return Column(target.values, mask, target.offsets)
    return Column(target.values[prefix_mask(lengths, trimmed)], mask, np.concatenate([[0], np.cumsum(trimmed)]))


def prefix_mask(lengths: np.ndarray, prefixes: np.ndarray) -> np.ndarray:
    """Mask of concatenated rows (total,): the first `prefixes` (N,) values of rows of `lengths` (N,)."""
    starts = np.cumsum(lengths) - lengths
    return np.arange(lengths.sum()) - np.repeat(starts, lengths) < np.repeat(prefixes, lengths)


def pad_rows(column: Column, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Ragged values as (N, length, ...), truncated or zero-padded, and their mask (N, length)."""
    mask = np.arange(length) < (np.diff(column.offsets) * column.mask)[:, None]
    values = np.zeros((*mask.shape, *column.values.shape[1:]), column.values.dtype)
    values[mask] = column.values[(column.offsets[:-1, None] + np.arange(length))[mask]]
    return values, mask
