"""Kinds of learning that learn a space from the inputs alone; answers are only read out of it, by a linear probe."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from deepglass.data.batches import Batch, Dataset
from deepglass.errors import SpecError
from deepglass.features.base import Feature
from deepglass.features.outputs.base import Output, Prediction
from deepglass.objectives._probe import Probe
from deepglass.objectives.base import Evaluation, MakeNetwork, Objective, predict_dataset


class Representation(Objective):
    """The base of such kinds. A target may be named: it never reaches the networks, only the probe.

    A subclass makes its networks in `make` and says in `figures` what they are worth; `embed` is its space.
    """

    uses_unlabelled: ClassVar[bool] = True
    name: ClassVar[str]

    def build(self, inputs: Sequence[Feature], outputs: Sequence[Output], make_network: MakeNetwork) -> None:
        for feature in outputs:
            if type(feature).dense or feature.alignable:
                raise SpecError(
                    "bad-value",
                    f"outputs.{feature.name}: a linear probe of {self.name} answers one thing a row, not a "
                    f"{feature.kind}; leave it out",
                )
        dim = self.make(inputs, make_network)
        self.probe = Probe(outputs, dim)

    @abstractmethod
    def make(self, inputs: Sequence[Feature], make_network: MakeNetwork) -> int:
        """Make the networks; the width D of the space."""

    @abstractmethod
    def figures(self, data: Dataset, batch_size: int) -> tuple[Mapping[str, float], float]:
        """The objective's own figures over a data set, and the one of which the best weights are kept."""

    def on_fit_end(self, train: Dataset) -> bool:
        self.eval()
        return self.probe.fit(train, self.embed)

    def evaluate(self, data: Dataset, batch_size: int, search: bool = True) -> Evaluation:
        self.eval()
        with torch.inference_mode():
            own, monitor = self.figures(data, batch_size)
        if not self.probe.fitted:
            return Evaluation({self.name: own}, monitor)
        best = predict_dataset(self, data, batch_size)
        scores = {n: f.score(best[n], data.truth[n]) for n, f in self.probe.outputs.items()}
        return Evaluation({self.name: own, **scores}, monitor, best)

    def predict(self, batch: Batch) -> dict[str, Prediction]:
        return self.probe.predictions(self.embed(batch))

    def forward_pass(self, batch: Batch) -> Any:
        return self.embed(batch)


def masked_mean(rows: Tensor, present: Tensor) -> Tensor:
    """The mean of each row over what is there, (B,)."""
    return (rows * present).sum(1) / present.sum(1).clamp_min(1)
