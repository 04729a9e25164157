"""What a trained run says of labels: those that look wrong, and the rows whose label would teach most.

label_errors(run.predictor, table)      [LabelError(place=17, given="cat", proposed="dog", sure=0.98), ...]
worth_labelling(run.predictor, table)   [Worth(place=40, score=0.93), ...]
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from deepglass.data.batches import Dataset
from deepglass.data.table import Table
from deepglass.doctor.cross_fit import cross_fitted
from deepglass.doctor.label_noise import match_ranks, noise_probability
from deepglass.features.base import Column, Feature
from deepglass.features.outputs.base import Output
from deepglass.metrics.calibration import apply_temperature
from deepglass.objectives.base import embed_dataset, predict_dataset
from deepglass.run.predictor import Predictor

SURE = 0.5  # probability of being wrong from which a label is named
JUDGES = 200  # rows whose labels were not learned from, by which the others are judged, at least
FEWEST = 20  # labelled rows below which nothing is said
CANDIDATES = 2000  # rows among which those worth labelling are chosen, the least certain ones
KNOWN = 2000  # labelled rows that new ones are compared with
BATCH = 128


class LabelError(NamedTuple):
    """A label that looks wrong: where, what it says, what it should say, and how sure that is."""

    place: int
    given: str
    proposed: str
    sure: float


class Worth(NamedTuple):
    """A row without a label, and what a label would be worth, from 0 to 1."""

    place: int
    score: float


class Seen(NamedTuple):
    """Rows as the network sees them.

    Shapes:
        embedding: (N, D) float32; log_probs: (N, K) float32, None where the answer has no classes.
    """

    embedding: np.ndarray
    log_probs: np.ndarray | None


def label_errors(
    predictor: Predictor,
    table: Table,
    output: str | None = None,
    margins: np.ndarray | None = None,
    least: float = SURE,
) -> list[LabelError]:
    """The labels that look wrong, surest first.

    A linear head on the frozen embedding is cross-fitted, so no row is judged by a head that knows its label, and
    `mistaken` says how likely each label is a mistake. Where margins are known, that is asked only of rows that the
    network has not learned from: its embedding partly remembers the others' labels, right or wrong. As the split is
    by chance, as many labels are wrong among the others; which ones, head and margin say together.

    Args:
        table: rows with labels; those without are passed over.
        output: which answer; None: the first with classes.
        margins: (N,) of the rows as the network learned (`run/margins.py`), NaN for those that it did not learn from.
        least: probability of being wrong from which a label is named.

    Returns:
        Places in `table`; empty where no answer has classes or there are too few rows.
    """
    feature = _answer(predictor, output)
    if feature is None or feature.column not in table.columns:
        return []
    truth = feature.encode(table[feature.column])
    known = _labelled(truth)
    labels = truth.values[known].astype(np.int64) - 1
    if len(known) < FEWEST or len(np.unique(labels)) < 2:
        return []
    seen = see(predictor, table.take(known))
    learned = None if margins is None else margins[known]
    return suspects(seen.embedding, labels, feature.class_names, known, learned, least)


def suspects(
    embedding: np.ndarray,
    labels: np.ndarray,
    names: tuple[str, ...],
    places: np.ndarray,
    margins: np.ndarray | None = None,
    least: float = SURE,
) -> list[LabelError]:
    """The labels that look wrong, from what the network sees; `places` (N,) are given back."""
    log_probs = cross_fitted(embedding, labels, len(names))
    others = log_probs.copy()
    others[np.arange(len(labels)), labels] = -np.inf
    proposed = others.argmax(1)
    sure = _sure(log_probs, labels, others.max(1) - log_probs[np.arange(len(labels)), labels], margins)
    chosen = np.flatnonzero(sure >= least)
    chosen = chosen[np.argsort(-sure[chosen], kind="stable")]
    return [LabelError(int(places[i]), names[labels[i]], names[proposed[i]], round(float(sure[i]), 4)) for i in chosen]


def _sure(log_probs: np.ndarray, labels: np.ndarray, doubt: np.ndarray, margins: np.ndarray | None) -> np.ndarray:
    """The probability that each label is wrong, (N,); `doubt` (N,) is by how much the head prefers another class."""
    learned = np.zeros(len(labels), bool) if margins is None else np.isfinite(margins)
    if margins is None or not learned.any() or len(labels) - learned.sum() < JUDGES:
        return noise_probability(log_probs, labels)
    sure = np.empty(len(labels))
    sure[~learned] = noise_probability(log_probs[~learned], labels[~learned])
    both = _scaled(doubt[learned]) - _scaled(margins[learned])
    sure[learned] = match_ranks(both, sure[~learned])
    return sure


def _scaled(values: np.ndarray) -> np.ndarray:
    return values / max(float(values.std()), 1e-9)


def worth_labelling(predictor: Predictor, table: Table, output: str | None = None, count: int = 100) -> list[Worth]:
    """The rows without a label that are worth one, best first: uncertain ones, far from what is labelled or chosen.

    The score of a row is its uncertainty, one minus the margin between its two likeliest classes, times its distance
    in the embedding to the nearest labelled or already chosen row, beside the median of those distances. Answers
    without classes are chosen by distance alone.

    Args:
        table: rows; those that have the label already are what the others are compared with.
        output: which answer; None: the first with classes, else the first.

    Source: Ash et al., 2019, arXiv 1906.03671 (BADGE): uncertainty and diversity together. Ours takes the farthest
    row each time instead of drawing one, so the order is fixed.
    """
    feature = _answer(predictor, output) or next(iter(predictor.outputs), None)
    if feature is None:
        return []
    known = np.zeros(0, np.int64)
    if feature.column in table.columns:
        known = _labelled(feature.encode(table[feature.column]))
    open_rows = np.setdiff1d(np.arange(len(table)), known)
    if not len(open_rows):
        return []
    seen = see(predictor, table.take(open_rows), feature)
    doubt = _doubt(seen, predictor.calibration.get(feature.name, {}).get("temperature", 1.0))
    kept = np.argsort(-doubt, kind="stable")[:CANDIDATES]
    random = np.random.default_rng(0)
    beside = known if len(known) <= KNOWN else np.sort(random.choice(known, KNOWN, replace=False))
    others = see(predictor, table.take(beside)).embedding if len(beside) else None
    return _farthest(seen.embedding[kept], doubt[kept], open_rows[kept], others, count)


def see(predictor: Predictor, table: Table, answer: Feature | None = None) -> Seen:
    """Rows in the learned space, and the probabilities of an answer's classes."""
    data = Dataset(predictor.encode(table), {}, predictor.device)
    points = embed_dataset(predictor.objective, data, BATCH)
    if answer is None or not answer.class_names:
        return Seen(points, None)
    return Seen(points, predict_dataset(predictor.objective, data, BATCH)[answer.name]["log_probs"])


