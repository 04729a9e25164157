"""Scalar measures of a column's values: the value itself, a text's length, an image's brightness."""

import calendar
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from deepglass.doctor.media_summary import MediaSummary
from deepglass.features.base import Feature, Raw
from deepglass.formatting import plain_number

_DAY = 86_400e6  # microseconds
_YEAR = 365  # days
_MONTHS = tuple(calendar.month_name[1:])
_DAYS = tuple(calendar.day_name)
_HOURS = tuple(f"{hour}:00" for hour in range(24))


class Measure(NamedTuple):
    """One number per row: a `Statistic` of a column, or of its media files.

    Args:
        what: "" for the value itself, else what is measured, such as "brightness".
        values: (N,) float64; codes where there are `names`, microseconds since 1970 for times; NaN = missing.
        names: of the codes, for unordered values.
        complete: whether every row was measured; else NaN may also mean that a file was not opened.
    """

    column: str
    what: str
    values: np.ndarray
    names: tuple[str, ...] | None = None
    complete: bool = True

    @property
    def title(self) -> str:
        return f"{self.column} ({self.what})" if self.what else self.column

    @property
    def monotonic(self) -> bool:
        """Whether the values ascend or descend from row to row."""
        steps = np.diff(self.values[np.isfinite(self.values)])
        return len(steps) > 0 and bool((steps >= 0).all() or (steps <= 0).all())

    def format(self, value: float) -> str:
        """A value as text: a name, a day such as `2024-03-01`, a time such as `2024-03-01 14:30`, a number."""
        if self.names is not None:
            return repr(self.names[int(value)])
        if self.what != "time":
            return plain_number(value)
        time = np.datetime64(int(value), "us")  # a day, with the time where it is not midnight
        return str(time.astype("datetime64[D]" if value % _DAY == 0 else "datetime64[m]")).replace("T", " ")


def measures_of(feature_type: type[Feature], column: str, raw: Raw, media: Mapping[str, MediaSummary]) -> list[Measure]:
    """The measures of a column of this type; empty for types without any."""
    if column in media:
        return [Measure(column, what, values, complete=False) for what, values in media[column].statistics.items()]
    return [Measure(column, *statistic) for statistic in feature_type.statistics(raw)]


def calendar_measures(time: Measure) -> list[Measure]:
    """Month, day of the week and hour of a time, those whose whole cycle the rows cover."""
    present = np.isfinite(time.values)
    if not present.any():
        return []
    days = time.values / _DAY
    whole = np.floor(days)
    span = float(days[present].max() - days[present].min())
    months = np.where(present, whole, 0).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12
    parts = [
        ("month", months, _MONTHS, span >= _YEAR),
        ("day of the week", (whole + 3) % 7, _DAYS, span >= len(_DAYS)),  # 1970-01-01 was a Thursday
        ("hour", np.floor((days - whole) * len(_HOURS)), _HOURS, bool((days != whole)[present].any())),
    ]
    return [
        Measure(time.column, what, np.where(present, v, np.nan), names) for what, v, names, covered in parts if covered
    ]
