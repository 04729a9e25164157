"""What a kind of learning is: a generator of losses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from deepglass.data.batches import Batch, Change, Dataset, Shuffled, Stream
from deepglass.features.base import Answer, Best, Feature, Metric
from deepglass.networks.network import Network
from deepglass.registry import Registry

MakeNetwork = Callable[[Sequence[Feature], Sequence[Feature]], Network]


@dataclass(frozen=True)
class Loss:
    """One thing to make smaller.

    Args:
        value: scalar; one that needs no gradient is only logged (the objective updated by itself).
        of: the group whose optimizer steps on it.
        logs: further figures to show.
        weight: how many rows it stands for.
    """

    value: Tensor
    of: str = "network"
    logs: Mapping[str, float | Tensor] = field(default_factory=dict)
    weight: float = 1.0


@dataclass(frozen=True)
class Evaluation:
    """What an objective is worth on a data set.

    Args:
        figures: output (or objective) -> metric -> value.
        monitor: the figure of which the best weights are kept, as `Objective.monitor` names it.
        best: output -> the best answers, where the objective has outputs.
    """

    figures: Mapping[str, Mapping[str, float]]
    monitor: float
    best: Mapping[str, Best] = field(default_factory=dict)


class Objective(nn.Module, ABC):
    """A kind of learning; it owns its network(s).

    One step is one call of `losses`. The trainer clears the gradients of the group that a loss names, goes back
    through it, steps that group's optimizer, and resumes the generator: what must follow an update (a target network,
    an average) stands on the line after the `yield`. Never yield inside `no_grad` or `autocast`.
    """

    monitor: ClassVar[Metric] = Metric("loss", higher_is_better=False)
    network: Network

    @abstractmethod
    def build(self, inputs: Sequence[Feature], outputs: Sequence[Feature], make_network: MakeNetwork) -> None:
        """Make the networks; features of the objective's own may be added here."""

    def begin(self, train: Dataset) -> None:
        """Look at the training rows once, before the first step."""

    def groups(self) -> dict[str, nn.Module]:
        """Parameter groups by name, an optimizer each."""
        return {"network": self.network}

    def losses(self, batch: Batch, progress: float) -> Iterator[Loss]:
        """The losses of one step; `progress` goes from 0 to 1 over the run."""
        yield self.loss(batch)

    def loss(self, batch: Batch) -> Loss:
        """For an objective of one loss: that loss, pure."""
        raise NotImplementedError

    def stream(self, source: Dataset, batch_size: int, seed: int, change: Change | None = None) -> Stream:
        """The batches to learn from: shuffled rows, unless the objective makes its own experience."""
        return Shuffled(source, batch_size, seed, change)

    @abstractmethod
    def evaluate(self, data: Dataset, batch_size: int) -> Evaluation:
        """Figures over a data set."""

    def predict(self, batch: Batch) -> dict[str, Answer]:
        """An answer for each output, an ensemble's members mixed."""
        return self.network.answers(batch.inputs)


def best_answers(objective: Objective, data: Dataset, batch_size: int) -> dict[str, Best]:
    """The best answers for all rows of a data set, in float32, as arrays."""
    objective.eval()
    parts: dict[str, list[dict[str, Tensor]]] = {}
    with torch.inference_mode():
        for batch in data.batches(batch_size):
            for name, answer in objective.predict(batch).items():
                parts.setdefault(name, []).append(answer.best())
    return {n: {k: torch.cat([b[k] for b in bs]).float().cpu().numpy() for k in bs[0]} for n, bs in parts.items()}


OBJECTIVES: Registry[Objective] = Registry("deepglass.objectives", "Objective", "objective")
