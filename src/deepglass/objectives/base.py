"""Base class of the objectives: the kinds of learning, each a generator of losses."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from deepglass.data.batches import Batch, BatchTransform, Dataset, Loader, ShuffledLoader
from deepglass.device import map_in_threads
from deepglass.features.base import Feature
from deepglass.features.outputs.base import Output, Prediction, PredictionArrays
from deepglass.hyperparameters import TrainingDefaults
from deepglass.metrics.table import METRICS, Metric
from deepglass.networks.network import Network
from deepglass.networks.trunks.base import TRUNKS
from deepglass.nn.tokens import Fields, pool
from deepglass.registry import Registry

JOINED_BATCHES = 32  # whose predictions are joined at once: thousands of small tensors would fragment the heap
Reduce = Callable[[str, float], float]
"""Agrees on a value that steers control flow, by its name, over several processes."""


def local_value(name: str, value: float) -> float:
    """The `Reduce` of a single process: the value itself."""
    return value


@dataclass(frozen=True)
class MakeNetwork:
    """Builds networks with the trunk and settings of the run, unless others are passed.

    Args:
        trunk: the run's network architecture.
        settings: its settings.
    """

    trunk: str
    settings: Mapping[str, Any]

    def __call__(
        self,
        inputs: Sequence[Feature],
        outputs: Sequence[Output],
        trunk: str | None = None,
        settings: Mapping[str, Any] | None = None,
        causal: bool = False,
        defaults: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> Network:
        """A network with new weights.

        Args:
            causal: no token depends on a later one.
            defaults: trunk -> settings for which the run states no value.
        """
        name = trunk or self.trunk
        own = self.settings if settings is None and trunk is None else settings or {}
        own = {**(defaults or {}).get(name, {}), **own}
        return Network(inputs, outputs, name, TRUNKS.get(name).causal(own) if causal else own)


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters with their own optimizer. None takes the plan's value.

    Args:
        module: its parameters are the group.
        clip: largest gradient norm.
        settings: further arguments of the optimizer, such as `betas`.
        schedule: learning-rate schedule.
        span: start and end of the schedule as shares of the run, for training in stages. The learning rate is constant
            outside the span.
    """

    module: nn.Module
    optimizer: str | None = None
    learning_rate: float | None = None
    weight_decay: float | None = None
    clip: float | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    schedule: str | None = None
    span: tuple[float, float] = (0.0, 1.0)


@dataclass(frozen=True)
class Loss:
    """A loss for one optimizer step.

    Args:
        value: scalar. Without a gradient it is only logged: the objective has updated its weights itself.
        group: name of the parameter group to update.
        logs: further values for the training history.
        weight: number of rows that the value is a mean over.
    """

    value: Tensor
    group: str = "network"
    logs: Mapping[str, float | Tensor] = field(default_factory=dict)
    weight: float = 1.0


@dataclass(frozen=True)
class Evaluation:
    """Metrics and predictions of an objective on a data set.

    Args:
        metrics: output (or objective) -> metric -> value.
        monitor: value of `Objective.monitor`, by which the best weights are chosen.
        predictions: output -> point predictions, for objectives with outputs.
        warnings: sentences about training failures, such as mode collapse.
        loss: mean over the rows of the same loss that a training step minimises; None where it has no such mean.
    """

    metrics: Mapping[str, Mapping[str, float]]
    monitor: float
    predictions: Mapping[str, PredictionArrays] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    loss: float | None = None


