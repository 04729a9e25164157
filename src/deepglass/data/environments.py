"""Reinforcement-learning environments: a description as plain data, and vectorised environments in one process.

Everything follows from seeds: environment i resets its episode e with (seed, i, e), so its state is the number of the
episode and the actions since the reset.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from deepglass.device import mix_seeds
from deepglass.errors import MissingExtra, SourceError, near_miss
from deepglass.own_modules import import_own
from deepglass.registry import check_allowed

if TYPE_CHECKING:
    import gymnasium

PREFIX = "gym:"
MAX_ACTIONS = 1_000  # combinations of several discrete actions; with more, an action is a vector of rounded numbers
MAX_EPISODE_STEPS = 10_000  # steps of an evaluation episode in an environment without a limit


@dataclass(frozen=True)
class Environment:
    """The description of a gymnasium environment as plain data; `make` creates it.

    Args:
        name: its id in gymnasium.
        settings: arguments of its constructor.
        actions: number of discrete actions; 0 if an action is a vector.
        first: the number of the first action.
        low, high: bounds of the entries of an action that is a vector.
        max_steps: steps after which an episode is truncated; None: never.
        threshold: mean return at which it counts as solved.
        frames_per_second: of its rendered frames.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    actions: int = 0
    first: int = 0
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    max_steps: int | None = None
    threshold: float | None = None
    frames_per_second: int = 30

    @property
    def episode_steps(self) -> int:
        """Maximum length of an evaluation episode."""
        return self.max_steps or MAX_EPISODE_STEPS

    def make(self, render: bool = False) -> gymnasium.Env:
        """Create the environment; with `render`, it can draw its frames."""
        return make(self.name, {**self.settings, **({"render_mode": "rgb_array"} if render else {})})

    def render(self, env: gymnasium.Env) -> np.ndarray:
        """The current frame of an environment that was made with `render`, (Y, X, 3) uint8.

        Raises:
            MissingExtra: without the package that renders it.
        """
        try:
            return np.asarray(env.render(), np.uint8)
        except import_gymnasium().error.DependencyNotInstalled as error:
            raise MissingExtra("pygame-ce", "games", f"rendering {PREFIX}{self.name}") from error


def module_of(name: str) -> str:
    """The module that `module:ID` names, which gymnasium imports before it looks for the environment; else ""."""
    return name.partition("?")[0].rpartition(":")[0]


def make(name: str, settings: Mapping[str, Any]) -> gymnasium.Env:
    """Create a gymnasium environment by its id.

    Raises:
        MissingExtra: without gymnasium, or a package that the environment needs.
        SpecError: `unknown-name` for an id with a module that is not allowed.
        SourceError: `unknown-name` with the near miss; `bad-value` for settings that it does not have.
    """
    gym = import_gymnasium()
    where = f"{PREFIX}{name}"
    if module := module_of(name):
        check_allowed(module, repr(where))
        import_own(module)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about newer versions
            env = gym.make(name, disable_env_checker=True, **settings)
            return _with_plain_actions(_with_flat_observations(env, gym), gym)
    except gym.error.DependencyNotInstalled as error:
        if "pygame" in str(error):
            raise MissingExtra("pygame-ce", "games", where) from error
        raise SourceError("missing-extra", f"{where}: {' '.join(str(error).split())}") from error
    except (gym.error.NameNotFound, gym.error.NamespaceNotFound, gym.error.VersionNotFound) as error:
        text = f"{where}: gymnasium has no such environment{near_miss(name, gym.registry)}"
        raise SourceError("unknown-name", text) from error
    except (gym.error.Error, ImportError, TypeError, ValueError) as error:
        raise SourceError("bad-value", f"{where}: cannot be created ({' '.join(str(error).split())})") from error


def _with_flat_observations(env: gymnasium.Env, gym: Any) -> gymnasium.Env:
    """The environment with flattened observations, unless they are a number, a vector or an image."""
    space = env.observation_space
    if isinstance(space, gym.spaces.Discrete):
        return env
    if isinstance(space, gym.spaces.Box) and (len(space.shape) == 1 or is_image_space(space)):
        return env
    return gym.wrappers.FlattenObservation(env)


