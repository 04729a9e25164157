"""Worlds to act in: what one is, as plain data, and several copies of it that go on step by step in this process.

Everything follows from seeds: copy i begins its episode e from (seed, i, e), so that a place is the number of the
episode and the actions since it began.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from deepglass.data.batches import mix_seeds
from deepglass.errors import MissingExtra, SourceError, near_miss

if TYPE_CHECKING:
    import gymnasium

PREFIX = "gym:"
MOST_STEPS = 10_000  # of an episode of a world that states no limit, where it has to come to an end


@dataclass(frozen=True)
class Environment:
    """A world of gymnasium: plain data, from which `make` gives a live one.

    Args:
        name: as gymnasium knows it.
        settings: what its constructor takes.
        actions: how many there are; 0 where an action is a vector.
        first: the number of the first action.
        low, high: the least and greatest entries of an action that is a vector.
        most_steps: after which an episode is cut off; None: never.
        threshold: the mean return at which its makers call it solved.
        frames_per_second: of its pictures.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    actions: int = 0
    first: int = 0
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    most_steps: int | None = None
    threshold: float | None = None
    frames_per_second: int = 30

    @property
    def episode_steps(self) -> int:
        """The longest that an episode is let go on where it must end."""
        return self.most_steps or MOST_STEPS

    def make(self, pictures: bool = False) -> gymnasium.Env:
        """A live one; with pictures, `render` gives its frames (Y, X, 3)."""
        return make(self.name, {**self.settings, **({"render_mode": "rgb_array"} if pictures else {})})

    def drawn(self, world: gymnasium.Env) -> np.ndarray:
        """What a world that was made with pictures looks like, (Y, X, 3) bytes.

        Raises:
            MissingExtra: without the package that draws it.
        """
        try:
            return np.asarray(world.render(), np.uint8)
        except library().error.DependencyNotInstalled as error:
            raise MissingExtra("pygame-ce", "games", f"a picture of {PREFIX}{self.name}") from error


def make(name: str, settings: Mapping[str, Any]) -> gymnasium.Env:
    """A live world of gymnasium by its name.

    Raises:
        MissingExtra: without gymnasium, or a package that this world needs.
        SourceError: `unknown-name` with the near miss; `bad-value` for settings that it does not take.
    """
    gym = library()
    where = f"{PREFIX}{name}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that there is a newer version
            return _readable(gym.make(name, disable_env_checker=True, **settings), gym)
    except gym.error.DependencyNotInstalled as error:
        if "pygame" in str(error):
            raise MissingExtra("pygame-ce", "games", where) from error
        raise SourceError("missing-extra", f"{where}: {' '.join(str(error).split())}") from error
    except (gym.error.NameNotFound, gym.error.NamespaceNotFound, gym.error.VersionNotFound) as error:
        raise SourceError(
            "unknown-name", f"{where}: gymnasium knows no such world{near_miss(name, gym.registry)}"
        ) from error
    except (gym.error.Error, ImportError, TypeError, ValueError) as error:
        raise SourceError("bad-value", f"{where}: cannot be made ({' '.join(str(error).split())})") from error


def _readable(world: gymnasium.Env, gym: Any) -> gymnasium.Env:
    """The world, what is seen of it made flat unless it is a number, a vector or a picture."""
    space = world.observation_space
    fits = isinstance(space, gym.spaces.Discrete) or (
        isinstance(space, gym.spaces.Box) and (len(space.shape) == 1 or is_picture(space))
    )
    return world if fits else gym.wrappers.FlattenObservation(world)


def is_picture(space: Any) -> bool:
    """Whether what is seen are bytes, (Y, X) or (Y, X, C) with one or three colours."""
    return space.dtype == np.uint8 and (len(space.shape) == 2 or (len(space.shape) == 3 and space.shape[2] in (1, 3)))


def library() -> Any:
    """Gymnasium.

    Raises:
        MissingExtra: where it is not installed.
    """
    try:
        import gymnasium
    except ImportError as error:
        raise MissingExtra("gymnasium", "games", "a source gym:NAME") from error
    return gymnasium


class Ended(NamedTuple):
    """An episode that came to its end: the sum of its rewards, and its steps."""

    value: float
    steps: int


class Step(NamedTuple):
    """What came of an action in each copy.

    Shapes:
        observations: (N, ...), before a new episode began.
        rewards: (N,) float32.
        terminated: (N,) bool; the world is over, nothing would follow.
        truncated: (N,) bool; the time was over, more would follow.
    """

    observations: np.ndarray
    rewards: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray

    @property
    def done(self) -> np.ndarray:
        return self.terminated | self.truncated


