"""The cells of an entry: what of it can be taken away by itself, such as a pixel, a word, a step, a column.

pixels (C, Y, X) -> (Y, X)      frames (T, C, Y, X) -> (T, Y, X)      bands (1, T, M) -> (T, M)
words (T, ..., D), ngrams (T, D), steps (T, d), tokens (T, D) -> (T,)   classes (Y, X, D) -> (Y, X)
entries (d,), labels (d,) -> (d,)
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from deepglass.explain.gradients import AT_ONCE, Scores
from deepglass.explain.input_layers import Entry, Kind, changed

BLOCKS = 16  # to a side of a picture or a spectrogram


def cells_of(kind: Kind, values: np.ndarray) -> np.ndarray:
    """Attributions (Q, ...) summed to the entry's cells, (Q, ...)."""
    if kind == "pixels" or kind == "bands":
        return values.sum(1)
    if kind == "frames":
        return values.sum(2)
    if kind == "classes":
        return values.sum(-1)
    if kind in ("words", "ngrams", "steps", "tokens"):
        return values.reshape(*values.shape[:2], -1).sum(-1)
    return values


def blocks_of(kind: Kind, shape: Sequence[int]) -> np.ndarray:
    """Which block each cell belongs to, (cells,): what deletion and insertion take away at once.

    A picture without some single pixels is noise to a network, and a sound without some single cells is hardly
    another one; a picture and a sound lose squares, `BLOCKS` to a side. Of all else each cell is a block.

    Source: Samek et al., 2017, arXiv 1509.06321 (regions are perturbed, not pixels).
    """
    if kind not in ("pixels", "bands", "frames", "classes"):
        return np.arange(int(np.prod(shape)))
    rows, columns = (np.arange(n) * min(n, BLOCKS) // n for n in shape[-2:])
    square = rows[:, None] * BLOCKS + columns
    several = np.arange(math.prod(shape[:-2])).reshape(*shape[:-2], 1, 1) * BLOCKS**2  # frames, each its own
    return np.unique(several + square, return_inverse=True)[1].reshape(-1)


def _spread(kind: Kind, keep: Tensor, values: Tensor) -> Tensor:
    """Which numbers of an entry are kept, (B, ...), from its cells (B, N)."""
    inner = values.shape[1:]
    if kind in ("pixels", "bands"):
        return keep.view(-1, 1, *inner[1:])
    if kind == "frames":
        return keep.view(-1, inner[0], 1, *inner[2:])
    if kind == "classes":
        return keep.view(-1, *inner[:2], 1)
    return keep.view(-1, inner[0], *(1 for _ in inner[1:]))


def kept(scores: Scores, places: Sequence[Sequence[Entry]], sizes: Sequence[int], keep: Tensor) -> np.ndarray:
    """The figures of a row of which only some cells are kept, (B, Q).

    Args:
        sizes: cells of each entry; keep: (B, all cells) bool.
    """
    parts = keep.split(list(sizes), 1)
    found = []
    largest = max(1, AT_ONCE // max(64 * math.ceil(keep.shape[1] / 16), 1))
    for start in range(0, len(keep), min(largest, 64)):
        some = slice(start, start + min(largest, 64))

        def change(i: int, values: Tensor, some: slice = some) -> Tensor:
            there = _spread(places[0][i].kind, parts[i][some].to(values.device), values)
            return torch.where(there, values, places[0][i].nothing(values))

        with torch.no_grad(), changed(places, change):
            found.append(scores(len(keep[some])).double().cpu().numpy())
    return np.concatenate(found)
