"""Arguments and options that several commands share, and the settings that they give."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from deepglass.errors import SpecError
from deepglass.values import parse_value


def argument(metavar: str, text: str) -> Any:
    """A positional argument with its help text."""
    return typer.Argument(metavar=metavar, help=text)


def option(metavar: str, text: str, *names: str) -> Any:
    """An option with a value; without `names` it is called like the parameter."""
    return typer.Option(*names, metavar=metavar, help=text)


def flag(name: str, text: str) -> Any:
    """An option without a value."""
    return typer.Option(name, help=text)


SOURCES = "A file, a folder, sklearn:NAME, synthetic:NAME or data:NAME"

Source = Annotated[str, argument("SOURCE", f"{SOURCES}.")]
RunFolder = Annotated[Path, argument("RUN", "Run folder.")]
Settings = Annotated[list[str] | None, argument("KEY=VALUE", "Settings of the spec, such as network.depth=4.")]
Target = Annotated[list[str] | None, option("COLUMN", "Column to predict (repeatable).")]
Ignore = Annotated[list[str] | None, option("COLUMN", "Column to leave out (repeatable).")]
Kind = Annotated[list[str] | None, option("COLUMN=KIND", "Kind of a column; `deepglass list features` (repeatable).")]
Columns = Annotated[str | None, option("NAMES", "Column names of a file without a header, such as a,b,c.")]
FilenamePattern = Annotated[str | None, option("PATTERN", "Columns in file names, such as '{digit}_{speaker}_{take}'.")]
DataRoot = Annotated[Path | None, option("FOLDER", "Folder of the data:NAME sets; by default $DEEPGLASS_DATA.")]
Force = Annotated[bool, flag("--force", "Overwrite --out if it exists.")]
Json = Annotated[bool, flag("--json", "Print JSON on stdout.")]


def parse_settings(
    pairs: list[str] | None,
    ignore: list[str] | None,
    kinds: list[str] | None,
    columns: str | None,
    filename_pattern: str | None,
) -> dict[str, Any]:
    """Settings by their path in a spec, from key=value pairs and options.

    Raises:
        SpecError: `unknown-key` or `bad-value` for text without a name and an equals sign.
    """
    settings: dict[str, Any] = {}
    for pair in pairs or []:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise SpecError("unknown-key", f"{pair!r}: expected KEY=VALUE, such as training.batch_size=64")
        settings[key] = parse_value(value, key)
    for pair in kinds or []:
        column, equals, kind = pair.rpartition("=")
        if not equals or not column:
            raise SpecError("bad-value", f"--kind: expected COLUMN=KIND, such as year=category, got {pair!r}")
        settings.setdefault("kinds", {})[column] = kind
    names = [name.strip() for name in columns.split(",")] if columns else None
    options = {"ignore": ignore, "columns": names, "filename_pattern": filename_pattern}
    return settings | {key: value for key, value in options.items() if value}


def parse_conditions(pairs: list[str] | None) -> dict[str, str]:
    """`["label=7"]` -> {"label": "7"}.

    Raises:
        SpecError: `bad-value` for text without a name and an equals sign.
    """
    conditions = {}
    for pair in pairs or []:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise SpecError("bad-value", f"--given: expected COLUMN=VALUE, such as label=7, got {pair!r}")
        conditions[name] = value
    return conditions


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


def check_not_exists(out: Path | None, force: bool) -> None:
    """Raise `already-exists` for an output file that would be overwritten without --force."""
    if out is not None and out.exists() and not force:
        raise SpecError("already-exists", f"--out: {out} exists; choose another name or add --force")
