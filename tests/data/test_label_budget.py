"""Hidden labels: their number, their rows, invalid settings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

import deepglass
from deepglass.data.label_budget import LabelBudget
from deepglass.data.missing import is_null, null_like, set_null
from deepglass.errors import SpecError
from deepglass.prepare.prepare import prepare
from deepglass.prepare.prepared_data import PreparedData
from deepglass.spec.overrides import build_spec

N = 200
SPLIT = np.repeat(["train", "valid", "test"], [140, 20, 40])


def answers() -> pl.Series:
    return pl.Series("y", np.random.default_rng(0).permutation(np.repeat(["a", "b", "c", "d"], N // 4)))


def kept(raw: pl.Series | np.ndarray, **settings: int) -> np.ndarray:
    return ~LabelBudget(**settings).hidden(raw, SPLIT, 0)


def test_a_count_is_divided_between_training_and_validation_and_the_test_is_whole() -> None:
    left = kept(answers(), count=40)
    assert [int(left[part == SPLIT].sum()) for part in ("train", "valid", "test")] == [35, 5, 40]


def test_per_class_budgets_keep_that_many_rows() -> None:
    raw = answers()
    left = kept(raw, per_class=8)
    outside = left & (SPLIT != "test")
    assert raw.filter(pl.Series(outside)).value_counts()["count"].to_list() == [8] * 4
    assert int(left[SPLIT == "valid"].sum()) == 4, "an eighth, as the rows are divided"


def test_the_choice_follows_from_the_seed() -> None:
    raw = answers()
    choices = [LabelBudget(count=40).hidden(raw, SPLIT, seed) for seed in (0, 0, 1)]
    assert (choices[0] == choices[1]).all()
    assert (choices[0] != choices[2]).any()


def test_unlabelled_rows_do_not_count_towards_the_budget() -> None:
    raw = answers().scatter(list(range(50)), None)
    left = kept(raw, count=40)
    assert int((left & ~is_null(raw) & (SPLIT != "test")).sum()) == 40


def test_numbers_can_be_hidden_by_count_alone() -> None:
    raw = np.random.default_rng(0).normal(size=N)
    assert int(kept(raw, count=30)[SPLIT != "test"].sum()) == 30
    with pytest.raises(SpecError, match=r"bad-value.*classes.*give a number"):
        kept(raw, per_class=3)


def test_classes_may_be_whole_numbers() -> None:
    raw = np.random.default_rng(0).permutation(np.repeat(np.arange(10), N // 10))
    left = kept(raw, per_class=2) & (SPLIT != "test")
    assert np.bincount(raw[left]).tolist() == [2] * 10


def test_a_class_with_too_few_rows_is_rejected() -> None:
    raw = pl.Series("y", ["rare"] * 3 + ["often"] * (N - 3))
    with pytest.raises(SpecError, match=r"data.num_labels: expected at least 5 rows of each class, got a class of 3"):
        kept(raw, per_class=5)


@pytest.mark.parametrize("value", [0, -3, True, 2.5, "ten", {"per_class": 0}, {"class": 3}, {}])
def test_invalid_budgets_are_rejected_with_their_path(value: object) -> None:
    with pytest.raises(SpecError, match=r"bad-value.*data.num_labels"):
        build_spec("sklearn:iris", None, {"data": {"num_labels": value}})


@pytest.mark.parametrize(
    "raw",
    [
        pl.Series(["a", "b", "c"]),
        np.array([1, 2, 3]),
        np.array([1.0, 2.0, 3.0]),
        pl.Series([[1], [2], [3]]),
        ["x", "y", "z"],
    ],
)
def test_hidden_targets_are_missing_and_others_unchanged(raw: object) -> None:
    gone = set_null(raw, np.array([False, True, False]))  # type: ignore[arg-type]
    assert is_null(gone).tolist() == [False, True, False]
    assert str(gone[0]) == str(raw[0])  # type: ignore[index]
    assert len(null_like(raw, 4)) == 4  # type: ignore[arg-type]
    assert is_null(null_like(raw, 4)).all()  # type: ignore[arg-type]


# -- in a run ----------------------------------------------------------------------------------------------------


def prepared(source: str, objective: str, **data: object) -> PreparedData:
    return prepare(build_spec(source, None, {"objective": {"name": objective}, "data": data}))[1]


def test_supervised_objectives_drop_hidden_rows_and_others_use_them() -> None:
    alone = prepared("sklearn:digits", "supervised", num_labels={"per_class": 5})
    all_rows = prepared("sklearn:digits", "fixmatch", num_labels={"per_class": 5})
    assert len(alone.rows("train")) + len(alone.rows("valid")) == 50
    assert len(all_rows.rows("train")) > 1000
    assert (alone.rows("test") == all_rows.rows("test")).all(), "the test rows are the same"
    assert not is_null(alone.split_table("test")["label"]).any()


def test_labels_of_the_unlabelled_source_are_not_read(tmp_path: Path) -> None:
    frame = deepglass_table()
    frame[:60].write_csv(tmp_path / "some.csv")
    frame[60:].with_columns(y=pl.lit("leaked")).write_csv(tmp_path / "more.csv")
    _, found = prepare(
        build_spec(
            str(tmp_path / "some.csv"),
            "y",
            {"objective": {"name": "pseudo_label"}, "data": {"unlabelled": str(tmp_path / "more.csv")}},
        )
    )
    assert len(found.table) == 150
    assert int(is_null(found.split_table("train")["y"]).sum()) == 90
    assert set(found.outputs[0].class_names) == {"no", "yes"}


def test_an_unlabelled_source_must_have_the_columns_of_the_first(tmp_path: Path) -> None:
    frame = deepglass_table()
    frame[:60].write_csv(tmp_path / "some.csv")
    frame[60:].drop("b", "y").write_csv(tmp_path / "more.csv")
    with pytest.raises(deepglass.UserError, match=r"mismatched-files.*more.csv.*lacks the columns b"):
        prepare(
            build_spec(
                str(tmp_path / "some.csv"),
                "y",
                {"objective": {"name": "pseudo_label"}, "data": {"unlabelled": str(tmp_path / "more.csv")}},
            )
        )


def deepglass_table() -> pl.DataFrame:
    random = np.random.default_rng(0)
    a, b = random.normal(size=(2, 150))
    return pl.DataFrame({"a": a, "b": b, "y": np.where(a + b > 0, "yes", "no")})
