"""Whether the first row of a table holds names or values."""

import re
from collections.abc import Sequence
from itertools import pairwise

import polars as pl

from deepglass.dates import parse_dates
from deepglass.parsing import MISSING, parse_numbers

_MIN_BODY = 3  # rows of values below a row of units
_MAX_UNIT = 12  # characters


def has_header(rows: Sequence[Sequence[str]], option: bool | None = None) -> tuple[bool, str]:
    """Whether the first of these rows holds names rather than values, and why.

    Args:
        option: `data.header`, which decides where it is not None.
    """
    if option is not None:
        return option, "as data.header says"
    first, body = [cell.strip() for cell in rows[0]], [row for row in rows[1:] if row]
    numbers = [i for i, cell in enumerate(first) if is_number(cell)]
    if not body:
        names = not numbers and all(first)
        return names, "the only line, and no number in it" if names else "the only line has values in it"
    if (
        len(numbers) >= 3
        and _counts_up([first[i] for i in numbers])
        and not all(_counts_up([row[i] for i in numbers if i < len(row)]) for row in body[:20])
    ):
        return True, f"its numbers count up from {first[numbers[0]]} to {first[numbers[-1]]}"
    if numbers:
        return False, f"the first line has the number {first[numbers[0]]!r} in it"
    columns = [[row[i].strip() for row in body if i < len(row)] for i in range(len(first))]
    for name, values in zip(first, columns, strict=True):
        if name and name not in MISSING and _are_numbers_or_dates(values) and not _are_numbers_or_dates([name]):
            return True, f"{name!r} stands over numbers or dates"
    repeated = [name for name, values in zip(first, columns, strict=True) if name and name in values]
    if repeated:
        return False, f"{repeated[0]!r} occurs again below"
    if any(_are_numbers_or_dates([name]) for name in first):
        return False, "the first line has a date in it"
    named = [name for name in first if name]
    if len(set(named)) < len(named) or len(named) < len(first) - 1:
        return False, "the first line has repeated or empty cells"
    if all(len(name) <= 60 and not re.search(r"[.!?]\s|[\n\r]", name) for name in named):
        return True, "its cells are short and different, and do not occur below"
    return False, "the first line reads like the others"


def is_units_row(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first of the rows below the names holds units, such as [km/h]: words over columns of numbers."""
    units, body = rows[0] if rows else [], rows[1:]
    columns = [[row[i] for row in body if i < len(row) and row[i].strip() not in MISSING] for i in range(len(units))]
    numeric = [
        unit.strip() for unit, values in zip(units, columns, strict=True) if values and all(map(is_number, values))
    ]
    words = [unit for unit in numeric if unit not in MISSING]
    if len(body) < _MIN_BODY or not words or any(map(is_number, words)):
        return False
    bracketed = all(re.fullmatch(r"\[.*\]|\(.*\)", unit) for unit in words)
    return bracketed or (len(words) >= 2 and all(len(unit) <= _MAX_UNIT for unit in words))


def is_number(cell: str) -> bool:
    return bool(re.match(r"^\s*[+-]?(\d+([.,]\d*)*|[.,]\d+)([eE][+-]?\d+)?\s*$", cell))


def _are_numbers_or_dates(values: Sequence[str]) -> bool:
    """Whether nearly all values are numbers or dates."""
    series = pl.Series(values, dtype=pl.String)
    parsed = parse_numbers(series) or parse_dates(series)
    return parsed is not None and parsed.share >= 0.9


def _counts_up(cells: Sequence[str]) -> bool:
    try:
        numbers = [int(cell) for cell in cells]
    except ValueError:
        return False
    return len(numbers) >= 3 and all(b - a == 1 for a, b in pairwise(numbers))
