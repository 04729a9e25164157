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


class Looked(NamedTuple):
    """Where each word of an answer looked while it was written: at which words, or where on a picture.

    Args:
        row: its 0-based place in the source.
        words: of the answer, W.
        read: the words that could be looked at, R; none where it was a picture.
        weights: W times R shares, which add up to 1 over R; none where it was a picture.
        picture: PNG or JPEG.
        size: its height and width in pixels.
        maps: a PNG for each word of the answer, dark where the word did not look.
        extent: left, top, width and height of the maps in pixels of the picture, which may show less than they cover.
    """

    row: int
    words: tuple[str, ...]
    read: tuple[str, ...] = ()
    weights: tuple[tuple[float, ...], ...] = ()
    picture: bytes | None = None
    size: tuple[int, int] = (0, 0)
    maps: tuple[bytes, ...] = ()
    extent: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    typical: bool = False


class Read(NamedTuple):
    """A test row's words and how much each was looked at before the answer.

    Args:
        words: each with its share, which add up to 1 over the whole text; only its beginning is kept.
        others: words that are not kept.
    """

    row: int
    words: tuple[tuple[str, float], ...]
    others: int
    truth: str
    answer: str
    confidence: float
    typical: bool = False
