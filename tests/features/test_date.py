"""Dates: parts, cyclic encoding, formats."""

import datetime
import json

import numpy as np
import polars as pl
import pytest

from deepglass.errors import SourceError
from deepglass.features.base import infer_type
from deepglass.features.date import Date

DAYS = [datetime.date(2020, 1, 1) + datetime.timedelta(days=i) for i in range(800)]


def _code(feature: Date, when: datetime.date, part: str) -> float:
    return float(feature.encode(pl.Series([when])).values[0, feature.parts_.index(part)])


def test_constant_date_parts_are_left_out() -> None:
    days = Date(name="x").fit([pl.Series(DAYS)])
    assert days.parts_ == (
        "since",
        *("year_sin", "year_cos", "month_sin", "month_cos", "week_sin", "week_cos", "weekend"),
    )
    times = Date(name="x").fit([pl.Series([datetime.time(h, 30) for h in range(24)])])
    assert times.parts_ == ("since", "day_sin", "day_cos")
    same = Date(name="x").fit([pl.Series([DAYS[0]] * 3)])
    assert same.parts_ == ("since",)
    assert np.isfinite(same.encode(pl.Series(DAYS)).values).all()


def test_date_parts_are_standardised_and_cyclic() -> None:
    feature = Date(name="x").fit([pl.Series(DAYS)])
    values = feature.encode(pl.Series(DAYS)).values
    np.testing.assert_allclose(values.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(values.std(0), 1, atol=1e-4)
    december, january, july = (datetime.date(2021, m, d) for m, d in ((12, 31), (1, 1), (7, 1)))
    assert _code(feature, december, "year_cos") == pytest.approx(_code(feature, january, "year_cos"), abs=0.01)
    assert _code(feature, july, "year_cos") < 0 < _code(feature, january, "year_cos")
    saturday, monday = datetime.date(2021, 1, 2), datetime.date(2021, 1, 4)
    assert _code(feature, saturday, "weekend") > 0 > _code(feature, monday, "weekend")
    assert _code(feature, datetime.date(2021, 3, 1), "month_cos") == pytest.approx(
        _code(feature, datetime.date(2021, 4, 1), "month_cos"), abs=1e-4
    )


def test_text_and_date_columns_give_equal_codes() -> None:
    text = Date(name="x").fit([pl.Series([d.strftime("%d.%m.%Y") for d in DAYS])])
    native = Date(name="x").fit([pl.Series(DAYS)])
    np.testing.assert_allclose(
        text.encode(pl.Series(["17.05.2021"])).values, native.encode(pl.Series([datetime.date(2021, 5, 17)])).values
    )
    new = pl.Series(["17.05.2021", "soon", None])
    assert text.encode(new).mask.tolist() == [True, False, False]
    assert text.count_anomalies(new) == {"not a date": 1}
    moment = pl.Series([datetime.datetime(2021, 5, 17)], dtype=pl.Datetime("ns", "UTC"))
    np.testing.assert_allclose(native.encode(moment).values, text.encode(pl.Series(["17.05.2021"])).values)


def test_times_of_day_in_several_formats_give_equal_codes() -> None:
    clock = Date(name="x").fit([pl.Series([f"{h}:30" for h in range(24)])])
    native = Date(name="x").fit([pl.Series([datetime.time(h, 30) for h in range(24)])])
    np.testing.assert_allclose(
        clock.encode(pl.Series(["7:45"])).values, native.encode(pl.Series([datetime.time(7, 45)])).values
    )
    mixed = Date(name="x").fit([pl.Series([d.strftime(("%Y-%m-%d", "%d/%m/%Y")[d.day % 2]) for d in DAYS])])
    again = type(mixed)(**{**vars(mixed), "format_": json.loads(json.dumps(mixed.format_))})
    codes = again.encode(pl.Series(["2021-05-17", "17/05/2021"]))
    assert codes.mask.all()
    np.testing.assert_array_equal(codes.values[0], codes.values[1])


def test_quarters_and_weeks_are_dates_of_their_first_day() -> None:
    quarters = [f"{y}-Q{q}" for y in range(2015, 2024) for q in (1, 2, 3, 4)]
    weeks = [d.strftime("%G-W%V") for d in DAYS]
    months = [d.strftime("%b %Y") for d in DAYS]
    for texts, first in (
        (quarters, datetime.date(2015, 1, 1)),
        (weeks, datetime.date(2019, 12, 30)),
        (months, DAYS[0]),
    ):
        column = pl.Series("period", texts)
        assert infer_type(column, "period")[0] == "date"
        days = Date(name="period").fit([column])
        assert days.to_axis(days.encode(column))[0] == pytest.approx((first - datetime.date(1970, 1, 1)).days, abs=0.01)


def test_non_dates_are_rejected() -> None:
    with pytest.raises(SourceError, match=r"\[bad-value\] column 'x': expected dates, .*'red'"):
        Date(name="x").fit([pl.Series(["red", "blue"])])
    with pytest.raises(SourceError, match="expected dates, but fewer than half"):
        Date(name="x").fit([pl.Series([1, 2])])
