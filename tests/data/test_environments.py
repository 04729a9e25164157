"""Environments as a source: observations as a table, kinds, settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deepglass
from deepglass.data.environments import EpisodeResult, return_stats, run_episodes, to_env_action
from deepglass.data.sources import read

gymnasium = pytest.importorskip("gymnasium")


class Sides(gymnasium.Env):
    """An environment with image observations: the action names the bright half; reward 1, five steps an episode."""

    observation_space = gymnasium.spaces.Box(0, 255, (12, 12), np.uint8)
    action_space = gymnasium.spaces.Discrete(2, start=5)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self.asked = 0
        return self._next(), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action)
        reward = float(action - 5 == self.side)
        self.asked += 1
        return self._next(), reward, self.asked == 5, False, {}

    def _next(self) -> np.ndarray:
        self.side = int(self.np_random.integers(2))
        picture = np.zeros((12, 12), np.uint8)
        picture[:, 6 * self.side : 6 * self.side + 6] = 200
        return picture


@pytest.fixture
def sides() -> str:
    if "Sides-v0" not in gymnasium.registry:
        gymnasium.register("Sides-v0", entry_point=Sides)
    return "gym:Sides-v0"


def test_an_environment_is_read_as_a_table() -> None:
    table = read("gym:CartPole-v1")
    assert len(table) == 1000
    assert table.target == "action"
    assert table.kinds == {"observation": "vector", "action": "category"}
    counts = table["action"].value_counts()["count"].to_list()
    assert counts == [500, 500]
    world = table.environment
    assert world is not None
    assert (world.actions, world.max_steps, world.threshold) == (2, 500, 475.0)
    again = read("gym:CartPole-v1")
    np.testing.assert_array_equal(table["observation"], again["observation"])


def test_continuous_actions_have_bounds_and_settings_are_passed_on() -> None:
    world = read("gym:Pendulum-v1?g=3.5").environment
    assert world is not None
    assert (world.low, world.high) == ((-2.0,), (2.0,))
    assert world.make().unwrapped.g == 3.5


def test_discrete_and_tuple_observations() -> None:
    assert read("gym:FrozenLake-v1").kinds["observation"] == "category"
    assert read("gym:Blackjack-v1")["observation"].shape[1] > 3


def test_episodes_are_run_to_their_end_in_the_order_of_seeds() -> None:
    world = read("gym:CartPole-v1").environment
    assert world is not None
    act = lambda seen: (seen[:, 2] > 0).astype(int)  # noqa: E731 - towards the side to which the pole leans
    few, many = run_episodes(world, act, 7, seed=3, max_copies=2), run_episodes(world, act, 7, seed=3, max_copies=7)
    assert few == many
    assert return_stats([EpisodeResult(1, 2), EpisodeResult(4, 4)])["mean_return"] == 2.5


def test_image_observations(sides: str, tmp_path: Path) -> None:
    """Random actions have a mean return of 2.5 of 5."""
    assert read(sides).kinds["observation"] == "image"
    objective = {"name": "ppo", "num_envs": 8, "minibatch_size": 64}
    training = {"batch_size": 256, "threads": 1}
    settings = {"objective": objective, "training": training, "network": {"width": 8}, "steps": 12}
    run = deepglass.train(sides, out=tmp_path / "run", baselines=False, **settings)
    assert run.metrics["test"]["ppo"]["mean_return"] > 4
    assert {a["action"]["value"] for a in run.predict(sides)} == {5, 6}


@pytest.mark.parametrize(
    ("space", "actions", "example"),
    [
        (gymnasium.spaces.MultiBinary(3), 8, [1, 0, 1]),
        (gymnasium.spaces.MultiDiscrete([3, 2], start=[1, 5]), 6, [3, 6]),
        (gymnasium.spaces.MultiDiscrete([50, 50, 3]), 0, [49, 0, 2]),
        (gymnasium.spaces.MultiDiscrete([50, 50], start=[-3, 1]), 0, [46, 1]),
        (gymnasium.spaces.MultiBinary((4, 3)), 0, np.eye(4, 3).tolist()),
        (gymnasium.spaces.Box(0, 9, (2, 2), np.int64), 0, [[1, 2], [3, 9]]),
    ],
)
def test_several_whole_numbers_are_one_index_or_a_rounded_vector(space: Any, actions: int, example: list[Any]) -> None:
    class Several(Sides):
        action_space = space

        def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
            assert self.action_space.contains(action)
            return self._next(), float(np.array_equal(action, example)), False, False, {}

    gymnasium.register("Several-v0", entry_point=Several)
    try:
        world = read("gym:Several-v0").environment
        assert world is not None
        assert world.actions == actions
        env = world.make()
        env.reset(seed=0)
        flat = np.ravel(example)
        chosen = range(actions) if actions else [flat + 0.3, flat - 0.3, flat + 1.0]
        assert sum(env.step(to_env_action(world, action))[1] for action in chosen) == (1 if actions else 2)
    finally:
        gymnasium.registry.pop("Several-v0")


def test_unsupported_action_spaces_are_rejected() -> None:
    class Many(Sides):
        action_space = gymnasium.spaces.Tuple([gymnasium.spaces.Discrete(2), gymnasium.spaces.Box(0, 1, (1,))])

    gymnasium.register("Many-v0", entry_point=Many)
    with pytest.raises(deepglass.UserError, match=r"bad-value.*Discrete.*Box"):
        read("gym:Many-v0")