def _with_plain_actions(env: gymnasium.Env, gym: Any) -> gymnasium.Env:
    """The environment with actions that an agent has: an index for few combinations, a vector for whole numbers."""
    space = env.action_space
    if isinstance(space, gym.spaces.MultiBinary):
        shape, start, counts = space.shape, np.zeros(space.shape, np.int64), np.full(space.shape, 2)
    elif isinstance(space, gym.spaces.MultiDiscrete):
        shape, start, counts = space.shape, space.start, space.nvec
    elif isinstance(space, gym.spaces.Box) and np.issubdtype(space.dtype, np.integer):
        return _with_rounded_actions(env, space.low, space.high, gym)
    else:
        return env
    combinations = math.prod(counts.ravel().tolist())
    if combinations > MAX_ACTIONS:
        return _with_rounded_actions(env, start, start + counts - 1, gym)

    def entries(action: int) -> np.ndarray:
        indices = np.array(np.unravel_index(int(action), counts.ravel().tolist())).reshape(shape)
        return np.asarray(start + indices, space.dtype)

    return gym.wrappers.TransformAction(env, entries, gym.spaces.Discrete(combinations))


def _with_rounded_actions(env: gymnasium.Env, low: np.ndarray, high: np.ndarray, gym: Any) -> gymnasium.Env:
    """The environment with vectors of fractions for actions of whole numbers, which are rounded."""
    dtype, shape = env.action_space.dtype, low.shape
    space = gym.spaces.Box(low.ravel().astype(np.float32), high.ravel().astype(np.float32), dtype=np.float32)
    return gym.wrappers.TransformAction(env, lambda action: np.rint(action).astype(dtype).reshape(shape), space)


def _number(reward: Any) -> float:
    """A reward that an environment may write as an array of one number."""
    return float(np.asarray(reward).item())


def is_image_space(space: Any) -> bool:
    """Whether observations are bytes, (Y, X) or (Y, X, C) with one or three channels."""
    return space.dtype == np.uint8 and (len(space.shape) == 2 or (len(space.shape) == 3 and space.shape[2] in (1, 3)))


def import_gymnasium() -> Any:
    """The module gymnasium, imported on demand.

    Raises:
        MissingExtra: where it is not installed.
    """
    try:
        import gymnasium
    except ImportError as error:
        raise MissingExtra("gymnasium", "games", "a source gym:NAME") from error
    return gymnasium


class EpisodeResult(NamedTuple):
    """The return (sum of rewards) and the length of a finished episode."""

    value: float
    steps: int


class Step(NamedTuple):
    """The result of one action in each environment.

    Shapes:
        observations: (N, ...), before any reset.
        rewards: (N,) float32.
        terminated: (N,) bool; the episode reached a terminal state.
        truncated: (N,) bool; the episode reached its step limit.
    """

    observations: np.ndarray
    rewards: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray

    @property
    def done(self) -> np.ndarray:
        return self.terminated | self.truncated


