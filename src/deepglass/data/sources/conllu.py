"""CoNLL-U: sentences with one word per line and its part of speech. `tables` reads folders of such files.

Source: universaldependencies.org/format.html
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from deepglass.data.sources.base import ReadLog, SourceOptions
from deepglass.data.sources.frames import column_names
from deepglass.data.sources.text_bytes import read_text
from deepglass.data.table import Table
from deepglass.errors import SourceError

_CELLS = 10
_COLUMNS = {"words": 1, "tags": 3, "xpos": 4, "lemmas": 2}  # column -> index of its cell
_EMPTY = "_"

Sentence = list[list[str]]  # the cells of its words


def read_conllu(path: Path, source: str, columns: Sequence[str] | None, options: SourceOptions) -> Table:
    """One row per sentence: its `words` and, in lists of the same length, `tags` (universal), `xpos` and `lemmas`.

    Words are the syntactic ones: ranges such as 1-2 ("don't") and empty nodes such as 1.1 are left out. A list is
    missing where the sentence leaves a cell empty. A sentence with a broken line is skipped, and the line is named.

    Raises:
        SourceError: `empty-source`, `unreadable-file` where no sentence is whole.
    """
    log = ReadLog()
    text = read_text(path, source, options, log)
    sentences = list(_sentences(text, log))
    if not sentences:
        first = f"; {log.first_skipped}" if log.skipped else ""
        text = f"{source}: expected sentences in CoNLL-U with ten cells per word, got none{first}"
        raise SourceError("unreadable-file", text)
    log.note("tags", "universal parts of speech", "the target; xpos and lemmas are used if the spec names them")
    names = column_names(list(_COLUMNS), columns, source)
    cells = zip(names, _COLUMNS.values(), strict=True)
    return Table(
        {name: pl.Series(name, _column(sentences, cell), dtype=pl.List(pl.String)) for name, cell in cells},
        source,
        *log.entries,
        target=names[1],
        kinds=dict(zip(names, ["text", "tags", "tags", "tags"], strict=True)),
        excluded=tuple(names[1:]),
    )


def _column(sentences: Sequence[Sentence], cell: int) -> list[list[str] | None]:
    """A cell of each word; None for a sentence that leaves one empty. A word may be an underscore itself."""
    return [
        None if any(word[cell] == _EMPTY != word[1] for word in words) else [word[cell] for word in words]
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
    """What is wrong with a line where word `number` is expected; None if nothing is."""
    if len(cells) != _CELLS:
        return f"{len(cells)} cells instead of {_CELLS}"
    if cells[0].replace("-", ".").replace(".", "", 1).isdigit() and not cells[0].isdigit():
        return None  # a range or an empty node
    return None if cells[0] == str(number) else f"expected word {number}, got {cells[0]!r}"
