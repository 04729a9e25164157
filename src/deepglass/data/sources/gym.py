"""Worlds of gymnasium: `gym:CartPole-v1`, `gym:Pendulum-v1?g=9.81`.

A world becomes a table of what is seen in play at random, so that its columns are recognised, scaled and named like
those of any other source; its `environment` says how to make it again. Settings of the world stand behind a question
mark, as YAML values, with `&` between them.
"""

from __future__ import annotations

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
from deepglass.values import parse_value

ROWS = 1_000


def read_gym(name: str) -> Table:
    """A table of `observation` and `action` from play at random, the same each time.

    Raises:
        MissingExtra: without gymnasium, or a package that this world needs.
        SourceError: `unknown-name`, `bad-value` for a world whose actions are neither numbers nor vectors.
    """
    world_name, settings = _parsed(name)
    source = f"{PREFIX}{name}"
    world = make(world_name, settings)
    environment = describe_environment(world, world_name, settings, source)
    random = np.random.default_rng(0)
    seen, actions = [], []
    done, episode = True, 0
    for action in _actions(environment, random):
        if done:
            observation, _ = world.reset(seed=episode_seed(0, 0, episode))
            episode += 1
        seen.append(observation)
        actions.append(action)
        observation, _, terminated, truncated, _ = world.step(to_env_action(environment, action))
        done = terminated or truncated
    world.close()
    observation_kind, observations = _observation_column(world, np.stack(seen))
    if environment.actions:
        answer: Any = pl.Series("action", np.array(actions) + environment.first)
    else:
        answer = np.stack(actions)
    limit = f"{environment.max_steps} steps at most" if environment.max_steps else "no limit of its own"
    return Table(
        {"observation": observations, "action": answer},
        source,
        (
            Note("rows", f"{ROWS:,}", f"what is seen in {episode} episodes of play at random"),
            Note("episodes", limit, "as the world states it"),
        ),
        target="action",
        kinds={"observation": observation_kind, "action": "category" if environment.actions else "vector"},
        environment=environment,
    )


def describe_environment(world: Any, name: str, settings: Mapping[str, Any], source: str) -> Environment:
    """A live world as plain data."""
    spaces = import_gymnasium().spaces
    space, spec = world.action_space, world.spec
    given: dict[str, Any] = {}
    if isinstance(space, spaces.Discrete):
        given = {"actions": int(space.n), "first": int(space.start)}
    elif isinstance(space, spaces.Box) and len(space.shape) == 1:
        given = {"low": tuple(space.low.tolist()), "high": tuple(space.high.tolist())}
    else:
        raise SourceError(
            "bad-value", f"{source}: expected actions that are numbers (Discrete) or vectors (Box), got {space}"
        )
    return Environment(
        name,
        dict(settings),
        **given,
        max_steps=spec.max_episode_steps if spec else None,
        threshold=spec.reward_threshold if spec else None,
        frames_per_second=int(world.metadata.get("render_fps") or 30),
    )


def _parsed(name: str) -> tuple[str, dict[str, Any]]:
    """`Pendulum-v1?g=9.81` as a name and settings."""
    world, _, given = name.partition("?")
    settings = {}
    for part in filter(None, given.split("&")):
        key, equals, value = part.partition("=")
        if not equals or not key:
            raise SourceError("bad-value", f"{PREFIX}{name}: expected settings such as ?g=9.81&x=1, got {part!r}")
        settings[key] = parse_value(value)
    return world, settings


def _actions(environment: Environment, random: np.random.Generator) -> list[Any]:
    """At random; each of the actions that are numbers is to_env_action as often as the others."""
    if environment.actions:
        rounds = -(-ROWS // environment.actions)
        return np.concatenate([random.permutation(environment.actions) for _ in range(rounds)])[:ROWS].tolist()
    low, high = np.array(environment.low, np.float32), np.array(environment.high, np.float32)
    bounded = np.isfinite(low) & np.isfinite(high)
    within = random.uniform(np.where(bounded, low, 0), np.where(bounded, high, 1), (ROWS, len(low)))
    drawn = np.where(bounded, within, random.normal(size=(ROWS, len(low))).clip(low, high))
    return list(drawn.astype(np.float32))


def _observation_column(world: Any, seen: np.ndarray) -> tuple[str, Any]:
    """The kind of what is seen, and its column."""
    space = world.observation_space
    if isinstance(space, import_gymnasium().spaces.Discrete):
        return "category", pl.Series("observation", seen.astype(np.int64))
    return ("image", seen) if is_image_space(space) else ("vector", seen.reshape(len(seen), -1).astype(np.float32))
