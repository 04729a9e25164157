"""What a kind of learning is: a generator of losses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from deepglass.data.batches import Batch, BatchTransform, Dataset, Loader, ShuffledLoader
from deepglass.data.environments import Environment
from deepglass.features.base import Feature, Prediction, PredictionArrays
from deepglass.hyperparameters import TrainingDefaults
from deepglass.metrics.table import Metric
from deepglass.networks.network import Network
from deepglass.nn.tokens import Field, pool
from deepglass.registry import Registry


class MakeNetwork(Protocol):
    """Makes a network with the run's trunk and settings, unless others are named; a causal one sees no later token.

    Args:
        defaults: trunk -> settings that it has where the run does not state them.
    """

    def __call__(
        self,
        inputs: Sequence[Feature],
        outputs: Sequence[Feature],
        trunk: str | None = None,
        settings: Mapping[str, Any] | None = None,
        causal: bool = False,
        defaults: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> Network: ...


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters with an optimizer of their own; None takes the plan's value.

    Args:
        settings: further ones of the optimizer, such as `betas`.
        schedule: of its learning rate.
        span: the part of the run, from 0 to 1, over which that schedule runs; before and after it the rate is that of
            its ends. For what is trained in stages.
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
    """One thing to make smaller.

    Args:
        value: scalar; one that needs no gradient is only logged (the objective updated by itself).
        group: the one whose optimizer steps on it.
        logs: further figures to show.
        weight: how many rows it stands for.
    """

    value: Tensor
    group: str = "network"
    logs: Mapping[str, float | Tensor] = field(default_factory=dict)
    weight: float = 1.0


@dataclass(frozen=True)
class Evaluation:
    """What an objective is worth on a data set.

    Args:
        metrics: output (or objective) -> metric -> value.
        monitor: the metric of which the best weights are kept, as `Objective.monitor` names it.
        predictions: output -> the best answers, where the objective has outputs.
        warnings: sentences about what has gone wrong.
    """

    metrics: Mapping[str, Mapping[str, float]]
    monitor: float
    predictions: Mapping[str, PredictionArrays] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


class Objective(nn.Module, ABC):
    """A kind of learning; it owns its network(s).

    One step is one call of `losses`. The trainer clears the gradients of the group that a loss names, goes back
    through it, steps that group's optimizer, and resumes the generator: what must follow an update (a target network,
    an average) stands on the line after the `yield`. Never yield inside `no_grad` or `autocast`.
    """

    monitor: ClassVar[Metric] = Metric("loss", higher_is_better=False)
    default_trunk: ClassVar[str | None] = None  # the network that suits it, where the data do not decide
    sequential_rows: ClassVar[bool] = False  # the rows are one text, one series: the split keeps their order
    uses_unlabelled: ClassVar[bool] = False  # rows without an answer teach it too
    generative: ClassVar[bool] = False  # `sample` makes new rows
    builds_network: ClassVar[bool] = False  # it takes no trunk: its networks are parts of its own
    reinforcement: ClassVar[bool] = False  # it learns from what comes of its own actions: `set_environment`
    supports_mixup: bool = False  # its loss weighs both answers of mixed rows: `Batch.mix`
    conditions: tuple[Feature, ...] = ()  # what `sample` takes as given
    network: Network

    @abstractmethod
    def build(self, inputs: Sequence[Feature], outputs: Sequence[Feature], make_network: MakeNetwork) -> None:
        """Make the networks; features of the objective's own may be added here."""

    @classmethod
    def adapt_input(cls, feature: Feature) -> Feature:
        """An input's copy, not fitted yet, as this kind of learning wants it where nothing else is asked for."""
        return feature

    def set_environment(self, environment: Environment) -> None:
        """For a kind that acts: the world to act in, given before `on_fit_start` and before `evaluate`."""

    def on_fit_start(self, train: Dataset) -> None:
        """Look at the training rows once, before the first step."""

    def on_fit_end(self, train: Dataset) -> bool:
        """Learn what remains once the networks are trained, such as a probe on them; whether answers changed."""
        return False

    def examples_per_epoch(self, train: Dataset) -> int:
        """How many examples an epoch has: the rows, unless the objective cuts its own."""
        return len(train)

    def training_defaults(self, defaults: TrainingDefaults) -> TrainingDefaults:
        """How this kind of learning changes the trunk's recipe."""
        return defaults

    def parameter_groups(self) -> Mapping[str, nn.Module | ParameterGroup]:
        """Parameter groups by name, an optimizer each."""
        return {"network": self.network}

    def num_parameters(self) -> int:
        """How many weights it has; copies of a network don't count again."""
        return sum(p.numel() for p in self.parameters())

    def losses(self, batch: Batch, progress: float) -> Iterator[Loss]:
        """The losses of one step; `progress` goes from 0 to 1 over the run."""
        yield self.loss(batch)

    def loss(self, batch: Batch) -> Loss:
        """For an objective of one loss: that loss, pure."""
        raise NotImplementedError

    def make_loader(
        self, source: Dataset, batch_size: int, seed: int, transform: BatchTransform | None = None
    ) -> Loader:
        """The batches to learn from: shuffled rows, unless the objective makes its own experience."""
        return ShuffledLoader(source, batch_size, seed, transform)

    @abstractmethod
    def evaluate(self, data: Dataset, batch_size: int, search: bool = True) -> Evaluation:
        """Figures over a data set.

        Args:
            search: also for answers that take a search to find; without them, during training, their loss alone.
        """

    def predict(self, batch: Batch) -> dict[str, Prediction]:
        """An answer for each output, an ensemble's members mixed."""
        return self.network.predictions(batch.inputs, batch.targets)

    def embed(self, batch: Batch) -> Tensor:
        """Each row as a point in the learned space, (B, D): what the heads read, an ensemble's members side by side."""
        return pool(self.network.embed(batch.inputs)).float().reshape(len(batch), -1)

    def forward_pass(self, batch: Batch) -> Any:
        """One pass through the networks, for those who watch their layers."""
        return self.predict(batch)

    def sample(self, count: int, generator: Generator, given: Mapping[str, Field]) -> dict[str, dict[str, Tensor]]:
        """New rows: feature name -> best answers, as `Prediction.mode` gives them. Draws from the generator alone.

        Args:
            given: what new rows must be, such as their label: feature name -> a field of `count` rows, as encoded.
        """
        raise NotImplementedError(f"{type(self).__name__} cannot generate")


