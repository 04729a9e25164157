"""Deep belief network (DBN): greedy layer-wise pretraining of RBMs, then supervised fine-tuning.

    for each layer, during its share of the run:
        v = hidden probabilities of the layer below
        minimise   F(v) - F(v after one Gibbs step)
    the visible units of the top layer include the one-hot label, so that samples can be conditioned on a class
    fine-tuning: a feed-forward network starts with the weights of the layers and is trained by back-propagation

Source: Hinton, Osindero and Teh, 2006, Neural Computation 18; fine-tuning: Hinton and Salakhutdinov,
2006, Science 313, with dropout (Srivastava et al., 2014, JMLR 15, section 4).
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Any, ClassVar

import torch
from torch import Generator, Tensor, nn

from deepglass.constraints import Count, Fraction, Len, OpenShare
from deepglass.data.batches import Batch, Dataset
from deepglass.features.base import Feature
from deepglass.features.category import Category
from deepglass.features.outputs.base import Output, Prediction
from deepglass.hyperparameters import TrainingDefaults
from deepglass.metrics.table import METRICS, Metric
from deepglass.networks.network import key_of
from deepglass.nn.rbm import BoltzmannMachine
from deepglass.nn.tokens import Field, Fields, Tokens, whole_batch
from deepglass.objectives._flatten import FlatInputs
from deepglass.objectives._representation import check_row_outputs, masked_mean
from deepglass.objectives.base import Evaluation, Loss, MakeNetwork, Objective, ParameterGroup, predict_dataset
from deepglass.objectives.rbm import unit_means
from deepglass.objectives.supervised import loss_sums

RBM_LEARNING_RATE, RBM_WEIGHT_DECAY = 0.1, 2e-4  # Hinton 2010, sections 7 and 10


class Dbn(Objective):
    """Deep belief network with a classifier that starts from its weights.

    The pretrained layers stay unchanged beside the classifier, so that rows can still be generated.

    Args:
        layers: hidden units of each layer.
        pretraining: share of the run for pretraining; without outputs the whole run.
        dropout: dropout rate of the hidden units in fine-tuning; half of it for the inputs.
        gibbs_steps: Gibbs steps of the top layer per generated row.
    """

    monitor: ClassVar[Metric] = METRICS["loss"]
    uses_unlabelled: ClassVar[bool] = True
    generative: ClassVar[bool] = True
    builds_network: ClassVar[bool] = True

    def __init__(
        self,
        *,
        layers: Annotated[tuple[Count, ...], Len(1)] = (800, 800),
        pretraining: OpenShare = 0.3,
        dropout: Fraction = 0.3,
        gibbs_steps: Count = 100,
    ) -> None:
        super().__init__()
        self.layers, self.pretraining, self.dropout, self.gibbs_steps = tuple(layers), pretraining, dropout, gibbs_steps

    def build(self, inputs: Sequence[Feature], outputs: Sequence[Output], make_network: MakeNetwork) -> None:
        check_row_outputs(outputs, self.name)
        self.outputs = {f.name: f for f in outputs}
        self.flat = FlatInputs(inputs, "unit", self.name)
        self.label = next((f for f in outputs if isinstance(f, Category)), None)
        self.conditions = (self.label,) if self.label is not None else ()
        sizes = [self.flat.size, *self.layers]
        below = [BoltzmannMachine(*pair) for pair in pairwise(sizes[:-1])]
        classes = len(self.label.class_names) if self.label is not None else 0
        self.machines: Any = nn.ModuleList([*below, BoltzmannMachine(sizes[-2] + classes, sizes[-1], classes)])
        self.feed_forward = FeedForward(sizes, self.dropout)
        self.heads = nn.ModuleDict({key_of(f.name): f.head(sizes[-1]) for f in outputs})
        self.stage = nn.Buffer(torch.zeros((), dtype=torch.int64))

    def on_fit_start(self, train: Dataset) -> None:
        first = self.machines[0]
        if not first.visible_bias.any():
            first.init_biases(unit_means(self.flat, train))

    def training_defaults(self, defaults: TrainingDefaults) -> TrainingDefaults:
        return TrainingDefaults("adamw", 2e-3, weight_decay=1e-4, batch_size=100, schedule="cosine", epochs=60)

    def parameter_groups(self) -> Mapping[str, ParameterGroup]:
        groups = {
            f"layer_{i + 1}": ParameterGroup(
                m, "momentum", RBM_LEARNING_RATE, RBM_WEIGHT_DECAY, schedule="linear", span=self._stage_span(i)
            )
            for i, m in enumerate(self.machines)
        }
        if self.outputs:
            groups["network"] = ParameterGroup(
                nn.ModuleList([self.feed_forward, self.heads]), span=(self.pretraining, 1.0)
            )
        return groups

    def _stage_span(self, i: int) -> tuple[float, float]:
        """Start and end of the pretraining of a layer, as shares of the run."""
        share = (self.pretraining if self.outputs else 1.0) / len(self.machines)
        return i * share, (i + 1) * share

    def losses(self, batch: Batch, progress: float) -> Iterator[Loss]:
        count = len(self.machines)
        if not self.outputs or progress < self.pretraining:
            stage = next((i for i in range(count) if progress < self._stage_span(i)[1]), count - 1)
            self.stage.fill_(stage)
            yield Loss(self._contrastive_loss(batch, stage), group=f"layer_{stage + 1}", weight=len(batch))
            return
        if self.stage < count:
            self.feed_forward.init_from(self.machines)
            self.stage.fill_(count)
        sums = [loss_sums(a, batch.targets[n], 1) for n, a in self.predict(batch).items()]
        means = [s / whole_batch().denominator(n) for s, n in sums]
        yield Loss(torch.stack(means).sum(), weight=len(batch))

    def _contrastive_loss(self, batch: Batch, stage: int) -> Tensor:
        """Free energy of the data minus that of its one-step reconstruction."""
        with torch.no_grad():
            visible = self._visible(batch, stage)
        machine = self.machines[stage]
        return machine.free_energy(visible).mean() - machine.free_energy(machine.gibbs(visible, 1)).mean()

    def _visible(self, batch: Batch, stage: int) -> Tensor:
        """Visible units of a layer: hidden probabilities of the layer below, in the top layer also the label."""
        v, _ = self.flat(batch.inputs)
        for below in range(stage):
            v = self.machines[below](v)
        classes = self.machines[stage].classes
        if self.label is None or not classes:
            return v
        label = batch.targets.get(self.label.name) if batch.targets else None
        one_hot = v.new_full((len(v), classes), 1 / classes) if label is None else self._one_hot(label)
        return torch.cat([v, one_hot], 1)

    def _one_hot(self, field: Field) -> Tensor:
        """One-hot label, (B, classes); uniform where unknown."""
        classes = self.machines[-1].classes
        codes = field.values.reshape(-1).long()
        chosen = nn.functional.one_hot(codes, classes + 1)[:, 1:].float()
        return torch.where((field.present & (codes > 0)).unsqueeze(1), chosen, 1 / classes)

    def evaluate(self, data: Dataset, batch_size: int, search: bool = True) -> Evaluation:
        self.eval()
        stage, count = int(self.stage), len(self.machines)
        if stage < count:
            mse = self._reconstruction_error(data, batch_size, stage)
            last = not self.outputs and stage == count - 1
            return Evaluation({self.name: {"layer": stage + 1.0, "mse": mse}}, mse if last else math.nan)
        total: dict[str, list[Tensor]] = {}
        with torch.inference_mode():
            for batch in data.batches(batch_size):
                for n, a in self.predict(batch).items():
                    total.setdefault(n, []).append(torch.stack(loss_sums(a, batch.targets[n], 1)))
        predictions = predict_dataset(self, data, batch_size)
        metrics = {n: f.score(predictions[n], data.truth[n]) for n, f in self.outputs.items()}
        sums = [torch.stack(parts).sum(0) for parts in total.values()]
        loss = float(sum(s[0] / s[1].clamp_min(1) for s in sums))
        return Evaluation(metrics, loss, predictions, loss=loss)

    def _reconstruction_error(self, data: Dataset, batch_size: int, stage: int) -> float:
        """Mean squared error of the inputs reconstructed from a layer."""
        errors = []
        with torch.inference_mode():
            for batch in data.batches(batch_size):
                values, present = self.flat(batch.inputs)
                h = self.machines[stage](self._visible(batch, stage))
                errors.append(masked_mean((self._down(h, stage) - values).square(), present))
        return float(torch.cat(errors).mean())

    def predict(self, batch: Batch) -> dict[str, Prediction]:
        tokens = Tokens.of_vector(self.feed_forward(self.flat(batch.inputs)[0]))
        return {n: f.prediction(self.heads[key_of(n)](tokens)) for n, f in self.outputs.items()}

    def embed(self, batch: Batch) -> Tensor:
        if self.stage == len(self.machines):
            return self.feed_forward(self.flat(batch.inputs)[0])
        top = max(int(self.stage) - 1, 0) if self.outputs else int(self.stage)
        return self.machines[top](self._visible(batch, top))

    def forward_pass(self, batch: Batch) -> object:
        return [self.machines[-1](self._visible(batch, len(self.machines) - 1)), self.predict(batch)]

    def sample(self, count: int, generator: Generator, given: Fields) -> dict[str, dict[str, Tensor]]:
        """Gibbs sampling in the top layer, its label clamped to the given class, then one pass down."""
        stage = min(int(self.stage), len(self.machines) - 1)
        top = self.machines[stage]
        clamp = self._one_hot(next(iter(given.values()))) if given and top.classes else None
        v = torch.rand(count, top.weight.shape[1], generator=generator, device=top.weight.device)
        if top.classes:
            v[:, -top.classes :] = clamp if clamp is not None else 1 / top.classes
        v = top.gibbs(v, self.gibbs_steps, generator, clamp)
        return self.flat.to_predictions(self._down(torch.bernoulli(top(v), generator=generator), stage))

    def reconstruct(self, batch: Batch) -> dict[str, dict[str, Tensor]]:
        """Reconstructed inputs, name -> values in the format of `Prediction.mode`."""
        stage = min(int(self.stage), len(self.machines) - 1)
        return self.flat.to_predictions(self._down(self.machines[stage](self._visible(batch, stage)), stage))

    def _down(self, h: Tensor, stage: int) -> Tensor:
        """Hidden units of a layer -> probabilities of the inputs."""
        for i in range(stage, -1, -1):
            machine = self.machines[i]
            h = machine.down(h)
            h = h[:, : h.shape[1] - machine.classes]
        return h


class FeedForward(nn.Module):
    """Feed-forward network with the layers of the DBN.

    Shapes:
        v: (B, sizes[0]) -> (B, sizes[-1]).
    """

    def __init__(self, sizes: Sequence[int], dropout: float) -> None:
        super().__init__()
        self.linears = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.input_dropout, self.hidden_dropout = nn.Dropout(dropout / 2), nn.Dropout(dropout)

    @torch.no_grad()
    def init_from(self, machines: Sequence[BoltzmannMachine]) -> None:
        """Copy the weights, without those of the label units."""
        for linear, machine in zip(self.linears, machines, strict=True):
            assert isinstance(linear, nn.Linear)
            linear.weight.copy_(machine.weight[:, : linear.in_features])
            linear.bias.copy_(machine.hidden_bias)
            if machine.classes:  # the label is unknown: the mean over the classes
                linear.bias.add_(machine.weight[:, linear.in_features :].mean(1))

    def forward(self, v: Tensor) -> Tensor:
        x = self.input_dropout(v)
        for linear in self.linears:
            x = self.hidden_dropout(torch.sigmoid(linear(x)))
        return x
