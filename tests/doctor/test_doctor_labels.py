"""Label errors and active learning scores of a trained run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import pytest

import deepglass
from deepglass.data.sources import read
from deepglass.doctor.label_findings import label_note
from deepglass.doctor.labels import (
    LabelError,
    active_learning_scores,
    find_label_issues,
    label_errors,
    without_the_rest,
)
from deepglass.report.after_training import add_report
from deepglass.run.callbacks.margins import margins_for_table
from deepglass.run.run import Run


class Made(NamedTuple):
    """Three clusters of points, a run trained on them, and the rows whose label was changed."""

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


def test_changed_labels_are_found_with_few_false_positives(made: Made) -> None:
    found = label_errors(made.run.predictor, read(made.frame))
    places = {e.row for e in found}
    assert len(places & set(made.wrong)) >= 0.9 * len(made.wrong)
    assert len(places & set(made.wrong)) >= 0.8 * len(places)
    assert [e.probability for e in found] == sorted((e.probability for e in found), reverse=True)
    assert all(made.frame["label"][e.row] == e.label != e.suggestion for e in found)


def test_unlabelled_rows_are_skipped(made: Made) -> None:
    hidden = made.frame.with_columns(label=pl.when(pl.int_range(600) % 2 == 0).then(pl.col("label")))
    assert all(e.row % 2 == 0 for e in label_errors(made.run.predictor, read(hidden)))
    assert label_errors(made.run.predictor, read(made.frame.drop("label"))) == []


def clouds(away: float, turned: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Three clusters at a distance, their labels, and which labels were changed."""
    random = np.random.default_rng(seed)
    label = random.integers(0, 3, 2000)
    points = away * np.eye(3)[label] + random.normal(size=(2000, 3))
    wrong = random.random(2000) < turned
    return points, np.where(wrong, (label + random.integers(1, 3, 2000)) % 3, label), wrong


def named(points: np.ndarray, given: np.ndarray, margins: np.ndarray | None = None) -> list[LabelError]:
    return find_label_issues(points, given, ("a", "b", "c"), np.arange(len(given)), margins)


@pytest.mark.parametrize("away", [1.0, 2.0, 6.0])
def test_difficult_rows_are_not_reported_as_label_errors(away: float) -> None:
    points, given, _ = clouds(away, turned=0)
    assert len(named(points, given)) <= 2


@pytest.mark.parametrize("seed", [0, 1])
def test_label_error_probabilities_are_calibrated(seed: int) -> None:
    points, given, wrong = clouds(4.0, turned=0.1, seed=seed)
    errors = named(points, given)
    right = wrong[[e.row for e in errors]].mean()
    assert len(errors) > 0.5 * wrong.sum()
    assert abs(right - np.mean([e.probability for e in errors])) < 0.07


def test_margins_find_memorised_label_errors() -> None:
    points, given, wrong = clouds(6.0, turned=0.06)
    learned = np.arange(2000) % 5 > 0
    remembered = points + 2.5 * np.eye(3)[given] * learned[:, None]  # each row is drawn to its given label
    margins = np.where(learned, np.where(wrong, -1.0, 3.0) + np.random.default_rng(1).normal(size=2000), np.nan)
    found = {e.row for e in named(remembered, given, margins)}
    alone = {e.row for e in named(remembered, given)}
    turned = set(np.flatnonzero(wrong))
    assert len(found & turned) > 0.55 * len(turned)
    assert len(found & turned) > 0.9 * len(found)
    assert len(alone & turned) < 0.2 * len(turned)


def test_systematically_confused_labels_are_found() -> None:
    points, label, _ = clouds(6.0, turned=0)
    wrong = np.random.default_rng(1).random(2000) < 0.15
    errors = named(points, np.where(wrong, (label + 1) % 3, label))
    assert wrong[[e.row for e in errors]].mean() > 0.95
    assert len(errors) > 0.8 * wrong.sum()


def test_rows_near_the_decision_boundary_are_worth_a_label(made: Made) -> None:
    sure = pl.DataFrame({"x": np.zeros(50), "y": np.zeros(50)})
    between = pl.DataFrame({"x": [2.0, 0.0, 2.1, 2.0], "y": [0.0, 2.0, 2.0, 2.1]})
    worth = active_learning_scores(made.run.predictor, read(pl.concat([sure, between])), count=4)
    assert {w.row for w in worth[:2]} <= {50, 51, 52, 53}
    assert [w.score for w in worth] == sorted((w.score for w in worth), reverse=True)