def concatenate_predictions(parts: Sequence[Mapping[str, Tensor]]) -> PredictionArrays:
    """The best answers of some batches as one: padded to the longest, half precision widened, integers kept."""
    return {key: _joined([part[key] for part in parts]) for key in parts[0]}


def _joined(tensors: Sequence[Tensor]) -> np.ndarray:
    longest = [max(sides) for sides in zip(*(t.shape[1:] for t in tensors), strict=True)]
    padded = []
    for t in tensors:
        room = [(0, most - side) for most, side in zip(longest, t.shape[1:], strict=True)]
        t = F.pad(t, [n for pair in reversed(room) for n in pair]) if any(n for _, n in room) else t
        padded.append(t.float() if t.is_floating_point() else t)
    return torch.cat(padded).cpu().numpy()


@contextmanager
def inference(objective: Objective) -> Iterator[None]:
    """While it lasts nothing is random and no gradient is kept; then the mode is as it was."""
    training = objective.training
    objective.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        objective.train(training)


def embed_dataset(objective: Objective, data: Dataset, batch_size: int = 128) -> np.ndarray:
    """All rows of a data set as points in the learned space, (N, D) float32."""
    with inference(objective):
        return np.concatenate([objective.embed(batch).float().cpu().numpy() for batch in data.batches(batch_size)])


def predict_dataset(objective: Objective, data: Dataset, batch_size: int) -> dict[str, PredictionArrays]:
    """The best answers for all rows of a data set, in float32, as arrays."""
    parts: dict[str, list[dict[str, Tensor]]] = {}
    with inference(objective):
        for batch in data.batches(batch_size):
            for name, answer in objective.predict(batch).items():
                parts.setdefault(name, []).append(answer.mode())
    return {name: concatenate_predictions(part) for name, part in parts.items()}


OBJECTIVES: Registry[Objective] = Registry("deepglass.objectives", "Objective", "objective")
