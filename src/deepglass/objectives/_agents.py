"""Base class of reinforcement learning objectives: environment, observations, evaluation by episodes."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar, Literal, Self

import numpy as np
import polars as pl
import torch
from torch import Tensor, nn

from deepglass.data.batches import Batch, Dataset
from deepglass.data.environments import Environment, EpisodeResult, return_stats, run_episodes
from deepglass.data.experience import present
from deepglass.errors import SpecError
from deepglass.features.base import Feature
from deepglass.features.category import Category
from deepglass.features.outputs.base import Output, Prediction
from deepglass.features.vector import Vector
from deepglass.hyperparameters import TrainingDefaults
from deepglass.metrics.table import METRICS, Metric
from deepglass.networks.network import Network
from deepglass.nn.agents import RunningMeanStd
from deepglass.nn.encoders_heads import Rescale, VectorEncoder
from deepglass.nn.tokens import Fields
from deepglass.objectives.base import Evaluation, Objective

EPOCH_STEPS = 100_000  # environment steps that count as an epoch
VALID_EPISODES, TEST_EPISODES = 20, 100
VALID_SEED, TEST_SEED = 2**31 - 2, 2**31 - 1  # of episodes that are not used in training

POLICY_NETWORK: dict[str, dict[str, Any]] = {
    "mlp": {"depth": 2, "width": 64, "ensemble_size": 1, "dropout": 0.0, "activation": "tanh", "dim": 64}
}
"""Default network settings of a policy: small, since it runs at each step, and deterministic."""


class Agent(Objective):
    """Base class of objectives that learn from their own actions in an environment.

    The networks are always in evaluation mode: an action must have the same probability when it is taken and when it
    is learned from, which dropout and batch statistics would change.
    """

    monitor: ClassVar[Metric] = METRICS["mean_return"]
    learns_from: ClassVar[Literal["rows", "text", "environment"]] = "environment"
    one_process: ClassVar[str] = "it acts in its environments in one process"

    def set_features(self, inputs: Sequence[Feature], outputs: Sequence[Output]) -> None:
        """Check and store the features of observation and action.

        Raises:
            SpecError: `bad-value` unless there are one input and one output, a category or a vector.
        """
        if len(inputs) != 1 or len(outputs) != 1 or not isinstance(outputs[0], Category | Vector):
            came = ", ".join(f"{f.name} ({f.kind})" for f in (*inputs, *outputs))
            raise SpecError(
                "bad-value",
                f"objective: {self.name!r} expects one input, the observation, and one output, the action (a category "
                f"or a vector), got {came}",
            )
        self.observation_feature, self.action_feature = inputs[0], outputs[0]
        self.observation, self.action = inputs[0].name, outputs[0].name
        self.steps_taken = nn.Buffer(torch.zeros((), dtype=torch.int64))
        feature = inputs[0]
        self.observation_stats = RunningMeanStd(len(feature.mean_ or ())) if isinstance(feature, Vector) else None

    @property
    def device(self) -> torch.device:
        return self.steps_taken.device

    @cached_property
    def policy(self) -> Callable[[np.ndarray], np.ndarray]:
        """Output of the policy for encoded observations, (N, P); created on first use, when weights have a device."""
        return self.numpy_policy() or self.torch_policy

    def environment_of(self, data: Dataset) -> Environment:
        """The environment of a data set.

        Raises:
            SpecError: `bad-value` if it has another number of actions than the output.
        """
        environment = data.environment
        assert environment is not None
        if environment.actions and len(self.action_feature.class_names) != environment.actions:
            raise SpecError(
                "bad-value",
                f"outputs.{self.action}: expected the {environment.actions} actions of {environment.name}, got "
                f"{len(self.action_feature.class_names)}",
            )
        return environment

    def train(self, mode: bool = True) -> Self:
        """Evaluation mode, whatever the argument."""
        return super().train(False)

    @abstractmethod
    def torch_policy(self, observations: np.ndarray) -> np.ndarray:
        """Output of the policy for encoded observations, (N, P)."""

    @abstractmethod
    def numpy_policy(self) -> Callable[[np.ndarray], np.ndarray] | None:
        """The same function computed by numpy, which is faster for small networks; None for other networks."""

    def on_fit_start(self, train: Dataset) -> None:
        """Check the environment, and initialise the observation statistics from random play."""
        self.environment_of(train)
        self.update_observation_stats(train.inputs[self.observation].values)

    def examples_per_epoch(self, train: Dataset) -> int:
        return EPOCH_STEPS

    def training_defaults(self, defaults: TrainingDefaults) -> TrainingDefaults:
        return replace(
            defaults, optimizer="adam", weight_decay=0.0, precision="float32", warmup=0.0, clip=0.5, augment=False
        )

    # -- observations and actions ------------------------------------------------------------------------------

    def encode_observations(self, observations: np.ndarray) -> np.ndarray:
        """Observations as the network's input, (N, ...)."""
        if isinstance(self.observation_feature, Vector):
            return observations.astype(np.float32)
        raw = pl.Series(observations) if isinstance(self.observation_feature, Category) else observations
        return self.observation_feature.encode(raw).values

    def input_fields(self, encoded: np.ndarray) -> Fields:
        """The network's inputs for encoded observations."""
        return {self.observation: present(torch.from_numpy(encoded).to(self.device))}

    @abstractmethod
    def act(self, encoded: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Actions with exploration, for training."""

    def best_action(self, observations: np.ndarray) -> np.ndarray:
        """Greedy actions, for evaluation."""
        params = self.policy(self.encode_observations(observations))
        return params.argmax(1) if isinstance(self.action_feature, Category) else params

    def examples_per_evaluation(self, data: Dataset) -> int:
        return 0  # it plays episodes, and predicts no rows

    def evaluate(self, data: Dataset, batch_size: int, search: bool = True) -> Evaluation:
        """Play whole episodes greedily: 20, or 100 with `search`. Each has its own seed."""
        count, seed = (TEST_EPISODES, TEST_SEED) if search else (VALID_EPISODES, VALID_SEED)
        metrics = return_stats(run_episodes(self.environment_of(data), self.best_action, count, seed))
        metrics["environment_steps"] = float(self.steps_taken)
        return Evaluation({self.name: metrics}, metrics["mean_return"])

    # -- normalisation of observations -------------------------------------------------------------------------

    def update_observation_stats(self, observations: Tensor) -> None:
        """Update the statistics by which the networks' first layers standardise observations.

        Random play visits few states, so the statistics follow the policy.
        """
        if self.observation_stats is None:
            return
        self.observation_stats.update(observations)
        for encoder in self.modules():
            if isinstance(encoder, VectorEncoder):
                assert isinstance(encoder.rescale, Rescale)
                encoder.rescale.shift.copy_(self.observation_stats.mean)
                encoder.rescale.scale.copy_(self.observation_stats.std)

    def predict(self, batch: Batch) -> dict[str, Prediction]:
        return self.network.predictions(batch.inputs)


def mean_return(episodes: Sequence[EpisodeResult]) -> dict[str, float]:
    """Mean return of the episodes that ended in training, for the history."""
    return {"return": float(np.mean([e.value for e in episodes]))} if episodes else {}


class ValueHead(nn.Module):
    """Linear state-value head on the pooled tokens of a network, the mean over ensemble members.

    Shapes:
        pooled: (B * M, D) -> (B,).
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.ensemble_size = network.ensemble_size
        self.linear = nn.Linear(network.trunk.out_dim, 1)

    def forward(self, pooled: Tensor) -> Tensor:
        return self.linear(pooled).reshape(-1, self.ensemble_size).mean(1)


def index_fields(fields: Fields, rows: Tensor) -> Fields:
    """The given rows of each field."""
    return {name: field.take(rows) for name, field in fields.items()}