def test_equal_rows_are_queued_once(made: Made) -> None:
    twins = pl.DataFrame({"x": [2.0] * 20, "y": [0.1] * 20})
    assert len(active_learning_scores(made.run.predictor, read(twins), count=10)) == 1


def test_labelled_rows_are_never_worth_a_label(made: Made) -> None:
    assert active_learning_scores(made.run.predictor, read(made.frame)) == []


@pytest.mark.parametrize("turned", [{0: 1}, {0: 1, 2: 3}], ids=["one class", "two classes"])
def test_labels_of_some_classes_alone_turned_into_another_are_found(turned: dict[int, int]) -> None:
    random = np.random.default_rng(0)
    label = random.integers(0, 4, 2000)
    points = 5 * np.eye(4)[label] + random.normal(size=(2000, 4))
    wrong = np.isin(label, list(turned)) & (random.random(2000) < 0.25)
    given = np.where(wrong, [turned.get(k, k) for k in label], label)
    errors = find_label_issues(points, given, tuple("abcd"), np.arange(2000))
    assert wrong[[e.row for e in errors]].mean() > 0.9
    assert wrong[[e.row for e in errors]].sum() > 0.8 * wrong.sum()
    right = ["abcd".index(e.suggestion) == label[e.row] for e in errors]
    assert np.mean(right) > 0.9


def test_without_a_random_split_trained_rows_are_judged_by_themselves() -> None:
    points, given, wrong = clouds(6.0, turned=0.15)
    trained = np.arange(2000) < 1400
    given = np.where(trained | ~wrong, given, (np.argmax(points, 1)))  # later labels are right
    margins = np.where(trained, np.where(wrong, -1.0, 3.0) + np.random.default_rng(1).normal(size=2000), np.nan)

    def recall(random_split: bool) -> float:
        rows = np.arange(2000)
        errors = find_label_issues(points, given, tuple("abc"), rows, margins, random_split=random_split)
        return len({e.row for e in errors} & set(np.flatnonzero(wrong & trained))) / (wrong & trained).sum()

    assert recall(random_split=False) > 0.8 > recall(random_split=True)


def test_questions_end_where_little_is_left() -> None:
    def errors(*probabilities: float) -> list[LabelError]:
        return [LabelError(i, "a", "b", p) for i, p in enumerate(probabilities)]

    asked = without_the_rest(errors(*[0.9] * 20, *[0.3] * 10, *[0.02] * 50))
    assert 20 < len(asked) <= 30
    assert without_the_rest(errors(*[0.02] * 20)) == []


def test_findings_of_a_reported_run_hold_its_label_errors(made: Made) -> None:
    add_report(made.run.context_of(made.frame), None)  # as after a training with baselines and report
    written = (made.run.path / "findings.json").read_text()
    named = {f["kind"]: f for f in json.loads(written)}
    assert len(set(named["label_error"]["rows"]) & set(made.wrong)) > 20
    assert deepglass.check(made.run.path) == []
    add_report(made.run.context_of(made.frame), None)
    assert (made.run.path / "findings.json").read_text() == written


def test_labels_that_follow_nothing_are_not_told_as_wrong() -> None:
    """Labels by parity of the row, and an embedding that does not know it."""
    labels = np.r_[np.arange(200) % 2, np.ones(40, int)]
    for seed in range(4):
        random = np.random.default_rng(seed)
        values = np.outer(np.arange(240) * 0.37 % 1 - 0.5, 3 * random.normal(size=64)) + random.normal(size=64)
        assert find_label_issues(np.tanh(values), labels, ("a", "b"), np.arange(240)) == []


def test_too_few_labels_are_said_and_not_judged(tmp_path: Path) -> None:
    run = deepglass.train("sklearn:iris", epochs=20, out=tmp_path / "run", baselines=False, training={"threads": 1})
    table = read("sklearn:iris")
    margins = margins_for_table(run.folder, table, run.state)
    assert label_errors(run.predictor, table, margins=margins["target"], min_probability=0.02) == []
    assert "too few rows to tell: 150 labels" in label_note(run.predictor, table, "target").why


def test_small_probabilities_of_most_rows_do_not_end_the_questions() -> None:
    points, given, wrong = clouds(2.2, turned=0.2)
    rows = np.arange(2000)
    asked = without_the_rest(find_label_issues(points, given, tuple("abc"), rows, min_probability=0.001))
    assert len({e.row for e in asked} & set(np.flatnonzero(wrong))) > 0.6 * wrong.sum()
