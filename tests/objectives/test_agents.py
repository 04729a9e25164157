"""PPO and DQN: learning, exact resume, GAE, errors."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import deepglass
from deepglass.data.batches import Dataset
from deepglass.data.environments import Environment, Environments
from deepglass.data.sources import read
from deepglass.features.vector import Vector
from deepglass.metrics.table import METRICS
from deepglass.nn.agents import RunningMeanStd, gae
from deepglass.objectives._agents import Agent
from deepglass.training.callbacks import Callback

pytest.importorskip("gymnasium")

SMALL: dict[str, dict[str, Any]] = {
    "ppo": {"name": "ppo", "num_envs": 4, "update_epochs": 2, "minibatch_size": 64},
    "dqn": {
        "name": "dqn",
        "num_envs": 4,
        "gradient_steps": 1,
        "learning_starts": 100,
        "buffer_size": 600,
        "target_update_interval": 5,
    },
}


def _train(out: Path, objective: Any = "ppo", source: str = "gym:CartPole-v1", **settings: Any) -> deepglass.Run:
    training = {"threads": 1, **settings.pop("training", {})}
    return deepglass.train(source, out=out, objective=objective, baselines=False, training=training, **settings)


def test_ppo_balances_a_pole_within_seconds(tmp_path: Path) -> None:
    """A random policy has a mean return of 23; five rollouts of 2,048 steps gave 476."""
    run = _train(tmp_path / "run", steps=8)
    figures = run.metrics["test"]["ppo"]
    assert figures["mean_return"] >= 300
    assert set(figures) <= set(METRICS), "each stands in the table of metrics"
    assert figures["episodes"] == 100
    returns = [r["valid"]["ppo"]["mean_return"] for r in run.history]
    assert returns[0] < 200, "there was something to learn"


def test_dqn_prefers_the_larger_delayed_reward(tmp_path: Path) -> None:
    """The near end of the corridor pays 0.2 after one step, the far end 1 after three; random actions get 0.4."""
    gymnasium = pytest.importorskip("gymnasium")

    class Corridor(gymnasium.Env):
        observation_space = gymnasium.spaces.Box(0, 1, (5,), np.float32)
        action_space = gymnasium.spaces.Discrete(2)

        def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
            super().reset(seed=seed)
            self.cell = 1
            return np.eye(5, dtype=np.float32)[self.cell], {}

        def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
            self.cell += 1 if action else -1
            reward = {0: 0.2, 4: 1.0}.get(self.cell, 0.0)
            return np.eye(5, dtype=np.float32)[self.cell], reward, self.cell in (0, 4), False, {}

    gymnasium.register("Corridor-v0", entry_point=lambda: Corridor(), max_episode_steps=20)
    settings = {
        **SMALL["dqn"],
        "gradient_steps": 2,
        "learning_starts": 200,
        "buffer_size": 2000,
        "target_update_interval": 20,
        "exploration_fraction": 0.5,
    }
    training = {"batch_size": 64, "learning_rate": 2e-3}
    run = _train(tmp_path / "run", settings, "gym:Corridor-v0", steps=200, training=training)
    assert run.metrics["test"]["dqn"]["mean_return"] == 1.0
    assert run.metrics["test"]["dqn"]["mean_length"] == 3.0


def test_continuous_actions_are_vectors_within_bounds(tmp_path: Path) -> None:
    run = _train(tmp_path / "run", SMALL["ppo"], "gym:Pendulum-v1", steps=2, training={"batch_size": 256})
    assert -2000 < run.metrics["test"]["ppo"]["mean_return"] < 0
    (answer,) = run.predict({"observation": [1.0, 0.0, 0.0]})
    assert len(answer["action"]["value"]) == 1


def test_a_run_predicts_an_action_with_probabilities(tmp_path: Path) -> None:
    run = _train(tmp_path / "run", SMALL["ppo"], steps=2, training={"batch_size": 256})
    (answer,) = run.predict({"observation": [0.0, 0.0, 0.1, 0.5]})
    assert answer["action"]["value"] in (0, 1)
    assert sum(answer["action"]["probabilities"].values()) == pytest.approx(1)
    assert run.evaluate("gym:CartPole-v1")["ppo"]["mean_return"] == run.metrics["test"]["ppo"]["mean_return"]


class _Killed(Exception):
    """Simulates a crash."""


class _Killer(Callback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_evaluation_end(self, record: Any) -> None:
        if record.step >= self.step:
            raise _Killed


@pytest.mark.parametrize("kind", ["ppo", "dqn"])
def test_a_killed_agent_resumes_to_the_same_weights(kind: str, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"steps": 6, "training": {"batch_size": 64}}
    whole = _train(tmp_path / "whole", SMALL[kind], **settings)
    with pytest.raises(_Killed):
        _train(tmp_path / "killed", SMALL[kind], callbacks=[_Killer(4)], **settings)
    gone_on = deepglass.resume(tmp_path / "killed")
    ends = [run.folder.checkpoints.load() for run in (whole, gone_on)]
    assert ends[0] is not None
    assert ends[1] is not None
    assert ends[0].tensors.keys() == ends[1].tensors.keys()
    for name, tensor in ends[0].tensors.items():
        assert torch.equal(tensor, ends[1].tensors[name]), name
    assert gone_on.metrics["weights_sha256"] == whole.metrics["weights_sha256"]
    assert gone_on.metrics["test"] == whole.metrics["test"]
    assert any(n.startswith("loader.") for n in ends[0].tensors) == (kind == "dqn"), "the memory is part of the place"
    assert not any(n.startswith("loader.") for n in whole.folder.weights())


def test_ppo_ends_its_updates_by_the_reduced_divergence(tmp_path: Path) -> None:
    agent = _train(tmp_path / "run", SMALL["ppo"], steps=1, training={"batch_size": 128}).objective
    environment = read("gym:CartPole-v1").environment
    assert environment is not None
    batch = agent.make_loader(_dataset(environment), 128, 0).next()
    seen: list[str] = []
    for divergence, minibatches in ((0.0, 4), (1e9, 2)):
        agent.reduce = lambda name, value, answer=divergence: seen.append(name) or answer
        assert len(list(agent.losses(batch, 0.0))) == minibatches
    assert set(seen) == {"kl"}


def test_environments_are_restored_by_replaying_actions() -> None:
    environment = read("gym:CartPole-v1").environment
    assert environment is not None
    one, other = (Environments(environment, 3, seed=4) for _ in range(2))
    random = np.random.default_rng(0)
    for _ in range(60):
        one.step(random.integers(0, 2, 3))
    assert max(one.episodes) > 0
    other.load_state_dict(one.state_dict())
    np.testing.assert_array_equal(one.observations, other.observations)
    actions = random.integers(0, 2, (50, 3))
    for action in actions:
        a, b = one.step(action), other.step(action)
        np.testing.assert_array_equal(a.observations, b.observations)
        np.testing.assert_array_equal(a.done, b.done)


@pytest.mark.parametrize("kind", ["ppo", "dqn"])
def test_the_numpy_policy_equals_the_torch_policy(kind: str, tmp_path: Path) -> None:
    run = _train(tmp_path / "run", SMALL[kind], steps=2, training={"batch_size": 64})
    agent = run.objective
    assert isinstance(agent, Agent)
    observations = np.random.default_rng(0).normal(size=(7, 4)).astype(np.float32)
    assert agent.policy != agent.torch_policy
    by_numpy, by_torch = agent.policy(observations), agent.torch_policy(observations)
    centred = [params - params.mean(1, keepdims=True) for params in (by_numpy, by_torch)]
    np.testing.assert_allclose(centred[0], centred[1], atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "names"),
    [("ppo", ["approx_kl", "clip_fraction", "entropy", "explained_variance"]), ("dqn", ["q_value", "td_error"])],
)
def test_the_history_has_the_usual_diagnostics(kind: str, names: list[str], tmp_path: Path) -> None:
    run = _train(tmp_path / "run", SMALL[kind], steps=40, training={"batch_size": 64})
    losses = json.loads((run.path / "history.jsonl").read_text().splitlines()[-1])["losses"]
    values = {name: losses[f"network/{name}"] for name in names}
    assert all(np.isfinite(v) for v in values.values()), values
    if kind == "ppo":
        assert 0 <= values["clip_fraction"] <= 1
        assert 0 < values["entropy"] <= np.log(2) + 1e-6  # CartPole has two actions
        assert values["explained_variance"] <= 1
        assert values["approx_kl"] > -1e-6
    else:
        assert values["td_error"] > 0


def test_ppo_stops_a_rollout_by_the_reduced_kl(tmp_path: Path) -> None:
    """The decision uses `Objective.reduce`, so that all processes stop at the same epoch."""
    agent = _train(tmp_path / "run", SMALL["ppo"], steps=2, training={"batch_size": 64}).objective
    environment = read("gym:CartPole-v1").environment
    assert isinstance(agent, Agent)
    assert environment is not None
    loader = agent.make_loader(_dataset(environment), 64, 0)
    for kl, epochs in ((0.0, 2), (1.0, 1)):
        names: list[str] = []
        agent.reduce = lambda name, _, kl=kl, names=names: (names.append(name), kl)[1]
        losses = list(agent.losses(loader.next(), 0.5))
        assert len(losses) == epochs  # one minibatch an epoch
        assert {loss.weight for loss in losses} == {64}
        assert set(names) == {"kl"}


def _dataset(environment: Environment) -> Dataset:
    column = Vector(name="observation").fit([np.zeros((1, 4))]).encode(np.zeros((1, 4)))
    return Dataset({"observation": column}, {}, environment=environment)


def test_gae_tells_termination_from_a_time_limit() -> None:
    """By hand: discount 0.5, lambda 1. The value after termination is 0, after a time limit that of the observation."""
    rewards, values, next_values = torch.ones(2, 2), torch.zeros(2, 2), torch.full((2, 2), 8.0)
    terminated = torch.tensor([[False, False], [True, False]])
    done = torch.tensor([[False, False], [True, True]])
    advantages = gae(rewards, values, next_values, terminated, done, discount=0.5, gae_lambda=1.0)
    assert advantages[1].tolist() == [1.0, 5.0]
    assert advantages[0].tolist() == [5 + 0.5 * 1.0, 5 + 0.5 * 5.0]


def test_running_statistics_agree_with_statistics_of_all_values() -> None:
    values = torch.randn(100, 3, generator=torch.Generator().manual_seed(0)) * 3 + 1
    stats = RunningMeanStd(3)
    for part in values.split([10, 1, 89]):
        stats.update(part)
    torch.testing.assert_close(stats.mean, values.double().mean(0))
    torch.testing.assert_close(stats.std, values.double().std(0, unbiased=False))


@pytest.mark.parametrize(
    ("source", "objective", "code", "said"),
    [
        ("gym:CartPol-v1", None, "unknown-name", "did you mean 'CartPole-v1'"),
        ("gym:CartPole-v1?speed=3", None, "bad-value", "speed"),
        ("gym:CartPole-v1", "supervised", "bad-value", "choose one of: dqn, ppo"),
        ("sklearn:iris", "ppo", "bad-value", "gym:CartPole-v1"),
        ("gym:Pendulum-v1", "dqn", "bad-value", "take objective=ppo"),
    ],
)
def test_invalid_settings_are_errors(source: str, objective: str | None, code: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(deepglass.UserError) as error:
        deepglass.train(source, objective=objective, out=tmp_path / "run", steps=1)
    assert error.value.code == code
    assert said in str(error.value)
    assert not (tmp_path / "run").exists()


def test_without_gymnasium_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    with pytest.raises(deepglass.UserError, match=r"missing-extra.*deepglass\[games\]"):
        read("gym:CartPole-v1")


def test_the_report_shows_the_agent(tmp_path: Path) -> None:
    run = deepglass.train(
        "gym:CartPole-v1",
        objective=SMALL["ppo"],
        out=tmp_path / "run",
        steps=3,
        training={"batch_size": 128, "threads": 1},
    )
    page = (run.path / "report.html").read_text()
    assert "data:image/webp" in page
    assert "a random policy gets" in page
    assert len(page) < 1_500_000