class Environments:
    """N copies of a world that go on in turn; one that is done begins anew by itself.

    Args:
        count: N.
        seed: from which the episodes' seeds follow.

    Shapes:
        observations: (N, ...), what is seen now.
    """

    def __init__(self, environment: Environment, count: int, seed: int) -> None:
        self.environment, self.seed = environment, seed
        self.copies = [environment.make() for _ in range(count)]
        self.episodes = [0] * count
        self.actions: list[list[Any]] = [[] for _ in range(count)]  # since the episode began
        self.sums = [0.0] * count
        self.ended: list[Ended] = []  # since `take_ended`
        self.observations = np.stack([self._reset(i) for i in range(count)])

    def __len__(self) -> int:
        return len(self.copies)

    def step(self, actions: np.ndarray) -> Step:
        """One action in each copy: (N,) places among the actions, or (N, d) vectors, which are kept within bounds."""
        seen = np.empty_like(self.observations)
        rewards, terminated, truncated = np.zeros(len(self), np.float32), *np.zeros((2, len(self)), bool)
        for i, action in enumerate(actions.tolist()):
            seen[i], rewards[i], terminated[i], truncated[i] = self._act(i, action)
        self.observations = seen.copy()
        for i in np.flatnonzero(terminated | truncated).tolist():
            self.ended.append(Ended(self.sums[i], len(self.actions[i])))
            self.episodes[i] += 1
            self.observations[i] = self._reset(i)
        return Step(seen, rewards, terminated, truncated)

    def take_ended(self) -> list[Ended]:
        """The episodes that ended since the last call."""
        ended, self.ended = self.ended, []
        return ended

    def state_dict(self) -> dict[str, Any]:
        """Of each copy the episode and the actions since it began: plain JSON."""
        return {"episodes": list(self.episodes), "actions": [list(a) for a in self.actions]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Begin the episodes again and repeat their actions."""
        self.episodes, self.ended = list(state["episodes"]), []
        for i, actions in enumerate(state["actions"]):
            self.observations[i] = self._reset(i)
            for action in actions:
                self.observations[i] = self._act(i, action)[0]

    def _reset(self, i: int) -> np.ndarray:
        self.actions[i], self.sums[i] = [], 0.0
        seen, _ = self.copies[i].reset(seed=episode_seed(self.seed, i, self.episodes[i]))
        return np.asarray(seen)

    def _act(self, i: int, action: Any) -> tuple[Any, float, bool, bool]:
        self.actions[i].append(action)
        seen, reward, terminated, truncated, _ = self.copies[i].step(taken(self.environment, action))
        self.sums[i] += float(reward)
        return seen, float(reward), bool(terminated), bool(truncated)


Act = Callable[[np.ndarray], np.ndarray]
"""From observations (N, ...) to actions: (N,) places among them, or (N, d) vectors."""


def play(environment: Environment, act: Act, count: int, seed: int, most_copies: int = 20) -> list[Ended]:
    """Whole episodes, each with a seed of its own, in the order of their seeds.

    All that begin are played to their end: stopping at the first `count` to end would favour the short ones.

    Args:
        most_copies: that play at once.
    """
    waiting = list(range(count))
    playing = [Player(environment.make(), environment, seed, waiting.pop(0)) for _ in range(min(count, most_copies))]
    ended: dict[int, Ended] = {}
    while playing:
        actions = act(np.stack([player.seen for player in playing]))
        going = []
        for player, action in zip(playing, actions.tolist(), strict=True):
            if (result := player.step(action)) is None:
                going.append(player)
                continue
            ended[player.episode] = result
            if waiting:
                going.append(Player(player.world, environment, seed, waiting.pop(0)))
        playing = going
    return [ended[i] for i in range(count)]


class Player:
    """One episode in a world."""

    def __init__(self, world: gymnasium.Env, environment: Environment, seed: int, episode: int) -> None:
        self.world, self.environment, self.episode = world, environment, episode
        self.value, self.steps = 0.0, 0
        self.seen = np.asarray(world.reset(seed=episode_seed(seed, episode, 0))[0])

    def step(self, action: Any) -> Ended | None:
        """One action; how the episode ended, where it did."""
        seen, reward, terminated, truncated, _ = self.world.step(taken(self.environment, action))
        self.seen = np.asarray(seen)
        self.value, self.steps = self.value + float(reward), self.steps + 1
        over = terminated or truncated or self.steps >= self.environment.episode_steps
        return Ended(self.value, self.steps) if over else None


def taken(environment: Environment, action: Any) -> Any:
    """A place among the actions, or a vector, as the world takes it."""
    if environment.actions:
        return int(action) + environment.first
    return np.asarray(action, np.float32).clip(environment.low, environment.high, dtype=np.float32)


def episode_seed(seed: int, copy: int, episode: int) -> int:
    """The seed of an episode; of 31 bits, as some worlds take no more."""
    return mix_seeds(seed, copy, episode) % 2**31


def returns(ended: Sequence[Ended]) -> dict[str, float]:
    """Figures over episodes."""
    values = np.array([e.value for e in ended])
    return {
        "mean_return": float(values.mean()),
        "median_return": float(np.median(values)),
        "min_return": float(values.min()),
        "mean_length": float(np.mean([e.steps for e in ended])),
        "episodes": float(len(ended)),
    }
