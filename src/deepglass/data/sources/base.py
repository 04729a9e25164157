"""Shared parts of all sources: words for splits, limits, reader options and the reader's log."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from deepglass.data.table import Note, Skipped
from deepglass.errors import SourceError

SPLIT_WORDS = {
    **dict.fromkeys(["train", "training", "trainset"], "train"),
    **dict.fromkeys(["valid", "validation", "val", "dev"], "valid"),
    **dict.fromkeys(["test", "testing", "testset", "t10k", "eval", "evaluation"], "test"),
}
"""Word in the name of a file, folder or array -> the split that it means."""

SPLIT_NAMES = ("train", "valid", "test")


@dataclass(frozen=True)
class SourceOptions:
    """Options of the readers; None means that the reader detects the value.

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
        for name in ("delimiter", "quote"):
            value = getattr(self, name)
            if value is not None and (len(value) != 1 or value in "\r\n" or not value.isascii()):
                raise SourceError("bad-value", f"data.{name}: expected one ASCII character, got {value!r}")


@dataclass
class ReadLog:
    """The log of a reader: notes on what was detected, and what was skipped."""

    notes: list[Note] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)

    @property
    def entries(self) -> tuple[tuple[Note, ...], tuple[Skipped, ...]]:
        """Notes and skipped files, in the order of the fields of `Table`."""
        return tuple(self.notes), tuple(self.skipped)

    @property
    def first_skipped(self) -> str:
        """The first file that was skipped and why, for an error message; empty if none was."""
        return f"{self.skipped[0].name}: {self.skipped[0].reason}" if self.skipped else ""

    def note(self, what: str, value: str, why: str) -> None:
        self.notes.append(Note(what, value, why))

    def note_hidden(self, names: Sequence[str]) -> None:
        """Note the hidden files and folders that are not read."""
        if names:
            listed = ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")
            self.note("hidden", f"{len(names):,}: {listed}", "hidden, or made by a system: not read")

    def note_split(self, split: Iterable[str], why: str) -> None:
        """Note how many rows each split has, and where the split is from."""
        counts = Counter(split)
        self.note("split", ", ".join(f"{name} {counts[name]}" for name in SPLIT_NAMES if counts[name]), why)

    def skip(self, name: str, reason: str) -> None:
        self.skipped.append(Skipped(name, reason))
