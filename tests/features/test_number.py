"""Numbers: formats, ranges, kind inference, loss, intervals."""

import datetime
from decimal import Decimal

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deepglass.errors import SourceError
from deepglass.features.base import Raw, infer_type
from deepglass.features.outputs.number import NumberOutput
from deepglass.nn.tokens import Field


def _fit(values: Raw | list) -> NumberOutput:
    return NumberOutput(name="x").fit([pl.Series(values) if isinstance(values, list) else values])


@pytest.mark.parametrize(
    "raw",
    [
        pl.Series([1, 0, 1]),
        pl.Series([True, False, True]),
        pl.Series([Decimal("1.0"), Decimal("0.0"), Decimal("1.0")]),
        pl.Series(["1", "0", "1"]),
        pl.Series(["1,0 €", "0,0 €", "1,0 €"]),
        pl.Series(["1", "0", "1"], dtype=pl.Categorical),
        np.array([1, 0, 1], np.int8),
        np.array([True, False, True]),
        np.array([[1.0], [0.0], [1.0]]),
    ],
)
def test_number_formats_are_inferred(raw: Raw) -> None:
    column = _fit(raw).encode(raw)
    assert column.values.tolist() == [1, 0, 1]
    assert column.mask.all()
    assert column.values.dtype == np.float32


def test_text_is_parsed_with_the_fitted_format() -> None:
    feature = _fit(["1.234,50 €", "7,25 €", "?", "12,00 €"])
    new = pl.Series(["2.000,00 €", "cheap", None, "inf"])
    column = feature.encode(new)
    assert column.values[0] == 2000
    assert column.mask.tolist() == [True, False, False, False]
    assert feature.count_anomalies(new) == {"not a number": 1, "infinite": 1}
    assert feature.encode(pl.Series([3.5])).values == 3.5


def test_infinite_and_huge_values_are_missing_and_counted() -> None:
    feature = _fit([1.0, 2.0, float("inf"), 1e300])
    assert feature.high_ == 2.0
    assert feature.encode(pl.Series([float("inf"), 1e300, 1.0])).mask.tolist() == [False, False, True]
    assert feature.count_anomalies(pl.Series([float("-inf"), 1e300, None])) == {"infinite": 1, "too large": 1}


def test_large_values_keep_their_differences() -> None:
    nanoseconds = [1_700_000_000_000_000_000 + 1_000_000 * i for i in range(100)]
    feature = _fit(nanoseconds)
    codes = feature.encode(pl.Series(nanoseconds)).values
    assert np.diff(codes) == pytest.approx(1e6, rel=1e-3)
    params = torch.tensor([[0.0], [1.0]])
    best = {name: value.numpy() for name, value in feature.prediction(params).mode().items()}
    values = [a["value"] for a in feature.decode(best)]
    assert values == pytest.approx([feature.mean_, feature.mean_ + feature.std_], rel=1e-12)
    assert _fit([1.0, 2.0, 50.0]).offset_ == 0


FLOATS = st.lists(st.none() | st.floats() | st.integers(-(2**60), 2**60).map(float), max_size=30)


@settings(max_examples=100, deadline=None)
@given(FLOATS, FLOATS)
def test_any_floats_can_be_encoded(seen: list[float | None], new: list[float | None]) -> None:
    feature = _fit(pl.Series(seen, dtype=pl.Float64))
    column = feature.encode(pl.Series([*seen, *new], dtype=pl.Float64))
    assert np.isfinite(column.values).all()
    assert feature.scale_ > 0
    assert feature.std_ > 0
    field = Field(torch.from_numpy(column.values)[:, None], torch.from_numpy(column.mask)[:, None])
    tokens = feature.encoder(4)(field).values
    assert torch.isfinite(tokens).all()


def test_a_mostly_constant_column_has_a_scale() -> None:
    feature = _fit([0] * 90 + list(range(10)))
    assert feature.scale_ == pytest.approx(9 / 4)
    assert list(feature.edges_) == sorted(set(feature.edges_))


