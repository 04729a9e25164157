"""Shared parts of all sources: file suffixes, words for splits, limits, reader options and the reader's log."""

from __future__ import annotations

from dataclasses import dataclass, field

from deepglass.data.table import Note, Skipped
from deepglass.errors import SourceError

IMAGE_SUFFIXES = frozenset(
    [".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm", ".pbm", ".pnm"]
)
AUDIO_SUFFIXES = frozenset([".wav", ".flac", ".ogg", ".oga", ".mp3", ".aif", ".aiff", ".au", ".opus"])
VIDEO_SUFFIXES = frozenset([".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ogv", ".wmv"])
SPLIT_WORDS = {
    **dict.fromkeys(["train", "training", "trainset"], "train"),
    **dict.fromkeys(["valid", "validation", "val", "dev"], "valid"),
    **dict.fromkeys(["test", "testing", "testset", "t10k", "eval"], "test"),
}
"""Words in names of files, folders and arrays -> the split that they hold."""

SPLIT_NAMES = ("train", "valid", "test")
MAX_UNPACKED_BYTES = 16 * 2**30  # of unpacked content; larger archives are refused as a mistake or an attack
MAX_INFLATION = 1000  # ratio of unpacked to packed size, from 1 MiB on; deflate reaches about 1,000


@dataclass(frozen=True)
class SourceOptions:
    """Options of the readers; None means automatic detection.

    Args:
        delimiter: one character that separates the cells of a text table.
        encoding: a codec's name, such as "cp1252".
        header: whether the first line of a text table or sheet holds the column names.
        quote: the quote character.
        missing: further texts that stand for a missing value, such as ("-999",).
        sheet: name of the sheet of an Excel file.
    """

    delimiter: str | None = None
    encoding: str | None = None
    header: bool | None = None
    quote: str | None = None
    missing: tuple[str, ...] = ()
    sheet: str | None = None

    def __post_init__(self) -> None:
        for what in ("delimiter", "quote"):
            value = getattr(self, what)
            if value is not None and (len(value) != 1 or value in "\r\n" or not value.isascii()):
                raise SourceError("bad-value", f"data.{what}: expected one ASCII character, got {value!r}")


@dataclass
class ReadLog:
    """The log of a reader: notes on what was detected, and what was skipped."""

    notes: list[Note] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)

    def note(self, what: str, value: str, why: str) -> None:
        self.notes.append(Note(what, value, why))

    def skip(self, name: str, reason: str) -> None:
        self.skipped.append(Skipped(name, reason))
