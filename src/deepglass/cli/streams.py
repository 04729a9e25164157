"""Rows from stdin, results on stdout, notes on stderr."""

import json
import os
import sys
from pathlib import Path
from typing import Any, TextIO

from deepglass import cli
from deepglass.cli.escaping import escaped_json
from deepglass.documents import parse_json
from deepglass.files import read_file


def rows_of(source: str) -> Any:
    """A source; for `-` the rows from stdin, one JSON object per line.

    Raises:
        SourceError: `unreadable-file` with the line that is not JSON, `too-large`.
    """
    if source != "-":
        return source
    lines = enumerate(sys.stdin.buffer, 1)
    return [parse_json(line, "stdin", number) for number, line in lines if line.strip()]


def lines_of(source: str) -> list[str]:
    """The lines of a text file, or for `-` of stdin, without blank ones; any other text is the only line.

    Raises:
        SourceError: `unreadable-file`, `too-large`.
    """
    text = source
    if source == "-":
        text = sys.stdin.buffer.read().decode("utf-8", "replace")
    elif Path(source).is_file():
        text = read_file(Path(source)).decode("utf-8", "replace")
    return [line for line in text.splitlines() if line.strip()]


def message(text: str) -> None:
    """Print a message for people, apart from the results; nothing where stderr was closed."""
    try:
        print(text, file=sys.stderr, flush=True)
    except BrokenPipeError:
        silence(sys.stderr)


def silence(stream: TextIO) -> None:
    """Let a stream whose reader has gone lead nowhere."""
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())


def print_json(value: Any) -> None:
    """Print a value as one line of JSON."""
    print(escaped_json(json.dumps(value, ensure_ascii=False, default=str)))


def output_rows(
    rows: list[dict[str, Any]], noun: str, out: Path | None, as_json: bool, excel_safe: bool = False
) -> None:
    """Write rows to a file, or print them as JSON or as text.

    Args:
        noun: names the rows in the message about the file.
        excel_safe: as for `write_predictions`.
    """
    if out is not None:
        cli.write_predictions(out, rows, excel_safe)
        message(f"{len(rows)} {noun} in {out}")
    elif as_json:
        print_json(rows)
    else:
        cli.show.show_predictions(rows)
