"""Baselines on scikit-learn's bundled data sets: metrics, bounded rows, unsupported outputs."""

from collections.abc import Mapping

import numpy as np
import polars as pl
import pytest
from scipy import sparse
from sklearn import datasets
from sklearn.linear_model import Ridge

from deepglass.baselines.flatten import flatten
from deepglass.baselines.simple import _tuned, baselines
from deepglass.data.table import Table
from deepglass.features.base import FEATURES, Feature
from deepglass.features.outputs.base import OUTPUTS, Output


def halves(columns: Mapping, test_rows: int) -> tuple[Table, Table]:
    table = Table(columns)
    order = np.random.default_rng(0).permutation(len(table))
    return table.take(order[test_rows:]), table.take(order[:test_rows])


def fitted(kind: str, name: str, train: Table) -> Feature:
    return FEATURES.get(kind)(name=name).fit([train[name]])


def fitted_output(kind: str, name: str, train: Table) -> Output:
    return OUTPUTS.get(kind)(name=name).fit([train[name]])


def frame(bunch, kind: str) -> tuple[Table, Table, list[Feature], Feature]:
    columns = {name: pl.Series(bunch.data[:, i]) for i, name in enumerate(bunch.feature_names)}
    train, test = halves({**columns, "target": pl.Series(bunch.target)}, len(bunch.target) // 3)
    return train, test, [fitted("number", name, train) for name in columns], fitted_output(kind, "target", train)


def test_numbers() -> None:
    found = baselines(*frame(datasets.load_diabetes(), "number"))
    assert list(found) == ["constant", "linear", "gradient_boosting"]
    assert abs(found["constant"]["r2"]) < 0.05
    assert found["linear"]["r2"] > 0.4
    assert found["gradient_boosting"]["r2"] > 0.3
    assert found["linear"]["rows"] == found["gradient_boosting"]["rows"] == 295


def test_two_classes() -> None:
    found = baselines(*frame(datasets.load_breast_cancer(), "binary"))
    assert found["constant"]["roc_auc"] == 0.5
    assert found["linear"]["accuracy"] > 0.95
    assert found["gradient_boosting"]["accuracy"] > 0.93


def test_several_classes() -> None:
    found = baselines(*frame(datasets.load_wine(), "category"))
    assert found["linear"]["accuracy"] > 0.93
    assert found["gradient_boosting"]["accuracy"] > 0.9
    assert found["linear"]["log_loss"] < found["constant"]["log_loss"]


def test_images() -> None:
    bunch = datasets.load_digits()
    columns = {"image": np.round(bunch.images * 15).astype(np.uint8), "label": pl.Series(bunch.target)}
    train, test = halves(columns, 400)
    found = baselines(
        train, test, [fitted("image", "image", train)], fitted_output("category", "label", train), seconds=2
    )
    assert found["linear"]["accuracy"] > 0.94
    assert found["gradient_boosting"]["accuracy"] > 0.9


def test_the_same_data_give_the_same_metrics() -> None:
    args = frame(datasets.load_diabetes(), "number")
    once, twice = baselines(*args), baselines(*args)
    for name, figures in once.items():
        assert {k: v for k, v in figures.items() if k != "seconds"} == {
            k: v for k, v in twice[name].items() if k != "seconds"
        }


def mixed(rows: int) -> tuple[Table, Table]:
    """Two classes that depend on a rare category, a missing value and a number."""
    rng = np.random.default_rng(0)
    code = rng.integers(0, 300, rows)
    x = rng.normal(size=rows)
    label = (code % 2 == 0) & (x > -2)
    columns = {
        "code": pl.Series([f"c{c}" for c in code]),
        "x": pl.Series([None if i % 7 == 0 else float(v) for i, v in enumerate(x)]),
        "label": pl.Series([None if i % 11 == 0 else bool(v) for i, v in enumerate(label)]),
    }
    return halves(columns, 500)


def test_missing_values_and_many_categories() -> None:
    train, test = mixed(6000)
    inputs = [fitted("category", "code", train), fitted("number", "x", train)]
    found = baselines(train, test, inputs, fitted_output("binary", "label", train))
    assert found["linear"]["accuracy"] > 0.9
    assert found["linear"]["rows"] < 5500  # rows without a label are left out
    flat = flatten(train, test, inputs)
    assert np.isnan(flat.trees.train[:, -1]).any()
    assert flat.categorical == [False, False]  # 300 values are more than histogram boosting takes
    assert np.isfinite(flat.linear.train.toarray()).all()


def test_texts() -> None:
    rng = np.random.default_rng(0)
    words = {"sport": ["goal", "team", "match", "the"], "money": ["bank", "stock", "price", "the"]}
    labels = rng.choice(list(words), 300)
    texts = pl.Series([" ".join(rng.choice(words[label], 6)) for label in labels]).set(
        pl.Series([False] * 299 + [True]), None
    )
    train, test = halves({"text": texts, "label": pl.Series(labels)}, 100)
    found = baselines(train, test, [fitted("text", "text", train)], fitted_output("category", "label", train))
    assert found["linear"]["accuracy"] > 0.95
    assert found["gradient_boosting"]["accuracy"] > 0.95
    assert isinstance(flatten(train, test, [fitted("text", "text", train)]).linear.train, sparse.csr_matrix)


def test_vectors_have_no_boosting() -> None:
    bunch = datasets.load_linnerud()
    columns = {n: pl.Series(bunch.data[:, i]) for i, n in enumerate(bunch.feature_names)}
    train, test = halves({**columns, "body": bunch.target.astype(np.float64)}, 6)
    inputs = [fitted("number", n, train) for n in columns]
    found = baselines(train, test, inputs, fitted_output("vector", "body", train))
    assert list(found) == ["constant", "linear"]


def test_a_class_that_the_training_rows_have_once() -> None:
    columns = {"x": pl.Series(np.arange(1200.0)), "y": pl.Series(["a"] * 600 + ["b"] * 599 + ["once"])}
    train = Table(columns)
    found = baselines(train, train, [fitted("number", "x", train)], fitted_output("category", "y", train))
    assert found["gradient_boosting"]["accuracy"] > 0.99
    assert np.isfinite(found["linear"]["log_loss"])


def test_uninformative_inputs() -> None:
    columns = {"x": pl.Series([1.0] * 60), "y": pl.Series([float(i % 3) for i in range(60)])}
    train = Table(columns)
    found = baselines(train, train, [fitted("number", "x", train)], fitted_output("number", "y", train))
    assert found["linear"]["r2"] == pytest.approx(0, abs=1e-6)
    assert list(baselines(train, train, [], fitted_output("number", "y", train))) == ["constant"]


def test_other_kinds_have_a_constant_baseline() -> None:
    bunch = datasets.load_digits()
    train = Table({"image": bunch.images.astype(np.uint8)})
    image = fitted("image", "image", train)
    assert set(baselines(train, train, [image], fitted_output("image", "image", train))) == {"constant"}


def test_waveforms_become_statistics_of_their_bands() -> None:
    train = Table({"sound": np.random.default_rng(0).uniform(-1, 1, (20, 400)).astype(np.float32)})
    sound = fitted("audio", "sound", train)
    flat = flatten(train, train, [sound])
    assert flat.linear.train.shape == (20, 2 * sound.frames.mels + 1)
    assert np.isfinite(flat.linear.train).all()


def test_training_rows_are_bounded_by_the_time_limit() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(8_000, 8))
    train = Table({f"x{i}": pl.Series(column) for i, column in enumerate(x.T)} | {"y": pl.Series(x.sum(1))})
    inputs = [fitted("number", f"x{i}", train) for i in range(8)]
    output = fitted_output("number", "y", train)
    test = train.take(np.arange(100))
    short, long = (baselines(train, test, inputs, output, seconds) for seconds in (0.004, 30))
    assert 2000 <= short["gradient_boosting"]["rows"] < 8_000
    assert long["linear"]["rows"] == 8_000


def test_columns_that_depend_on_each_other_give_no_warning() -> None:
    """scikit-learn warns of their matrix, and pytest makes an error of it."""
    random = np.random.default_rng(0)
    x = np.repeat(random.normal(size=(20, 1)) * 1e3, 200, axis=1) + random.normal(size=(20, 200)) * 1e-4
    x = x.astype(np.float32)
    with pytest.warns(UserWarning, match="Singular matrix"):
        Ridge(0.1, solver="cholesky").fit(x, x[:, 0])
    assert np.isfinite(_tuned(lambda c: Ridge(1 / c, solver="cholesky"), x, x[:, 0]).coef_).all()
