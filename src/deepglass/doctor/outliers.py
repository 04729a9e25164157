"""Values of another unit, codes for a missing value, and values of the wrong sign in columns of numbers and times."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from deepglass.doctor.base import DataContext, Finding, join_limited
from deepglass.doctor.measures import Measure
from deepglass.doctor.media_summary import spread_evenly
from deepglass.formatting import plain_number

MIN_ROWS, MAX_ROWS = 50, 500_000  # with a value; of more, evenly spread ones are checked
MIN_DISTINCT = 20  # values of a column that is measured, not coded
MAX_SHARE = 0.3  # of the rows that are outliers; beyond it a column has two kinds of values
MIN_REPEATS = 3  # of a value that stands for a missing one
SENTINELS = tuple(sign * (10**k - 1) for k in (2, 3, 4, 5, 6, 7) for sign in (1, -1))  # 99, -99, 999, ...
DATES = ("0001-01-01", "1753-01-01", "1899-12-30", "1900-01-01", "1970-01-01", "2099-12-31", "9999-12-31")
MIN_YEARS = 10  # between such a date and the others
YEAR = 365.25 * 86_400e6  # microseconds
UNITS = {
    1e6: "millions",
    1000.0: "a metric prefix",
    100.0: "cents or per cent",
    12.0: "feet and inches, or months and years",
    10.0: "a decimal place",
    60.0: "minutes and seconds",
    3.6: "km/h and m/s",
    3.281: "metres and feet",
    2.54: "centimetres and inches",
    2.205: "kilograms and pounds",
    1.609: "kilometres and miles",
}
MIN_GAP = 0.3  # between the two, as a share of their distance in logarithms
UNIT_TOLERANCE = 0.12  # of the ratio of two medians


class Outliers(NamedTuple):
    """Rows (n,) of a column, and what is wrong with them."""

    rows: np.ndarray
    text: str
    confidence: float
    fix: str = "data.fix=[outlier]"


def outlier(context: DataContext) -> Iterator[Finding]:
    """One finding per column and kind of outlier."""
    for measure in _columns(context):
        present = np.flatnonzero(np.isfinite(measure.values))
        rows = present[spread_evenly(len(present), MAX_ROWS)]
        values = measure.values[rows]
        if len(rows) < MIN_ROWS:
            continue
        checks = (_date_codes,) if measure.what == "time" else (_codes, _signs, _units)
        for check in checks:
            if (outliers := check(measure, values)) is not None:
                searched = f" (of {len(rows):,} rows that were checked)" if len(rows) < len(present) else ""
                text = f"{measure.column}: {outliers.text}{searched}"
                own_rows = rows[outliers.rows]
                yield context.finding("outlier", own_rows, [measure.column], outliers.confidence, text, outliers.fix)
                break


def _columns(context: DataContext) -> Iterator[Measure]:
    """The columns of numbers and times, outputs among them."""
    yield from (m for m in context.measures if m.names is None and m.what in ("", "time"))
    yield from (Measure(t.column, "", t.values) for t in context.targets if t.classes is None)


def _codes(measure: Measure, values: np.ndarray) -> Outliers | None:
    """A number such as -999 that occurs several times, far from all others."""
    is_code = np.isin(values, SENTINELS)
    others = values[~is_code]
    if not is_code.any() or len(others) < MIN_ROWS:
        return None
    low, high = np.quantile(others, [0.005, 0.995])
    far = is_code & ((values > high + (high - low)) | (values < low - (high - low)))
    codes, counts = np.unique(values[far], return_counts=True)
    codes, counts = codes[counts >= MIN_REPEATS], counts[counts >= MIN_REPEATS]
    if not len(codes):
        return None
    rows = np.flatnonzero(np.isin(values, codes))
    if len(rows) > MAX_SHARE * len(values):
        return None
    named = join_limited([f"{plain_number(c)} in {n:,} rows" for c, n in zip(codes, counts, strict=True)])
    text = f"{named} stands for a missing value: the others lie from {_span(measure, others)}"
    return Outliers(rows, text, 0.9, f"data.missing=[{', '.join(f'{c:.0f}' for c in codes)}]")


def _date_codes(measure: Measure, values: np.ndarray) -> Outliers | None:
    """A date such as 1900-01-01 or 9999-12-31 that occurs several times, many years from all others."""
    dates = np.array(DATES, "datetime64[us]").astype(np.int64).astype(np.float64)
    is_code = np.isin(np.floor(values / 86_400e6) * 86_400e6, dates)
    others = values[~is_code]
    if not is_code.any() or len(others) < MIN_ROWS:
        return None
    low, high = others.min(), others.max()
    far = is_code & ((values > high + MIN_YEARS * YEAR) | (values < low - MIN_YEARS * YEAR))
    rows = np.flatnonzero(far)
    if not MIN_REPEATS <= len(rows) <= MAX_SHARE * len(values):
        return None
    codes, counts = np.unique(values[rows], return_counts=True)
    named = join_limited([f"{measure.format(c)} in {n:,} rows" for c, n in zip(codes, counts, strict=True)])
    text = f"{named} stands for a missing date: the others lie from {_span(measure, others)}"
    return Outliers(rows, text, 0.9, f"data.missing=[{', '.join(measure.format(c) for c in codes)}]")


def _signs(measure: Measure, values: np.ndarray) -> Outliers | None:
    """A few negative values, of the size of the positive ones, in a column without values near zero."""
    negative, positive = values < 0, values[values > 0]
    if not 0 < negative.sum() <= 0.02 * len(values) or len(positive) < 0.97 * len(values):
        return None
    low, high = np.quantile(positive, [0.02, 0.98])
    sizes = -values[negative]
    near_zero = (np.abs(values) < 0.5 * low).mean()
    if near_zero > 0.005 or not low <= np.median(sizes) <= high or len(np.unique(positive)) < MIN_DISTINCT:
        return None
    count = int(negative.sum())
    are = "1 value is" if count == 1 else f"{count:,} values are"
    text = f"{are} negative, such as {_span(measure, values[negative])}; the others lie from {_span(measure, positive)}"
    return Outliers(np.flatnonzero(negative), text, 0.8)


def _units(measure: Measure, values: np.ndarray) -> Outliers | None:
    """A cluster of values that are a known factor larger or smaller than the others, with a gap between."""
    positive = np.flatnonzero(values > 0)
    if len(positive) < 0.95 * len(values) or len(np.unique(values)) < MIN_DISTINCT:
        return None
    logs = np.log10(values[positive])
    order = np.argsort(logs, kind="stable")
    gaps, n = np.diff(logs[order]), len(order)
    most = int(MAX_SHARE * n)
    for upper in (True, False):
        cuts = np.arange(n - 1 - most, n - MIN_REPEATS) if upper else np.arange(MIN_REPEATS - 1, most)
        cuts = cuts[(cuts >= 0) & (cuts < n - 1)]
        if not len(cuts):
            continue
        cut = int(cuts[gaps[cuts].argmax()])
        few, bulk = (order[cut + 1 :], order[: cut + 1]) if upper else (order[: cut + 1], order[cut + 1 :])
        shift = abs(float(np.median(logs[few]) - np.median(logs[bulk])))
        unit = next((u for u in UNITS if abs(10**shift / u - 1) <= UNIT_TOLERANCE), None)
        if unit is None or gaps[cut] < MIN_GAP * np.log10(unit) or len(np.unique(logs[few])) < MIN_REPEATS:
            continue
        ratio = f"{plain_number(unit)} times" if upper else f"1/{plain_number(unit)} of"
        medians = [plain_number(float(np.median(values[positive[rows]]))) for rows in (few, bulk)]
        text = (
            f"{len(few):,} values are about {ratio} the others (medians {medians[0]} and {medians[1]}), with a gap "
            f"between: another unit ({UNITS[unit]})?"
        )
        return Outliers(np.sort(positive[few]), text, 0.8)
    return None


def _span(measure: Measure, values: np.ndarray) -> str:
    low, high = measure.format(values.min()), measure.format(values.max())
    return low if low == high else f"{low} to {high}"
