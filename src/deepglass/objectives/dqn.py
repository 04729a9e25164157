"""Deep Q-learning (DQN): double, dueling, with n-step returns and a replay buffer.

    act: random with probability epsilon, else argmax_a Q(s, a); store the step in the replay buffer
    sample steps (s, a, r, s') from the buffer
    y = r + discount * Q'(s', argmax_a Q(s', a))          only r for a terminated episode
    minimise   (y - Q(s, a))^2, linear beyond 1
    at intervals   Q' = Q

Source: Mnih et al., 2015, Nature 518, algorithm 1; double: van Hasselt, Guez and Silver, 2015, arXiv 1509.06461,
equation 4; dueling: Wang et al., 2015, arXiv 1511.06581, equation 9; n-step returns: Sutton, 1988, as in Hessel et al.,
2017, arXiv 1710.02298.
"""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deepglass.constraints import Count, NonNegativeInt, Share
from deepglass.data.batches import Batch, BatchTransform, Dataset, Loader
from deepglass.data.environments import Environments
from deepglass.data.experience import Replay, ReplayBatch, training_seed
from deepglass.errors import SpecError
from deepglass.features.base import Feature
from deepglass.features.category import Category
from deepglass.features.outputs.base import Output, Prediction
from deepglass.hyperparameters import TrainingDefaults
from deepglass.networks.network import Network
from deepglass.nn.tokens import Fields, pool
from deepglass.objectives._agents import Agent, ValueHead, index_fields, mean_return
from deepglass.objectives._numpy_forward import ArrayFunction, numpy_head, numpy_linear, numpy_trunk
from deepglass.objectives.base import Loss, MakeNetwork

Q_NETWORK = {"mlp": {"depth": 2, "width": 128, "ensemble_size": 1, "dropout": 0.0, "activation": "relu", "dim": 64}}
"""Default settings of the network."""
FINAL_EPSILON = 0.05