def test_loss_is_the_squared_error_over_the_variance() -> None:
    feature = _fit([10.0, 20.0, 30.0])
    column = feature.encode(pl.Series([30.0, 20.0]))
    answer = feature.prediction(torch.zeros(2, 1))
    loss = answer.loss(Field(torch.from_numpy(column.values), torch.from_numpy(column.mask)))
    assert loss.tolist() == pytest.approx([1.5, 0.0])
    assert answer.mode()["value"].tolist() == pytest.approx([20.0, 20.0])


def test_interval_covers_ninety_percent() -> None:
    generator = np.random.default_rng(0)
    values = generator.normal(50, 10, 4000)
    feature = _fit(pl.Series(values))
    truth = feature.encode(pl.Series(values))
    best = {"value": (values + generator.normal(0, 3, 4000)).astype(np.float32)}
    valid, test = np.arange(1000), np.arange(1000, 4000)
    calibration = feature.calibrate({"value": best["value"][valid]}, truth.take(valid))
    figures = feature.score({"value": best["value"][test]}, truth.take(test), calibration)
    assert calibration["half_width"] == pytest.approx(1.645 * 3, rel=0.1)
    assert figures["interval_coverage"] == pytest.approx(0.9, abs=0.03)
    first = feature.decode(best, calibration)[0]
    assert first["low"] < first["value"] < first["high"]
    assert first["confidence"] == 0.9
    assert feature.calibrate({"value": best["value"][:5]}, truth.take(valid[:5])) == {}


@pytest.mark.parametrize(
    ("raw", "came"),
    [
        (pl.Series(["red", "blue"]), "'red'"),
        (pl.Series([[1, 2]]), "List"),
        (pl.Series([datetime.date(2020, 1, 1)]), "Date"),
        (np.zeros((2, 3)), "float64"),
    ],
)
def test_errors_name_column_and_value(raw: Raw, came: str) -> None:
    with pytest.raises(SourceError, match=rf"\[bad-value\] column 'x': expected numbers, .*{came}"):
        _fit(raw)


def test_constant_target_is_rejected() -> None:
    feature = _fit([5.0, 5.0, None])
    with pytest.raises(SourceError, match=r"\[constant-target\] houses.csv: .*'x'.* only 5"):
        feature.check_target(feature.encode(pl.Series([5.0, 5.0])), "houses.csv")


GENERATOR = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("raw", "name", "kind"),
    [
        (GENERATOR.integers(0, 10, 500), "digit", "category"),
        (GENERATOR.integers(1, 4, 300), "Pclass", "category"),
        (GENERATOR.integers(1, 53, 2000), "housing_median_age", "number"),
        (GENERATOR.integers(2008, 2020, 500), "season", "number"),
        (GENERATOR.integers(0, 8, 500), "home_score", "number"),
        (GENERATOR.poisson(1.5, 5000), "spots", "number"),
        (GENERATOR.normal(size=100), "x", "number"),
        (np.arange(400) // 10, "label", "category"),
        (GENERATOR.integers(0, 400, 500), "target", "number"),
        (np.array([22, 38, 26, 35, 35]), "x", "number"),
        (GENERATOR.integers(0, 2, 50), "Survived", "binary"),
        (pl.Series(["1,5 kg", "2,25 kg", "3,0 kg"] * 4), "x", "number"),
        (pl.Series(["00501", "10402", "00733"] * 10), "zip", "category"),
        (pl.Series([True, False, None]), "x", "binary"),
        (pl.Series(["no", "yes", None] * 3), "x", "binary"),
        (pl.Series(["S", "C", "Q"] * 20), "port", "category"),
        (pl.Series(["male", "female"] * 20), "sex", "binary"),
        (pl.Series(["2020-01-03", "2020-02-04", "2021-01-01"] * 5), "when", "date"),
        (GENERATOR.normal(size=(20, 4)), "x", "vector"),
    ],
)
def test_kind_inference(raw: Raw, name: str, kind: str) -> None:
    assert infer_type(raw, name)[0] == kind
