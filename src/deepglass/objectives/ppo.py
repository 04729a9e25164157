"""Proximal policy optimisation: better actions become likelier, but never by much at once.

    play a stretch with the policy in N copies of the world
    how much better was each action than expected?                            A_t, equation 11
    for a few epochs, a minibatch at a time:
        r = new probability of the action / old one
        make   min(r A, clip(r, 1 - e, 1 + e) A) - c (V - target)^2 + b entropy   larger      equations 7 and 9

Source: Schulman et al., 2017, arXiv 1707.06347; advantages from arXiv 1506.02438; rewards scaled, head begun small and
values learned by a network of their own as Engstrom et al., 2020, arXiv 2005.12729, and Andrychowicz et al., 2020,
arXiv 2006.05990, found to matter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from deepglass.constraints import Count, Ge, Le, Share
from deepglass.data.batches import Batch, BatchTransform, Dataset, Loader
from deepglass.data.environments import Environments
from deepglass.data.experience import Rollout, Rollouts, worlds_seed
from deepglass.features.base import Feature
from deepglass.features.vector import Vector
from deepglass.hyperparameters import TrainingDefaults
from deepglass.nn.agents import Moments, advantages, normal_entropy, normal_log_prob
from deepglass.nn.tokens import Field, pool
from deepglass.objectives._agents import PLAIN, Agent, Value, mean_return, some
from deepglass.objectives._numpy_forward import Function, quick_head, quick_way
from deepglass.objectives.base import Loss, MakeNetwork

SMALL = 0.01  # of the action head's first weights: the first policy is nearly even


class Ppo(Agent):
    """A policy, and a network that says how much is still to come. A step is a stretch of play and its lessons.

    Args:
        num_envs: N, copies of the world; a stretch is `training.batch_size` steps of all of them together.
        update_epochs: how often a stretch is gone through.
        minibatch_size: rows of a loss.
        discount: of rewards, a step; in [0, 1].
        gae_lambda: lambda of the advantages, in [0, 1].
        clip_range: e, how far a probability's ratio counts.
        entropy_coefficient: b, what chance in the policy is worth.
        target_kl: of the policy by a stretch, as KL divergence; past it the stretch is left.
    """

    name: ClassVar[str] = "ppo"
    value_weight: ClassVar[float] = 0.5
    running: Tensor

    def __init__(
        self,
        *,
        num_envs: Count = 32,
        update_epochs: Count = 5,
        minibatch_size: Count = 512,
        discount: Share = 0.99,
        gae_lambda: Share = 0.95,
        clip_range: Share = 0.2,
        entropy_coefficient: Annotated[float, Ge(0), Le(10)] = 0.0,
        target_kl: Annotated[float, Ge(0), Le(100)] = 0.03,
    ) -> None:
        super().__init__()
        self.num_envs, self.update_epochs, self.minibatch_size = num_envs, update_epochs, minibatch_size
        self.discount, self.gae_lambda, self.clip_range, self.entropy_coefficient = (
            discount,
            gae_lambda,
            clip_range,
            entropy_coefficient,
        )
        self.target_kl = target_kl

    def build(self, inputs: Sequence[Feature], outputs: Sequence[Feature], make_network: MakeNetwork) -> None:
        self.build_ends(inputs, outputs)
        self.network = make_network(inputs, outputs, defaults=PLAIN)
        self.critic = make_network(inputs, [], defaults=PLAIN)
        self.value = Value(self.critic)
        self.log_std = nn.Parameter(torch.zeros(len(self.hand.mean_ or ()) if isinstance(self.hand, Vector) else 0))
        self.gains = Moments(1)  # of the discounted sums of rewards
        self.register_buffer("running", torch.zeros(self.num_envs, dtype=torch.float64))
        with torch.no_grad():
            for parameter in self.network.heads.parameters():
                parameter.mul_(SMALL)

    def parameter_groups(self) -> Mapping[str, nn.Module]:
        return {"network": self}

    def training_defaults(self, defaults: TrainingDefaults) -> TrainingDefaults:
        return replace(
            super().training_defaults(defaults), learning_rate=1e-3, batch_size=2048, schedule="linear", epochs=10
        )

    def make_loader(
        self, source: Dataset, batch_size: int, seed: int, transform: BatchTransform | None = None
    ) -> Loader:
        worlds = Environments(self.world, self.num_envs, worlds_seed(seed))
        steps = max(batch_size // self.num_envs, 1)
        return Rollouts(worlds, self, steps, max(self.examples_per_epoch(source) // batch_size, 1))

    def losses(self, batch: Batch, progress: float) -> Iterator[Loss]:
        assert isinstance(batch, Rollout)
        done, logs = batch.targets[self.action].values, mean_return(batch.ended)
        old, advantage, target = self._judged(batch)
        for _ in range(self.update_epochs):
            changes = []
            for rows in torch.randperm(len(batch)).split(self.minibatch_size):
                log_prob, entropy = self._policy(some(batch.inputs, rows), done[rows])
                value = self._value(some(batch.inputs, rows))
                ratio = (log_prob - old[rows]).exp()
                bound = ratio.clamp(1 - self.clip_range, 1 + self.clip_range)
                gain = torch.minimum(ratio * advantage[rows], bound * advantage[rows]).mean()
                off = (value - target[rows]).square().mean()
                changes.append((ratio - 1 - (log_prob - old[rows])).detach().mean())  # an estimate of the divergence
                yield Loss(
                    -gain + self.value_weight * off - self.entropy_coefficient * entropy, logs=logs, weight=len(rows)
                )
                logs = {}
            if float(torch.stack(changes).mean()) > self.target_kl:
                break
        self.steps_taken += len(batch)
        self.learn_scale(batch.inputs[self.observation].values)

    # -- policy and value --------------------------------------------------------------------------------------

    def act(self, seen: np.ndarray, random: np.random.Generator) -> np.ndarray:
        said = self.ask(seen)
        if not isinstance(self.hand, Vector):
            return (said + random.gumbel(size=said.shape)).argmax(1)  # a draw by the softmax of what was said
        noise = random.standard_normal(said.shape, dtype=np.float32)
        return said + noise * self._log_std().exp().detach().cpu().numpy()

    def asked(self, seen: np.ndarray) -> np.ndarray:
        """Logits of the actions, or the mean action."""
        with torch.no_grad():
            best = self.network.predictions(self.field(seen))[self.action].mode()
        return best["value" if isinstance(self.hand, Vector) else "log_probs"].cpu().numpy()

    def asked_quickly(self) -> Function | None:
        way, head = quick_way(self.network), quick_head(self.network)
        if way is None or head is None:
            return None
        if not isinstance(self.hand, Vector):
            return lambda seen: head(way(seen))
        mean, std = np.array(self.hand.mean_, np.float32), np.array(self.hand.std_, np.float32)
        return lambda seen: head(way(seen)) * std + mean

    def _policy(self, inputs: Mapping[str, Field], done: Tensor) -> tuple[Tensor, Tensor]:
        """The log probability of what was done, (B,), and the policy's mean entropy."""
        best = self.network.predictions(inputs)[self.action].mode()
        if "log_probs" in best:
            log_probs = best["log_probs"]
            return log_probs.gather(1, done[:, None])[:, 0], -(log_probs.exp() * log_probs).sum(1).mean()
        return normal_log_prob(done, best["value"], self._log_std()), normal_entropy(self._log_std())

    def _log_std(self) -> Tensor:
        """In the action's own unit."""
        assert isinstance(self.hand, Vector)
        return self.log_std + self.log_std.new_tensor(self.hand.std_).log()

    def _value(self, inputs: Mapping[str, Field]) -> Tensor:
        return self.value(pool(self.critic.embed(inputs)))

    @torch.no_grad()
    def _judged(self, batch: Rollout) -> tuple[Tensor, Tensor, Tensor]:
        """The old log probabilities, the advantages (mean 0, deviation 1), and what the values should be, (B,) each."""
        rewards = self._scaled(batch)
        old, _ = self._policy(batch.inputs, batch.targets[self.action].values)
        value = self._value(batch.inputs).view_as(rewards)
        following = self._value(batch.following).view_as(rewards)
        found = advantages(rewards, value, following, batch.terminated, batch.done, self.discount, self.gae_lambda)
        standard = (found - found.mean()) / (found.std(unbiased=False) + 1e-8)
        return old, standard.flatten(), (found + value).flatten()

    def _scaled(self, batch: Rollout) -> Tensor:
        """Rewards in deviations of their discounted sums, so that values are of the size of 1 in any world."""
        sums = []
        for reward, done in zip(batch.rewards.double(), batch.done, strict=True):
            self.running.mul_(self.discount).add_(reward)
            sums.append(self.running.clone())
            self.running.masked_fill_(done, 0)
        self.gains.update(torch.cat(sums)[:, None])
        return batch.rewards / self.gains.deviation.float()
