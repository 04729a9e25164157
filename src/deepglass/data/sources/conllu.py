"""CoNLL-U: sentences with one word per line and its part of speech; one file here, folders through `tables`.

Source: universaldependencies.org/format.html
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from deepglass.data.sources.base import ReadLog, SourceOptions
from deepglass.data.sources.frames import column_names
from deepglass.data.sources.text_bytes import read_text
from deepglass.data.table import Table
from deepglass.errors import SourceError

_CELLS = 10
_COLUMNS = {"words": 1, "tags": 3, "xpos": 4, "lemmas": 2}  # the cell of each
_UNFILLED = "_"

Sentence = list[list[str]]  # the cells of its words


def read_conllu(path: Path, source: str, columns: Sequence[str] | None, options: SourceOptions) -> Table:
    """A row a sentence: its `words` and, in lists of the same length, `tags` (universal), `xpos` and `lemmas`.

    Words are the syntactic ones: ranges such as 1-2 ("don't") and empty nodes such as 1.1 are left out. What a
    sentence does not fill in is missing. A sentence with a broken line is left out and named by it.

    Raises:
        SourceError: `empty-source`, `unreadable-file` where no sentence is whole.
    """
    log = ReadLog()
    text = read_text(path, source, options, log)
    sentences = list(_sentences(text, log))
    if not sentences:
        first = f"; {log.skipped[0].name}: {log.skipped[0].reason}" if log.skipped else ""
        raise SourceError("unreadable-file", f"{source}: no sentence in CoNLL-U's ten cells a word{first}")
    log.note("tags", "the universal parts of speech", "are the answer; xpos and lemmas where they are asked for")
    names = column_names(list(_COLUMNS), columns, source)
    lists = [_column(sentences, cell) for cell in _COLUMNS.values()]
    return Table(
        {name: pl.Series(name, values, dtype=pl.List(pl.String)) for name, values in zip(names, lists, strict=True)},
        source,
        tuple(log.notes),
        tuple(log.skipped),
        target=names[1],
        kinds=dict(zip(names, ["text", "tags", "tags", "tags"], strict=True)),
        excluded=tuple(names[1:]),
    )


def _column(sentences: Sequence[Sentence], cell: int) -> list[list[str] | None]:
    """A cell of each word; None for a sentence that leaves one empty. A word may be an underscore itself."""
    return [
        None if any(word[cell] == _UNFILLED != word[1] for word in words) else [word[cell] for word in words]
        for words in sentences
    ]


def _sentences(text: str, log: ReadLog) -> Iterator[Sentence]:
    words: Sentence = []
    broken = False
    for number, line in enumerate([*text.split("\n"), ""], 1):
        line = line.rstrip("\r")
        if not line.strip():
            if words and not broken:
                yield words
            words, broken = [], False
        elif not broken and line[0] != "#":
            cells = line.split("\t")
            if (reason := _fault(cells, len(words) + 1)) is not None:
                log.skip(f"line {number}", f"{reason}; its sentence is left out")
                broken = True
            elif cells[0].isdigit():
                words.append(cells)


def _fault(cells: list[str], number: int) -> str | None:
    """What is wrong with a line where word `number` is due."""
    if len(cells) != _CELLS:
        return f"{len(cells)} cells instead of {_CELLS}"
    if cells[0].replace("-", ".").replace(".", "", 1).isdigit() and not cells[0].isdigit():
        return None  # a range or an empty node
    return None if cells[0] == str(number) else f"expected word {number}, got {cells[0]!r}"
