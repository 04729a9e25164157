"""Arguments and options that several commands share, and reading and printing of values."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from deepglass import cli
from deepglass.errors import SpecError
from deepglass.values import parse_value

SourceArgument = Annotated[str, typer.Argument(help="A file, a folder, sklearn:NAME or data:NAME.")]
RunArgument = Annotated[Path, typer.Argument(help="Run folder.")]
Target = Annotated[list[str] | None, typer.Option("--target", help="Column to predict (repeatable).")]
Ignore = Annotated[list[str] | None, typer.Option("--ignore", help="Column to leave out (repeatable).")]
Kind = Annotated[list[str] | None, typer.Option("--kind", help="NAME=KIND: the kind of a column (repeatable).")]
Columns = Annotated[str | None, typer.Option("--columns", help="Column names of a file without a header: a,b,c.")]
FilenamePattern = Annotated[
    str | None, typer.Option("--filename-pattern", help="Columns in file names: '{digit}_{speaker}_{take}'.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]
DataRoot = Annotated[
    Path | None, typer.Option("--data-root", help="Folder of the data:NAME sets; by default $DEEPGLASS_DATA.")
]
Settings = Annotated[list[str] | None, typer.Argument(help="Settings of the spec: key.path=value.")]


def parse_settings(
    pairs: list[str] | None,
    ignore: list[str] | None,
    kinds: list[str] | None,
    columns: str | None,
    filename_pattern: str | None,
) -> dict[str, Any]:
    """Settings by their path in a spec, from key=value pairs and options.

    Raises:
        SpecError: `unknown-key`, `bad-value`.
    """
    chosen: dict[str, Any] = {}
    for pair in pairs or []:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise SpecError("unknown-key", f"{pair!r}: expected key.path=value, such as training.batch_size=64")
        chosen[key] = parse_value(value, key)
    for pair in kinds or []:
        column, equals, kind = pair.rpartition("=")
        if not equals or not column:
            raise SpecError("bad-value", f"--kind {pair!r}: expected NAME=KIND, such as year=category")
        chosen.setdefault("kinds", {})[column] = kind
    chosen |= {"ignore": ignore} if ignore else {}
    chosen |= {"columns": [c.strip() for c in columns.split(",")]} if columns else {}
    return chosen | ({"filename_pattern": filename_pattern} if filename_pattern else {})


def parse_row_indices(text: str) -> list[int]:
    """`0,3,5-7` -> [0, 3, 5, 6, 7]."""
    rows: list[int] = []
    for part in text.split(",") if text else ():
        first, dash, last = part.strip().partition("-")
        if not first.isdigit() or (dash and not last.isdigit()):
            raise SpecError("bad-value", f"--rows {text!r}: expected row indices such as 0,1,2 or 0-9")
        rows += range(int(first), int(last if dash else first) + 1)
    return rows


def stdin_rows() -> list[dict[str, Any]]:
    """Rows from stdin, one JSON object a line."""
    rows = []
    for number, line in enumerate(sys.stdin, 1):
        if line.strip():
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError as error:
                raise SpecError("bad-value", f"stdin, line {number}: expected a JSON object ({error})") from error
    return rows


def check_not_exists(path: Path, force: bool) -> None:
    if path.exists() and not force:
        raise SpecError("already-exists", f"--out: {path} exists; choose another name or add --force")


def print_notes(run: Any) -> None:
    """Print what a run noted about the rows that it read."""
    for note, count in run.predictor.notes.items():
        print(f"note: {note} ({count})", file=sys.stderr)


def print_json(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False, default=str))


def output(rows: list[dict[str, Any]], noun: str, out: Path | None, as_json: bool) -> None:
    """Write rows to a file, or print them as JSON or as text; `noun` names them in the message about the file."""
    if out is not None:
        cli.write_answers(out, rows)
        print(f"{len(rows)} {noun} in {out}", file=sys.stderr)
    elif as_json:
        print_json(rows)
    else:
        cli.show.show_predictions(rows)
