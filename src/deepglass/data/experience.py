"""Loaders for reinforcement learning: rollouts and a replay buffer.

    Rollouts   on-policy: each batch is a rollout of the current policy in N environments
    Replay     off-policy: each batch is sampled from a replay buffer

Both act with a `Policy`, without gradients. Their state is plain JSON, from which the environments are restored by
repeating the actions of their episodes; the replay buffer itself is tensors.

T time steps, N environments, B rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from deepglass.data.batches import Batch, Loader
from deepglass.data.environments import Environments, EpisodeResult
from deepglass.device import mix_seeds
from deepglass.nn.tokens import Field

MAX_REPLAY_BYTES = 400_000_000


class Policy(Protocol):
    """Encodes observations and chooses actions."""

    observation: str
    action: str

    @property
    def device(self) -> torch.device: ...

    def encode_observations(self, observations: np.ndarray) -> np.ndarray:
        """Observations as network inputs, (N, ...)."""
        ...

    def act(self, observations: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """An action for each observation: (N,) action indices, or (N, d) vectors."""
        ...


@dataclass(frozen=True, kw_only=True)
class Rollout(Batch):
    """A rollout: `inputs` are observations and `targets` actions, T * N rows, time first.

    Shapes:
        next_observations: T * N rows, the observation after each action, before any reset.
        rewards: (T, N).
        terminated, done: (T, N) bool.
    """

    next_observations: Mapping[str, Field]
    rewards: Tensor
    terminated: Tensor
    done: Tensor
    finished_episodes: tuple[EpisodeResult, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ReplayBatch(Batch):
    """Transitions sampled from a replay buffer, with n-step returns.

    Args:
        new_steps: environment steps since the last batch.

    Shapes:
        next_observations: B rows, the observation n steps later, or at the end of the episode.
        rewards: (B,), discounted sum over the n steps.
        discount: (B,), factor of the value of `next_observations`; 0 after a terminal state.
    """

    next_observations: Mapping[str, Field]
    rewards: Tensor
    discount: Tensor
    new_steps: int = 0
    finished_episodes: tuple[EpisodeResult, ...] = ()


class Rollouts(Loader):
    """Rollouts of the current policy.

    Args:
        environments: N environments.
        policy: acts in them.
        steps: T.
        batches_per_epoch: nominal, for schedules and records.
    """

    def __init__(self, environments: Environments, policy: Policy, steps: int, batches_per_epoch: int) -> None:
        self.environments, self.policy = environments, policy
        self.steps, self.batches_per_epoch = steps, batches_per_epoch
        self._count = 0

    def next(self) -> Rollout:
        random = np.random.default_rng([self.environments.seed, 1, self._count])
        policy, environments = self.policy, self.environments
        transitions = []
        now = policy.encode_observations(environments.observations)
        for _ in range(self.steps):
            action = policy.act(now, random)
            step = environments.step(action)
            then = policy.encode_observations(step.observations)
            transitions.append((now, action, then, step.rewards, step.terminated, step.done))
            now = policy.encode_observations(environments.observations) if step.done.any() else then
        self._count += 1
        observations, actions, next_observations, rewards, terminated, done = (
            torch.from_numpy(np.stack(values)).to(policy.device) for values in zip(*transitions, strict=True)
        )
        return Rollout(
            inputs={policy.observation: present(observations.flatten(0, 1))},
            targets={policy.action: present(actions.flatten(0, 1))},
            rows=torch.arange(self.steps * len(environments)),
            next_observations={policy.observation: present(next_observations.flatten(0, 1))},
            rewards=rewards,
            terminated=terminated,
            done=done,
            finished_episodes=tuple(environments.take_finished()),
        )

    def state_dict(self) -> dict[str, Any]:
        return {"count": self._count, **self.environments.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._count = state["count"]
        self.environments.load_state_dict(state)


class Replay(Loader):
    """Replay buffer: one step per environment, then a batch sampled from the last steps.

    Args:
        rows: B of a batch.
        capacity: steps in the buffer, of all environments together; fewer if they exceed `MAX_REPLAY_BYTES`.
        learning_starts: environment steps before the first batch.
        n_steps: n of n-step returns.
    """

    def __init__(
        self,
        environments: Environments,
        policy: Policy,
        rows: int,
        *,
        capacity: int,
        learning_starts: int,
        n_steps: int,
        discount: float,
        batches_per_epoch: int,
    ) -> None:
        self.environments, self.policy = environments, policy
        self.rows, self.batches_per_epoch = rows, batches_per_epoch
        self.n_steps, self.discount = n_steps, discount
        now = torch.from_numpy(policy.encode_observations(environments.observations)).to(policy.device)
        N = len(environments)
        capacity = max(n_steps + 1, min(capacity // N, MAX_REPLAY_BYTES // (2 * now.nbytes)))  # in time steps
        self.learning_starts = min(max(learning_starts // N, n_steps + 1), capacity)
        zeros = partial(torch.zeros, (capacity, N), device=now.device)
        self.memory = {
            **{name: now.new_zeros((capacity, *now.shape)) for name in ("observations", "next_observations")},
            "actions": zeros(dtype=torch.int64),
            "rewards": zeros(),
            "terminated": zeros(dtype=torch.bool),
            "done": zeros(dtype=torch.bool),
        }
        self._capacity, self._count = capacity, 0  # time steps: in the buffer, and so far

    def next(self) -> ReplayBatch:
        new_steps = 1 if self._count >= self.learning_starts else self.learning_starts - self._count
        for _ in range(new_steps):
            self._step()
        return self._draw(new_steps * len(self.environments))

    def _step(self) -> None:
        random = np.random.default_rng([self.environments.seed, 2, self._count])
        now = self.policy.encode_observations(self.environments.observations)
        action = self.policy.act(now, random)
        step = self.environments.step(action)
        new = {
            "observations": now,
            "next_observations": self.policy.encode_observations(step.observations),
            "actions": action,
            "rewards": step.rewards,
            "terminated": step.terminated,
            "done": step.done,
        }
        for name, values in new.items():
            self.memory[name][self._count % self._capacity] = torch.from_numpy(values)
        self._count += 1

    def _draw(self, new_steps: int) -> ReplayBatch:
        """A random batch with n-step rewards, fewer steps at the end of the episode or of the buffer."""
        N, filled, memory = len(self.environments), min(self._count, self._capacity), self.memory
        random = np.random.default_rng([self.environments.seed, 3, self._count])
        index = torch.from_numpy(random.integers(0, filled * N, self.rows)).to(memory["rewards"].device)
        age, copy = index // N, index % N  # age 0 is the oldest step
        oldest = self._count - filled
        time = (oldest + age) % self._capacity
        rewards, factor = memory["rewards"][time, copy], torch.ones_like(age, dtype=torch.float32)
        last, running = time, ~memory["done"][time, copy]
        for k in range(1, self.n_steps):
            then = (oldest + age + k) % self._capacity
            running = running & (age + k < filled)
            factor = torch.where(running, factor * self.discount, factor)
            rewards = rewards + torch.where(running, factor * memory["rewards"][then, copy], 0.0)
            last = torch.where(running, then, last)
            running = running & ~memory["done"][then, copy]
        discount = factor * self.discount * (~memory["terminated"][last, copy])
        name = self.policy.observation
        return ReplayBatch(
            inputs={name: present(memory["observations"][time, copy])},
            targets={self.policy.action: present(memory["actions"][time, copy])},
            rows=index,
            next_observations={name: present(memory["next_observations"][last, copy])},
            rewards=rewards,
            discount=discount,
            new_steps=new_steps,
            finished_episodes=tuple(self.environments.take_finished()),
        )

    def state_dict(self) -> dict[str, Any]:
        filled = min(self._count, self._capacity)
        memory = {f"memory.{name}": values[:filled].clone() for name, values in self.memory.items()}
        return {"count": self._count, **self.environments.state_dict(), **memory}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._count = state["count"]
        self.environments.load_state_dict(state)
        for name, values in self.memory.items():
            values[: len(state[f"memory.{name}"])] = state[f"memory.{name}"]


def present(values: Tensor) -> Field:
    """A field without missing values."""
    return Field(values, torch.ones(len(values), dtype=torch.bool, device=values.device))


def training_seed(seed: int) -> int:
    """The seed of the training environments; evaluations use others."""
    return mix_seeds(seed, 0, 0)
