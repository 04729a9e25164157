"""Restricted Boltzmann machine (RBM) trained by contrastive divergence: CD-k or persistent (PCD).

    positive phase: v0 from the data
    negative phase: vk after k Gibbs steps, from v0 (CD-k) or from persistent chains (PCD)
    minimise   F(v0) - F(vk)                                    F: free energy

Source: Hinton, 2002, Neural Computation 14 (CD); Tieleman, 2008, ICML (PCD); Salakhutdinov, Mnih and Hinton, 2007,
ICML, for missing values: a missing unit has no gradient.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Generator, Tensor, nn

from deepglass.constraints import Count
from deepglass.data.batches import Batch, Dataset
from deepglass.features.base import Feature
from deepglass.hyperparameters import TrainingDefaults
from deepglass.metrics.table import METRICS, Metric
from deepglass.nn.rbm import BoltzmannMachine
from deepglass.nn.tokens import Fields, whole_batch
from deepglass.objectives._flatten import FlatInputs
from deepglass.objectives._representation import Representation, masked_mean
from deepglass.objectives.base import Loss, MakeNetwork

NUM_CHAINS = 100  # persistent chains
MAX_ROWS_FOR_MEANS = 2_000


class Rbm(Representation):
    """RBM over all inputs, scaled to [0, 1]. It generates rows by Gibbs sampling.

    Args:
        hidden: number of hidden units.
        k: Gibbs steps per training step.
        persistent: chains continue from step to step (PCD) instead of starting at the data (CD).
        gibbs_steps: Gibbs steps per generated row.
    """

    monitor: ClassVar[Metric] = METRICS["mse"]
    generative: ClassVar[bool] = True
    builds_network: ClassVar[bool] = True

    def __init__(self, *, hidden: Count = 500, k: Count = 1, persistent: bool = True, gibbs_steps: Count = 100) -> None:
        super().__init__()
        self.hidden, self.k, self.persistent, self.gibbs_steps = hidden, k, persistent, gibbs_steps

    def make(self, inputs: Sequence[Feature], make_network: MakeNetwork) -> int:
        self.flat = FlatInputs(inputs, "unit", self.name)
        self.machine = BoltzmannMachine(self.flat.size, self.hidden)
        self.chains = nn.Buffer(torch.full((NUM_CHAINS, self.flat.size), 0.5))
        return self.hidden

    def on_fit_start(self, train: Dataset) -> None:
        mean = unit_means(self.flat, train)
        if not self.machine.visible_bias.any():
            self.machine.init_biases(mean)
        self.chains.copy_(torch.bernoulli(mean.expand_as(self.chains)))

    def training_defaults(self, defaults: TrainingDefaults) -> TrainingDefaults:
        return TrainingDefaults("momentum", 0.05, weight_decay=2e-4, batch_size=100, schedule="linear", warmup=0.0)

    def parameter_groups(self) -> Mapping[str, nn.Module]:
        return {"network": self.machine}

    def loss(self, batch: Batch) -> Loss:
        visible, present = self.flat(batch.inputs)
        negative = self._negative_samples(visible) * (1 if self.persistent else present)
        difference = self.machine.free_energy(visible).mean() - self.machine.free_energy(negative).mean()
        return Loss(difference, weight=len(batch))

    def _negative_samples(self, visible: Tensor) -> Tensor:
        """vk, from the persistent chains, which move on, or from the rows."""
        if not self.persistent:
            return self.machine.gibbs(visible, self.k)
        with whole_batch().same_draws():
            negative = self.machine.gibbs(self.chains, self.k)
            self.chains.copy_(self.machine.sample_visible(negative))
        return negative

    def own_metrics(self, data: Dataset, batch_size: int) -> tuple[Mapping[str, float], float]:
        errors, energies = [], []
        for batch in data.batches(batch_size):
            visible, present = self.flat(batch.inputs)
            errors.append(masked_mean((self.machine.down(self.machine(visible)) - visible).square(), present))
            energies.append(self.machine.free_energy(visible))
        mse = float(torch.cat(errors).mean())
        return {"mse": mse, "free_energy": float(torch.cat(energies).mean())}, mse

    def embed(self, batch: Batch) -> Tensor:
        return self.machine(self.flat(batch.inputs)[0])

    def reconstruct(self, batch: Batch) -> dict[str, dict[str, Tensor]]:
        """Reconstructed inputs, name -> values in the format of `Prediction.mode`."""
        return self.flat.to_predictions(self.machine.down(self.embed(batch)))

    def sample(self, count: int, generator: Generator, given: Fields) -> dict[str, dict[str, Tensor]]:
        """Continue randomly chosen persistent chains."""
        indices = torch.randint(len(self.chains), (count,), generator=generator, device=self.chains.device)
        return self.flat.to_predictions(self.machine.gibbs(self.chains[indices], self.gibbs_steps, generator))


def unit_means(flat: FlatInputs, train: Dataset) -> Tensor:
    """Mean of each visible unit over the training rows, (V,)."""
    rows = torch.linspace(0, len(train) - 1, min(len(train), MAX_ROWS_FOR_MEANS)).long()
    visible, present = flat(train.batch(rows).inputs)
    return visible.sum(0) / present.sum(0).clamp_min(1)