def _answer(predictor: Predictor, output: str | None) -> Output | None:
    """The answer that is asked for, or the first with classes."""
    fitting = [f for f in predictor.outputs if f.has_classes and output in (None, f.name)]
    return fitting[0] if fitting else None


def _labelled(truth: Column) -> np.ndarray:
    """The rows whose label is known, and was known in training."""
    known = truth.mask.reshape(len(truth), -1).any(1)
    if truth.offsets is None and truth.values.ndim == 1 and truth.values.dtype.kind in "iu":
        known &= truth.values > 0
    return np.flatnonzero(known)


def _doubt(seen: Seen, temperature: float) -> np.ndarray:
    if seen.log_probs is None or seen.log_probs.shape[1] < 2:
        return np.ones(len(seen.embedding))
    top = np.sort(np.exp(apply_temperature(seen.log_probs, temperature)), 1)[:, -2:]
    return 1 - (top[:, 1] - top[:, 0])


def _farthest(
    points: np.ndarray, doubt: np.ndarray, places: np.ndarray, known: np.ndarray | None, count: int
) -> list[Worth]:
    """Row by row the largest product of doubt and distance to what is labelled or chosen."""
    x = points.astype(np.float64)
    middle, spread = x.mean(0), x.std(0) + 1e-6
    x = (x - middle) / spread
    away = np.full(len(x), np.inf)
    if known is not None:
        other = (known - middle) / spread
        squares = (x**2).sum(1)[:, None] + (other**2).sum(1) - 2 * x @ other.T
        away = np.sqrt(np.maximum(squares.min(1), 0))
    usual = np.median(away) if known is not None else np.median(np.sqrt(((x - x.mean(0)) ** 2).sum(1)))
    chosen: list[Worth] = []
    for _ in range(min(count, len(x))):
        score = doubt * np.minimum(away / max(usual, 1e-9), 1)
        i = int(score.argmax())
        if chosen and score[i] <= 0:
            break
        chosen.append(Worth(int(places[i]), round(float(score[i]), 4)))
        away = np.minimum(away, np.sqrt(((x - x[i]) ** 2).sum(1)))
        away[i] = 0
    return chosen
