"""A deep belief network: restricted Boltzmann machines one upon the other, then fine-tuned to answer.

    for each layer, while its span of the run lasts:
        code = the probabilities of the layers below
        step down the gradient of F(code) - F(code after a turn of Gibbs sampling)
    the top layer also sees the answer, as one more unit a class, and so can draw a row for it
    unroll: a feed-forward network begins with the layers' weights and learns the answers by back-propagation

Source: Hinton, Osindero and Teh, 2006, Neural Computation 18; the fine-tuning is that of Hinton and Salakhutdinov,
2006, Science 313, with dropout (Srivastava et al., 2014, JMLR 15, section 4).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Generator, Tensor, nn

from deepglass.data.batches import Batch, Dataset
from deepglass.errors import SpecError
from deepglass.features.base import Feature
from deepglass.features.category import Category
from deepglass.features.outputs.base import Output, Prediction
from deepglass.hyperparameters import TrainingDefaults
from deepglass.metrics.table import METRICS, Metric
from deepglass.networks.network import key_of
from deepglass.nn.rbm import RBM
from deepglass.nn.tokens import Field, Tokens
from deepglass.objectives._flatten import Flat
from deepglass.objectives._representation import masked_mean
from deepglass.objectives.base import Evaluation, Loss, MakeNetwork, Objective, ParameterGroup, predict_dataset
from deepglass.objectives.rbm import unit_means
from deepglass.objectives.supervised import loss_sums

RATE, DECAY = 0.1, 2e-4  # of the machines: Hinton 2010, sections 7 and 10


class DBN(Objective):
    """Layers that are learned one by one without answers, and a classifier that begins with them.

    What was pretrained stays as it is beside the classifier, so that new rows can still be drawn from it.

    Args:
        layers: hidden units of each layer.
        pretraining: share of the run for the layers together; the whole run where there is nothing to answer.
        dropout: share of the hidden units left out in fine-tuning; of the inputs half as many.
        gibbs_steps: of Gibbs sampling in the top layer for a new row.
    """

    monitor: ClassVar[Metric] = METRICS["loss"]
    name: ClassVar[str] = "dbn"
    uses_unlabelled: ClassVar[bool] = True
    generative: ClassVar[bool] = True
    builds_network: ClassVar[bool] = True
    stage: Tensor

    def __init__(
        self,
        *,
        layers: tuple[int, ...] = (800, 800),
        pretraining: float = 0.3,
        dropout: float = 0.3,
        gibbs_steps: int = 100,
    ) -> None:
        super().__init__()
        if not layers or min(layers) < 1:
            raise ValueError(f"layers: expected one number of units or more, each at least 1, got {list(layers)}")
        if not 0 < pretraining < 1:
            raise ValueError(f"pretraining: expected a share between 0 and 1, got {pretraining}")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout: expected a share from 0 to below 1, got {dropout}")
        self.layers, self.pretraining, self.dropout, self.gibbs_steps = tuple(layers), pretraining, dropout, gibbs_steps

    def build(self, inputs: Sequence[Feature], outputs: Sequence[Output], make_network: MakeNetwork) -> None:
        for feature in outputs:
            if type(feature).dense or feature.alignable:
                raise SpecError(
                    "bad-value", f"outputs.{feature.name}: a dbn answers one thing a row, not a {feature.kind}"
                )
        self.outputs = {f.name: f for f in outputs}
        self.flat = Flat(inputs, "unit", self.name)
        self.label = next((f for f in outputs if isinstance(f, Category)), None)
        self.conditions = (self.label,) if self.label is not None else ()
        sizes = [self.flat.size, *self.layers]
        below = [RBM(*pair) for pair in pairwise(sizes[:-1])]
        classes = len(self.label.class_names) if self.label is not None else 0
        self.machines = nn.ModuleList([*below, RBM(sizes[-2] + classes, sizes[-1], classes)])
        self.unrolled = Unrolled(sizes, self.dropout)
        self.heads = nn.ModuleDict({key_of(f.name): f.head(sizes[-1]) for f in outputs})
        self.register_buffer("stage", torch.zeros((), dtype=torch.int64))

    def on_fit_start(self, train: Dataset) -> None:
        first = self._machine(0)
        if not first.visible_bias.any():
            first.begin_at(unit_means(self.flat, train))

    def training_defaults(self, defaults: TrainingDefaults) -> TrainingDefaults:
        return TrainingDefaults("adamw", 2e-3, weight_decay=1e-4, batch_size=100, schedule="cosine", epochs=60)

    def parameter_groups(self) -> Mapping[str, ParameterGroup]:
        groups = {
            f"layer_{i + 1}": ParameterGroup(m, "momentum", RATE, DECAY, schedule="linear", span=self._span(i))
            for i, m in enumerate(self.machines)
        }
        if self.outputs:
            groups["network"] = ParameterGroup(nn.ModuleList([self.unrolled, self.heads]), span=(self.pretraining, 1.0))
        return groups

    def _span(self, i: int) -> tuple[float, float]:
        """The part of the run in which a layer is learned."""
        share = (self.pretraining if self.outputs else 1.0) / len(self.machines)
        return i * share, (i + 1) * share

    def losses(self, batch: Batch, progress: float) -> Iterator[Loss]:
        count = len(self.machines)
        if not self.outputs or progress < self.pretraining:
            stage = next((i for i in range(count) if progress < self._span(i)[1]), count - 1)
            self.stage.fill_(stage)
            yield Loss(self._difference(batch, stage), group=f"layer_{stage + 1}", weight=len(batch))
            return
        if self.stage < count:
            self.unrolled.begin_with([self._machine(i) for i in range(count)])
            self.stage.fill_(count)
        sums = [loss_sums(a, batch.targets[n], 1) for n, a in self.predict(batch).items()]
        yield Loss(torch.stack([s / n.clamp_min(1) for s, n in sums]).sum(), weight=len(batch))

    def _difference(self, batch: Batch, stage: int) -> Tensor:
        """F of what the layer sees less F of what it makes of that."""
        with torch.no_grad():
            seen = self._seen(batch, stage)
        machine = self._machine(stage)
        return machine.free_energy(seen).mean() - machine.free_energy(machine.gibbs(seen, 1)).mean()

    def _seen(self, batch: Batch, stage: int) -> Tensor:
        """What a layer sees: the probabilities of the one below, in the top layer beside the answer's class."""
        v, _ = self.flat(batch.inputs)
        for below in range(stage):
            v = self._machine(below)(v)
        classes = self._machine(stage).classes
        if self.label is None or not classes:
            return v
        known = batch.targets.get(self.label.name) if batch.targets else None
        choice = v.new_full((len(v), classes), 1 / classes) if known is None else self._one_hot(known)
        return torch.cat([v, choice], 1)

    def _one_hot(self, field: Field) -> Tensor:
        """(B, classes); alike for all classes where it is not known which."""
        classes = self._machine(-1).classes
        codes = field.values.reshape(-1).long()
        chosen = nn.functional.one_hot(codes, classes + 1)[:, 1:].float()
        return torch.where((field.known & (codes > 0)).unsqueeze(1), chosen, 1 / classes)

    def evaluate(self, data: Dataset, batch_size: int, search: bool = True) -> Evaluation:
        self.eval()
        stage, count = int(self.stage), len(self.machines)
        if stage < count:
            mse = self._redrawn_error(data, batch_size, stage)
            last = not self.outputs and stage == count - 1
            return Evaluation({self.name: {"layer": stage + 1.0, "mse": mse}}, mse if last else math.nan)
        total: dict[str, list[Tensor]] = {}
        with torch.inference_mode():
            for batch in data.batches(batch_size):
                for n, a in self.predict(batch).items():
                    total.setdefault(n, []).append(torch.stack(loss_sums(a, batch.targets[n], 1)))
        best = predict_dataset(self, data, batch_size)
        figures = {n: f.score(best[n], data.truth[n]) for n, f in self.outputs.items()}
        sums = [torch.stack(parts).sum(0) for parts in total.values()]
        return Evaluation(figures, float(sum(s[0] / s[1].clamp_min(1) for s in sums)), best)

    def _redrawn_error(self, data: Dataset, batch_size: int, stage: int) -> float:
        """The mean squared error of the inputs after the way up to a layer and down again."""
        squares = []
        with torch.inference_mode():
            for batch in data.batches(batch_size):
                seen, present = self.flat(batch.inputs)
                h = self._machine(stage)(self._seen(batch, stage))
                squares.append(masked_mean((self._down(h, stage) - seen).square(), present))
        return float(torch.cat(squares).mean())

    def predict(self, batch: Batch) -> dict[str, Prediction]:
        code = self.unrolled(self.flat(batch.inputs)[0]).unsqueeze(1)
        tokens = Tokens(code, torch.ones(code.shape[:2], dtype=torch.bool, device=code.device))
        return {n: f.prediction(self.heads[key_of(n)](tokens)) for n, f in self.outputs.items()}

    def embed(self, batch: Batch) -> Tensor:
        if self.stage == len(self.machines):
            return self.unrolled(self.flat(batch.inputs)[0])
        top = max(int(self.stage) - 1, 0) if self.outputs else int(self.stage)
        return self._machine(top)(self._seen(batch, top))

    def forward_pass(self, batch: Batch) -> object:
        return [self.machines[-1](self._seen(batch, len(self.machines) - 1)), self.predict(batch)]

    def sample(self, count: int, generator: Generator, given: Mapping[str, Field]) -> dict[str, dict[str, Tensor]]:
        """The top layer settles, for the class that is asked for, and the layers below draw what it came to."""
        stage = min(int(self.stage), len(self.machines) - 1)
        top = self._machine(stage)
        clamp = self._one_hot(next(iter(given.values()))) if given and top.classes else None
        v = torch.rand(count, top.weight.shape[1], generator=generator, device=top.weight.device)
        if top.classes:
            v[:, -top.classes :] = clamp if clamp is not None else 1 / top.classes
        v = top.gibbs(v, self.gibbs_steps, generator, clamp)
        return self.flat.back(self._down(torch.bernoulli(top(v), generator=generator), stage))

    def redrawn(self, batch: Batch) -> dict[str, dict[str, Tensor]]:
        """The inputs after the way up to the top and down again, name -> best answers that `decode` takes."""
        stage = min(int(self.stage), len(self.machines) - 1)
        return self.flat.back(self._down(self._machine(stage)(self._seen(batch, stage)), stage))

    def _down(self, h: Tensor, stage: int) -> Tensor:
        """Hidden units of a layer to the inputs, by probabilities."""
        for i in range(stage, -1, -1):
            machine = self._machine(i)
            h = machine.down(h)
            h = h[:, : h.shape[1] - machine.classes]
        return h

    def _machine(self, i: int) -> RBM:
        machine = self.machines[i]
        assert isinstance(machine, RBM)
        return machine


class Unrolled(nn.Module):
    """The layers as a feed-forward network.

    Shapes:
        v: (B, sizes[0]) -> (B, sizes[-1]).
    """

    def __init__(self, sizes: Sequence[int], dropout: float) -> None:
        super().__init__()
        self.linears = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.seen, self.hidden = nn.Dropout(dropout / 2), nn.Dropout(dropout)

    @torch.no_grad()
    def begin_with(self, machines: Sequence[RBM]) -> None:
        """Take the weights over; those of the answer's units are left behind."""
        for linear, machine in zip(self.linears, machines, strict=True):
            assert isinstance(linear, nn.Linear)
            linear.weight.copy_(machine.weight[:, : linear.in_features])
            linear.bias.copy_(machine.hidden_bias)
            if machine.classes:  # the answer is not known: as if each class were as likely
                linear.bias.add_(machine.weight[:, linear.in_features :].mean(1))

    def forward(self, v: Tensor) -> Tensor:
        x = self.seen(v)
        for linear in self.linears:
            x = self.hidden(torch.sigmoid(linear(x)))
        return x
