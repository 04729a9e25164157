"""Base class of reconstruction objectives: network, bottleneck and decoder."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from torch import nn

from deepglass.data.batches import Batch
from deepglass.features.base import Feature
from deepglass.hyperparameters import TrainingDefaults
from deepglass.objectives._bottleneck import NO_ENSEMBLE, bottleneck_dim
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
