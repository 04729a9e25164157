"""A restricted Boltzmann machine: low free energy for what is seen, high for what it dreams.

    positive: v0 from the data
    negative: vk after k turns of Gibbs sampling, from v0 (CD-k) or from chains that never stop (PCD)
    step down the gradient of F(v0) - F(vk)

Source: Hinton, 2002, Neural Computation 14 (CD); Tieleman, 2008, ICML (PCD); Salakhutdinov, Mnih and Hinton, 2007,
ICML, for missing values: a unit that was not seen takes no part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Generator, Tensor, nn

from deepglass.constraints import Count
from deepglass.data.batches import Batch, Dataset
from deepglass.features.base import Feature, Metric
from deepglass.hyperparameters import TrainingDefaults
from deepglass.nn.rbm import RBM as Machine
from deepglass.nn.tokens import Field
from deepglass.objectives._flatten import Flat
from deepglass.objectives._representation import Representation, masked_mean
from deepglass.objectives.base import Loss, MakeNetwork

PARTICLES = 100  # chains that never stop
LOOKED_AT = 2_000  # rows for the units' means


class RBM(Representation):
    """One layer of hidden units over the inputs, all from 0 to 1; it draws new rows by Gibbs sampling.

    Args:
        hidden: how many units.
        k: turns of Gibbs sampling a step.
        persistent: chains go on from step to step (PCD) instead of beginning at the data (CD).
        gibbs_steps: of Gibbs sampling for a new row.
    """

    monitor: ClassVar[Metric] = Metric("mse", higher_is_better=False)
    name: ClassVar[str] = "rbm"
    generative: ClassVar[bool] = True
    builds_network: ClassVar[bool] = True
    chains: Tensor

    def __init__(self, *, hidden: Count = 500, k: Count = 1, persistent: bool = True, gibbs_steps: Count = 100) -> None:
        super().__init__()
        self.hidden, self.k, self.persistent, self.gibbs_steps = hidden, k, persistent, gibbs_steps

    def make(self, inputs: Sequence[Feature], make_network: MakeNetwork) -> int:
        self.flat = Flat(inputs, "unit", self.name)
        self.machine = Machine(self.flat.size, self.hidden)
        self.register_buffer("chains", torch.full((PARTICLES, self.flat.size), 0.5))
        return self.hidden

    def on_fit_start(self, train: Dataset) -> None:
        mean = unit_means(self.flat, train)
        if not self.machine.visible_bias.any():
            self.machine.begin_at(mean)
        self.chains.copy_(torch.bernoulli(mean.expand_as(self.chains)))

    def training_defaults(self, defaults: TrainingDefaults) -> TrainingDefaults:
        return TrainingDefaults("momentum", 0.05, weight_decay=2e-4, batch_size=100, schedule="linear", warmup=0.0)

    def parameter_groups(self) -> Mapping[str, nn.Module]:
        return {"network": self.machine}

    def loss(self, batch: Batch) -> Loss:
        seen, present = self.flat(batch.inputs)
        dreamt = self._dream(seen) * (1 if self.persistent else present)
        difference = self.machine.free_energy(seen).mean() - self.machine.free_energy(dreamt).mean()
        return Loss(difference, weight=len(batch))

    def _dream(self, seen: Tensor) -> Tensor:
        """vk: of the chains, which stay where they come to, or of the rows."""
        if not self.persistent:
            return self.machine.gibbs(seen, self.k)
        dreamt = self.machine.gibbs(self.chains, self.k)
        self.chains.copy_(self.machine.drawn(dreamt))
        return dreamt

    def figures(self, data: Dataset, batch_size: int) -> tuple[Mapping[str, float], float]:
        squares, energies = [], []
        for batch in data.batches(batch_size):
            seen, present = self.flat(batch.inputs)
            squares.append(masked_mean((self.machine.down(self.machine(seen)) - seen).square(), present))
            energies.append(self.machine.free_energy(seen))
        mse = float(torch.cat(squares).mean())
        return {"mse": mse, "free_energy": float(torch.cat(energies).mean())}, mse

    def embed(self, batch: Batch) -> Tensor:
        return self.machine(self.flat(batch.inputs)[0])

    def redrawn(self, batch: Batch) -> dict[str, dict[str, Tensor]]:
        """The inputs as the hidden units would have them, name -> best answers that `Feature.decode` takes."""
        return self.flat.back(self.machine.down(self.embed(batch)))

    def sample(self, count: int, generator: Generator, given: Mapping[str, Field]) -> dict[str, dict[str, Tensor]]:
        """Some of the chains, each gone on with by itself."""
        places = torch.randint(len(self.chains), (count,), generator=generator, device=self.chains.device)
        return self.flat.back(self.machine.gibbs(self.chains[places], self.gibbs_steps, generator))


def unit_means(flat: Flat, train: Dataset) -> Tensor:
    """How often each unit is on in the training rows, (V,)."""
    rows = torch.linspace(0, len(train) - 1, min(len(train), LOOKED_AT)).long()
    seen, present = flat(train.batch(rows).inputs)
    return seen.sum(0) / present.sum(0).clamp_min(1)
