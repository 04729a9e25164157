"""Label errors and active learning by a trained run.

label_errors(run.predictor, table)            [LabelError(row=17, label="cat", suggestion="dog", probability=0.98), ...]
active_learning_scores(run.predictor, table)  [LabelValue(row=40, score=0.93), ...]
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from deepglass.data.batches import Dataset
from deepglass.data.table import Table
from deepglass.doctor.label_noise import estimate_noise, match_ranks
from deepglass.features.base import Column
from deepglass.features.outputs.base import Calibration, Output
from deepglass.objectives.base import embed_dataset, predict_dataset
from deepglass.run.predictor import Predictor

MIN_PROBABILITY = 0.5  # of being wrong, from which a label is reported
MIN_HELD_OUT = 200  # rows that were not trained on, from which the noise of the others is estimated
MIN_LABELS = 200  # with fewer, probabilities cannot be calibrated
MEMORISED, MAX_OWN_WEIGHT = (0.4, 0.8), 0.5  # loss of trained rows by that of others: their own odds count 0, and this
MAX_CHECKED_VALUES, MIN_CHECKED_CLASSES = 1_000_000, 100  # labels x classes that are checked; with more, some classes
MAX_CANDIDATES = 2000  # the least certain rows, among which those to label are chosen
MAX_COMPARED = 2000  # labelled rows that the candidates are compared with
BATCH = 128


class LabelError(NamedTuple):
    """A label that looks wrong.

    Args:
        row: its index in the table.
        label: as it is.
        suggestion: the class that looks right.
        probability: that the label is wrong.
    """

    row: int
    label: str
    suggestion: str
    probability: float


class LabelValue(NamedTuple):
    """An unlabelled row and the value of its label, from 0 to 1."""

    row: int
    score: float


class EmbeddedTable(NamedTuple):
    """Embedding and predictions of some rows.

    Shapes:
        embedding: (N, D) float32; log_probs: (N, K) float32, None for an output without classes.
    """

    embedding: np.ndarray
    log_probs: np.ndarray | None


def label_errors(
    predictor: Predictor,
    table: Table,
    output: str | None = None,
    margins: np.ndarray | None = None,
    min_probability: float = MIN_PROBABILITY,
    random_split: bool = True,
) -> list[LabelError]:
    """The labels that look wrong, most probable first.

    Class probabilities come from linear heads on the frozen embedding, cross-fitted, so that no row is judged by a
    head that knows its label, and from the labels of near rows; `label_noise` turns them into the probability of an
    error. With margins the noise is estimated on rows that the network was not trained on, since its embedding partly
    memorises the others' labels. Those get a mean of their own log odds and of those of the same rank by head and
    margin; their own count the less, the more the embedding memorises, by the loss of both kinds of rows.

    Args:
        table: rows; those without a label are skipped.
        output: name of the output; None: the first with classes.
        margins: (N,) area under the margin during training, NaN for rows that were not trained on.
        min_probability: of an error, from which a label is reported.
        random_split: whether the rows that were not trained on are as the others. If not, those are judged by
            themselves, since they may have another share of wrong labels.

    Returns:
        Indices in `table`; empty without classes or with fewer than `MIN_LABELS` labels.
    """
    feature = _output(predictor, output)
    if feature is None or feature.column not in table.columns:
        return []
    truth = feature.encode(table[feature.column])
    labelled = _labelled(truth)
    labels = truth.values[labelled].astype(np.int64) - 1
    if not can_be_judged(labels):
        return []
    embedding = embed_rows(predictor, table.take(labelled)).embedding
    own = None if margins is None else margins[labelled]
    return find_label_issues(embedding, labels, feature.class_names, labelled, own, min_probability, random_split)


def find_label_issues(
    embedding: np.ndarray,
    labels: np.ndarray,
    names: tuple[str, ...],
    rows: np.ndarray,
    margins: np.ndarray | None = None,
    min_probability: float = MIN_PROBABILITY,
    random_split: bool = True,
) -> list[LabelError]:
    """The labels that look wrong, from embeddings.

    Args:
        names: of the classes.
        rows: (N,) indices to report.
        margins, min_probability, random_split: as in `label_errors`.

    Shapes:
        embedding: (N, D); labels: (N,) int from 0.
    """
    if not can_be_judged(labels):
        return []
    if len(checked := checked_labels(labels, len(names))) < len(labels):
        embedding, rows = embedding[checked], rows[checked]
        margins = None if margins is None else margins[checked]
        codes, labels = np.unique(labels[checked], return_inverse=True)
        names = tuple(names[code] for code in codes)
    trained = np.zeros(len(labels), bool) if margins is None else np.isfinite(margins)
    held_out = np.flatnonzero(~trained)
    has_sample = random_split and len(held_out) >= MIN_HELD_OUT
    estimate = estimate_noise(embedding, labels, len(names), held_out if has_sample else np.arange(len(labels)))
    probability, suggestion = estimate.probability, estimate.suggestion
    if margins is not None and trained.any() and (has_sample or not random_split):
        odds = _log_odds(probability)
        suspicion = _unit_scale(odds[trained]) - _unit_scale(margins[trained])
        matched = match_ranks(suspicion, odds[held_out if has_sample else trained])
        own = -estimate.log_probs[np.arange(len(labels)), labels]
        ratio = float(own[trained].mean() / own[held_out].mean()) if len(held_out) else 1.0
        weight = float(np.interp(ratio, MEMORISED, (0, MAX_OWN_WEIGHT)))
        probability[trained] = 1 / (1 + np.exp(-weight * odds[trained] - (1 - weight) * matched))
    if (
        probability >= MIN_PROBABILITY
    ).mean() >= 0.5:  # labels that do not follow the embedding; suggestions are guesses
        return []
    chosen = np.flatnonzero(probability >= min_probability)
    chosen = chosen[np.argsort(-probability[chosen], kind="stable")]
    return [
        LabelError(int(rows[i]), names[labels[i]], names[suggestion[i]], round(float(probability[i]), 4))
        for i in chosen
    ]


def can_be_judged(labels: np.ndarray) -> bool:
    """Whether there are enough labels, of two classes, to tell wrong ones from difficult rows."""
    return len(labels) >= MIN_LABELS and len(np.unique(labels)) > 1


def without_the_rest(errors: Sequence[LabelError]) -> list[LabelError]:
    """The first of these errors, up to where little is left: a tenth of all that are expected, or half an error.

    Args:
        errors: most probable first, down to small probabilities.
    """
    expected = np.cumsum([0.0, *(e.probability for e in errors)])
    return [
        e
        for e, before in zip(errors, expected[:-1], strict=True)
        if expected[-1] - before > max(0.1 * expected[-1], 0.5)
    ]


def checked_labels(labels: np.ndarray, classes: int) -> np.ndarray:
    """Indices of the labels that are checked: all, or of thousands of classes those of the most frequent ones.

    Labels of classes of a few rows each cannot be judged, and the time grows with rows x classes.
    """
    if len(labels) * classes <= MAX_CHECKED_VALUES or classes <= MIN_CHECKED_CLASSES:
        return np.arange(len(labels))
    counts = np.bincount(labels, minlength=classes)
    order = np.argsort(-counts, kind="stable")
    count = int((np.cumsum(counts[order]) * np.arange(1, classes + 1) <= MAX_CHECKED_VALUES).sum())
    return np.flatnonzero(np.isin(labels, order[: max(count, MIN_CHECKED_CLASSES)]))


def _log_odds(probability: np.ndarray) -> np.ndarray:
    bounded = probability.clip(1e-7, 1 - 1e-7)
    return np.asarray(np.log(bounded / (1 - bounded)))


def _unit_scale(values: np.ndarray) -> np.ndarray:
    return values / max(float(values.std()), 1e-9)


def active_learning_scores(
    predictor: Predictor, table: Table, output: str | None = None, count: int = 100
) -> list[LabelValue]:
    """The unlabelled rows to label next, best first: uncertain ones, far from labelled and chosen rows.

    The score is the uncertainty (1 - margin between the two most probable classes) times the distance in the embedding
    to the nearest labelled or chosen row, relative to the median of these distances; without classes the distance.

    Args:
        table: rows; the labelled ones are compared with.
        output: name of the output; None: the first with classes, else the first.
        count: of the returned rows.

    Source: Ash et al., 2019, arXiv 1906.03671 (BADGE: uncertainty and diversity). Ours takes the best row each time
    instead of sampling, so the order is deterministic.
    """
    feature = _output(predictor, output) or next(iter(predictor.outputs), None)
    if feature is None:
        return []
    labelled = np.zeros(0, np.int64)
    if feature.column in table.columns:
        labelled = _labelled(feature.encode(table[feature.column]))
    unlabelled = np.delete(np.arange(len(table)), labelled)
    if not len(unlabelled):
        return []
    rows = embed_rows(predictor, table.take(unlabelled), feature)
    uncertainty = _uncertainty(rows, feature, predictor.calibration.get(feature.name, {}))
    candidates = np.argsort(-uncertainty, kind="stable")[:MAX_CANDIDATES]
    if len(labelled) > MAX_COMPARED:
        labelled = np.sort(np.random.default_rng(0).choice(labelled, MAX_COMPARED, replace=False))
    others = embed_rows(predictor, table.take(labelled)).embedding if len(labelled) else None
    return _greedy(rows.embedding[candidates], uncertainty[candidates], unlabelled[candidates], others, count)


def embed_rows(predictor: Predictor, table: Table, output: Output | None = None) -> EmbeddedTable:
    """The embedding of rows, and the class log probabilities of an output."""
    data = Dataset(predictor.reader.encode(table), {}, predictor.device)
    embedding = embed_dataset(predictor.objective, data, BATCH)
    if output is None or not output.class_names:
        return EmbeddedTable(embedding, None)
    return EmbeddedTable(embedding, predict_dataset(predictor.objective, data, BATCH)[output.name]["log_probs"])


def _output(predictor: Predictor, name: str | None) -> Output | None:
    """The output of this name, or the first with classes."""
    return next((f for f in predictor.outputs if f.has_classes and name in (None, f.name)), None)


def _labelled(truth: Column) -> np.ndarray:
    """The rows with a label that training knew."""
    labelled = truth.mask.reshape(len(truth), -1).any(1)
    if truth.offsets is None and truth.values.ndim == 1 and truth.values.dtype.kind in "iu":
        labelled &= truth.values > 0
    return np.flatnonzero(labelled)


def _uncertainty(rows: EmbeddedTable, output: Output, calibration: Calibration) -> np.ndarray:
    if rows.log_probs is None or rows.log_probs.shape[1] < 2:
        return np.ones(len(rows.embedding))
    probabilities = output.class_probabilities({"log_probs": rows.log_probs}, calibration)
    assert probabilities is not None
    top = np.sort(probabilities, 1)[:, -2:]
    return 1 - (top[:, 1] - top[:, 0])


def _greedy(
    points: np.ndarray, uncertainty: np.ndarray, rows: np.ndarray, labelled: np.ndarray | None, count: int
) -> list[LabelValue]:
    """Row by row the largest product of uncertainty and distance to labelled and chosen points."""
    x = points.astype(np.float64)
    mean, std = x.mean(0), x.std(0) + 1e-6
    x = (x - mean) / std
    distance = np.full(len(x), np.inf)
    if labelled is not None:
        other = (labelled - mean) / std
        squares = (x**2).sum(1)[:, None] + (other**2).sum(1) - 2 * x @ other.T
        distance = np.sqrt(np.maximum(squares.min(1), 0))
    median = np.median(distance) if labelled is not None else np.median(np.sqrt(((x - x.mean(0)) ** 2).sum(1)))
    chosen: list[LabelValue] = []
    for _ in range(min(count, len(x))):
        score = uncertainty * np.minimum(distance / max(median, 1e-9), 1)
        i = int(score.argmax())
        if chosen and score[i] <= 0:
            break
        chosen.append(LabelValue(int(rows[i]), round(float(score[i]), 4)))
        distance = np.minimum(distance, np.sqrt(((x - x[i]) ** 2).sum(1)))
        distance[i] = 0
    return chosen
