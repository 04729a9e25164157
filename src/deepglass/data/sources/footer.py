"""Rows below a table that are none of it: a source or remark in the first cell, empty rows, and a row of totals.

Programs for spreadsheets and statistical offices write such rows. A row of totals has a word such as "Total", or no
text at all, and sums of the columns above it.
"""

import re
from collections.abc import Iterator

import polars as pl

from deepglass.data.sources.base import ReadLog
from deepglass.parsing import parse_numbers, to_numbers

_MIN_ROWS = 5  # above such rows
_MIN_WIDTH = 3  # columns, from which a row with one cell is a remark
_MAX_REMARKS = 20  # rows
_MAX_SPARSE = 0.1  # of the rows above: those with fewer than two cells
_TOLERANCE = 1e-3  # relative, of a sum: the cells above it are rounded
_TOTAL = re.compile(
    r"(grand |sub-?|over)?totals?|sums?|overall|total g[ée]n[ée]ral|((end|gesamt|zwischen)?summen?|insgesamt|gesamt"
    r"|alle|somme|totale?|totaal|suma|razem|итого|всего|合計|合计|总计|Σ)",
    re.IGNORECASE,
)


def without_footer(frame: pl.DataFrame, log: ReadLog) -> pl.DataFrame:
    """The rows of a table without those below it, which are noted."""
    if frame.height <= _MIN_ROWS:
        return frame
    remarks = _num_remarks(frame)
    if remarks:
        text = next(str(cell) for row in frame.tail(remarks).rows() for cell in row if _is_filled(cell))
        rows = f"{remarks} row" + ("s" if remarks > 1 else "")
        log.note("footer", rows, f"below the table, such as {text[:40]!r}: left out")
        frame = frame.head(frame.height - remarks)
    if frame.height > _MIN_ROWS and (sums := list(_sums(frame))):
        log.note("totals", f"row {frame.height}", f"it has the sums of {', '.join(sums)}: left out")
        frame = frame.head(frame.height - 1)
    return frame


def _num_remarks(frame: pl.DataFrame) -> int:
    """The number of rows at the end that have a remark in the first cell and nothing else, or nothing at all."""
    if frame.width < _MIN_WIDTH:
        return 0
    tail = frame.tail(_MAX_REMARKS).rows()
    remarks = words = 0
    for row in reversed(tail):
        filled = [i for i, cell in enumerate(row) if _is_filled(cell)]
        if filled and (filled != [0] or not re.search(r"\w[\s:]|[:©*]", str(row[0]).strip())):
            break
        remarks, words = remarks + 1, words + len(filled)
    body = frame.head(frame.height - remarks)
    if not words or body.height < _MIN_ROWS:
        return 0
    present = pl.sum_horizontal(_filled(name, dtype).cast(pl.Int32) for name, dtype in body.schema.items())
    sparse = body.select((present < 2).mean()).item()
    return remarks if sparse <= _MAX_SPARSE else 0


def _sums(frame: pl.DataFrame) -> Iterator[str]:
    """The columns whose last value is the sum of the others, if that row is one of totals."""
    row = frame.row(-1)
    words = [cell.strip() for cell in row if isinstance(cell, str) and re.search(r"[^\W\d_]|Σ", cell)]
    has_word = any(_TOTAL.fullmatch(word.rstrip(": ")) for word in words)
    if not has_word and (words or sum(_is_filled(cell) for cell in row) in (1, len(row))):
        return  # no total, or one that no empty cell tells from the other rows
    sums = []
    for series in frame:
        format = parse_numbers(series.head(frame.height - 1))
        if format is None:
            continue
        numbers, _ = to_numbers(series, format) if series.dtype == pl.String else (series.cast(pl.Float64), 0)
        total, above = numbers[-1], numbers.head(frame.height - 1)
        if total and abs(above.sum() - total) <= _TOLERANCE * abs(total) and above.max() != total:
            sums.append(series.name)
    if len(sums) >= (1 if has_word else 2):
        yield from sums


def _is_filled(cell: object) -> bool:
    return cell is not None and str(cell).strip() != ""


def _filled(name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    return column.is_not_null() & (column.str.strip_chars() != "") if dtype == pl.String else column.is_not_null()
