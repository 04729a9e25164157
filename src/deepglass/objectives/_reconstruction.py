"""Kinds of learning that draw their inputs again from a code: the run's network, a bottleneck, a decoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from torch import nn

from deepglass.data.batches import Batch
from deepglass.features.base import Feature
from deepglass.hyperparameters import TrainingDefaults
from deepglass.objectives._bottleneck import SINGLE, plain, reading_dim
from deepglass.objectives._flatten import Drawer, Flat
from deepglass.objectives._representation import Representation
from deepglass.objectives.base import MakeNetwork


class Redrawing(Representation):
    """The base of such kinds; `embed` is the code, of width `latent_dim`."""

    latent_dim: int
    read: ClassVar[int] = 1  # numbers that the bottleneck gives for each axis of the code
    numbers: ClassVar[str] = "unit"  # the scale in which numbers are drawn

    def make(self, inputs: Sequence[Feature], make_network: MakeNetwork) -> int:
        self.flat = Flat(inputs, "unit", self.name, self.numbers)
        self.network = make_network(inputs, [], defaults=SINGLE)
        self.bottleneck = nn.Linear(reading_dim(self.network, inputs), self.read * self.latent_dim)
        self.decoder = Drawer(self.flat, self.latent_dim, width=32)
        return self.latent_dim

    def training_defaults(self, defaults: TrainingDefaults) -> TrainingDefaults:
        return plain(defaults)

    def parameter_groups(self) -> Mapping[str, nn.Module]:
        return {"network": nn.ModuleList([self.network, self.bottleneck, self.decoder])}

    def forward_pass(self, batch: Batch) -> Any:
        return self.decoder(self.embed(batch))
