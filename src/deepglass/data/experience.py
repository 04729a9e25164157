"""What an agent learns from: stretches of its own play, or a memory that past steps are drawn from again.

    Rollouts   each batch is what the present policy just did in N copies of a world (on-policy)
    Replay     each batch is drawn from the last steps, whoever took them (off-policy)

Both act by a `Policy`, without gradients. Where they stand is plain JSON, from which the worlds are brought back by
repeating the actions of their episodes; the memory itself is tensors.

T steps of time, N copies of a world, B rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from deepglass.data.batches import Batch, Loader, mix_seeds
from deepglass.data.environments import Ended, Environments
from deepglass.nn.tokens import Field

MOST_BYTES = 400_000_000  # of a memory


class Policy(Protocol):
    """Sees and acts."""

    observation: str
    action: str

    @property
    def device(self) -> torch.device: ...

    def encode_observations(self, observations: np.ndarray) -> np.ndarray:
        """Observations as the network's input takes them, (N, ...)."""
        ...

    def act(self, seen: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """An action for each: (N,) places among the actions, or (N, d) vectors."""
        ...


@dataclass(frozen=True, kw_only=True)
class Rollout(Batch):
    """A stretch of play; `inputs` and `targets` hold what was seen and done, T * N rows, a step's copies side by side.

    Shapes:
        next_observations: T * N rows, what was seen after each action, before a new episode began.
        rewards: (T, N).
        terminated, done: (T, N) bool.
    """

    next_observations: Mapping[str, Field]
    rewards: Tensor
    terminated: Tensor
    done: Tensor
    finished_episodes: tuple[Ended, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Replayed(Batch):
    """Steps from a memory, each with what the n steps from it on gave.

    Args:
        new_steps: how many steps were taken since the last batch.

    Shapes:
        next_observations: B rows, what was seen n steps later, or where the episode ended.
        rewards: (B,), summed and discounted over the steps.
        discount: (B,), by which the value of `next_observations` counts; 0 where the world was over.
    """

    next_observations: Mapping[str, Field]
    rewards: Tensor
    discount: Tensor
    new_steps: int = 0
    finished_episodes: tuple[Ended, ...] = ()


class Rollouts(Loader):
    """Stretches of play by the present policy.

    Args:
        worlds: N copies.
        steps: T of a stretch.
        batches_per_epoch: only for those who count.
    """

    def __init__(self, worlds: Environments, policy: Policy, steps: int, batches_per_epoch: int) -> None:
        self.worlds, self.policy, self.steps, self.batches_per_epoch = worlds, policy, steps, batches_per_epoch
        self._count = 0

    def next(self) -> Rollout:
        random = np.random.default_rng([self.worlds.seed, 1, self._count])
        policy, worlds = self.policy, self.worlds
        seen, actions, next_observations, steps = [], [], [], []
        now = policy.encode_observations(worlds.observations)
        for _ in range(self.steps):
            action = policy.act(now, random)
            step = worlds.step(action)
            then = policy.encode_observations(step.observations)
            seen.append(now)
            actions.append(action)
            next_observations.append(then)
            steps.append(step)
            now = policy.encode_observations(worlds.observations) if step.done.any() else then
        self._count += 1
        tensor = lambda parts, join=np.concatenate: torch.from_numpy(join(parts)).to(policy.device)  # noqa: E731
        return Rollout(
            inputs={policy.observation: present(tensor(seen))},
            targets={policy.action: present(tensor(actions))},
            rows=torch.arange(self.steps * len(worlds)),
            next_observations={policy.observation: present(tensor(next_observations))},
            rewards=tensor([s.rewards for s in steps], np.stack),
            terminated=tensor([s.terminated for s in steps], np.stack),
            done=tensor([s.done for s in steps], np.stack),
            finished_episodes=tuple(worlds.take_ended()),
        )

    def state_dict(self) -> dict[str, Any]:
        return {"count": self._count, **self.worlds.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._count = state["count"]
        self.worlds.load_state_dict(state)


class Replay(Loader):
    """A step in each copy, then rows drawn from the last steps.

    Args:
        rows: B of a batch.
        capacity: steps that are kept, of all copies together; fewer where they are large.
        learning_starts: steps that are taken before the first batch.
        n_steps: n, steps whose rewards are summed before a value is trusted.
    """

    def __init__(
        self,
        worlds: Environments,
        policy: Policy,
        rows: int,
        *,
        capacity: int,
        learning_starts: int,
        n_steps: int,
        discount: float,
        batches_per_epoch: int,
    ) -> None:
        self.worlds, self.policy, self.rows, self.batches_per_epoch = worlds, policy, rows, batches_per_epoch
        self.n_steps, self.discount = n_steps, discount
        now = torch.from_numpy(policy.encode_observations(worlds.observations)).to(policy.device)
        N = len(worlds)
        held = max(n_steps + 1, min(capacity // N, MOST_BYTES // (2 * now.nbytes)))
        self.learning_starts = min(max(learning_starts // N, n_steps + 1), held)
        self.memory = {
            "seen": now.new_zeros((held, *now.shape)),
            "next_observations": now.new_zeros((held, *now.shape)),
            "actions": torch.zeros((held, N), dtype=torch.int64, device=now.device),
            "rewards": torch.zeros((held, N), device=now.device),
            "terminated": torch.zeros((held, N), dtype=torch.bool, device=now.device),
            "done": torch.zeros((held, N), dtype=torch.bool, device=now.device),
        }
        self._held, self._count = held, 0  # steps of time that fit; that were taken

    def next(self) -> Replayed:
        new_steps = 1 if self._count >= self.learning_starts else self.learning_starts - self._count
        for _ in range(new_steps):
            self._step()
        return self._draw(new_steps * len(self.worlds))

    def _step(self) -> None:
        random = np.random.default_rng([self.worlds.seed, 2, self._count])
        now = self.policy.encode_observations(self.worlds.observations)
        action = self.policy.act(now, random)
        step = self.worlds.step(action)
        new = {
            "seen": now,
            "next_observations": self.policy.encode_observations(step.observations),
            "actions": action,
            "rewards": step.rewards,
            "terminated": step.terminated,
            "done": step.done,
        }
        at = self._count % self._held
        for name, values in new.items():
            self.memory[name][at] = torch.from_numpy(values)
        self._count += 1

    def _draw(self, new_steps: int) -> Replayed:
        """Rows at random; of each the rewards of n steps, fewer where the episode or the memory ends."""
        N, filled, memory = len(self.worlds), min(self._count, self._held), self.memory
        random = np.random.default_rng([self.worlds.seed, 3, self._count])
        drawn = torch.from_numpy(random.integers(0, filled * N, self.rows)).to(memory["rewards"].device)
        age, copy = drawn // N, drawn % N  # age 0 is the oldest step
        oldest = self._count - filled
        time = (oldest + age) % self._held
        rewards, factor = memory["rewards"][time, copy], torch.ones_like(age, dtype=torch.float32)
        last, going = time, ~memory["done"][time, copy]
        for k in range(1, self.n_steps):
            then = (oldest + age + k) % self._held
            going = going & (age + k < filled)
            factor = torch.where(going, factor * self.discount, factor)
            rewards = rewards + torch.where(going, factor * memory["rewards"][then, copy], 0.0)
            last = torch.where(going, then, last)
            going = going & ~memory["done"][then, copy]
        discount = factor * self.discount * (~memory["terminated"][last, copy])
        name = self.policy.observation
        return Replayed(
            inputs={name: present(memory["seen"][time, copy])},
            targets={self.policy.action: present(memory["actions"][time, copy])},
            rows=drawn,
            next_observations={name: present(memory["next_observations"][last, copy])},
            rewards=rewards,
            discount=discount,
            new_steps=new_steps,
            finished_episodes=tuple(self.worlds.take_ended()),
        )

    def state_dict(self) -> dict[str, Any]:
        filled = min(self._count, self._held)
        memory = {f"memory.{name}": values[:filled].clone() for name, values in self.memory.items()}
        return {"count": self._count, **self.worlds.state_dict(), **memory}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._count = state["count"]
        self.worlds.load_state_dict(state)
        for name, values in self.memory.items():
            values[: len(state[f"memory.{name}"])] = state[f"memory.{name}"]


def present(values: Tensor) -> Field:
    """Values of which none is missing."""
    return Field(values, torch.ones(len(values), dtype=torch.bool, device=values.device))


def worlds_seed(seed: int) -> int:
    """The seed of the worlds to learn in; those of evaluations are others."""
    return mix_seeds(seed, 0, 0)
