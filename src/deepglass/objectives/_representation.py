"""Base class of self-supervised representation learning, evaluated by a linear probe."""

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
from deepglass.objectives.base import Evaluation, MakeNetwork, Objective


class Representation(Objective):
    """Base class of objectives that learn an embedding from the inputs alone.

    Outputs are optional: they train the linear probe and never reach the networks. A subclass creates its networks in
    `make` and evaluates them in `own_metrics`; `embed` gives the embedding.
    """

    uses_unlabelled: ClassVar[bool] = True
    monitors_probe: ClassVar[bool] = False  # the probe's loss is added to the monitored value
    gaussian_prior: ClassVar[bool] = False  # of the probe

    def build(self, inputs: Sequence[Feature], outputs: Sequence[Output], make_network: MakeNetwork) -> None:
        check_row_outputs(outputs, f"the linear probe of {self.name}")
        dim = self.make(inputs, make_network)
        self.probe = Probe(outputs, dim, gaussian_prior=self.gaussian_prior)

    @abstractmethod
    def make(self, inputs: Sequence[Feature], make_network: MakeNetwork) -> int:
        """Create the networks. Returns the width D of the embedding."""

    @abstractmethod
    def own_metrics(self, data: Dataset, batch_size: int) -> tuple[Mapping[str, float], float]:
        """Metrics of the objective without outputs, and the value of `monitor`."""

    def fit_probe(self, train: Dataset) -> bool:
        """Fit the linear probe after training; False without outputs or targets."""
        self.eval()
        return self.probe.fit(train, self.embed)

    def evaluate(self, data: Dataset, batch_size: int, search: bool = True) -> Evaluation:
        self.eval()
        with torch.inference_mode():
            own, monitor = self.own_metrics(data, batch_size)
            if not self.probe.fitted:
                return Evaluation({self.name: own}, monitor)
            predictions, loss = self.probe.evaluate(data, self.embed, batch_size)
        scores = {n: f.score(predictions[n], data.truth[n]) for n, f in self.probe.outputs.items()}
        monitor += loss if self.monitors_probe else 0.0
        return Evaluation({self.name: own, **scores}, monitor, predictions)

    def predict(self, batch: Batch) -> dict[str, Prediction]:
        return self.probe.predictions(self.embed(batch))

    def forward_pass(self, batch: Batch) -> Any:
        return self.embed(batch)


def check_row_outputs(outputs: Sequence[Output], model: str) -> None:
    """Raises: SpecError: `bad-value` for an output of several values per row; `model` is named in the text."""
    for feature in outputs:
        if type(feature).dense or feature.alignable:
            raise SpecError(
                "bad-value",
                f"outputs.{feature.name}: {model} predicts one value per row, not the kind {feature.kind}; leave the "
                "output out",
            )


def masked_mean(rows: Tensor, present: Tensor) -> Tensor:
    """Mean of each row over its present values, (B,)."""
    return (rows * present).sum(1) / present.sum(1).clamp_min(1)
