"""Splits into train, valid and test: random, stratified, by time, group, order and source."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepglass.data.split import Split
from deepglass.data.table import Table
from deepglass.errors import SourceError, SpecError
from deepglass.features.base import Media


def table(rows: int, **columns: object) -> Table:
    return Table({"x": pl.Series("x", range(rows)), **{n: pl.Series(n, v) for n, v in columns.items()}})


def counts(parts: np.ndarray) -> dict[str, int]:
    return {part: int((parts == part).sum()) for part in ("train", "valid", "test")}


def test_random_shares_and_seeds() -> None:
    first = Split(test=0.2, valid=0.1).assign(table(100))
    assert counts(first) == {"train": 70, "valid": 10, "test": 20}
    assert (first == Split(test=0.2, valid=0.1).assign(table(100))).all()
    assert (first != Split(test=0.2, valid=0.1, seed=1).assign(table(100))).any()


def test_splits_are_stratified() -> None:
    target = pl.Series("y", ["rare"] * 20 + ["common"] * 180)
    parts = Split(test=0.1, valid=0.1).assign(table(200), target)
    assert counts(parts[:20]) == {"train": 16, "valid": 2, "test": 2}


def test_the_only_row_of_a_class_is_in_train() -> None:
    target = pl.Series("y", ["once"] + ["a"] * 50 + ["b"] * 49)
    assert all(Split(seed=seed).assign(table(100), target)[0] == "train" for seed in range(20))


def test_rows_without_a_target_are_not_in_test() -> None:
    target = pl.Series("y", [1.5, None] * 50)
    parts = Split(test=0.2, valid=0.2).assign(table(100), target)
    assert set(parts[1::2]) == {"train"}
    assert counts(parts)["test"] == 10


def test_a_missing_split_of_the_source_is_taken_from_train() -> None:
    split = np.array(["train"] * 80 + ["test"] * 20)
    parts = Split().assign(Table({"x": pl.Series(range(100))}, split=split), pl.Series(["a", "b"] * 50))
    assert counts(parts) == {"train": 72, "valid": 8, "test": 20}
    assert (parts[80:] == "test").all()
    with pytest.raises(SpecError, match="has no predefined split"):
        Split(by="predefined").assign(table(10))


def test_random_split_overrides_the_source() -> None:
    split = np.array(["train"] * 80 + ["test"] * 20)
    parts = Split(by="random").assign(Table({"x": pl.Series(range(100))}, split=split))
    assert not (parts[80:] == "test").all()


def test_split_by_time_tests_the_last_rows_and_keeps_ties_together() -> None:
    times = pl.Series("t", [f"2020-01-{day:02d}" for day in range(1, 11) for _ in range(3)])
    shuffled = np.random.default_rng(0).permutation(30)
    data = Table({"t": times[shuffled]})
    parts = Split(test=0.2, valid=0.1, by="time:t").assign(data)
    ordered = parts[np.argsort(shuffled)]
    assert list(ordered) == ["train"] * 21 + ["valid"] * 3 + ["test"] * 6


def test_split_by_numeric_time_and_invalid_columns() -> None:
    assert list(Split(test=0.25, valid=0.25, by="time:x").assign(table(4))) == ["train", "train", "valid", "test"]
    with pytest.raises(SpecError, match="expected dates or numbers"):
        Split(by="time:t").assign(table(3, t=["a", "b", "c"]))
    with pytest.raises(SourceError, match="too-few-rows"):
        Split(by="time:t").assign(table(4, t=[1, 1, 2, 2]))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 12), min_size=40, max_size=120), st.integers(0, 5))
def test_no_group_is_in_two_splits(groups: list[int], seed: int) -> None:
    data = table(len(groups), g=groups)
    if len(set(groups)) < 3:
        return
    parts = Split(by="group:g", seed=seed, test=0.2, valid=0.2).assign(data)
    assert all(len(set(parts[np.array(groups) == g])) == 1 for g in set(groups))
    assert set(parts) == {"train", "valid", "test"}


def test_folds_cover_each_row_once() -> None:
    target = pl.Series("y", ["a", "b"] * 50)
    tests = [Split(folds=5, fold=i).assign(table(100), target) == "test" for i in range(5)]
    assert (np.sum(tests, 0) == 1).all()
    assert all((t[::2].sum(), t[1::2].sum()) == (10, 10) for t in tests)
    groups = table(100, g=[i % 10 for i in range(100)])
    grouped = [Split(by="group:g", folds=5, fold=i).assign(groups) == "test" for i in range(5)]
    assert (np.sum(grouped, 0) == 1).all()


def test_numbers_of_rows_in_order() -> None:
    parts = Split(rows=(5, 2, 2)).assign(table(10))
    assert list(parts) == ["train"] * 5 + ["valid"] * 2 + ["test"] * 2 + [""]
    with pytest.raises(SourceError, match="too-few-rows"):
        Split(rows=(9, 2, 2)).assign(table(10))


@pytest.mark.parametrize(
    "settings",
    [
        {"test": 0.6, "valid": 0.5},
        {"test": -0.1},
        {"by": "magic"},
        {"by": "time"},
        {"by": "group:"},
        {"folds": 1},
        {"folds": 2**31},
        {"folds": 3, "fold": 3},
        {"folds": 3, "by": "time:x"},
        {"rows": (0, 1, 1)},
    ],
)
def test_settings_out_of_range(settings: dict[str, object]) -> None:
    with pytest.raises(SpecError, match="bad-value"):
        Split(**settings)


def test_unknown_columns_and_too_few_rows() -> None:
    with pytest.raises(SourceError, match=r"unknown-column.*did you mean 'when'"):
        Split(by="time:wen").assign(table(9, when=range(9)))
    with pytest.raises(SourceError, match="too-few-rows"):
        Split().assign(table(2))
    assert counts(Split().assign(table(3))) == {"train": 1, "valid": 1, "test": 1}


def test_files_are_split_by_the_time_in_their_names() -> None:
    late = [f"center_2024_01_{day}.jpg" for day in range(1, 11)]  # 9 comes before 10
    early = [f"center_2018_07_{day}.jpg" for day in range(9, 19)]
    files = [Media(name, Path(name)) for name in late + early]
    parts = Split(test=0.2, valid=0.1, by="time:center").assign(Table({"center": files}))
    assert parts.tolist() == ["train"] * 4 + ["valid"] * 2 + ["test"] * 4 + ["train"] * 10
