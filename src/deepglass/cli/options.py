"""Arguments and options that several commands share, and the settings that they give."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from deepglass.cli import completion
from deepglass.errors import Code, SpecError
from deepglass.values import literal_texts, parse_value

Complete = Callable[[str], list[str]]  # the start of a word -> the words that a shell completes it to


def argument(metavar: str, text: str, complete: Complete | None = None) -> Any:
    """A positional argument with its help text."""
    return typer.Argument(metavar=metavar, help=text, autocompletion=complete)


def option(metavar: str, text: str, *names: str, complete: Complete | None = None) -> Any:
    """An option with a value; without `names` it is called like the parameter."""
    return typer.Option(*names, metavar=metavar, help=text, autocompletion=complete)


def flag(name: str, text: str) -> Any:
    """An option without a value."""
    return typer.Option(name, help=text)


SOURCES = "A file, a folder, sklearn:NAME, synthetic:NAME or data:NAME"

LITERALS = (
    *("data.delimiter", "data.quote", "data.decimal", "data.encoding", "data.sheet", "data.filename_pattern"),
    *("sheet", "filename_pattern"),
)
LITERAL_LISTS = ("data.missing", "data.keep")
"""Settings whose values are texts: `-`, `;`, `01`, `null` and `NA` mean themselves there."""

Source = Annotated[str, argument("SOURCE", f"{SOURCES}.", completion.sources)]
RunFolder = Annotated[Path, argument("RUN", "Run folder, or its zip file.", completion.runs)]
Settings = Annotated[list[str] | None, argument("KEY=VALUE", "Settings of the spec, such as network.depth=4.")]
Target = Annotated[list[str] | None, option("COLUMN", "Column to predict (repeatable).")]
Ignore = Annotated[list[str] | None, option("COLUMN", "Column to leave out (repeatable).")]
Kind = Annotated[
    list[str] | None,
    option(
        "COLUMN=KIND",
        "Kind of a column; `deepglass list features` (repeatable).",
        complete=completion.column_kinds,
    ),
]
Columns = Annotated[str | None, option("NAMES", "Column names of a file without a header, such as a,b,c.")]
FilenamePattern = Annotated[str | None, option("PATTERN", "Columns in file names, such as '{digit}_{speaker}_{take}'.")]
Sheet = Annotated[str | None, option("NAME", "Sheet of an Excel file; by default the one that holds a table.")]
DataRoot = Annotated[
    list[Path] | None,
    option("FOLDER", "Folder of the data:NAME sets, or of files that the data name in other folders (repeatable)."),
]
AllowCode = Annotated[
    list[str] | None,
    option("MODULE", "Python module whose code a spec or run may name and so run (repeatable).", "--allow-code"),
]
MovedSource = Annotated[
    str | None, option("FILE", "The data of the run, where they have moved or were a Python object.", "--source")
]
Devices = Annotated[
    int | None, option("N", "Processes that train together on this machine, each on a part of every batch.")
]
Callbacks = Annotated[
    list[str] | None,
    option("MODULE:CLASS", "A callback of your own, called while it trains (repeatable).", "--callback"),
]
AllowMissing = Annotated[
    list[str] | None,
    option(
        "COLUMN", "Column that may be absent or unreadable, though training had it (repeatable).", "--allow-missing"
    ),
]
Force = Annotated[bool, flag("--force", "Overwrite --out if it exists.")]
Json = Annotated[bool, flag("--json", "Print JSON on stdout.")]


def parse_settings(
    pairs: list[str] | None,
    ignore: list[str] | None,
    kinds: list[str] | None,
    columns: str | None,
    filename_pattern: str | None,
    sheet: str | None = None,
) -> dict[str, Any]:
    """Settings by their path in a spec, from KEY=VALUE pairs and options.

    Raises:
        SpecError: `unknown-key` or `bad-value` for text without a name and an equals sign.
    """
    expected = "settings: expected KEY=VALUE, such as training.batch_size=64"
    settings = {key: _value(key, value) for key, value in split_pairs(pairs, expected, "unknown-key")}
    by_column = dict(split_pairs(kinds, "--kind: expected COLUMN=KIND, such as year=category", split=str.rpartition))
    names = [name.strip() for name in columns.split(",")] if columns else None
    values = {"ignore": ignore, "columns": names, "filename_pattern": filename_pattern, "sheet": sheet}
    settings |= {"kinds": {**settings.get("kinds", {}), **by_column}} if by_column else {}
    return settings | {key: value for key, value in values.items() if value}


def _value(key: str, text: str) -> Any:
    if key in LITERALS:
        return text
    return literal_texts(text) if key in LITERAL_LISTS else parse_value(text, key)


def split_pairs(
    pairs: list[str] | None, expected: str, code: Code = "bad-value", split: Callable[..., Any] = str.partition
) -> Iterator[tuple[str, str]]:
    """`["label=7"]` -> ("label", "7").

    Args:
        expected: where the pairs stand and what they look like, for the message.
        split: `str.rpartition` for names that may hold an equals sign.

    Raises:
        SpecError: `code` for text without a name and an equals sign.
    """
    for pair in pairs or []:
        name, equals, value = split(pair, "=")
        if not equals or not name:
            raise SpecError(code, f"{expected}, got {pair!r}")
        yield name, value


def parse_row_indices(text: str) -> list[int]:
    """`0,3,5-7` -> [0, 3, 5, 6, 7].

    Raises:
        SpecError: `bad-value` for text that is no list of indices and ranges.
    """
    rows: list[int] = []
    for item in text.split(",") if text else ():
        first, dash, last = item.strip().partition("-")
        if not first.isdigit() or (dash and not last.isdigit()):
            raise SpecError("bad-value", f"--rows: expected row indices, such as 0,1,2 or 0-9, got {text!r}")
        rows += range(int(first), int(last if dash else first) + 1)
    return rows
