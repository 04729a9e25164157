"""A film of the first test episode of an agent, as an animated WebP."""

import contextlib
import io
import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image as Pillow

from deepglass.data.environments import Environment, Episode
from deepglass.objectives._agents import TEST_SEED, Agent

WIDTH = 320  # pixels, at most
MAX_FRAMES = 260
MAX_FRAMES_PER_SECOND = 25
QUALITIES = (70, 40, 15)  # of WebP, tried until it is small enough
MAX_BYTES = 900_000


class EpisodeFilm(NamedTuple):
    """One episode as the environment renders it.

    Args:
        image: an animated WebP.
        value: the return of the episode.
        steps: of the whole episode.
        steps_filmed: of these, from the first on.
    """

    image: bytes
    value: float
    steps: int
    steps_filmed: int


def film_episode(agent: Agent, environment: Environment) -> EpisodeFilm:
    """Film the first test episode.

    Raises:
        UserError: the environment cannot be rendered, or what renders it is not installed.
    """
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")  # rendered off screen
    with contextlib.redirect_stdout(io.StringIO()):  # pygame prints a greeting
        episode = Episode(environment.make(render=True), environment, TEST_SEED, 0)
        every = max(1, round(environment.frames_per_second / MAX_FRAMES_PER_SECOND))
        frames = [environment.render(episode.env)]
        ended = None
        while ended is None:
            ended = episode.step(agent.best_action(episode.observation[None])[0])
            if episode.steps % every == 0 and len(frames) < MAX_FRAMES:
                frames.append(environment.render(episode.env))
    episode.env.close()
    milliseconds = round(1000 * every / environment.frames_per_second)
    filmed = min(ended.steps, every * len(frames))
    return EpisodeFilm(_animated(frames, milliseconds), ended.value, ended.steps, filmed)


def _animated(frames: Sequence[np.ndarray], milliseconds: int) -> bytes:
    """Frames (Y, X, 3) as a WebP that repeats; of lower quality or shorter where it would be too large."""
    images = [Pillow.fromarray(np.asarray(frame, np.uint8)) for frame in frames]
    for image in images:
        image.thumbnail((WIDTH, image.height), Pillow.Resampling.LANCZOS)
    for quality in QUALITIES:
        file = io.BytesIO()
        options = {"save_all": True, "append_images": images[1:], "duration": milliseconds, "loop": 0}
        images[0].save(file, "WEBP", quality=quality, method=3, **options)
        if file.tell() <= MAX_BYTES:
            break
        images = images[: max(len(images) * 2 // 3, 1)]
    return file.getvalue()
