"""Numbers, dates and missing markers in text."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepglass.dates import parse_dates, to_dates
from deepglass.parsing import MISSING, is_missing, parse_numbers, to_numbers


def numbers(*texts: str | None) -> list[float | None]:
    series = pl.Series("x", texts)
    found = parse_numbers(series)
    assert found is not None
    return to_numbers(series, found)[0].to_list()


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["1.234,50 €", "7,25 €", "?"], [1234.5, 7.25, None]),
        (["1,234.5", "12"], [1234.5, 12.0]),
        (["1,234", "2,000"], [1234.0, 2000.0]),
        (["1.234", "2.345"], [1.234, 2.345]),
        (["0,500", "0,250"], [0.5, 0.25]),
        (["1.234.567", "12"], [1234567.0, 12.0]),
        (["1 234,5", "12,0"], [1234.5, 12.0]),
        (["1\u202f234,5", "12,0"], [1234.5, 12.0]),
        (["1'234.5", "1"], [1234.5, 1.0]),
        (["$1,000", "-$5", "$ 7.5"], [1000.0, -5.0, 7.5]),
        (["12%", "7.5 %"], [12.0, 7.5]),
        (["12 kg", "3.5 kg"], [12.0, 3.5]),
        (["USD 5", "USD 6,000"], [5.0, 6000.0]),
        (["R$ 1.367,92", "R$ 12,00"], [1367.92, 12.0]),
        (["CA$51.50", "-CA$7"], [51.5, -7.0]),
        (["kr. 8.366,00", "kr. 12,50"], [8366.0, 12.5]),
        (["14 zł", "7,50 zł"], [14.0, 7.5]),
        (["₹1,58,967", "₹12,34,56,789", "₹999"], [158967.0, 123456789.0, 999.0]),
        (["(12)", "3"], [-12.0, 3.0]),
        (["\u22125", "+4"], [-5.0, 4.0]),
        (["1e5", "2E-3"], [100000.0, 0.002]),
        (["inf", "-inf", "nan"], [float("inf"), float("-inf"), None]),
    ],
)
def test_number_formats(texts: list[str], expected: list[float | None]) -> None:
    assert numbers(*texts) == expected


@pytest.mark.parametrize(
    "texts", [["a", "b"], ["12a", "13b", "4"], ["2020-01-02"], ["1.2.3.4"], ["AB12", "AB13"], [], [None, "?"]]
)
def test_texts_that_are_not_numbers(texts: list[str]) -> None:
    assert parse_numbers(pl.Series("x", texts, dtype=pl.String)) is None


def test_parsed_and_unreadable_values_are_counted() -> None:
    series = pl.Series("x", ["1", "2", "three", "?", None])
    found = parse_numbers(series)
    assert found is not None
    assert found.share == pytest.approx(2 / 3)
    values, bad = to_numbers(series, found)
    assert bad == 1
    assert values.to_list() == [1.0, 2.0, None, None, None]


def test_leading_zeros_are_reported() -> None:
    assert parse_numbers(pl.Series(["00501", "10001"])).leading_zeros
    assert not parse_numbers(pl.Series(["0", "0.5"])).leading_zeros


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-1e9, 1e9).map(lambda v: round(v, 2)), min_size=1, max_size=20),
    st.sampled_from([".,", ",.", ", "]),
)
def test_any_number_round_trips(values: list[float], signs: str) -> None:
    decimal, thousands = signs
    swap = str.maketrans({",": thousands, ".": decimal})
    texts = [f"{v:,.2f}".translate(swap) for v in values]
    assert numbers(*texts) == pytest.approx(values)


D = dt.datetime


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["2020-01-02", None], [D(2020, 1, 2), None]),
        (["2020-01-02 10:11", "2020-01-02 10:12"], [D(2020, 1, 2, 10, 11), D(2020, 1, 2, 10, 12)]),
        (["2020-01-02T10:11:12Z"], [D(2020, 1, 2, 10, 11, 12)]),
        (["2020-01-02T10:11:12+02:00"], [D(2020, 1, 2, 8, 11, 12)]),
        (["2020-01-02 10:11:12.5"], [D(2020, 1, 2, 10, 11, 12, 500000)]),
        (["1949-01", "1949-02"], [D(1949, 1, 1), D(1949, 2, 1)]),
        (["13/01/2020", "1/2/2020"], [D(2020, 1, 13), D(2020, 2, 1)]),
        (["01/13/2020", "2/1/2020"], [D(2020, 1, 13), D(2020, 2, 1)]),
        (["31.12.2020", "1.2.2021"], [D(2020, 12, 31), D(2021, 2, 1)]),
        (["Jan 5, 2020"], [D(2020, 1, 5)]),
        (["5 March 2020"], [D(2020, 3, 5)]),
        (["1/2/20 3:04 PM", "1/13/20 3:04 AM"], [D(2020, 1, 2, 15, 4), D(2020, 1, 13, 3, 4)]),
        (["20200102", "20201231"], [D(2020, 1, 2), D(2020, 12, 31)]),
        (["2020-01-02", "31/12/2020", "3 Feb 2021"], [D(2020, 1, 2), D(2020, 12, 31), D(2021, 2, 3)]),
        (["31/12/2020 10:30", "21/02/2020"], [D(2020, 12, 31, 10, 30), D(2020, 2, 21)]),
        (["09:05", "23:59"], [D(1970, 1, 1, 9, 5), D(1970, 1, 1, 23, 59)]),
        (["1:22:24", "0:00:07"], [D(1970, 1, 1, 1, 22, 24), D(1970, 1, 1, 0, 0, 7)]),
        (["1:30 PM", "1:30 AM"], [D(1970, 1, 1, 13, 30), D(1970, 1, 1, 1, 30)]),
        (["2023-05", "2023-11"], [D(2023, 5, 1), D(2023, 11, 1)]),
        (["May 2023", "June 2023"], [D(2023, 5, 1), D(2023, 6, 1)]),
        (["May-2023", "Jun-2023"], [D(2023, 5, 1), D(2023, 6, 1)]),
        (["Jan-23", "Feb-24"], [D(2023, 1, 1), D(2024, 2, 1)]),
        (["2023M05", None], [D(2023, 5, 1), None]),
        (["2023-Q1", "2022-Q4"], [D(2023, 1, 1), D(2022, 10, 1)]),
        (["2023Q2", "2022q3"], [D(2023, 4, 1), D(2022, 7, 1)]),
        (["Q1 2023", "Q4 2021"], [D(2023, 1, 1), D(2021, 10, 1)]),
        (["Q2/2023", "Q3/2023"], [D(2023, 4, 1), D(2023, 7, 1)]),
        (["1Q2023", "4Q2022"], [D(2023, 1, 1), D(2022, 10, 1)]),
        (["2023-W05", "2020-W53", "2023-w01"], [D(2023, 1, 30), D(2020, 12, 28), D(2023, 1, 2)]),
        (["2023W05", "W06 2023"], [D(2023, 1, 30), D(2023, 2, 6)]),
        (["2023-W05-3"], [D(2023, 2, 1)]),
        (["2023-Q1", "2023-02-03"], [D(2023, 1, 1), D(2023, 2, 3)]),
    ],
)
def test_date_formats(texts: list[str], expected: list[dt.datetime]) -> None:
    series = pl.Series("x", texts)
    found = parse_dates(series)
    assert found is not None
    dates, bad = to_dates(series, found)
    assert dates.to_list() == expected
    assert bad == 0


def test_ambiguous_day_and_month() -> None:
    assert parse_dates(pl.Series(["01/02/2020", "05/03/2020", "02/01/2020"])).ambiguous
    in_order = parse_dates(pl.Series(["01/02/2020", "02/02/2020", "01/03/2020"]))
    assert (in_order.pattern, in_order.ambiguous) == ("%d/%m/%Y", False)


def test_a_typing_error_is_not_a_date_format() -> None:
    series = pl.Series(["2020-01-02"] * 60 + ["01/02/2020"])
    found = parse_dates(series)
    assert (str(found), to_dates(series, found)[1]) == ("%Y-%m-%d", 1)


@pytest.mark.parametrize(
    "texts",
    [
        *(["71:99"], ["hello", "world"], ["12.5", "13.5"], ["123"], ["192.168.1.1"], ["abc def 12"], []),
        *(["2023-Q5"], ["Q1", "Q2"], ["W05"], ["2023-W60"], ["Foo-12", "Bar-33"], ["ABC-2001"], ["2023 Model"]),
    ],
)
def test_texts_that_are_not_dates(texts: list[str]) -> None:
    assert parse_dates(pl.Series("x", texts, dtype=pl.String)) is None


def test_date_columns_need_no_parsing() -> None:
    series = pl.Series("x", [dt.date(2020, 1, 2), None])
    dates, bad = to_dates(series, parse_dates(series))
    assert (dates.to_list(), bad) == ([D(2020, 1, 2), None], 0)
    zoned = pl.Series("x", [D(2020, 1, 2, 3)]).dt.replace_time_zone("Europe/Berlin")
    assert to_dates(zoned, parse_dates(zoned))[0].to_list() == [D(2020, 1, 2, 2)]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.datetimes(D(1900, 1, 1), D(2099, 12, 31)).map(lambda d: d.replace(microsecond=0)), min_size=1, max_size=9
    ),
    st.sampled_from(["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y/%m/%d", "%d %b %Y", "%B %d, %Y"]),
)
def test_any_date_round_trips(dates: list[dt.datetime], pattern: str) -> None:
    series = pl.Series("x", [d.strftime(pattern) for d in dates])
    read, bad = to_dates(series, parse_dates(series))
    assert bad == 0
    assert [d.strftime(pattern) for d in read] == series.to_list()


def test_missing_markers() -> None:
    assert is_missing(pl.Series([*MISSING, " NA ", None]), MISSING).all()
    assert is_missing(pl.Series([" ", "NA", "?", None])).to_list() == [True, False, False, True]
    assert not is_missing(pl.Series(["None", "0", "no", "x"])).any()
    assert is_missing(pl.Series([1.0, float("nan"), None])).to_list() == [False, True, True]
    assert is_missing(pl.Series([1, None])).to_list() == [False, True]
