"""Between the shell and Python: words that several commands take, and how they are read and answered."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

import deepglass
from deepglass.errors import SpecError
from deepglass.values import parse_value

SourceArgument = Annotated[str, typer.Argument(help="a file, a folder, sklearn:NAME, data:NAME")]
RunArgument = Annotated[Path, typer.Argument(help="the folder of a run")]
Target = Annotated[list[str] | None, typer.Option("--target", help="the column to answer; may be repeated")]
Ignore = Annotated[list[str] | None, typer.Option("--ignore", help="a column to leave out; may be repeated")]
Kind = Annotated[list[str] | None, typer.Option("--kind", help="NAME=KIND: take a column for that kind")]
Columns = Annotated[str | None, typer.Option("--columns", help="a,b,c: names for a file without a header")]
FilenamePattern = Annotated[
    str | None, typer.Option("--filename-pattern", help="pattern of file names: '{digit}_{speaker}_{take}'")
]
Json = Annotated[bool, typer.Option("--json", help="for machines: JSON on stdout")]
DataRoot = Annotated[Path | None, typer.Option("--data-root", help="where data:NAME sets lie; else $DEEPGLASS_DATA")]
Settings = Annotated[list[str] | None, typer.Argument(help="key.path=value: any setting of a spec")]


def settings_of(
    pairs: list[str] | None,
    ignore: list[str] | None,
    kinds: list[str] | None,
    columns: str | None,
    filename_pattern: str | None,
) -> dict[str, Any]:
    """Pairs of key and value, and what has an option of its own, by their keys in a spec.

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


def places_of(words: str) -> list[int]:
    """`0,3,5-7` -> [0, 3, 5, 6, 7]."""
    found: list[int] = []
    for part in words.split(",") if words else ():
        first, dash, last = part.strip().partition("-")
        if not first.isdigit() or (dash and not last.isdigit()):
            raise SpecError("bad-value", f"--rows {words!r}: expected places of rows, such as 0,1,2 or 0-9")
        found += range(int(first), int(last if dash else first) + 1)
    return found


def text_of(path: Path | None) -> str | None:
    return None if path is None else str(path)


def stdin_rows() -> list[dict[str, Any]]:
    rows = []
    for number, line in enumerate(sys.stdin, 1):
        if line.strip():
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError as error:
                raise SpecError("bad-value", f"stdin, line {number}: expected a JSON object ({error})") from error
    return rows


def check_free(path: Path, force: bool) -> None:
    if path.exists() and not force:
        raise SpecError("already-exists", f"--out: {path} exists; choose another name or add --force")


def tell_notes(run: Any) -> None:
    """What was odd about the rows that a run has read."""
    for note, count in run.predictor.notes.items():
        print(f"note: {note} ({count})", file=sys.stderr)


def print_json(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False, default=str))


def give(answers: list[dict[str, Any]], what: str, out: Path | None, as_json: bool) -> None:
    """Answers into a file, as JSON, or to be read; `what` they are is said of a file."""
    if out is not None:
        deepglass.write_answers(out, answers)
        print(f"{len(answers)} {what} in {out}", file=sys.stderr)
    elif as_json:
        print_json(answers)
    else:
        deepglass.show.show_answers(answers)
