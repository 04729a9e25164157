"""What a report tells of texts: plain data, as in `facts`."""

from __future__ import annotations

from typing import NamedTuple


class Wrote(NamedTuple):
    """A test row's text: what was given, what should be written, what was.

    Args:
        row: its 0-based place in the source; None for a text that was drawn.
        given: what was read, as text; empty where it is no text.
        error: edits a word between answer and truth.
        typical: it was drawn from all rows, not chosen as one of the worst.
    """

    row: int | None
    given: str
    truth: str
    answer: str
    error: float
    typical: bool = False


class Tagged(NamedTuple):
    """A test row's words, each with the tag it was given and the true one ("" where it is unknown)."""

    row: int
    words: tuple[tuple[str, str, str], ...]
    typical: bool = False
