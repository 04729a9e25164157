"""`data.split.file`: the split of each row from a table."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import deepglass
from deepglass.errors import UserError
from deepglass.prepare.prepare import prepare
from deepglass.spec.overrides import build_spec

ROWS = pl.DataFrame({"x": np.arange(60.0), "y": np.arange(60.0) * 2})


def _split(file: Path, frame: Any = ROWS) -> list[str]:
    data = prepare(build_spec(frame, "y", {"data.split.file": str(file)}))[1]
    split = np.full(len(frame), "", "U5")
    split[data.source_rows] = data.split
    return split.tolist()


def test_each_row_has_the_split_that_the_file_states(tmp_path: Path) -> None:
    expected = ["train"] * 40 + ["valid"] * 8 + ["test"] * 10 + [""] * 2
    pl.DataFrame({"split": expected}).write_csv(tmp_path / "split.csv")
    assert _split(tmp_path / "split.csv") == expected
    order = np.random.default_rng(0).permutation(58)
    pl.DataFrame({"row": order, "split": np.array(expected)[order]}).write_parquet(tmp_path / "some.parquet")
    assert _split(tmp_path / "some.parquet") == expected


def test_another_run_has_the_same_split_by_the_file_of_the_first(tmp_path: Path) -> None:
    ROWS.write_csv(tmp_path / "rows.csv")
    settings: dict[str, Any] = {"steps": 2, "baselines": False, "training": {"threads": 1}}
    source = str(tmp_path / "rows.csv")
    first = deepglass.train(source, "y", out=tmp_path / "a", split={"seed": 5}, **settings)
    split = {"file": str(tmp_path / "a" / "split.parquet")}
    second = deepglass.train(source, "y", out=tmp_path / "b", split=split, **settings)
    assert first.folder.split()["split"].to_list() == second.folder.split()["split"].to_list()
    assert deepglass.compare(first, second)[str(second.path)]["common_test_rows"] == 6


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ({"split": ["train"] * 59}, r"\[mismatched-files\].*has 59 rows, .* has 60"),
        ({"split": ["train"] * 59 + ["tests"]}, r"\[bad-value\].*expected train, valid, test or nothing.*'tests'"),
        ({"part": ["train"] * 60}, r"\[unknown-column\].*no column 'split'"),
        ({"row": [0, 0], "split": ["train", "test"]}, r"\[bad-value\].*column row: expected each row"),
        ({"row": [0, 60], "split": ["train", "test"]}, r"from 0 to 59"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(table: dict[str, Any], text: str, tmp_path: Path) -> None:
    pl.DataFrame(table).write_csv(tmp_path / "split.csv")
    with pytest.raises(UserError, match=text):
        _split(tmp_path / "split.csv")


def test_the_file_stands_alone(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data\.split: file: gives the split of each row; leave out by"):
        build_spec(ROWS, "y", {"data.split.file": "split.csv", "data.split.by": "random"})
    with pytest.raises(UserError, match=r"\[not-found\].*absent.csv"):
        _split(tmp_path / "absent.csv")
