"""Units of an input layer: what of it can be removed by itself, such as a pixel, a word, a time step, a column."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from deepglass.explain.gradients import MAX_VALUES, Scores
from deepglass.explain.input_layers import InputLayer, replaced

BLOCKS_PER_SIDE = 16  # of an image or a spectrogram
MAX_ROWS = 64  # of one forward pass


def sum_units(layer: InputLayer, values: np.ndarray) -> np.ndarray:
    """Attributions (Q, ...) to values summed to those of units, (Q, ...)."""
    return values.sum(tuple(a + 1 for a in range(values.ndim - 1) if a not in layer.unit_axes))


def blocks_of(layer: InputLayer, shape: Sequence[int]) -> np.ndarray:
    """The block of each unit, (units,): what deletion and insertion remove at once.

    Images and spectrograms are perturbed in squares, `BLOCKS_PER_SIDE` to a side, since single pixels are noise to a
    network. Of other inputs each unit is a block.

    Source: Samek et al., 2017, arXiv 1509.06321 (regions are perturbed, not pixels).
    """
    if len(layer.unit_axes) < 2:
        return np.arange(math.prod(shape))
    rows, columns = (np.arange(n) * min(n, BLOCKS_PER_SIDE) // n for n in shape[-2:])
    square = rows[:, None] * BLOCKS_PER_SIDE + columns
    frames = np.arange(math.prod(shape[:-2])).reshape(*shape[:-2], 1, 1) * BLOCKS_PER_SIDE**2
    return np.unique(frames + square, return_inverse=True)[1].reshape(-1)


def masked_scores(
    scores: Scores, layers: Sequence[Sequence[InputLayer]], sizes: Sequence[int], keep: Tensor
) -> np.ndarray:
    """The targets of a row with only some units kept and the others at the baseline, (B, Q).

    Args:
        sizes: number of units of each input layer.
        keep: (B, all units) bool.
    """
    masks = keep.split(list(sizes), 1)
    results = []
    rows = min(max(1, MAX_VALUES // max(64 * math.ceil(keep.shape[1] / 16), 1)), MAX_ROWS)
    for start in range(0, len(keep), rows):
        chunk = slice(start, start + rows)

        def replace(i: int, values: Tensor, chunk: slice = chunk) -> Tensor:
            layer, mask = layers[0][i], masks[i][chunk].to(values.device)  # (B, units)
            mask = mask.view(-1, *(n if a in layer.unit_axes else 1 for a, n in enumerate(values.shape[1:])))
            return torch.where(mask, values, layer.baseline(values))

        with torch.no_grad(), replaced(layers, replace):
            results.append(scores(len(keep[chunk])).double().cpu().numpy())
    return np.concatenate(results)
