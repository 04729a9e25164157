"""Input of a bottleneck: the pooled tokens of a network and a coarse feature map."""

from collections.abc import Sequence

import polars as pl
import torch
from torch import Tensor
from torch.nn import functional as F

from deepglass.data.batches import Batch, Dataset
from deepglass.features.base import Feature
from deepglass.networks.network import Network
from deepglass.nn.tokens import Tokens, pool

NO_ENSEMBLE = {"mlp": {"ensemble_size": 1}}  # an ensemble would give several embeddings per row
MIN_MAP_SIDE = 4  # rows or columns of the feature map, if the network has one of that size
MAX_MAP_SIDE = 8  # larger maps are average-pooled to it


def bottleneck_features(network: Network, batch: Batch) -> Tensor:
    """Pooled tokens and a coarse feature map, flattened, (B, D) float32.

    A pooled map has no positions, from which no image can be reconstructed.
    """
    tokens = network.embed(batch.inputs)
    parts = [pool(tokens).float().reshape(len(batch), -1)]
    if (feature_map := _feature_map(tokens)) is not None:
        parts.append(feature_map.float().reshape(len(batch), -1))
    return torch.cat(parts, 1)


def bottleneck_dim(network: Network, inputs: Sequence[Feature]) -> int:
    """D of `bottleneck_features`, measured with a row of missing values."""
    missing = {f.name: f.encode(pl.Series([None], dtype=pl.Null)) for f in inputs}
    network.eval()
    with torch.no_grad():
        dim = bottleneck_features(network, Dataset(missing, {}).batch(torch.zeros(1, dtype=torch.int64))).shape[1]
    network.train()
    return dim


def _feature_map(tokens: Tokens) -> Tensor | None:
    """A map (B, C, Y, X) of at most `MAX_MAP_SIDE` rows and columns; None without feature maps."""
    maps = list(tokens.pyramid or ())
    if tokens.grid is not None and len(tokens.grid) == 2:
        maps.append(tokens.image())
    if not maps:
        return None
    chosen = next((m for m in reversed(maps) if min(m.shape[-2:]) >= MIN_MAP_SIDE), maps[0])
    rows, columns = chosen.shape[-2:]
    size = (min(rows, MAX_MAP_SIDE), min(columns, MAX_MAP_SIDE))
    return chosen if size == (rows, columns) else F.adaptive_avg_pool2d(chosen, size)
