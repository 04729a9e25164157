"""Shared parts of all sources: words for splits, limits, reader options and the reader's log."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Self

from pydantic import BeforeValidator

from deepglass.data.table import Note, Skipped
from deepglass.errors import SourceError

SPLIT_WORDS = {
    **dict.fromkeys(["train", "training", "trainset", "trn", "entrenamiento", "treino", "entraînement"], "train"),
    **dict.fromkeys(["valid", "validation", "val", "dev", "vld", "validación", "validação"], "valid"),
    **dict.fromkeys(["test", "testing", "testset", "tst", "t10k", "eval", "evaluation", "prueba", "teste"], "test"),
}
"""Word in the name of a file, folder or array -> the split that it means."""

SPLIT_NAMES = ("train", "valid", "test")


SQLITE = "sqlite:"  # before the path of a database
NO_QUOTE = "\x1e"  # a quote character that does not occur in text: no cell is quoted
_CHARACTERS = {
    **{"tab": "\t", "\\t": "\t", "space": " ", "comma": ",", "semicolon": ";", "pipe": "|", "colon": ":"},
    **{"none": NO_QUOTE, "off": NO_QUOTE, "": NO_QUOTE},
}
"""Names of the characters that are hard to type in a shell."""
_DECIMAL_MARKS = {"comma": ",", "point": ".", "dot": "."}


def _text(value: Any) -> Any:
    """A number or YAML's null and true as the text that was written."""
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _texts(value: Any) -> Any:
    """One text, or a list of them, as a tuple of texts."""
    if isinstance(value, Mapping):
        return {str(name): _texts(texts) for name, texts in value.items()}
    return tuple(map(_text, value)) if isinstance(value, list | tuple) else (_text(value),)


@dataclass(frozen=True)
class SourceOptions:
    """Options of the readers; None means that the reader detects the value.

    Args:
        delimiter: one character that separates the cells of a text table, or its name, such as "tab".
        encoding: a codec's name, such as "cp1252".
        header: whether the first line of a text table or sheet holds the column names.
        quote: the quote character; "none" where cells are not quoted.
        missing: further texts that stand for a missing value in every column, such as [-999]; an empty list for
            empty cells alone.
        keep: texts that are values although they look missing, such as [NA] for Namibia; for all columns, or
            {column: texts}.
        sheet: name or number (from 1) of the sheet of an Excel file.
        decimal: the decimal mark of a text table, "," or ".", for numbers that can be read with either: 1.759.
    """

    delimiter: str | None = None
    encoding: str | None = None
    header: bool | None = None
    quote: str | None = None
    missing: Annotated[tuple[str, ...] | None, BeforeValidator(lambda v: v if v is None else _texts(v))] = None
    keep: Annotated[tuple[str, ...] | Mapping[str, tuple[str, ...]], BeforeValidator(_texts)] = ()
    sheet: Annotated[str | None, BeforeValidator(lambda v: v if v is None else _text(v))] = None

    decimal: str | None = None

    def kept_in(self, column: str) -> tuple[str, ...]:
        """The texts that are values in a column although they look missing."""
        return self.keep.get(column, ()) if isinstance(self.keep, Mapping) else self.keep

    def with_values(self, values: Mapping[str, tuple[str, ...]]) -> Self:
        """A copy that keeps further texts, as `Table.values` has them; for other files of the same data."""
        if not values:
            return self
        if not isinstance(self.keep, Mapping) and self.keep:
            return replace(self, keep=tuple(sorted({*self.keep}.union(*values.values()))))
        names = dict.fromkeys([*self.keep, *values])
        return replace(self, keep={n: tuple(sorted({*self.kept_in(n), *values.get(n, ())})) for n in names})

    def __post_init__(self) -> None:
        for name in ("delimiter", "quote"):
            value = getattr(self, name)
            if value is not None and (value in _CHARACTERS):
                value = _CHARACTERS[value]
                object.__setattr__(self, name, value)
            if value is not None and (len(value) != 1 or value in "\r\n" or not value.isascii()):
                raise SourceError("bad-value", f"data.{name}: expected one ASCII character, got {value!r}")
        if self.decimal in _DECIMAL_MARKS:
            object.__setattr__(self, "decimal", _DECIMAL_MARKS[self.decimal])
        elif self.decimal not in (None, ",", "."):
            raise SourceError("bad-value", f"data.decimal: expected , or . (comma or point), got {self.decimal!r}")


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
