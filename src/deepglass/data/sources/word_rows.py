"""Token tagging with one word per row: CoNLL-2003 and the like, and tables with a column of sentences.

Its mark is a column of tags such as B-PER, I-PER and O. Sentences end at a blank line, or where the column that names
the sentence has another value. Each becomes one row with lists of words and tags.
"""

import re
from collections.abc import Callable, Sequence

import polars as pl

from deepglass.data.sources.base import ReadLog
from deepglass.data.table import Table

_TAG = r"^(O|[BIESLUM][-_]\S+)$"
_NUM_CHECKED = 200  # lines
_DOCUMENT = "-DOCSTART-"
_NAMES = {2: ["words", "tags"], 3: ["words", "pos", "tags"], 4: ["words", "pos", "chunks", "tags"]}
_SENTENCE = re.compile(r"sent", re.IGNORECASE)
_WORD = re.compile(r"^(word|token|text)s?$", re.IGNORECASE)


def sentences_of_text(sample: str, content: Callable[[], bytes], source: str, log: ReadLog) -> Table | None:
    """The sentences of a text with a word and its tags on each line; None for any other text."""
    lines = sample.split("\n")[:_NUM_CHECKED]
    separator = next((s for s in ("\t", None, ",", ";") if _is_tagged(lines, s)), "")
    if separator == "" or not any(not line.strip() for line in lines[1:-1]):
        return None
    blocks: list[list[list[str]]] = [[]]
    width = max(len(line.split(separator)) for line in lines if line.strip())
    documents = 0
    for number, line in enumerate(content().decode().split("\n"), 1):
        cells = [cell.strip() for cell in line.rstrip("\r").split(separator)]
        if not any(cells):
            blocks.append([])
        elif cells[0] == _DOCUMENT:
            documents += 1
        elif len(cells) != width:
            log.skip(f"line {number}", f"{len(cells)} cells instead of {width}")
        elif number > 1 or re.match(_TAG, cells[-1]):
            blocks[-1].append(cells)
    sentences = [block for block in blocks if block]
    if documents:
        log.note("documents", f"{documents:,}", f"lines {_DOCUMENT}: left out")
    names = _NAMES.get(width, ["words", *(f"column_{i}" for i in range(2, width)), "tags"])
    columns = {name: [[cells[i] for cells in block] for block in sentences] for i, name in enumerate(names)}
    return _table(columns, "words", "tags", source, log, "a line for each word, a blank line after each sentence")


def _is_tagged(lines: Sequence[str], separator: str | None) -> bool:
    """Whether the lines have one number of cells, and end with a tag."""
    rows = [line.split(separator) for line in lines if line.strip()]
    rows = rows[1:-1]  # the first may hold names, the last may be cut
    tags = [row[-1].strip() for row in rows]
    right = bool(rows) and len(rows[0]) > 1 and len({len(row) for row in rows}) == 1
    return right and all(re.match(_TAG, tag) for tag in tags) and len(set(tags)) > 1


def sentences_of_rows(frame: pl.DataFrame, source: str, log: ReadLog) -> Table | None:
    """The sentences of a table with a row for each word and a column that names the sentence; None for others."""
    texts = [s for s in frame if s.dtype == pl.String]
    sentence = next((s for s in frame if _SENTENCE.search(s.name)), None)
    words = next((s.name for s in texts if _WORD.match(s.name)), None)
    if words is None or sentence is None or sentence[0] is None:
        return None
    tags = next((s.name for s in texts if not s.null_count() and s.n_unique() > 1 and s.str.contains(_TAG).all()), None)
    if tags is None:
        return None
    if sentence.dtype == pl.String:
        sentence = sentence.set(sentence.str.strip_chars() == "", None)
    number = sentence.fill_null(strategy="forward").rle_id()
    if number.n_unique() < 2:
        return None
    others = [name for name in frame.columns if name != sentence.name]
    cells = frame.select(pl.col(others).cast(pl.String).fill_null("")).with_columns(number.alias("sentence number"))
    grouped = cells.group_by("sentence number", maintain_order=True).agg(pl.col(others))
    why = f"rows of one word each, grouped by {sentence.name!r}"
    return _table({name: grouped[name] for name in others}, words, tags, source, log, why)


def _table(
    columns: dict[str, pl.Series] | dict[str, list[list[str]]],
    words: str,
    tags: str,
    source: str,
    log: ReadLog,
    why: str,
) -> Table:
    series = {name: pl.Series(name, values, dtype=pl.List(pl.String)) for name, values in columns.items()}
    others = [name for name in series if name != words]
    log.note("sentences", f"{len(series[words]):,}", why)
    kinds = {words: "text", **dict.fromkeys(others, "tags")}
    return Table(series, source, *log.entries, target=tags, kinds=kinds, excluded=tuple(others))
