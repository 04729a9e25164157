"""Class activation maps: where in a picture the maps inside the network speak for an answer.

Source: Selvaraju et al., 2017, arXiv 1610.02391 (Grad-CAM), with the gradient of each place in the place of its mean
over the map, which is faithful for other layers than the last too: Draelos and Carin, 2020, arXiv 2011.08891.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from deepglass.data.batches import Batch
from deepglass.nn.feature_maps import FeatureMap, FeatureMapRecorder
from deepglass.objectives.base import Objective

LEAST = 5  # rows and columns of the map that is taken, where there is one


def activation_map(
    objective: Objective, batch: Batch, shape: tuple[int, ...], scores: Callable[[Batch], Tensor]
) -> np.ndarray | None:
    """What each place of a map adds to each question's figure, (Q, Y, X) in the picture's size; None without maps.

    Args:
        shape: (C, Y, X) of the encoded picture.
        scores: a batch of the one row -> (1, Q), with a graph.
    """
    out: list[Tensor] = []
    maps = FeatureMapRecorder(objective, shape).record(lambda: out.append(scores(batch)), len(batch), grad=True)
    chosen = _chosen(maps)
    if chosen is None or not out[0].requires_grad:
        return None
    found = []
    for q in range(out[0].shape[1]):
        (gradient,) = torch.autograd.grad(out[0][0, q], chosen.values, retain_graph=True, allow_unused=True)
        if gradient is None:
            return None
        found.append((gradient * chosen.values).sum(1).detach())  # (1, y, x)
    places = torch.stack(found, 1)  # (1, Q, y, x)
    whole = F.interpolate(places.float(), shape[-2:], mode="bilinear", align_corners=False)
    return whole[0].clamp_min(0).cpu().numpy()


def _chosen(maps: list[FeatureMap]) -> FeatureMap | None:
    """The last of the coarsest maps that have enough rows and columns."""
    fine = [m for m in maps if min(m.values.shape[-2:]) >= LEAST and not m.pre_activation]
    if not fine:
        return max(maps, key=lambda m: m.values.shape[-1], default=None)
    least = min(m.values.shape[-1] * m.values.shape[-2] for m in fine)
    return [m for m in fine if m.values.shape[-1] * m.values.shape[-2] == least][-1]
