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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *(("5. März 2020", D(2020, 3, 5)), ("Donnerstag, 5. März 2020", D(2020, 3, 5)), ("5. Dez. 20", D(2020, 12, 5))),
        *(("Do, 05.03.2020", D(2020, 3, 5)), ("05.03.2020, 15:04 Uhr", D(2020, 3, 5, 15, 4))),
        *(("5. März 2020 um 15:04", D(2020, 3, 5, 15, 4)), ("05.03.2020 15.04", D(2020, 3, 5, 15, 4))),
        *(("1er août 2020", D(2020, 8, 1)), ("jeudi 5 mars 2020", D(2020, 3, 5)), ("5 févr. 2020", D(2020, 2, 5))),
        *(("05/03/2020 15h04", D(2020, 5, 3, 15, 4)), ("juin 2020", D(2020, 6, 1))),
        *(("19 de julio de 2023", D(2023, 7, 19)), ("5 ene 2020", D(2020, 1, 5)), ("mayo de 2020", D(2020, 5, 1))),
        *(("5 de março de 2020", D(2020, 3, 5)), ("30 gen 2023", D(2023, 1, 30)), ("5 mei 2020", D(2020, 5, 5))),
        *(("5 marca 2020", D(2020, 3, 5)), ("9 июня 2021 г.", D(2021, 6, 9)), ("5 Mayıs 2020", D(2020, 5, 5))),
        *(("25-mai-22", D(2022, 5, 25)), ("2nd of September 2020", D(2020, 9, 2)), ("1 Sept 2020", D(2020, 9, 1))),
        *(("Tuesday, May 23, 2023", D(2023, 5, 23)), ("October 27th, 2021", D(2021, 10, 27))),
        *(("July 5, 2020 at 3:04 PM", D(2020, 7, 5, 15, 4)), ("7/5/2020 3:04\u202fp.m.", D(2020, 7, 5, 15, 4))),
        *(("Jul-17-2023", D(2023, 7, 17)), ("06-DEC-20 06.11.14.500000 PM", D(2020, 12, 6, 18, 11, 14, 500000))),
        *(("2020年3月5日(木) 15時04分", D(2020, 3, 5, 15, 4)), ("2020年3月", D(2020, 3, 1))),
        *(("2020년 3월 5일", D(2020, 3, 5)), ("2020. 3. 5. 오후 3:04", D(2020, 3, 5, 15, 4))),
        *(("2020-03-05 15:04:05,678", D(2020, 3, 5, 15, 4, 5, 678000)), ("2020:03:05 15:04", D(2020, 3, 5, 15, 4))),
        *(("20200305T150405", D(2020, 3, 5, 15, 4, 5)), ("20200305_150405", D(2020, 3, 5, 15, 4, 5))),
        *(("20200305150405", D(2020, 3, 5, 15, 4, 5)), ("20200305T1504Z", D(2020, 3, 5, 15, 4))),
        *(("2020-03-05_15-04-05", D(2020, 3, 5, 15, 4, 5)), ("2020-03-05 (Thu)", D(2020, 3, 5))),
        *(("2020-03-05 15:04:05 EST", D(2020, 3, 5, 20, 4, 5)), ("05.03.2020 15:04 CET", D(2020, 3, 5, 14, 4))),
        *(("Thu Mar 05 15:04:05 PST 2020", D(2020, 3, 5, 23, 4, 5)), ("2020-03-05 15:04+00", D(2020, 3, 5, 15, 4))),
        *(("05.03.20 15:04 +0100", D(2020, 3, 5, 14, 4)), ("2020年3月5日", D(2020, 3, 5))),
        *(
            ("Thu Mar 05 2020 15:04:05 GMT+0100 (Central European Standard Time)", D(2020, 3, 5, 14, 4, 5)),
            ("2020-03-05T15:04:05+01:00[Europe/Berlin]", D(2020, 3, 5, 14, 4, 5)),
            ("05/Mar/2020:15:04:05 +0100", D(2020, 3, 5, 14, 4, 5)),
        ),
    ],
)
def test_spellings_of_programs_and_languages(text: str, expected: dt.datetime) -> None:
    assert dates(text) == [expected]


@pytest.mark.parametrize(
    "text", ["Version 1.2.21", "v 1.2.10", "Mark 1.2.12", "Room 5 May", "set 3 of 2020", "out 2020a", "5 pi 2020"]
)
def test_texts_beside_dates(text: str) -> None:
    assert dates(text) == []


def test_a_column_of_days_in_two_time_zones() -> None:
    texts = ("2020-03-05 15:04:05 CET", "2020-07-05 15:04:05 CEST")
    assert dates(*texts) == [D(2020, 3, 5, 14, 4, 5), D(2020, 7, 5, 13, 4, 5)]


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
