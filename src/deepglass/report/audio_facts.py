"""What a report tells of sounds: plain data, as in `facts`."""

from __future__ import annotations

from typing import NamedTuple


class Heard(NamedTuple):
    """A test row's sound with what is true of it and what was answered.

    Args:
        row: its 0-based place in the source.
        wave: a WAV file's bytes, of its beginning.
        picture: its spectrogram as PNG, time to the right, pitch upwards.
        kept: seconds of `wave`.
        seconds: of the whole sound, as far as it was heard.
        transcript: truth and answer are texts, to be compared word by word.
        confidence: of the answer, where there is one.
        typical: it was drawn from all rows, not chosen as one of the worst.
    """

    row: int
    wave: bytes
    picture: bytes
    kept: float
    seconds: float
    truth: str
    answer: str
    transcript: bool = False
    confidence: float | None = None
    typical: bool = False