class Environments:
    """N environments stepped in turn; one whose episode is done is reset automatically.

    Args:
        count: N.
        seed: the episodes' seeds follow from it.

    Shapes:
        observations: (N, ...), current observations.
    """

    def __init__(self, environment: Environment, count: int, seed: int) -> None:
        self.environment, self.seed = environment, seed
        self.copies = [environment.make() for _ in range(count)]
        self.episodes = [0] * count
        self.actions: list[list[Any]] = [[] for _ in range(count)]  # since the episode began
        self.sums = [0.0] * count
        self.finished: list[EpisodeResult] = []  # since `take_finished`
        self.observations = np.stack([self._reset(i) for i in range(count)])

    def __len__(self) -> int:
        return len(self.copies)

    def step(self, actions: np.ndarray) -> Step:
        """One action per environment: (N,) action indices, or (N, d) vectors, which are clipped to their bounds."""
        observations = np.empty_like(self.observations)
        rewards, terminated, truncated = np.zeros(len(self), np.float32), *np.zeros((2, len(self)), bool)
        for i, action in enumerate(actions.tolist()):
            observations[i], rewards[i], terminated[i], truncated[i] = self._act(i, action)
        self.observations = observations.copy()
        for i in np.flatnonzero(terminated | truncated).tolist():
            self.finished.append(EpisodeResult(self.sums[i], len(self.actions[i])))
            self.episodes[i] += 1
            self.observations[i] = self._reset(i)
        return Step(observations, rewards, terminated, truncated)

    def take_finished(self) -> list[EpisodeResult]:
        """The episodes that finished since the last call."""
        finished, self.finished = self.finished, []
        return finished

    def state_dict(self) -> dict[str, Any]:
        """The episode of each environment and the actions since its reset: plain JSON."""
        return {"episodes": list(self.episodes), "actions": [list(a) for a in self.actions]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Reset to the same episodes and repeat their actions."""
        self.episodes, self.finished = list(state["episodes"]), []
        for i, actions in enumerate(state["actions"]):
            self.observations[i] = self._reset(i)
            for action in actions:
                self.observations[i] = self._act(i, action)[0]

    def _reset(self, i: int) -> np.ndarray:
        self.actions[i], self.sums[i] = [], 0.0
        observation, _ = self.copies[i].reset(seed=episode_seed(self.seed, i, self.episodes[i]))
        return np.asarray(observation)

    def _act(self, i: int, action: Any) -> tuple[Any, float, bool, bool]:
        self.actions[i].append(action)
        observation, reward, terminated, truncated, _ = self.copies[i].step(to_env_action(self.environment, action))
        self.sums[i] += _number(reward)
        return observation, _number(reward), bool(terminated), bool(truncated)


Act = Callable[[np.ndarray], np.ndarray]
"""Observations (N, ...) -> actions: (N,) action indices, or (N, d) vectors."""


def run_episodes(
    environment: Environment, act: Act, count: int, seed: int, max_copies: int = 20
) -> list[EpisodeResult]:
    """Run `count` whole episodes, each with its own seed; results in the order of the seeds.

    Every episode that starts is run to its end: stopping after the first `count` to end would favour short ones.

    Args:
        environment: to run.
        act: the policy.
        count: episodes.
        seed: the episodes' seeds follow from it.
        max_copies: environments that run at the same time.
    """
    waiting = list(range(count))
    running = [Episode(environment.make(), environment, seed, waiting.pop(0)) for _ in range(min(count, max_copies))]
    results: dict[int, EpisodeResult] = {}
    while running:
        actions = act(np.stack([episode.observation for episode in running]))
        remaining = []
        for episode, action in zip(running, actions.tolist(), strict=True):
            if (result := episode.step(action)) is None:
                remaining.append(episode)
                continue
            results[episode.index] = result
            if waiting:
                remaining.append(Episode(episode.env, environment, seed, waiting.pop(0)))
        running = remaining
    return [results[i] for i in range(count)]


class Episode:
    """One episode of an environment."""

    def __init__(self, env: gymnasium.Env, environment: Environment, seed: int, index: int) -> None:
        self.env, self.environment, self.index = env, environment, index
        self.value, self.steps = 0.0, 0
        self.observation = np.asarray(env.reset(seed=episode_seed(seed, index, 0))[0])

    def step(self, action: Any) -> EpisodeResult | None:
        """Take one action; the result if the episode is finished."""
        observation, reward, terminated, truncated, _ = self.env.step(to_env_action(self.environment, action))
        self.observation = np.asarray(observation)
        self.value, self.steps = self.value + _number(reward), self.steps + 1
        over = terminated or truncated or self.steps >= self.environment.episode_steps
        return EpisodeResult(self.value, self.steps) if over else None


def to_env_action(environment: Environment, action: Any) -> Any:
    """An action index or vector as the environment takes it; vectors are clipped to their bounds."""
    if environment.actions:
        return int(action) + environment.first
    return np.asarray(action, np.float32).clip(environment.low, environment.high, dtype=np.float32)


def episode_seed(seed: int, copy: int, episode: int) -> int:
    """The seed of an episode; 31 bits, as some environments take no more."""
    return mix_seeds(seed, copy, episode) % 2**31


def return_stats(episodes: Sequence[EpisodeResult]) -> dict[str, float]:
    """Metrics over the returns and lengths of episodes."""
    values = np.array([e.value for e in episodes])
    return {
        "mean_return": float(values.mean()),
        "return_std": float(values.std(ddof=1)) if len(values) > 1 else 0.0,
        "median_return": float(np.median(values)),
        "min_return": float(values.min()),
        "mean_length": float(np.mean([e.steps for e in episodes])),
        "episodes": float(len(episodes)),
    }
