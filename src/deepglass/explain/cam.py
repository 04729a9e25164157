"""Class activation maps of an input image.

Source: Selvaraju et al., 2017, arXiv 1610.02391 (Grad-CAM); Draelos and Carin, 2020, arXiv 2011.08891 (HiResCAM: the
gradient at each position instead of its mean over the map, so that the map is faithful for any layer).
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from deepglass.data.batches import Batch
from deepglass.nn.feature_maps import FeatureMap, FeatureMapRecorder
from deepglass.objectives.base import Objective

MIN_SIDE = 5  # rows and columns of the feature map, where there is one


def activation_map(
    objective: Objective, batch: Batch, shape: tuple[int, ...], scores: Callable[[Batch], Tensor]
) -> np.ndarray | None:
    """The positive contribution of each position to each target, (Q, Y, X) at the size of the image.

    Args:
        batch: one row.
        shape: (C, Y, X) of the encoded image.
        scores: a batch -> (1, Q), with a graph.

    Returns:
        None for a network without feature maps.
    """
    out: list[Tensor] = []
    recorder = FeatureMapRecorder(objective, shape)
    chosen = _choose(recorder.record(lambda: out.append(scores(batch)), len(batch), grad=True))
    if chosen is None or not out[0].requires_grad:
        return None
    maps = []
    for q in range(out[0].shape[1]):
        (gradient,) = torch.autograd.grad(out[0][0, q], chosen.values, retain_graph=True, allow_unused=True)
        if gradient is None:
            return None
        maps.append((gradient * chosen.values).sum(1).detach())  # (1, y, x)
    stacked = torch.stack(maps, 1)  # (1, Q, y, x)
    whole = F.interpolate(stacked.float(), shape[-2:], mode="bilinear", align_corners=False)
    return whole[0].clamp_min(0).cpu().numpy()


def _choose(maps: list[FeatureMap]) -> FeatureMap | None:
    """The last of the coarsest maps with at least `MIN_SIDE` rows and columns."""
    fine = [m for m in maps if min(m.values.shape[-2:]) >= MIN_SIDE and not m.pre_activation]
    if not fine:
        return max(maps, key=lambda m: m.values.shape[-1], default=None)
    smallest = min(m.values.shape[-1] * m.values.shape[-2] for m in fine)
    return [m for m in fine if m.values.shape[-1] * m.values.shape[-2] == smallest][-1]
