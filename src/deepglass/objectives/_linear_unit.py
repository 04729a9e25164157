"""Base class of linear units for two classes, which update their weights by a rule of their own."""

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from deepglass.data.batches import Batch, Dataset
from deepglass.errors import SpecError
from deepglass.features.base import Feature
from deepglass.features.binary import Binary
from deepglass.features.category import Category
from deepglass.features.outputs.base import Output, Prediction
from deepglass.hyperparameters import TrainingDefaults
from deepglass.metrics.table import METRICS, Metric
from deepglass.nn.perceptron import largest_margin, margin_of
from deepglass.objectives._flatten import FlatInputs
from deepglass.objectives.base import Evaluation, Loss, MakeNetwork, Objective, predict_dataset

MAX_ROWS = 20_000  # training rows whose errors and margin are computed


class LinearUnit(Objective):
    """Base class: a weight of each input value and a bias, all 0 at first. A subclass gives the rule in `update`.

    The inputs are standardised. The weights with the fewest errors on the training rows are the result (the pocket).

    Source: Gallant, 1990, IEEE Transactions on Neural Networks 1 (pocket algorithm).
    """

    monitor: ClassVar[Metric] = METRICS["loss"]
    builds_network: ClassVar[bool] = True
    updates_weights: ClassVar[bool] = True
    learning_rate_default: ClassVar[float]

    def build(self, inputs: Sequence[Feature], outputs: Sequence[Output], make_network: MakeNetwork) -> None:
        self.flat = FlatInputs(inputs, "standard", self.name)
        self.output = _two_classes(outputs, self.name)
        self.unit = nn.ParameterList([torch.zeros(self.flat.size + 1)])
        self.radius, self.margin = nn.Buffer(torch.zeros(())), nn.Buffer(torch.zeros(()))
        self.train_rows: tuple[Tensor, Tensor] | None = None

    @property
    def weights(self) -> Tensor:
        """(D + 1,), the bias last."""
        return self.unit[0]

    def on_fit_start(self, train: Dataset) -> None:
        rows = torch.linspace(0, len(train) - 1, min(len(train), MAX_ROWS)).long()
        self.train_rows = x, y = self.labelled(train.batch(rows))
        self.radius.fill_(float(x.norm(dim=1).max()))
        self.margin.fill_(max(largest_margin(x, y), 0.0))

    def training_defaults(self, defaults: TrainingDefaults) -> TrainingDefaults:
        return TrainingDefaults("sgd", self.learning_rate_default, 0.0, batch_size=32, schedule="constant", warmup=0.0)

    def parameter_groups(self) -> Mapping[str, nn.Module]:
        return {"network": self.unit}

    def labelled(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Rows with a target: values with a 1 behind them, (n, D + 1), and the class as -1 or 1, (n,)."""
        target = batch.targets[self.output.name]
        present = target.present
        y = 2.0 * (target.values.reshape(-1)[present].long() == 2) - 1  # codes 1 and 2
        return self._values(batch)[present], y

    def update(self, x: Tensor, y: Tensor) -> Loss:
        """Change the weights by some rows, and return what is logged."""
        raise NotImplementedError

    def loss(self, batch: Batch) -> Loss:
        with torch.no_grad():
            return self.update(*self.labelled(batch))

    def evaluate(self, data: Dataset, batch_size: int, search: bool = True) -> Evaluation:
        predictions = predict_dataset(self, data, batch_size)
        scores = self.output.score(predictions[self.output.name], data.truth[self.output.name])
        errors = math.nan
        if self.train_rows is not None:
            x, y = self.train_rows
            errors = float((y * (x @ self.weights.detach()) <= 0).float().mean())
        return Evaluation({self.output.name: scores, self.name: self.own_metrics()}, errors, predictions)

    def own_metrics(self) -> dict[str, float]:
        """The margin of the line on the training rows, and the largest one where a line separates them."""
        margins = {}
        if self.train_rows is not None:
            margins["margin"] = margin_of(*self.train_rows, self.weights.detach())
        if self.margin > 0:
            margins["largest_margin"] = float(self.margin)
        return margins

    def predict(self, batch: Batch) -> dict[str, Prediction]:
        """The logit is the distance from the line."""
        weights = self.weights
        score = (self._values(batch) @ weights / weights.norm().clamp_min(1e-12))[:, None]
        if isinstance(self.output, Category):
            score = torch.cat([torch.zeros_like(score), score], 1)
        return {self.output.name: self.output.prediction(score)}

    def embed(self, batch: Batch) -> Tensor:
        """The standardised values, (B, D)."""
        return self.flat(batch.inputs)[0]

    def _values(self, batch: Batch) -> Tensor:
        values = self.flat(batch.inputs)[0]
        return torch.cat([values, torch.ones_like(values[:, :1])], 1)


def _two_classes(outputs: Sequence[Output], objective: str) -> Output:
    """The only output. Raises: SpecError: `bad-value` for other than one output of two classes."""
    if len(outputs) != 1 or not isinstance(outputs[0], Category | Binary):
        came = ", ".join(f"{f.name} ({f.kind})" for f in outputs) or "none"
        raise SpecError("bad-value", f"objective: {objective!r} expects one output of two classes, got {came}")
    (output,) = outputs
    if len(output.class_names) != 2:
        text = f"{objective!r} separates two classes, and {output.name!r} has {len(output.class_names)}"
        raise SpecError("bad-value", f"objective: {text}; take supervised, with network.depth=0 for a linear model")
    return output
