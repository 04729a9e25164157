"""What agents have in common: a world to act in, episodes to be judged by, what they see brought into tensors."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
import polars as pl
import torch
from torch import Tensor, nn

from deepglass.data.batches import Batch, Dataset
from deepglass.data.environments import Ended, Environment, play, returns
from deepglass.data.experience import present
from deepglass.errors import SpecError
from deepglass.features.base import Feature, Prediction
from deepglass.features.category import Category
from deepglass.features.vector import Vector
from deepglass.hyperparameters import TrainingDefaults
from deepglass.metrics.table import Metric
from deepglass.networks.network import Network
from deepglass.nn.agents import Moments
from deepglass.nn.encoders_heads import Rescale, VectorEncoder
from deepglass.nn.tokens import Field
from deepglass.objectives.base import Evaluation, Objective

EPOCH = 100_000  # steps in the world that are counted as an epoch
EPISODES = 20  # of an evaluation during training
TEST_EPISODES = 100
TEST_SEED, VALID_SEED = 2**31 - 1, 2**31 - 2  # of episodes that no training meets

PLAIN: dict[str, dict[str, Any]] = {
    "mlp": {"depth": 2, "width": 64, "ensemble_size": 1, "dropout": 0.0, "activation": "tanh", "dim": 64}
}
"""The usual network of an agent: small, as it is asked at each step, and without chance."""


class Agent(Objective):
    """An objective that learns from what comes of its own actions.

    Its networks are always in evaluation mode: what was done by a policy must have the same probability when it is
    looked at again, which neither dropout nor statistics of a batch would leave it.
    """

    monitor: ClassVar[Metric] = Metric("mean_return", higher_is_better=True)
    reinforcement: ClassVar[bool] = True
    name: ClassVar[str]
    steps_taken: Tensor

    def build_ends(self, inputs: Sequence[Feature], outputs: Sequence[Feature]) -> None:
        """Check and keep what is seen and what is done.

        Raises:
            SpecError: `bad-value` unless there are one of each.
        """
        if len(inputs) != 1 or len(outputs) != 1 or outputs[0].kind not in ("category", "vector"):
            came = ", ".join(f"{f.name} ({f.kind})" for f in (*inputs, *outputs))
            raise SpecError(
                "bad-value",
                f"objective: {self.name!r} sees one input and answers one action, number or vector, got {came}",
            )
        self.eye, self.hand = inputs[0], outputs[0]
        self.observation, self.action = self.eye.name, self.hand.name
        self.register_buffer("steps_taken", torch.zeros((), dtype=torch.int64))
        self.moments = Moments(len(self.eye.mean_ or ())) if isinstance(self.eye, Vector) else None
        self.environment: Environment | None = None

    @property
    def device(self) -> torch.device:
        return self.steps_taken.device

    @property
    def world(self) -> Environment:
        assert self.environment is not None, "`set_environment` comes first"
        return self.environment

    def set_environment(self, environment: Environment) -> None:
        if environment.actions and len(self.hand.class_names) != environment.actions:
            raise SpecError(
                "bad-value",
                f"outputs.{self.action}: {environment.name} has {environment.actions} actions, "
                f"and {len(self.hand.class_names)} are known",
            )
        self.environment = environment
        self.ask = self.asked_quickly() or self.asked

    def train(self, mode: bool = True) -> Self:
        """Evaluation mode, whatever is asked for."""
        return super().train(False)

    @abstractmethod
    def asked(self, seen: np.ndarray) -> np.ndarray:
        """What the policy says of what was seen, as `see` gives it: (N, P), from which `act` draws."""

    @abstractmethod
    def asked_quickly(self) -> Callable[[np.ndarray], np.ndarray] | None:
        """The same by a shorter way, where there is one."""

    def on_fit_start(self, train: Dataset) -> None:
        """Take the moments of what is seen from play at random."""
        if self.moments is not None:
            self.moments.update(train.inputs[self.observation].values)
            self.rescale()

    def examples_per_epoch(self, train: Dataset) -> int:
        return EPOCH

    def training_defaults(self, defaults: TrainingDefaults) -> TrainingDefaults:
        return replace(
            defaults, optimizer="adam", weight_decay=0.0, precision="float32", warmup=0.0, clip=0.5, augment=False
        )

    # -- seeing and acting -------------------------------------------------------------------------------------

    def see(self, observations: np.ndarray) -> np.ndarray:
        """What is seen as the network's input takes it, (N, ...)."""
        if isinstance(self.eye, Vector):
            return observations.astype(np.float32)
        raw = pl.Series(observations) if isinstance(self.eye, Category) else observations
        return self.eye.encode(raw).values

    def field(self, seen: np.ndarray) -> Mapping[str, Field]:
        """The network's inputs from what `see` gave."""
        return {self.observation: present(torch.from_numpy(seen).to(self.device))}

    @abstractmethod
    def act(self, seen: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """An action for each as training takes it, with chance."""

    def best_action(self, observations: np.ndarray) -> np.ndarray:
        """The action for each that is thought best, without chance."""
        said = self.ask(self.see(observations))
        return said.argmax(1) if isinstance(self.hand, Category) else said

    def evaluate(self, data: Dataset, batch_size: int, search: bool = True) -> Evaluation:
        """Whole episodes by the best actions: a few, or, with `search`, a hundred; each set has seeds of its own."""
        count, seed = (TEST_EPISODES, TEST_SEED) if search else (EPISODES, VALID_SEED)
        figures = returns(play(self.world, self.best_action, count, seed))
        figures["environment_steps"] = float(self.steps_taken)
        return Evaluation({self.name: figures}, figures["mean_return"])

    # -- normalising what is seen ------------------------------------------------------------------------------

    def learn_scale(self, seen: Tensor) -> None:
        """Take what was seen into the moments, by which the networks' first layers scale.

        Play at random sees little of a world: what is usual changes as the agent gets farther.
        """
        if self.moments is not None:
            self.moments.update(seen)
            self.rescale()

    def rescale(self) -> None:
        assert self.moments is not None
        for encoder in self.modules():
            if isinstance(encoder, VectorEncoder):
                assert isinstance(encoder.rescale, Rescale)
                encoder.rescale.shift.copy_(self.moments.mean)
                encoder.rescale.scale.copy_(self.moments.deviation)

    def predict(self, batch: Batch) -> dict[str, Prediction]:
        return self.network.predictions(batch.inputs)


def mean_return(ended: Sequence[Ended]) -> dict[str, float]:
    """What to log of the episodes that ended in training."""
    return {"return": float(np.mean([e.value for e in ended]))} if ended else {}


class Value(nn.Module):
    """How much is still to come, one number a row, from the tokens of a network.

    Args:
        network: what reads; it is owned by the caller unless `own`.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.ensemble_size = network.ensemble_size
        self.linear = nn.Linear(network.trunk.out_dim, 1)

    def forward(self, pooled: Tensor) -> Tensor:
        """Pooled tokens (B * M, D) -> (B,)."""
        return self.linear(pooled).reshape(-1, self.ensemble_size).mean(1)


def some(fields: Mapping[str, Field], rows: Tensor) -> Mapping[str, Field]:
    """Some rows of each field."""
    return {name: field.take(rows) for name, field in fields.items()}
