"""What a trained run says of labels: wrong ones, and rows worth one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl
import pytest

import deepglass
from deepglass.data.sources import read
from deepglass.run.run import Run
from deepglass.understand.doctor.labels import label_errors, suspects, worth_labelling


class Made(NamedTuple):
    """Three clouds of points, a run that learned them, and the rows whose label was turned."""

    frame: pl.DataFrame
    run: Run
    wrong: np.ndarray


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    random = np.random.default_rng(0)
    label = np.repeat([0, 1, 2], 200)
    points = np.array([[0, 0], [4, 0], [0, 4]])[label] + random.normal(0, 0.6, (600, 2))
    wrong = np.sort(random.choice(600, 30, replace=False))
    given = label.copy()
    given[wrong] = (label[wrong] + random.integers(1, 3, 30)) % 3
    frame = pl.DataFrame({"x": points[:, 0], "y": points[:, 1], "label": np.array(["a", "b", "c"])[given]})
    out = tmp_path_factory.mktemp("labels") / "run"
    run = deepglass.train(frame, "label", out=out, epochs=20, baselines=False, training={"threads": 1})
    return Made(frame, run, wrong)


def test_turned_labels_are_found_and_little_else(made: Made) -> None:
    found = label_errors(made.run.predictor, read(made.frame))
    places = {e.place for e in found}
    assert len(places & set(made.wrong)) >= 0.9 * len(made.wrong)
    assert len(places & set(made.wrong)) >= 0.8 * len(places)
    assert [e.sure for e in found] == sorted((e.sure for e in found), reverse=True)
    assert all(made.frame["label"][e.place] == e.given != e.proposed for e in found)


def test_rows_without_a_label_are_passed_over(made: Made) -> None:
    hidden = made.frame.with_columns(label=pl.when(pl.int_range(600) % 2 == 0).then(pl.col("label")))
    assert all(e.place % 2 == 0 for e in label_errors(made.run.predictor, read(hidden)))
    assert label_errors(made.run.predictor, read(made.frame.drop("label"))) == []


def test_hard_rows_are_not_taken_for_wrong_ones() -> None:
    random = np.random.default_rng(0)
    label = random.integers(0, 2, 2000)
    overlapping = label[:, None] * 1.0 + random.normal(0, 1, (2000, 1))  # a third of the rows are on the wrong side
    assert len(suspects(overlapping, label, ("a", "b"), np.arange(2000))) < 60


def test_rows_between_the_classes_are_worth_a_label(made: Made) -> None:
    sure = pl.DataFrame({"x": np.zeros(50), "y": np.zeros(50)})
    between = pl.DataFrame({"x": [2.0, 0.0, 2.1, 2.0], "y": [0.0, 2.0, 2.0, 2.1]})
    worth = worth_labelling(made.run.predictor, read(pl.concat([sure, between])), count=4)
    assert {w.place for w in worth[:2]} <= {50, 51, 52, 53}
    assert [w.score for w in worth] == sorted((w.score for w in worth), reverse=True)


def test_equal_rows_are_asked_for_once(made: Made) -> None:
    twins = pl.DataFrame({"x": [2.0] * 20, "y": [0.1] * 20})
    assert len(worth_labelling(made.run.predictor, read(twins), count=10)) == 1


def test_labelled_rows_are_never_worth_a_label(made: Made) -> None:
    assert worth_labelling(made.run.predictor, read(made.frame)) == []
