"""Whether whole numbers are codes of classes or quantities: one order of evidence, for inputs and targets alike.

Each step is a property of the distribution that a part of the rows has as well, not a count of rows: the same table
with fewer rows keeps its kinds.
"""

import re
from typing import NamedTuple

import numpy as np

MAX_CODES = 20  # distinct values; more are quantities
MIN_ROWS_PER_CODE = 5  # on average
MAX_END_RATIO = 0.1  # of the frequency at the rare end of a quantity to that of its most frequent value
MAX_PEAK_CORRELATION = -0.5  # of the distance from the peak and the logarithm of the frequency
MAX_TAIL = 0.03  # share of the rows beyond the three most frequent values of a count
_YEARS = (1800, 2100)

_QUANTITY_NAME = re.compile(
    r"(^|[^a-z])(year|age|count|total|amount|price|size|length|width|height|weight|number|score|goal|point|pixel)s?"
    r"($|[^a-z])|^(p|px|pix)_?\d+([_x]\d+)?$"  # the pixels of an image, a column each
)
_LABEL_NAME = re.compile(r"^(label|class|target|category|y)s?$")


class Evidence(NamedTuple):
    """Whether whole numbers are codes of classes, and by which evidence."""

    are_codes: bool
    why: str


def code_evidence(values: np.ndarray, name: str) -> Evidence:
    """The first evidence that applies, in the order of docs/tables.md.

    Args:
        values: (N,) finite; N > 0.
        name: of the column.
    """
    if not np.all(values == np.floor(values)):
        return Evidence(False, "not all are whole")
    distinct, counts = np.unique(values, return_counts=True)
    gapless = distinct[0] in (0, 1) and distinct[-1] - distinct[0] == len(distinct) - 1
    if _LABEL_NAME.match(name.lower()) and gapless and len(distinct) <= len(values) / 2:
        return Evidence(True, f"named {name!r}, and counted from {distinct[0]:.0f}")
    if _QUANTITY_NAME.search(name.lower()):
        return Evidence(False, f"named {name!r}")
    if distinct[0] >= _YEARS[0] and distinct[-1] <= _YEARS[1]:
        return Evidence(False, "years")
    if len(distinct) > MAX_CODES:
        return Evidence(False, f"more than {MAX_CODES} different ones")
    if len(values) < MIN_ROWS_PER_CODE * len(distinct):
        return Evidence(False, "few rows for each")
    if _is_peaked(distinct, counts):
        return Evidence(False, "they rise to one peak and fall to a rare end, as counts and ratings do")
    if _has_tail(counts):
        return Evidence(False, "nearly all are three values, with a falling tail, as of counts")
    return Evidence(True, "few different ones, each frequent")


def _is_peaked(distinct: np.ndarray, counts: np.ndarray) -> bool:
    """Rarer with the distance from a peak inside; the upper end is rare, and so is the lower one unless it is 0."""
    peak = int(counts.argmax())
    if len(distinct) < 4 or peak in (0, len(counts) - 1):
        return False
    rare = MAX_END_RATIO * counts[peak]
    ends = counts[-1] <= rare and (counts[0] <= rare or distinct[0] == 0)
    distance = np.abs(distinct - distinct[peak])
    return bool(ends and np.corrcoef(distance, np.log(counts))[0, 1] <= MAX_PEAK_CORRELATION)


def _has_tail(counts: np.ndarray) -> bool:
    """At least five values, the first the most frequent, that fall to a tail of few rows."""
    return len(counts) >= 5 and bool(_falls(counts) and np.sort(counts)[:-3].sum() <= MAX_TAIL * counts.sum())


def _falls(counts: np.ndarray) -> bool:
    """Whether no count exceeds one before it by more than chance, at three standard errors."""
    least = np.minimum.accumulate(counts)[:-1]
    return bool((counts[1:] - least <= 3 * np.sqrt(counts[1:] + least) + 1e-9).all())
