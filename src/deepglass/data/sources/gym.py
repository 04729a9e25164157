"""Gymnasium environments as sources: `gym:CartPole-v1`, `gym:Pendulum-v1?g=9.81`.

An environment becomes a table of observations and actions of a random policy, so that types, scales and names of its
columns are inferred as for any source; `Table.environment` describes how to create it. Settings of the environment
follow a question mark, as YAML values separated by `&`.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from deepglass.data.environments import (
    PREFIX,
    Environment,
    episode_seed,
    import_gymnasium,
    is_image_space,
    make,
    to_env_action,
)
from deepglass.data.table import Note, Table
from deepglass.errors import SourceError
from deepglass.features.base import Raw
from deepglass.values import parse_value

ROWS = 1_000


def read_gym(name: str) -> Table:
    """A table of `observation` and `action` of a random policy, deterministic.

    Raises:
        MissingExtra: without gymnasium, or a package that the environment needs.
        SourceError: `unknown-name`, `bad-value` for actions that are neither discrete nor vectors.
    """
    env_name, settings = _parsed(name)
    source = f"{PREFIX}{name}"
    env = make(env_name, settings)
    environment = describe_environment(env, env_name, settings, source)
    random = np.random.default_rng(0)
    observations, actions = [], []
    done, episode = True, 0
    for action in _actions(environment, random):
        if done:
            observation, _ = env.reset(seed=episode_seed(0, 0, episode))
            episode += 1
        observations.append(observation)
        actions.append(action)
        observation, _, terminated, truncated, _ = env.step(to_env_action(environment, action))
        done = terminated or truncated
    env.close()
    kind, column = _observation_column(env, np.stack(observations))
    vectors = np.stack(actions)
    action_column: Raw = pl.Series("action", vectors + environment.first) if environment.actions else vectors
    limit = f"{environment.max_steps} steps at most" if environment.max_steps else "no limit of its own"
    return Table(
        {"observation": column, "action": action_column},
        source,
        (
            Note("rows", f"{ROWS:,}", f"observations of a random policy in {episode} episodes"),
            Note("episodes", limit, "as the environment states it"),
        ),
        target="action",
        kinds={"observation": kind, "action": "category" if environment.actions else "vector"},
        environment=environment,
    )


def describe_environment(env: Any, name: str, settings: Mapping[str, Any], source: str) -> Environment:
    """The description of a gymnasium environment as plain data."""
    spaces = import_gymnasium().spaces
    space, spec = env.action_space, env.spec
    action_space: dict[str, Any] = {}
    if isinstance(space, spaces.Discrete):
        action_space = {"actions": int(space.n), "first": int(space.start)}
    elif isinstance(space, spaces.Box) and len(space.shape) == 1:
        action_space = {"low": tuple(space.low.tolist()), "high": tuple(space.high.tolist())}
    else:
        raise SourceError("bad-value", f"{source}: expected discrete actions (Discrete) or vectors (Box), got {space}")
    return Environment(
        name,
        dict(settings),
        **action_space,
        max_steps=spec.max_episode_steps if spec else None,
        threshold=spec.reward_threshold if spec else None,
        frames_per_second=int(env.metadata.get("render_fps") or 30),
    )


def _parsed(name: str) -> tuple[str, dict[str, Any]]:
    """Name and settings of `Pendulum-v1?g=9.81`."""
    env_name, _, query = name.partition("?")
    settings = {}
    for part in filter(None, query.split("&")):
        key, equals, value = part.partition("=")
        if not equals or not key:
            raise SourceError("bad-value", f"{PREFIX}{name}: expected settings such as ?g=9.81&x=1, got {part!r}")
        settings[key] = parse_value(value)
    return env_name, settings


def _actions(environment: Environment, random: np.random.Generator) -> list[Any]:
    """Actions of a random policy; each discrete action is equally frequent."""
    if environment.actions:
        rounds = -(-ROWS // environment.actions)
        return np.concatenate([random.permutation(environment.actions) for _ in range(rounds)])[:ROWS].tolist()
    low, high = np.array(environment.low, np.float32), np.array(environment.high, np.float32)
    bounded = np.isfinite(low) & np.isfinite(high)
    within = random.uniform(np.where(bounded, low, 0), np.where(bounded, high, 1), (ROWS, len(low)))
    continuous = np.where(bounded, within, random.normal(size=(ROWS, len(low))).clip(low, high))
    return list(continuous.astype(np.float32))


def _observation_column(env: Any, observations: np.ndarray) -> tuple[str, Any]:
    """Type and column of the observations."""
    space = env.observation_space
    if isinstance(space, import_gymnasium().spaces.Discrete):
        return "category", pl.Series("observation", observations.astype(np.int64))
    if is_image_space(space):
        return "image", observations
    return "vector", observations.reshape(len(observations), -1).astype(np.float32)
