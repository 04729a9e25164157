"""What a report tells of an agent: plain data, as in `facts`."""

from __future__ import annotations

from typing import NamedTuple


class Learned(NamedTuple):
    """An evaluation during training: steps in the world so far, seconds, and the mean return of its episodes."""

    steps: int
    seconds: float
    mean_return: float


class Film(NamedTuple):
    """One episode as it was seen.

    Args:
        picture: an animated WebP.
        value: its return.
        steps: of the whole episode, of which the film may show the beginning.
        shown: steps that the film shows.
    """

    picture: bytes
    value: float
    steps: int
    shown: int


class AgentFacts(NamedTuple):
    """How an agent learned, and how it acts.

    Args:
        world: its name.
        learned: evaluations in the order of training.
        threshold: at which the world counts as solved.
        random: the mean return of play at random.
        figures: over the test episodes.
        film: None where the world cannot be drawn.
        without_film: why not.
    """

    world: str
    learned: tuple[Learned, ...]
    threshold: float | None
    random: float | None
    figures: dict[str, float]
    film: Film | None = None
    without_film: str = ""
