"""Ways to write a time, years of two digits, whole numbers as dates, and dates that stand for "open"."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from conftest import CASES, needs_cases

import deepglass
from deepglass.data.sources import read
from deepglass.dates import parse_dates, to_dates
from deepglass.features.base import infer_type
from deepglass.features.date import Date

D = dt.datetime


def dates(*texts: str) -> list[dt.datetime | None]:
    series = pl.Series("x", texts)
    format = parse_dates(series)
    return [] if format is None else to_dates(series, format)[0].to_list()


@needs_cases
@pytest.mark.parametrize("column", ["a", "b", "e", "h", "i"])
def test_writings(column: str) -> None:
    raw = read(CASES / "03-dates" / "writings.csv")[column]
    assert infer_type(raw, column)[0] == "date"
    assert to_dates(raw, parse_dates(raw))[0][1].date() == dt.date(2020, 1, 12)


@needs_cases
def test_whole_numbers_are_dates_on_request(tmp_path: Path) -> None:
    path = CASES / "03-dates" / "writings.csv"
    for column, expected in (("f", D(2020, 1, 12)), ("g", D(2020, 1, 12, 1))):
        raw = read(path)[column]
        assert infer_type(raw, column)[0] == "number"
        date = Date(name=column).fit([raw])
        days = date.to_axis(date.encode(raw))
        assert days[1] == pytest.approx((expected - D(1970, 1, 1)) / dt.timedelta(days=1), abs=0.05)
    run = deepglass.train(path, "i", kinds={"f": "date", "i": "text"}, out=tmp_path / "r", steps=2, baselines=False)
    assert next(f.kind for f in run.predictor.inputs if f.name == "f") == "date"


@pytest.mark.parametrize("factor", [1, 10**3, 10**6, 10**9])
def test_time_since_1970(factor: int) -> None:
    raw = pl.Series("t", [1577836800 * factor, 1580000000 * factor, None])
    date = Date(name="t").fit([raw])
    assert date.to_axis(date.encode(raw))[0] == pytest.approx(18262, abs=0.01)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (("5/6/21", "5/17/2021"), [D(2021, 5, 6), D(2021, 5, 17)]),
        (("5/6/21", "25/6/21"), [D(2021, 6, 5), D(2021, 6, 25)]),
        (("5/6/21", "25/6/2021"), [D(2021, 6, 5), D(2021, 6, 25)]),
        (("2020-01-01", "3.4.2020"), [D(2020, 1, 1), D(2020, 4, 3)]),
        (("Wed, 01 Jan 2020 00:00:00 GMT",), [D(2020, 1, 1)]),
        (("Wed Jan 01 02:00:00 +0100 2020",), [D(2020, 1, 1, 1)]),
        (("Wed Jan 01 02:00:00 UTC 2020",), [D(2020, 1, 1, 2)]),
        (("Jan 5, 2020, 3:04 PM",), [D(2020, 1, 5, 15, 4)]),
        (("0001-01-01", "2020-01-01"), [D(1, 1, 1), D(2020, 1, 1)]),
        (("1.0.0", "1.2.3"), []),
        (("2.10.1", "2.9.4", "2.10.2"), []),
        (("0-10", "10-20"), []),
    ],
)
def test_formats(texts: tuple[str, ...], expected: list[dt.datetime]) -> None:
    assert dates(*texts) == expected


@pytest.mark.parametrize("sentinel", ["9999-12-31", "1900-01-01", "0001-01-01"])
@pytest.mark.parametrize("share", [3, 1.5])
def test_real_dates_stay_apart_beside_open_ones(sentinel: str, share: float) -> None:
    days = [str(dt.date(2020, 1, 1) + dt.timedelta(days=9 * i)) if i % 3 < share else sentinel for i in range(120)]
    raw = pl.Series("end", [sentinel if i % 3 == 0 else day for i, day in enumerate(days)])
    date = Date(name="end").fit([raw])
    since = date.encode(raw).values[:, 0]
    real = np.array([day != sentinel for day in raw])
    assert since[real].std() > 0.5
    assert np.abs(since[real]).max() < 5 < np.abs(since[~real]).min()


@needs_cases
def test_contracts() -> None:
    raw = read(CASES / "34-open-dates" / "contracts.csv")["end"]
    date = Date(name="end").fit([raw])
    assert date.encode(raw).values[(raw != "9999-12-31").to_numpy(), 0].std() > 0.5


@pytest.mark.parametrize("as_written", [int, str, lambda seconds: seconds * 1000])
def test_new_rows_in_seconds_since_1970(as_written: Callable[[int], object]) -> None:
    days = [dt.datetime(2020, 1, 1, tzinfo=dt.UTC) + dt.timedelta(days=i) for i in range(40)]
    date = Date(name="d").fit([pl.Series("d", [f"{day:%Y-%m-%d}" for day in days])])
    new = pl.Series("d", [as_written(int(day.timestamp())) for day in days])
    adapted, why = date.adapted(new)
    assert "1970" in why
    expected = date.encode(pl.Series("d", [f"{day:%Y-%m-%d}" for day in days]))
    assert np.allclose(adapted.encode(new).values, expected.values)
