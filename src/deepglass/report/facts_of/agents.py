"""What can be seen of an agent: how it learned, one episode as a film, and what play at random would get."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image as Pillow

from deepglass.data.environments import Environment, Episode, run_episodes, return_stats
from deepglass.errors import UserError
from deepglass.metrics.summaries import Figure
from deepglass.objectives._agents import TEST_SEED, Agent
from deepglass.objectives.base import Objective
from deepglass.prepare.prepared_data import PreparedData
from deepglass.report.agent_facts import AgentFacts, Film, Learned
from deepglass.report.output_facts import Baseline, OutputFacts

RANDOM_EPISODES = 50
WIDTH = 320  # of a film, in pixels
MOST_FRAMES = 260
MOST_PER_SECOND = 25
QUALITIES = (70, 40, 15)  # of WebP, tried until it is small enough
MOST_BYTES = 900_000


def random_play(environment: Environment, episodes: int = RANDOM_EPISODES) -> dict[str, float]:
    """Figures of episodes whose actions are drawn at random, the same each time."""
    random = np.random.default_rng(0)

    def act(seen: np.ndarray) -> np.ndarray:
        if environment.actions:
            return random.integers(0, environment.actions, len(seen))
        low, high = np.array(environment.low, np.float32), np.array(environment.high, np.float32)
        bounded = np.isfinite(low) & np.isfinite(high)
        drawn = random.uniform(np.where(bounded, low, -1), np.where(bounded, high, 1), (len(seen), len(low)))
        return drawn.astype(np.float32)

    return return_stats(run_episodes(environment, act, episodes, TEST_SEED))


def agent_facts(
    objective: Objective, history: Sequence[Mapping[str, Any]], figures: Mapping[str, Any]
) -> AgentFacts | None:
    """What the report shows of an agent; None for other kinds of learning."""
    if not isinstance(objective, Agent) or objective.environment is None:
        return None
    name, world = objective.name, objective.environment
    learned = [
        Learned(int(own["environment_steps"]), record["seconds"], own["mean_return"])
        for record in history
        if (own := record["valid"].get(name))
    ]
    random = figures.get("baselines", {}).get(name, {}).get("random", {}).get("mean_return")
    try:
        film, why = filmed(objective, world), ""
    except UserError as error:
        film, why = None, str(error).partition("] ")[2]
    return AgentFacts(
        world.name, tuple(learned), world.threshold, random, figures.get("test", {}).get(name, {}), film, why
    )


def played(objective: Objective, prepared: PreparedData, figures: Mapping[str, Any]) -> OutputFacts | None:
    """What an agent got in its test episodes, beside play at random; None for other kinds of learning."""
    if not isinstance(objective, Agent) or not (found := figures.get("test", {}).get(objective.name)):
        return None
    beside = figures.get("baselines", {}).get(objective.name, {})
    return OutputFacts(
        name=objective.name,
        kind="agent",
        metric=objective.monitor,
        test={n: Figure(v) for n, v in found.items() if n not in ("episodes", "environment_steps")},
        test_rows=int(found["episodes"]),
        unit="episode",
        baselines={name: Baseline(b) for name, b in beside.items()},
    )


def filmed(agent: Agent, environment: Environment) -> Film:
    """The first test episode as a film.

    Raises:
        UserError: where the world cannot be drawn, or what draws it is not installed.
    """
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")  # it is drawn, and never shown on a screen
    with contextlib.redirect_stdout(io.StringIO()):  # pygame greets
        episode = Episode(environment.make(render=True), environment, TEST_SEED, 0)
        every = max(1, round(environment.frames_per_second / MOST_PER_SECOND))
        frames = [environment.render(episode.env)]
        ended = None
        while ended is None:
            ended = episode.step(agent.best_action(episode.observation[None])[0])
            if episode.steps % every == 0 and len(frames) < MOST_FRAMES:
                frames.append(environment.render(episode.env))
    episode.env.close()
    milliseconds = round(1000 * every / environment.frames_per_second)
    return Film(_animated(frames, milliseconds), ended.value, ended.steps, min(ended.steps, every * len(frames)))


def _animated(frames: Sequence[np.ndarray], milliseconds: int) -> bytes:
    """Frames (Y, X, 3) as a WebP that goes round, half as fine where it would be too large."""
    pictures = [_small(frame) for frame in frames]
    for quality in QUALITIES:
        file = io.BytesIO()
        kept = {"save_all": True, "append_images": pictures[1:], "duration": milliseconds, "loop": 0}
        pictures[0].save(file, "WEBP", quality=quality, method=3, **kept)
        if file.tell() <= MOST_BYTES:
            break
        pictures = pictures[: max(len(pictures) * 2 // 3, 1)]
    return file.getvalue()


def _small(frame: np.ndarray) -> Pillow.Image:
    picture = Pillow.fromarray(np.asarray(frame, np.uint8))
    width = min(WIDTH, picture.width)
    return picture.resize((width, max(round(picture.height * width / picture.width), 1)), Pillow.Resampling.LANCZOS)
