"""What a bottleneck reads of a network: what its heads would, and where in a picture things are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import polars as pl
import torch
from torch import Tensor
from torch.nn import functional as F

from deepglass.data.batches import Batch, Dataset
from deepglass.features.base import Feature
from deepglass.hyperparameters import TrainingDefaults
from deepglass.networks.network import Network
from deepglass.nn.tokens import Tokens, pool

SINGLE = {"mlp": {"ensemble_size": 1}}  # an ensemble would give each code several times
SMALLEST = 4  # rows or columns of the map that is read, at least, where there is such a one
LARGEST = 8  # rows or columns; larger maps are averaged down to that


def reading(network: Network, batch: Batch) -> Tensor:
    """The pooled tokens, beside the coarsest map that still tells places apart, laid flat; (B, D) float32.

    A pooled map says what is in a picture and not where, from which nothing can be drawn again.
    """
    tokens = network.embed(batch.inputs)
    parts = [pool(tokens).float().reshape(len(batch), -1)]
    if (found := _map(tokens)) is not None:
        parts.append(found.float().reshape(len(batch), -1))
    return torch.cat(parts, 1)


def reading_dim(network: Network, inputs: Sequence[Feature]) -> int:
    """D of `reading`, from a row of which nothing is known."""
    nothing = {f.name: f.encode(pl.Series([None], dtype=pl.Null)) for f in inputs}
    network.eval()
    with torch.no_grad():
        dim = reading(network, Dataset(nothing, {}).batch(torch.zeros(1, dtype=torch.int64))).shape[1]
    network.train()
    return dim


def _map(tokens: Tokens) -> Tensor | None:
    """A map (B, C, Y, X) of at most `LARGEST` rows and columns; None where the network has none."""
    maps = list(tokens.pyramid or ())
    if tokens.grid is not None and len(tokens.grid) == 2:
        maps.append(tokens.image())
    if not maps:
        return None
    found = next((m for m in reversed(maps) if min(m.shape[-2:]) >= SMALLEST), maps[0])
    rows, columns = found.shape[-2:]
    size = (min(rows, LARGEST), min(columns, LARGEST))
    return found if size == (rows, columns) else F.adaptive_avg_pool2d(found, size)


def plain(defaults: TrainingDefaults) -> TrainingDefaults:
    """A recipe for drawing again: pictures stay as they are, and large steps are not needed."""
    return replace(defaults, augment=False, learning_rate=min(defaults.learning_rate, 3e-3), weight_decay=0.01)
