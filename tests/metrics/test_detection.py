"""Average precision against hand-computed values, and calibration of detection scores."""

from __future__ import annotations

import numpy as np
import pytest

from deepglass.metrics import detection
from deepglass.metrics.detection import BoxAnnotations, ScoredBoxes

SQUARE = np.array([0.0, 0.0, 10.0, 10.0])


def _row(boxes: list[np.ndarray], scores: list[float], labels: list[int] | None = None) -> ScoredBoxes:
    labels = labels or [0] * len(boxes)
    return ScoredBoxes(np.array([boxes]), np.array([scores]), np.array([labels]), np.ones((1, len(boxes)), bool))


def _truth(boxes: list[np.ndarray], labels: list[int] | None = None) -> BoxAnnotations:
    return BoxAnnotations(
        np.array(boxes).reshape(-1, 4), np.array(labels or [0] * len(boxes)), np.array([0, len(boxes)])
    )


def test_overlap_of_two_squares() -> None:
    assert detection.iou(SQUARE[None], np.array([[5, 0, 15, 10]]))[0, 0] == pytest.approx(50 / 150)


def test_precision_of_a_hit_a_miss_and_a_hit() -> None:
    far = SQUARE + 100
    found = _row([SQUARE, SQUARE + 50, far], [0.9, 0.8, 0.7])
    matches = detection.match(found, _truth([SQUARE, far]), 1)
    assert matches.hits[:, 0].tolist() == [True, False, True]
    # up to a recall of a half precision is 1 (51 of 101 places), beyond it 2 / 3
    assert detection.mean_average_precision(matches)["map50"] == pytest.approx((51 + 50 * 2 / 3) / 101)
    assert detection.curve(matches, 0).recall.tolist() == [0.5, 0.5, 1.0]


def test_a_true_box_is_found_only_once() -> None:
    matches = detection.match(_row([SQUARE, SQUARE], [0.6, 0.9]), _truth([SQUARE]), 1)
    assert matches.scores.tolist() == [0.9, 0.6]
    assert matches.hits[:, 0].tolist() == [True, False]


def test_other_classes_other_rows_and_unused_slots_are_no_hits() -> None:
    found = _row([SQUARE, SQUARE], [0.9, 0.8], [1, 0])
    found = found._replace(mask=np.array([[True, False]]))
    matches = detection.match(found, _truth([SQUARE]), 2)
    assert not matches.hits.any()
    assert detection.mean_average_precision(matches)["map50"] == 0
    two = ScoredBoxes(*(np.concatenate([x, x]) for x in _row([SQUARE], [0.9])))
    assert (
        detection.match(two, BoxAnnotations(SQUARE[None], np.array([0]), np.array([0, 0, 1])), 1).hits[:, 0].sum() == 1
    )


def test_a_loose_box_counts_at_the_lower_thresholds_only() -> None:
    loose = np.array([0, 0, 15, 10])  # an overlap of two thirds: at 0.5, 0.55, 0.6 and 0.65
    figures = detection.mean_average_precision(detection.match(_row([loose], [0.9]), _truth([SQUARE]), 1))
    assert figures["map50"] == 1
    assert figures["map50_95"] == pytest.approx(0.4)


def test_classes_without_a_true_box_do_not_count() -> None:
    matches = detection.match(_row([SQUARE], [0.9]), _truth([SQUARE]), 3)
    assert detection.mean_average_precision(matches) == {"map50": 1.0, "map50_95": 1.0}
    assert np.isnan(detection.average_precision(matches)[0, 1:]).all()
    assert detection.mean_average_precision(detection.match(_row([SQUARE], [0.9]), _truth([]), 3)) == {}


def test_overconfident_scores_are_calibrated() -> None:
    rng = np.random.default_rng(0)
    logit = rng.normal(0, 2, 2000)
    hits = rng.random(2000) < 1 / (1 + np.exp(-(0.5 * logit - 1)))
    scores = 1 / (1 + np.exp(-logit))
    platt = detection.fit_platt(scores, hits, np.arange(2000) // 10)
    assert (platt.slope, platt.shift) == (pytest.approx(0.5, abs=0.1), pytest.approx(-1, abs=0.15))
    assert platt.ece_before > 0.15
    assert platt.ece_after < 0.05


def test_calibrated_scores_and_few_rows_change_nothing() -> None:
    assert detection.fit_platt(np.array([0.9, 0.1]), np.array([True, False]), np.zeros(2))[:2] == (1.0, 0.0)
    assert detection.fit_platt(np.array([0.9, 0.8]), np.ones(2, bool), np.arange(2))[:2] == (1.0, 0.0)


def test_the_best_threshold_separates_hits_and_misses() -> None:
    scores, hits = np.array([0.9, 0.8, 0.3, 0.2]), np.array([True, True, False, False])
    assert detection.best_score(scores, hits, 2) == pytest.approx(0.55)
