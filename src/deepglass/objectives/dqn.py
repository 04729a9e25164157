"""Deep Q-learning: what each action is worth, learned from a memory of steps.

    act: at random with probability e, else the action of the greatest value; keep the step in the memory
    draw steps (s, a, r, s') from the memory
    y = r + discount * Q'(s', argmax_a Q(s', a))          only r where the world was over
    make   (y - Q(s, a))^2   smaller, linear beyond 1
    every so often   Q' = Q

Source: Mnih et al., 2015, Nature 518, algorithm 1; double: van Hasselt, Guez and Silver, 2015, arXiv 1509.06461,
equation 4; dueling: Wang et al., 2015, arXiv 1511.06581, equation 9; sums over n steps: Sutton, 1988, as in Hessel et
al., 2017, arXiv 1710.02298.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deepglass.constraints import Count, NonNegativeInt, Share
from deepglass.data.batches import Batch, BatchTransform, Dataset, Loader
from deepglass.data.environments import Environment, Environments
from deepglass.data.experience import Replay, Replayed, worlds_seed
from deepglass.errors import SpecError
from deepglass.features.base import Feature, Prediction
from deepglass.hyperparameters import TrainingDefaults
from deepglass.networks.network import Network
from deepglass.nn.tokens import Field, pool
from deepglass.objectives._agents import Agent, Value, mean_return, some
from deepglass.objectives._numpy_forward import Function, linear, quick_head, quick_way
from deepglass.objectives.base import Loss, MakeNetwork

PLAIN = {"mlp": {"depth": 2, "width": 128, "ensemble_size": 1, "dropout": 0.0, "activation": "relu", "dim": 64}}
LEAST_CHANCE = 0.05  # of a random action, once exploring is over


class Dqn(Agent):
    """One network that says what each action is worth. A step is an action in each copy and `gradient_steps` losses.

    Args:
        num_envs: N, copies of the world.
        gradient_steps: losses a step, on `training.batch_size` rows each.
        buffer_size: steps that are kept.
        learning_starts: steps that are taken at random before anything is learned.
        exploration_fraction: share of the run over which chance falls from 1 to 0.05.
        discount: of rewards, a step; in [0, 1].
        n_steps: n, steps whose rewards are summed before a value is trusted.
        target_update_interval: losses after which Q' = Q.
        double: Q chooses the action that Q' values; else Q' does both.
        dueling: the value of a state and what each action adds to it are learned apart.
    """

    name: ClassVar[str] = "dqn"
    chance: Tensor
    updated: Tensor

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
        self.num_envs, self.gradient_steps, self.buffer_size, self.learning_starts = (
            num_envs,
            gradient_steps,
            buffer_size,
            learning_starts,
        )
        self.exploration_fraction, self.discount, self.n_steps, self.target_update_interval = (
            exploration_fraction,
            discount,
            n_steps,
            target_update_interval,
        )
        self.doubled, self.dueling = double, dueling
        if learning_starts > buffer_size:
            raise ValueError(f"learning_starts: expected at most buffer_size, {buffer_size}, got {learning_starts}")

    def build(self, inputs: Sequence[Feature], outputs: Sequence[Feature], make_network: MakeNetwork) -> None:
        self.build_ends(inputs, outputs)
        if self.hand.kind != "category":
            raise SpecError(
                "bad-value", "objective: 'dqn' compares actions that can be counted, and these are vectors; take ppo"
            )
        self.network = make_network(inputs, outputs, defaults=PLAIN)
        self.value = Value(self.network) if self.dueling else None
        self.target = deepcopy(nn.ModuleList(self._online())).requires_grad_(False)
        self.register_buffer("chance", torch.ones((), dtype=torch.float64))
        self.register_buffer("updated", torch.zeros((), dtype=torch.int64))

    def parameter_groups(self) -> Mapping[str, nn.Module]:
        return {"network": nn.ModuleList(self._online())}

    def training_defaults(self, defaults: TrainingDefaults) -> TrainingDefaults:
        usual = super().training_defaults(defaults)
        return replace(usual, learning_rate=5e-4, batch_size=128, schedule="linear", epochs=64, clip=10.0)

    def make_loader(
        self, source: Dataset, batch_size: int, seed: int, transform: BatchTransform | None = None
    ) -> Loader:
        worlds = Environments(self.world, self.num_envs, worlds_seed(seed))
        return Replay(
            worlds,
            self,
            batch_size * self.gradient_steps,
            capacity=self.buffer_size,
            warmup=self.learning_starts,
            ahead=self.n_steps,
            discount=self.discount,
            batches_per_epoch=max(self.examples_per_epoch(source) // batch_size, 1),
        )

    def losses(self, batch: Batch, progress: float) -> Iterator[Loss]:
        assert isinstance(batch, Replayed)
        self.chance.fill_(max(LEAST_CHANCE, 1 - progress / max(self.exploration_fraction, 1e-9)))
        logs = mean_return(batch.ended)
        for rows in torch.arange(len(batch)).chunk(self.gradient_steps):
            aim = self._aim(some(batch.following, rows), batch.rewards[rows], batch.discount[rows])
            worth = self.q(some(batch.inputs, rows)).gather(1, batch.targets[self.action].values[rows, None])[:, 0]
            yield Loss(F.smooth_l1_loss(worth, aim), logs={**logs, "value": worth.detach().mean()}, weight=len(rows))
            logs = {}
            self.updated += 1
            if self.updated % self.target_update_interval == 0:
                self.target.load_state_dict(nn.ModuleList(self._online()).state_dict())
        self.steps_taken += batch.fresh
        self.learn_scale(batch.inputs[self.observation].values)

    @torch.no_grad()
    def _aim(self, following: Mapping[str, Field], rewards: Tensor, discount: Tensor) -> Tensor:
        """What the actions should have been worth, (B,)."""
        seen = following[self.observation].values
        later = self._said(self.ask_target, seen)
        chosen = (self._said(self.ask, seen) if self.doubled else later).argmax(1, keepdim=True)
        return rewards + discount * later.gather(1, chosen)[:, 0]

    def _said(self, ask: Function, seen: Tensor) -> Tensor:
        return torch.from_numpy(ask(seen.cpu().numpy())).to(seen.device)

    def q(self, inputs: Mapping[str, Field]) -> Tensor:
        """What each action is worth, (B, A)."""
        return self._q(inputs, *self._online())

    def _q(self, inputs: Mapping[str, Field], network: nn.Module, value: nn.Module | None = None) -> Tensor:
        assert isinstance(network, Network)
        tokens = network.embed(inputs)
        (head,) = network.heads.values()
        worth = head(tokens).unflatten(0, (-1, network.ensemble_size)).mean(1)  # (B, A)
        if value is None:
            return worth
        return value(pool(tokens))[:, None] + worth - worth.mean(1, keepdim=True)

    def _online(self) -> list[nn.Module]:
        return [m for m in (self.network, self.value) if m is not None]

    def act(self, seen: np.ndarray, random: np.random.Generator) -> np.ndarray:
        by_chance = random.random(len(seen)) < float(self.chance)
        actions = random.integers(0, len(self.hand.class_names), len(seen))
        return actions if by_chance.all() else np.where(by_chance, actions, self.ask(seen).argmax(1))

    def set_environment(self, environment: Environment) -> None:
        super().set_environment(environment)
        self.ask_target = _quickly(*self.target) or self._asked_target

    def asked(self, seen: np.ndarray) -> np.ndarray:
        """What each action is worth."""
        with torch.no_grad():
            return self.q(self.field(seen)).cpu().numpy()

    def _asked_target(self, seen: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return self._q(self.field(seen), *self.target).cpu().numpy()

    def asked_quickly(self) -> Function | None:
        return _quickly(*self._online())

    def predict(self, batch: Batch) -> dict[str, Prediction]:
        """The actions by what they are worth; the confidence compares these values and is no probability of success."""
        return {self.action: self.hand.prediction(self.q(batch.inputs))}


def _quickly(network: nn.Module, value: nn.Module | None = None) -> Function | None:
    """What each action is worth, by the short way where there is one."""
    assert isinstance(network, Network)
    way, head = quick_way(network), quick_head(network)
    if way is None or head is None:
        return None
    if value is None:
        return lambda seen: head(way(seen))
    assert isinstance(value, Value)
    state = linear(value.linear)

    def worth(seen: np.ndarray) -> np.ndarray:
        read = way(seen)
        added = head(read)
        return state(read) + added - added.mean(1, keepdims=True)

    return worth
