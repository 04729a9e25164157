"""Rows from stdin, results on stdout, notes on stderr."""

import json
import sys
from pathlib import Path
from typing import Any

from deepglass import cli
from deepglass.errors import SpecError


def rows_of(source: str) -> Any:
    """A source; for `-` the rows from stdin, one JSON object per line.

    Raises:
        SpecError: `bad-value` with the line that is not JSON.
    """
    if source != "-":
        return source
    rows = []
    for number, line in enumerate(sys.stdin, 1):
        if line.strip():
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError as error:
                raise SpecError("bad-value", f"stdin, line {number}: expected a JSON object ({error})") from error
    return rows


def message(text: str) -> None:
    """Print a message for people, apart from the results."""
    print(text, file=sys.stderr)


def print_notes(run: Any) -> None:
    """Print what a run noted about the rows that it read, with the number of rows, and whether it is unfinished."""
    if not run.folder.finished:
        message(f"note: {run.folder.files.unfinished()}")
    for note, count in run.predictor.notes.items():
        message(f"note: {note} ({count})")


def print_json(value: Any) -> None:
    """Print a value as one line of JSON."""
    print(json.dumps(value, ensure_ascii=False, default=str))


def output_rows(rows: list[dict[str, Any]], noun: str, out: Path | None, as_json: bool) -> None:
    """Write rows to a file, or print them as JSON or as text; `noun` names them in the message about the file."""
    if out is not None:
        cli.write_predictions(out, rows)
        message(f"{len(rows)} {noun} in {out}")
    elif as_json:
        print_json(rows)
    else:
        cli.show.show_predictions(rows)