class Dqn(Agent):
    """DQN. One training step is one action in each environment and `gradient_steps` losses.

    Args:
        num_envs: parallel copies of the environment.
        gradient_steps: losses per step, on `training.batch_size` rows each.
        buffer_size: capacity of the replay buffer in environment steps.
        learning_starts: random steps before the first loss.
        exploration_fraction: share of the run over which epsilon falls from 1 to 0.05.
        discount: discount factor of rewards, in [0, 1].
        n_steps: n of the n-step returns.
        target_update_interval: losses between updates of the target network.
        double: double Q-learning: Q chooses the action that Q' evaluates.
        dueling: dueling architecture: state value and advantages are separate heads.
    """

    def __init__(
        self,
        *,
        num_envs: Count = 8,
        gradient_steps: Count = 2,
        buffer_size: Count = 50_000,
        learning_starts: NonNegativeInt = 1_000,
        exploration_fraction: Share = 0.1,
        discount: Share = 0.99,
        n_steps: Count = 3,
        target_update_interval: Count = 250,
        double: bool = True,
        dueling: bool = True,
    ) -> None:
        super().__init__()
        self.num_envs, self.gradient_steps = num_envs, gradient_steps
        self.buffer_size, self.learning_starts = buffer_size, learning_starts
        self.exploration_fraction, self.discount, self.n_steps = exploration_fraction, discount, n_steps
        self.target_update_interval, self.double_q, self.dueling = target_update_interval, double, dueling
        if learning_starts > buffer_size:
            raise ValueError(f"learning_starts: expected at most buffer_size, {buffer_size}, got {learning_starts}")

    def build(self, inputs: Sequence[Feature], outputs: Sequence[Output], make_network: MakeNetwork) -> None:
        self.set_features(inputs, outputs)
        if not isinstance(self.action_feature, Category):
            raise SpecError(
                "bad-value", "objective: 'dqn' expects discrete actions, and these are vectors; take objective=ppo"
            )
        self.network = make_network(inputs, outputs, defaults=Q_NETWORK)
        self.value = ValueHead(self.network) if self.dueling else None
        self.target = deepcopy(nn.ModuleList(self._online())).requires_grad_(False)
        self.epsilon = nn.Buffer(torch.ones((), dtype=torch.float64))
        self.num_updates = nn.Buffer(torch.zeros((), dtype=torch.int64))

    def parameter_groups(self) -> Mapping[str, nn.Module]:
        return {"network": nn.ModuleList(self._online())}

    def training_defaults(self, defaults: TrainingDefaults) -> TrainingDefaults:
        defaults = super().training_defaults(defaults)
        return replace(defaults, learning_rate=5e-4, batch_size=128, schedule="linear", epochs=64, clip=10.0)

    def make_loader(self, data: Dataset, batch_size: int, seed: int, transform: BatchTransform | None = None) -> Loader:
        return Replay(
            Environments(self.environment_of(data), self.num_envs, training_seed(seed)),
            self,
            batch_size * self.gradient_steps,
            capacity=self.buffer_size,
            learning_starts=self.learning_starts,
            n_steps=self.n_steps,
            discount=self.discount,
            batches_per_epoch=max(self.examples_per_epoch(data) // batch_size, 1),
        )

    def losses(self, batch: Batch, progress: float) -> Iterator[Loss]:
        assert isinstance(batch, ReplayBatch)
        self.epsilon.fill_(max(FINAL_EPSILON, 1 - progress / max(self.exploration_fraction, 1e-9)))
        once = mean_return(batch.finished_episodes)
        for rows in torch.arange(len(batch)).chunk(self.gradient_steps):
            next_observations = index_fields(batch.next_observations, rows)
            target = self._td_target(next_observations, batch.rewards[rows], batch.discount[rows])
            actions = batch.targets[self.action].values[rows, None]
            q_values = self.q(index_fields(batch.inputs, rows)).gather(1, actions)[:, 0]
            logs = {"q_value": q_values.detach().mean(), "td_error": (target - q_values).detach().abs().mean()}
            yield Loss(F.smooth_l1_loss(q_values, target), logs={**logs, **once}, weight=len(rows))
            once = {}
            self.num_updates.add_(1)
            if self.num_updates % self.target_update_interval == 0:
                self.target.load_state_dict(nn.ModuleList(self._online()).state_dict())
        self.steps_taken.add_(batch.new_steps)
        self.update_observation_stats(batch.inputs[self.observation].values)

    @torch.no_grad()
    def _td_target(self, next_observations: Fields, rewards: Tensor, discount: Tensor) -> Tensor:
        """Targets y of the Q values, (B,)."""
        observations = next_observations[self.observation].values
        target_q = self._call(self.target_policy, observations)
        best = (self._call(self.policy, observations) if self.double_q else target_q).argmax(1, keepdim=True)
        return rewards + discount * target_q.gather(1, best)[:, 0]

    def _call(self, function: ArrayFunction, observations: Tensor) -> Tensor:
        return torch.from_numpy(function(observations.cpu().numpy())).to(observations.device)

    def q(self, inputs: Fields) -> Tensor:
        """Q value of each action, (B, A)."""
        return self._q(inputs, *self._online())

    def _q(self, inputs: Fields, network: nn.Module, value: nn.Module | None = None) -> Tensor:
        assert isinstance(network, Network)
        tokens = network.embed(inputs)
        (head,) = network.heads.values()
        q_values = head(tokens).unflatten(0, (-1, network.ensemble_size)).mean(1)  # (B, A)
        if value is None:
            return q_values
        return value(pool(tokens))[:, None] + q_values - q_values.mean(1, keepdim=True)

    def _online(self) -> list[nn.Module]:
        return [m for m in (self.network, self.value) if m is not None]

    def act(self, encoded: np.ndarray, random: np.random.Generator) -> np.ndarray:
        explore = random.random(len(encoded)) < float(self.epsilon)
        actions = random.integers(0, len(self.action_feature.class_names), len(encoded))
        return actions if explore.all() else np.where(explore, actions, self.policy(encoded).argmax(1))

    @cached_property
    def target_policy(self) -> ArrayFunction:
        """`policy` of the target network."""
        return _numpy_q(*self.target) or self._torch_target

    def torch_policy(self, observations: np.ndarray) -> np.ndarray:
        """Q value of each action."""
        with torch.no_grad():
            return self.q(self.input_fields(observations)).cpu().numpy()

    def _torch_target(self, observations: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return self._q(self.input_fields(observations), *self.target).cpu().numpy()

    def numpy_policy(self) -> ArrayFunction | None:
        return _numpy_q(*self._online())

    def predict(self, batch: Batch) -> dict[str, Prediction]:
        """The actions as classes with the Q values as logits: the confidence is no probability of success."""
        return {self.action: self.action_feature.prediction(self.q(batch.inputs))}


def _numpy_q(network: nn.Module, value: nn.Module | None = None) -> ArrayFunction | None:
    """Q values of each action by numpy; None for networks that have no numpy form."""
    assert isinstance(network, Network)
    trunk, head = numpy_trunk(network), numpy_head(network)
    if trunk is None or head is None:
        return None
    if value is None:
        return lambda observations: head(trunk(observations))
    assert isinstance(value, ValueHead)
    state_value = numpy_linear(value.linear)

    def q_values(observations: np.ndarray) -> np.ndarray:
        embedding = trunk(observations)
        advantages = head(embedding)
        return state_value(embedding) + advantages - advantages.mean(1, keepdims=True)

    return q_values
