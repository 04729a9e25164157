"""New rows: without the names of the columns, and with targets that the run does not know."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import CASES, needs_cases

import deepglass
from deepglass.errors import DataWarning, SourceError
from deepglass.run.run import Run

WINE = CASES / "32-headerless"


@pytest.fixture(scope="module")
def wine(tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("wine") / "run"
    return deepglass.train(WINE / "wine.data", "column_1", out=out, steps=300, baselines=False)


@needs_cases
@pytest.mark.parametrize(("name", "values"), [("new.data", [1, 2, 3] * 3), ("new_one.data", [2])])
def test_rows_without_the_class_in_front(wine: Run, name: str, values: list[int]) -> None:
    with pytest.warns(DataWarning, match="matched by position"):
        answers = wine.predict(WINE / name)
    assert [row["column_1"]["value"] for row in answers] == values


@needs_cases
def test_rows_of_another_width(wine: Run, tmp_path: Path) -> None:
    (tmp_path / "a.data").write_text("0.57,10.04,0.46\n2.54,7.64,0.04\n")
    (tmp_path / "b.data").write_text("1,0.57,10.04,0.46,5.65,7\n2,2.54,7.64,0.04,5.89,8\n")
    for name in ("a.data", "b.data"):
        with pytest.raises(SourceError, match="expected 5 as in training, or 4 without column_1"):
            wine.predict(tmp_path / name)
    with pytest.raises(SourceError, match="unknown-column"):
        wine.evaluate(WINE / "new.data")


@needs_cases
def test_targets_that_the_run_does_not_know(tmp_path: Path) -> None:
    run = deepglass.train(CASES / "06-labels" / "answers.csv", "answer", out=tmp_path / "r", steps=10, baselines=False)
    new = CASES / "36-few" / "new_answers.csv"
    with pytest.raises(SourceError, match=r"\[unreadable-column\].*'Oui', 'Non'; it predicts"):
        run.evaluate(new)
    (tmp_path / "some.csv").write_text(new.read_text() + "0.3,setosa,Yes\n0.4,setosa,No\n")
    with pytest.warns(DataWarning, match=r"not evaluated: values of 'answer' .*'Oui'.*\(2\)"):
        assert run.evaluate(tmp_path / "some.csv")["answer"]
    (tmp_path / "none.csv").write_text("x,species,answer\n0.3,setosa,\n0.5,setosa,\n")
    with pytest.raises(SourceError, match="no-rows"):
        run.evaluate(tmp_path / "none.csv")


@needs_cases
def test_numbers_that_cannot_be_read(tmp_path: Path) -> None:
    fuel = CASES / "02-decimal-comma" / "fuel.csv"
    run = deepglass.train(fuel, "diesel", out=tmp_path / "r", steps=10, baselines=False)
    (tmp_path / "new.csv").write_text("station;diesel;volume\nS0;cheap;30,05\nS1;dear;30,15\n")
    with pytest.raises(SourceError, match="'cheap', 'dear'"):
        run.evaluate(tmp_path / "new.csv")


ONE_EACH = [("07-one-each/one.csv", "who"), ("36-few/ids.csv", "code"), ("36-few/multi.csv", "tags")]


@needs_cases
@pytest.mark.parametrize(("folder", "target"), ONE_EACH)
def test_one_row_a_class(tmp_path: Path, folder: str, target: str) -> None:
    kind = "multilabel" if target == "tags" else "category"
    run = deepglass.train(CASES / folder, target, kinds={target: kind}, out=tmp_path / "r", steps=5, baselines=False)
    assert len(run.predictor.outputs[0].class_names) > 20
