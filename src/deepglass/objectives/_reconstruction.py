"""Base class of reconstruction objectives: network, decoder, and the bottleneck between them.

The bottleneck reads the pooled tokens of the network and a coarse feature map.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import polars as pl
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deepglass.data.batches import Batch, Dataset
from deepglass.features.base import Feature
from deepglass.hyperparameters import TrainingDefaults
from deepglass.networks.network import Network
from deepglass.nn.tokens import Tokens, pool
from deepglass.objectives._flatten import FlatDecoder, FlatInputs
from deepglass.objectives._representation import Representation
from deepglass.objectives.base import MakeNetwork


class ReconstructionObjective(Representation):
    """Base class of autoencoders. `embed` gives the latent vector, of width `latent_dim`.

    Attributes:
        params_per_latent: outputs of the bottleneck per latent dimension.
        number_scale: scale in which numbers are reconstructed.
    """

    latent_dim: int
    params_per_latent: ClassVar[int] = 1
    number_scale: ClassVar[str] = "unit"

    def make(self, inputs: Sequence[Feature], make_network: MakeNetwork) -> int:
        self.flat = FlatInputs(inputs, "unit", self.name, self.number_scale)
        self.network = make_network(inputs, [], defaults=NO_ENSEMBLE)
        self.bottleneck = nn.Linear(bottleneck_dim(self.network, inputs), self.params_per_latent * self.latent_dim)
        self.decoder = FlatDecoder(self.flat, self.latent_dim, width=32)
        return self.latent_dim

    def training_defaults(self, defaults: TrainingDefaults) -> TrainingDefaults:
        """Without augmentation, which would change the target, and with a smaller learning rate."""
        return replace(defaults, augment=False, learning_rate=min(defaults.learning_rate, 3e-3), weight_decay=0.01)

    def parameter_groups(self) -> Mapping[str, nn.Module]:
        return {"network": nn.ModuleList([self.network, self.bottleneck, self.decoder])}

    def forward_pass(self, batch: Batch) -> Any:
        return self.decoder(self.embed(batch))


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
