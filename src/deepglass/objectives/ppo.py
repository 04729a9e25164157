"""Proximal policy optimisation (PPO) with the clipped surrogate objective.

    collect a rollout with the policy in N copies of the environment
    A_t = advantages by GAE                                                   equation 11
    for each epoch and minibatch:
        r = pi(a) / pi_old(a)
        maximise   min(r A, clip(r, 1 - e, 1 + e) A) - c (V - target)^2 + b entropy             equations 7 and 9

Source: Schulman et al., 2017, arXiv 1707.06347; GAE: arXiv 1506.02438. Reward scaling, small initial weights of the
policy head and a separate value network follow Engstrom et al., 2020, arXiv 2005.12729, and Andrychowicz et al., 2020,
arXiv 2006.05990. The log values are those of Huang et al., 2022, "The 37 implementation details of PPO".
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from deepglass.constraints import Count, Ge, Le, Share
from deepglass.data.batches import Batch, BatchTransform, Dataset, Loader
from deepglass.data.environments import Environments
from deepglass.data.experience import Rollout, Rollouts, training_seed
from deepglass.features.base import Feature
from deepglass.features.outputs.base import Output
from deepglass.features.vector import Vector
from deepglass.hyperparameters import TrainingDefaults
from deepglass.nn.agents import RunningMeanStd, gae, normal_entropy, normal_log_prob
from deepglass.nn.tokens import Fields, pool
from deepglass.objectives._agents import POLICY_NETWORK, Agent, ValueHead, index_fields, mean_return
from deepglass.objectives._numpy_forward import ArrayFunction, numpy_head, numpy_trunk
from deepglass.objectives.base import Loss, MakeNetwork

INITIAL_HEAD_SCALE = 0.01  # of the policy head's weights: the first policy is nearly uniform


class _Targets(NamedTuple):
    """What a rollout is learned from.

    Shapes:
        log_probs: of the old policy; advantages: standardised; returns: targets of the value network; all (B,).
        explained_variance: of the returns by the old values, scalar; 1 is perfect.
    """

    log_probs: Tensor
    advantages: Tensor
    returns: Tensor
    explained_variance: Tensor


class Ppo(Agent):
    """PPO with separate policy and value networks. One training step is one rollout and its minibatch updates.

    Args:
        num_envs: parallel copies of the environment; a rollout has `training.batch_size` steps of all copies together.
        update_epochs: passes over a rollout.
        minibatch_size: rows of one update.
        discount: discount factor of rewards, in [0, 1].
        gae_lambda: lambda of GAE, in [0, 1].
        clip_range: clipping range e of the probability ratio.
        entropy_coefficient: weight b of the entropy bonus.
        target_kl: the updates of a rollout stop after an epoch with a larger mean KL divergence.
    """

    value_coefficient: ClassVar[float] = 0.5

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
        self.discount, self.gae_lambda, self.clip_range = discount, gae_lambda, clip_range
        self.entropy_coefficient, self.target_kl = entropy_coefficient, target_kl

    def build(self, inputs: Sequence[Feature], outputs: Sequence[Output], make_network: MakeNetwork) -> None:
        self.set_features(inputs, outputs)
        self.network = make_network(inputs, outputs, defaults=POLICY_NETWORK)
        self.critic = make_network(inputs, [], defaults=POLICY_NETWORK)
        self.value = ValueHead(self.critic)
        action = self.action_feature
        self.log_std = nn.Parameter(torch.zeros(len(action.mean_ or ()) if isinstance(action, Vector) else 0))
        self.return_stats = RunningMeanStd(1)
        self.running_return = nn.Buffer(torch.zeros(self.num_envs, dtype=torch.float64))
        with torch.no_grad():
            for parameter in self.network.heads.parameters():
                parameter.mul_(INITIAL_HEAD_SCALE)

    def parameter_groups(self) -> Mapping[str, nn.Module]:
        return {"network": self}

    def training_defaults(self, defaults: TrainingDefaults) -> TrainingDefaults:
        return replace(
            super().training_defaults(defaults), learning_rate=1e-3, batch_size=2048, schedule="linear", epochs=10
        )

    def make_loader(self, data: Dataset, batch_size: int, seed: int, transform: BatchTransform | None = None) -> Loader:
        environments = Environments(self.environment_of(data), self.num_envs, training_seed(seed))
        steps = max(batch_size // self.num_envs, 1)
        return Rollouts(environments, self, steps, max(self.examples_per_epoch(data) // batch_size, 1))

    def losses(self, batch: Batch, progress: float) -> Iterator[Loss]:
        assert isinstance(batch, Rollout)
        actions, old = batch.targets[self.action].values, self._targets(batch)
        once: dict[str, float | Tensor] = {"explained_variance": old.explained_variance}
        once |= mean_return(batch.finished_episodes)
        for _ in range(self.update_epochs):
            divergences = []
            for rows in torch.randperm(len(batch)).split(self.minibatch_size):
                inputs, advantages = index_fields(batch.inputs, rows), old.advantages[rows]
                log_probs, entropy = self._policy(inputs, actions[rows])
                values = self._value(inputs)
                log_ratio = log_probs - old.log_probs[rows]
                ratio = log_ratio.exp()
                clipped = ratio.clamp(1 - self.clip_range, 1 + self.clip_range)
                surrogate = torch.minimum(ratio * advantages, clipped * advantages).mean()
                value_loss = (values - old.returns[rows]).square().mean()
                approx_kl = (ratio - 1 - log_ratio).detach().mean()  # unbiased, with low variance: joschu.net/blog
                divergences.append(approx_kl)
                loss = -surrogate + self.value_coefficient * value_loss - self.entropy_coefficient * entropy
                clip_fraction = ((ratio - 1).abs() > self.clip_range).float().mean()
                logs = {"approx_kl": approx_kl, "clip_fraction": clip_fraction, "entropy": entropy.detach()}
                yield Loss(loss, logs={**logs, **once}, weight=len(rows))
                once = {}
            if self.reduce("kl", float(torch.stack(divergences).mean())) > self.target_kl:
                break
        self.steps_taken.add_(len(batch))
        self.update_observation_stats(batch.inputs[self.observation].values)

    # -- policy and value --------------------------------------------------------------------------------------

    def act(self, encoded: np.ndarray, random: np.random.Generator) -> np.ndarray:
        params = self.policy(encoded)
        if not isinstance(self.action_feature, Vector):
            return (params + random.gumbel(size=params.shape)).argmax(1)  # Gumbel-max: a sample of the softmax
        noise = random.standard_normal(params.shape, dtype=np.float32)
        return params + noise * self._log_std().exp().detach().cpu().numpy()

    def torch_policy(self, observations: np.ndarray) -> np.ndarray:
        """Logits of the actions, or the mean action."""
        with torch.no_grad():
            mode = self.network.predictions(self.input_fields(observations))[self.action].mode()
        return mode["value" if isinstance(self.action_feature, Vector) else "log_probs"].cpu().numpy()

    def numpy_policy(self) -> ArrayFunction | None:
        trunk, head = numpy_trunk(self.network), numpy_head(self.network)
        if trunk is None or head is None:
            return None
        action = self.action_feature
        if not isinstance(action, Vector):
            return lambda observations: head(trunk(observations))
        mean, std = np.array(action.mean_, np.float32), np.array(action.std_, np.float32)
        return lambda observations: head(trunk(observations)) * std + mean

    def _policy(self, inputs: Fields, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Log probabilities of the actions, (B,), and the mean entropy of the policy."""
        mode = self.network.predictions(inputs)[self.action].mode()
        if "log_probs" in mode:
            log_probs = mode["log_probs"]
            return log_probs.gather(1, actions[:, None])[:, 0], -(log_probs.exp() * log_probs).sum(1).mean()
        return normal_log_prob(actions, mode["value"], self._log_std()), normal_entropy(self._log_std())

    def _log_std(self) -> Tensor:
        """Log standard deviation of the actions in their own units."""
        assert isinstance(self.action_feature, Vector)
        return self.log_std + self.log_std.new_tensor(self.action_feature.std_).log()

    def _value(self, inputs: Fields) -> Tensor:
        return self.value(pool(self.critic.embed(inputs)))

    @torch.no_grad()
    def _targets(self, batch: Rollout) -> _Targets:
        rewards = self._scale_rewards(batch)
        log_probs, _ = self._policy(batch.inputs, batch.targets[self.action].values)
        values = self._value(batch.inputs).view_as(rewards)
        next_values = self._value(batch.next_observations).view_as(rewards)
        advantages = gae(
            rewards, values, next_values, batch.terminated, batch.done,
            discount=self.discount, gae_lambda=self.gae_lambda,
        )  # fmt: skip
        standard = (advantages - advantages.mean()) / (advantages.std(unbiased=False) + 1e-8)
        returns = advantages + values
        unexplained = advantages.var(unbiased=False) / returns.var(unbiased=False).clamp_min(1e-8)
        return _Targets(log_probs, standard.flatten(), returns.flatten(), 1 - unexplained)

    def _scale_rewards(self, batch: Rollout) -> Tensor:
        """Rewards divided by the running standard deviation of discounted returns, so that values are near 1."""
        returns = []
        for reward, done in zip(batch.rewards.double(), batch.done, strict=True):
            self.running_return.mul_(self.discount).add_(reward)
            returns.append(self.running_return.clone())
            self.running_return.masked_fill_(done, 0)
        self.return_stats.update(torch.cat(returns)[:, None])
        return batch.rewards / self.return_stats.std.float()
