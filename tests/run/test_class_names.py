"""Names of classes that the data have as codes."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import deepglass
from deepglass.errors import UserError
from deepglass.features.binary import Binary
from deepglass.run.run import Run

SMALL: dict[str, Any] = {
    "network": {"trunk": "mlp", "width": 16, "depth": 1, "ensemble_size": 1},
    "training": {"threads": 1, "batch_size": 64},
    "baselines": False,
}
NAMES = {0: "cat", 1: "dog", 2: "bird"}


def _frame(rows: int = 300) -> pl.DataFrame:
    random = np.random.default_rng(0)
    x = random.uniform(0, 3, rows)
    return pl.DataFrame({"x": x, "s": random.integers(1, 3, rows), "y": np.floor(x).astype(int)})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("names")
    _frame().write_csv(folder / "animals.csv")
    settings = {"outputs.y.names": NAMES, "kinds.s.names": {1: "small", 2: "large"}, "outputs.y.class_weight": {2: 3}}
    return deepglass.train(folder / "animals.csv", "y", settings=settings, out=folder / "run", steps=60, **SMALL)


def test_predictions_have_names(run: Run) -> None:
    for opened in (run, Run(run.path)):
        predicted = opened.predict(_frame()[:20])
        assert set(predicted["y"]) <= set(NAMES.values())
        row = opened.predict({"x": 0.2, "s": 1})[0]["y"]
        assert row["value"] == "cat"
        assert set(row["probabilities"]) == set(NAMES.values())
    assert run.predictor.outputs[0].class_names == ("cat", "dog", "bird")  # in the order of the setting
    by_name = {f.name: f for f in run.predictor.inputs}
    assert set(by_name["s"].class_names) == {"small", "large"}
    assert run.predict({"x": 1.5, "s": 2})[0] == run.predict({"x": 1.5, "s": "large"})[0]
    weights = np.exp(run.predictor.outputs[0].log_weights)
    assert weights[2] == pytest.approx(3 * weights[0])


def test_new_rows_have_codes_or_names(run: Run) -> None:
    rows = _frame()
    by_code = deepglass.evaluate(run, rows, include_trained=True)["y"]
    assert by_code["accuracy"] > 0.8
    named = rows.with_columns(y=rows["y"].replace_strict(NAMES))
    texts, floats = rows.with_columns(pl.col("y").cast(pl.String)), rows.with_columns(pl.col("y").cast(pl.Float64))
    for other in (named, texts, floats):
        assert deepglass.evaluate(run, other, include_trained=True)["y"] == by_code


def test_the_report_and_a_further_stage_have_names(run: Run) -> None:
    page = (run.path / "report.html").read_text() if (run.path / "report.html").exists() else ""
    page = page or deepglass.report(run).read_text()
    assert all(name in page for name in ("cat", "dog", "bird"))
    resumed = deepglass.resume(run.path, steps=5)
    assert resumed.predictor.outputs[0].class_names == ("cat", "dog", "bird")
    stored = pl.read_parquet(run.path / "predictions.parquet")
    assert set(stored["y.true"]) <= set(NAMES.values())


def test_a_list_names_the_codes_from_zero(tmp_path: Path) -> None:
    outputs = {"y": {"names": ["cat", "dog", "bird", "fish"]}}  # no row is a fish
    run = deepglass.train(_frame(), outputs=outputs, out=tmp_path / "run", steps=5, **SMALL)
    assert run.predictor.outputs[0].class_names == ("cat", "dog", "bird")


def test_many_codes_with_names_are_classes(tmp_path: Path) -> None:
    codes = np.arange(400) % 80
    frame = pl.DataFrame({"x": codes / 80, "y": codes})
    outputs = {"y": {"names": [f"name {code}" for code in range(80)]}}
    run = deepglass.train(frame, outputs=outputs, out=tmp_path / "run", steps=2, **SMALL)
    assert run.predictor.outputs[0].kind == "category"


@pytest.mark.parametrize(
    ("values", "names", "expected"),
    [
        ([0, 1, 1, 1, 1], {0: "well", 1: "ill"}, ("well", "ill")),  # 1 is the positive class, though it is frequent
        ([0, 1, 1, 1, 1], ["well", "ill"], ("well", "ill")),
        (["no", "yes", "yes"], {True: "paid", False: "unpaid"}, ("unpaid", "paid")),  # as YAML reads yes and no
        ([1.0, 2.0, 2.0], {1: "a", 2: "b"}, ("b", "a")),  # the rarer one
    ],
)
def test_the_positive_class_is_that_of_the_codes(values: list[Any], names: Any, expected: tuple[str, str]) -> None:
    from deepglass.data.table import Table
    from deepglass.prepare.class_names import NamedColumn, with_class_names

    table = with_class_names(Table({"y": pl.Series(values)}), [NamedColumn("y", names, True)])
    fitted = Binary(name="y", names=names if isinstance(names, dict) else tuple(names)).fit([table["y"]])
    assert fitted.class_names == expected


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ({0: "cat", 1: "dog", 22: "bird"}, "no training row has 22, and '2' has no name; did you mean '2'"),
        (["cat", "dog"], "a list of 2 names has the codes 0 to 1, the column has '2' too"),
        ("cat", "names: expected"),
    ],
)
def test_names_of_other_classes_are_errors(tmp_path: Path, names: Any, says: str) -> None:
    with pytest.raises(UserError) as error:
        deepglass.train(_frame(), outputs={"y": {"names": names}}, out=tmp_path / "run", steps=1, **SMALL)
    assert says in str(error.value)


def test_another_word_for_names_has_a_near_miss(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no setting 'class_names'; did you mean 'names'"):
        deepglass.train(_frame(), outputs={"y": {"class_names": NAMES}}, out=tmp_path / "run", steps=1, **SMALL)