class Objective(nn.Module, ABC):
    """A kind of learning. It owns its networks.

    One training step is one call of `losses`. For each loss the trainer clears the gradients of its parameter group,
    back-propagates, steps the group's optimizer and resumes the generator. Code after the `yield` runs after the
    update: it moves a target network or an average. Never yield inside `no_grad` or `autocast`.

    Attributes:
        monitor: metric by which the best weights are chosen.
        learns_from: independent rows, the rows as one text, whose order the split keeps, or an environment.
        uses_unlabelled: rows without a target are training rows too.
        generative: `sample` generates rows.
        weighs_rows: its losses are multiplied by the rows' weights.
        takes_targets: False for one that learns from the inputs alone: the target that a source marks is left out.
        builds_network: it takes no trunk, its networks are its own.
        default_trunk: network architecture where the spec names none; None: by the kinds of the columns.
        updates_weights: it updates its weights itself and yields losses without a gradient.
        one_process: why several processes cannot train it together; empty where they can.
        conditions: features that `sample` can be conditioned on.
        reduce, learning_rate: of the trainer: agreement over processes, rate of the first parameter group in this step.
    """

    monitor: ClassVar[Metric] = METRICS["loss"]
    learns_from: ClassVar[Literal["rows", "text", "environment"]] = "rows"
    uses_unlabelled: ClassVar[bool] = False
    generative: ClassVar[bool] = False
    weighs_rows: ClassVar[bool] = False
    takes_targets: ClassVar[bool] = True
    builds_network: ClassVar[bool] = False
    default_trunk: ClassVar[str | None] = None
    updates_weights: ClassVar[bool] = False
    one_process: ClassVar[str] = ""
    conditions: tuple[Feature, ...] = ()
    network: Network

    def __init__(self) -> None:
        super().__init__()
        self.reduce: Reduce = local_value
        self.learning_rate = 0.0

    @property
    def name(self) -> str:
        return OBJECTIVES.name_of(type(self))

    @classmethod
    def adapt_inputs(cls, inputs: Sequence[Feature]) -> list[Feature]:
        """The unfitted inputs as the objective needs them, such as texts as characters."""
        return list(inputs)

    @abstractmethod
    def build(self, inputs: Sequence[Feature], outputs: Sequence[Output], make_network: MakeNetwork) -> None:
        """Create the networks."""

    def on_fit_start(self, train: Dataset) -> None:
        """Compute statistics of the training rows, before the first step."""

    def examples_per_epoch(self, train: Dataset) -> int:
        """Number of training examples of an epoch."""
        return len(train)

    def training_defaults(self, defaults: TrainingDefaults) -> TrainingDefaults:
        """The trunk's training defaults with this objective's changes."""
        return defaults

    def parameter_groups(self) -> Mapping[str, nn.Module | ParameterGroup]:
        """Parameter groups by name, each with its own optimizer."""
        return {"network": self.network}

    def num_parameters(self) -> int:
        """Number of parameters, without copies of a network."""
        return sum(p.numel() for p in self.parameters())

    def losses(self, batch: Batch, progress: float) -> Iterator[Loss]:
        """The losses of one training step; `progress` of the run is from 0 to 1."""
        yield self.loss(batch)

    def loss(self, batch: Batch) -> Loss:
        """The loss of an objective with a single one."""
        raise NotImplementedError

    def make_loader(self, data: Dataset, batch_size: int, seed: int, transform: BatchTransform | None = None) -> Loader:
        """Loader of the training batches: shuffled rows by default."""
        return ShuffledLoader(data, batch_size, seed, transform)

    def examples_per_evaluation(self, data: Dataset) -> int:
        """Number of examples that an evaluation of these rows predicts."""
        return len(data)

    def validation_sample(self, data: Dataset, count: int, seed: int) -> Dataset:
        """Rows chosen at random, with about `count` of the examples of `examples_per_evaluation`, in their order."""
        random = np.random.default_rng(seed)
        return data.subset(np.sort(random.choice(len(data), min(count, len(data)), replace=False)))

    @abstractmethod
    def evaluate(self, data: Dataset, batch_size: int, search: bool = True) -> Evaluation:
        """Evaluate on a data set.

        Args:
            search: decode outputs that need beam search. False, during training, reports only their loss.
        """

    def predict(self, batch: Batch) -> dict[str, Prediction]:
        """Output name -> prediction, the mean over ensemble members."""
        return self.network.predictions(batch.inputs, batch.targets)

    def embed(self, batch: Batch) -> Tensor:
        """Embedding of each row, (B, D): the pooled input of the heads, ensemble members concatenated."""
        return pool(self.network.embed(batch.inputs)).float().reshape(len(batch), -1)

    def forward_pass(self, batch: Batch) -> Any:
        """Run all networks once, for callers with forward hooks."""
        return self.predict(batch)

    def sample(self, count: int, generator: Generator, given: Fields) -> dict[str, dict[str, Tensor]]:
        """Generate rows: feature name -> values in the format of `Prediction.mode`.

        Args:
            generator: the only source of randomness.
            given: conditions, feature name -> encoded field of `count` rows.
        """
        raise NotImplementedError(f"{type(self).__name__} cannot generate")


def concatenate_predictions(parts: Sequence[Mapping[str, Tensor]]) -> PredictionArrays:
    """The predictions of several batches as arrays: padded to the longest row, floats as float32."""
    return {key: _concatenate([part[key] for part in parts]).cpu().numpy() for key in parts[0]}


def _concatenate(tensors: Sequence[Tensor]) -> Tensor:
    largest = [max(sizes) for sizes in zip(*(t.shape[1:] for t in tensors), strict=True)]
    padded = []
    for t in tensors:
        padding = [(0, most - size) for most, size in zip(largest, t.shape[1:], strict=True)]
        t = F.pad(t, [n for pair in reversed(padding) for n in pair]) if any(n for _, n in padding) else t
        padded.append(t.float() if t.is_floating_point() else t)
    return torch.cat(padded)


@contextmanager
def inference(objective: Objective) -> Iterator[None]:
    """Evaluation mode and `torch.inference_mode` within the context."""
    training = objective.training
    objective.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        objective.train(training)


def embed_dataset(objective: Objective, data: Dataset, batch_size: int = 128) -> np.ndarray:
    """Embeddings of all rows, (N, D) float32."""
    with inference(objective):
        return np.concatenate([objective.embed(batch).float().cpu().numpy() for batch in data.batches(batch_size)])


def predict_dataset(
    objective: Objective, data: Dataset, batch_size: int, concurrent: bool = False
) -> dict[str, PredictionArrays]:
    """Point predictions of all rows, output name -> arrays.

    Args:
        concurrent: on a CPU each thread predicts batches of its own: faster than all in each of many small operations.
    """

    def modes(batches: Sequence[Tensor]) -> dict[str, dict[str, Tensor]]:
        with torch.inference_mode():
            parts = [{n: p.mode() for n, p in objective.predict(data.batch(rows)).items()} for rows in batches]
            return {n: {key: _concatenate([part[n][key] for part in parts]) for key in parts[0][n]} for n in parts[0]}

    threads = torch.get_num_threads() if concurrent and data.device.type == "cpu" else 1
    batches = data.batch_rows(batch_size)
    size = min(JOINED_BATCHES, -(-len(batches) // threads)) or 1
    groups = [batches[first : first + size] for first in range(0, len(batches), size)]
    with inference(objective):
        parts = map_in_threads(modes, groups, threads) if min(threads, len(groups)) > 1 else list(map(modes, groups))
    return {name: concatenate_predictions([part[name] for part in parts]) for name in parts[0]} if parts else {}


OBJECTIVES: Registry[Objective] = Registry("deepglass.objectives", "Objective", "objective")
