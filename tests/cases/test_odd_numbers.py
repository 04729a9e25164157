"""Numbers in unusual writings, and texts that only look like numbers or dates."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from conftest import CASES, needs_cases

import deepglass
from deepglass.data.sources import read
from deepglass.features.base import infer_type
from deepglass.features.number import Number


def _numbers(raw: pl.Series) -> list[float]:
    feature = Number(name="a").fit([raw])
    column = feature.encode(raw)
    assert column.mask.all()
    return (column.values + feature.offset_).tolist()


@needs_cases
def test_the_case() -> None:
    table = read(CASES / "09-numbers" / "odd.csv")
    sign = [1 if row % 2 == 0 else -1 for row in range(60)]
    assert _numbers(table["neg"]) == [s * (row + 1) for row, s in enumerate(sign)]  # a minus behind the digits
    assert _numbers(table["acc"]) == [-(row + 0.5) if row % 3 == 0 else row + 0.5 for row in range(60)]  # (0.50)
    assert _numbers(table["swiss"]) == [1000.5 + row for row in range(60)]
    assert _numbers(table["space"]) == [1000 + row for row in range(60)]
    assert _numbers(table["pct"]) == list(range(60))
    assert _numbers(table["arab"]) == [10 + row for row in range(60)]
    for column in ("ver", "ratio", "score", "range", "phone"):
        assert infer_type(table[column], column)[0] not in ("number", "date")


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["5-", "7.5-", "12"], [-5, -7.5, 12]),
        (["(1,200.50)", "1,300.25", "(0.75)"], [-1200.5, 1300.25, -0.75]),
        (["٤٢", "٧", "١٠٠"], [42, 7, 100]),  # Arabic digits
        (["۴۲", "۷", "۱۰۰"], [42, 7, 100]),  # Persian digits
        (["12,5 %", "3,25 %", "0,75 %"], [12.5, 3.25, 0.75]),
        (["￥1，200．5", "￥900．25", "￥7"], [1200.5, 900.25, 7]),  # wide signs
        (["－5", "（12）", "3"], [-5, -12, 3]),
        (["8,1 l/100km", "6,55 l/100km", "9 l/100km"], [8.1, 6.55, 9]),
        (["12 m3", "7.5 m3", "3 m3"], [12, 7.5, 3]),
        (["1’000.50", "12’345.00", "7.25"], [1000.5, 12345, 7.25]),  # typographic apostrophes
        (["1\N{NO-BREAK SPACE}000", "20\N{NO-BREAK SPACE}500", "300"], [1000, 20500, 300]),
    ],
)
def test_writings(tmp_path: Path, texts: list[str], expected: list[float]) -> None:
    rows = [*texts * 10]
    (tmp_path / "a.csv").write_text("\n".join(["a;b", *(f"{text};{i}" for i, text in enumerate(rows))]))
    assert _numbers(read(tmp_path / "a.csv")["a"]) == pytest.approx(expected * 10)


@pytest.mark.parametrize("texts", ["1.2.3 1.10.0 2.0.1", "3.11.7 3.9.18 3.12.0", "1.2.3.4 10.0.0.1 8.8.8.8"])
def test_versions_are_no_dates(texts: str) -> None:
    assert infer_type(pl.Series(texts.split() * 10), "version")[0] not in ("date", "number")


@needs_cases
def test_the_case_trains(tmp_path: Path) -> None:
    run = deepglass.train(CASES / "09-numbers" / "odd.csv", "y", out=tmp_path / "run", steps=3, baselines=False)
    assert {"neg", "acc", "pct"} <= {f.name for f in run.predictor.inputs if f.kind == "number"}
