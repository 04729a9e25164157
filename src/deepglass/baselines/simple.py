"""Baselines: the test metrics of simple models on the same rows, to compare a network with.

    constant            the mean or the class shares of the training rows
    linear              ridge or logistic regression (one for each label) on standardised numbers, one-hot categories,
                        tf-idf, pixels and the mean and deviation of the log-mel bands of sounds
    gradient_boosting   scikit-learn's histogram gradient boosting on numbers, codes and the first 50 components of
                        texts and images
    of single kinds     see `kinds`

The number of rows that they are fitted on follows from rows, columns and classes by a fixed rule, not from a clock, so
that the same data give the same metrics.
"""

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
from scipy.linalg import LinAlgWarning
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from threadpoolctl import threadpool_limits

from deepglass.baselines.flatten import FlatInputMatrix, Matrix, flatten
from deepglass.baselines.kinds import KINDS
from deepglass.data.table import Table
from deepglass.features.base import Column, Feature
from deepglass.features.outputs._intervals import RegressionOutput
from deepglass.features.outputs.base import Output, PredictionArrays
from deepglass.features.outputs.multilabel import MultilabelOutput
from deepglass.prepare.sample_weights import with_weight

_MAX_ITERATIONS = 200  # trees of each class
_MIN_ITERATIONS = 20
_MIN_ROWS = 2000
_LINEAR_ITERATIONS = 100
_MAX_CLASSES = 1000  # of which more than the constant is fitted: a few thousand rows hold one or two of each of more
_INVERSE_PENALTIES = (0.01, 0.1, 1.0, 10.0)  # of the penalty, tried on a part of the rows
_MIN_PROBABILITY = 1e-6  # the least probability of a class, among them those that the fitted rows lack

# Measured on one thread of a 2.6 GHz server. A slower machine takes longer, with the same metrics.
_FILES_PER_SECOND = 1500  # images
_ARRAYS_PER_SECOND = 1e5
_SOUNDS_PER_SECOND = 500
_CHARACTERS_PER_SECOND = 6e6
_PRODUCTS_PER_SECOND = 4e9  # multiplications of dense linear algebra
_SPARSE_PER_SECOND = 3e8
_BINS_PER_SECOND = 1.5e8  # row x column look-ups of histogram boosting, all levels of a tree together
_NODE_SECONDS = 4e-6  # of finding the best split of one column at one node; a tree has about 31 nodes


Linear = TypeVar("Linear", Ridge, LogisticRegression)
Predicted = tuple[PredictionArrays, int]


def baselines(
    train: Table,
    test: Table,
    inputs: Sequence[Feature],
    output: Output,
    seconds: float = 10,
    compare: Callable[[PredictionArrays, Column], Mapping[str, float]] | None = None,
    weights: Sequence[np.ndarray | None] = (None, None),
) -> dict[str, dict[str, float]]:
    """Test metrics of simple models, each with its training `rows` and its `seconds`.

    A model is left out where it does not support the output (no boosting of vectors, of more than 1,000 classes only
    the constant) or no input can be flattened.

    Args:
        train: rows to fit on; unlabelled ones are left out.
        test: rows to predict.
        inputs: fitted features.
        output: a fitted feature; beside the constant numbers, classes and vectors have the linear model and boosting,
            labels a linear model each, tags, masks, boxes, sequences and texts the models of `kinds`.
        seconds: approximate limit of all together; training rows beyond it are left out at random.
        compare: further values of a baseline from its predictions for the test rows and their encoded targets.
        weights: of the training rows and of the test rows; None: all have the same.
    """

    def scores(best: PredictionArrays) -> dict[str, float]:
        return {**output.score(best, test_truth), **(compare(best, test_truth) if compare is not None else {})}

    truth = with_weight(output.encode(train[output.column]), weights[0])
    test_truth = with_weight(output.encode(test[output.column]), weights[1])
    rows = np.random.default_rng(0).permutation(np.flatnonzero(_labelled_rows(truth)))
    if not len(rows):
        return {}
    constant = output.baseline(truth)
    best = {name: np.repeat(value, len(test), axis=0) for name, value in constant.items()}
    results = {"constant": {**scores(best), "rows": float(len(rows))}}
    classes = constant["log_probs"].shape[1] if output.has_classes else None
    for name, model in KINDS.items():
        start = time.perf_counter()
        fitted = rows[: _rows_to_read(train, len(test), inputs, seconds)]
        with threadpool_limits(1):
            prediction = model(train.take(fitted), test, inputs, output, truth.take(fitted))
        if prediction is not None:
            took = round(time.perf_counter() - start, 3)
            results[name] = {**scores(prediction), "rows": float(len(fitted)), "seconds": took}
    models = {"linear": _linear, "gradient_boosting": _boosting} if output.has_classes or output.ordered else {}
    if isinstance(output, MultilabelOutput):
        models = {"linear": _linear_labels}
    if not models or (classes or 0) > _MAX_CLASSES:
        return results
    transform = output.target_transform if isinstance(output, RegressionOutput) else None
    rows = rows[: _rows_to_read(train, len(test), inputs, 0.4 * seconds)]
    # On shared cores OpenMP's threads wait for each other at every node of a tree: measured twenty times slower.
    with threadpool_limits(1):
        start = time.perf_counter()
        flat = flatten(train.take(rows), test, inputs)
        if flat is None:
            return results
        reading = time.perf_counter() - start
        for name, predict in models.items():
            start = time.perf_counter()
            targets = truth.take(rows)
            if transform is not None:
                targets = replace(targets, values=transform.forward(targets.values))
            if (result := predict(flat, targets, classes, 0.3 * seconds)) is not None:
                best, count = result
                if transform is not None:
                    best = {"value": transform.inverse(best["value"])}
                values = scores(best)
                took = time.perf_counter() - start + reading
                results[name] = {**values, "rows": float(count), "seconds": round(took, 3)}
    return results


def _labelled_rows(truth: Column) -> np.ndarray:
    """The completely labelled rows, (N,) bool."""
    if truth.values.dtype.kind != "f" or truth.offsets is not None:
        return truth.mask
    return truth.mask & np.isfinite(truth.values.reshape(len(truth), -1)).all(1)


def _rows_to_read(train: Table, test_rows: int, inputs: Sequence[Feature], seconds: float) -> int:
    """How many training rows can be read besides the test rows."""
    a_row = 1e-6 * (1 + len(inputs))
    for feature in inputs:
        if feature.is_audio:
            a_row += 1 / _SOUNDS_PER_SECOND
        elif feature.is_image:
            a_row += 1 / (_ARRAYS_PER_SECOND if isinstance(train[feature.column], np.ndarray) else _FILES_PER_SECOND)
        elif feature.is_text:
            sample = train[feature.column][:1000]
            characters = sum(len(str(text)) for text in sample) / max(len(sample), 1)
            a_row += characters / _CHARACTERS_PER_SECOND
    return max(_MIN_ROWS, int(seconds / a_row) - test_rows)


def _linear(flat: FlatInputMatrix, truth: Column, classes: int | None, seconds: float) -> Predicted | None:
    """Predictions for the test rows, and the number of rows that the model is fitted on; None without two classes."""
    x = flat.linear.train
    sparse = not isinstance(x, np.ndarray)
    passes = x.shape[1] / 2 if classes is None and not sparse else 2 * _LINEAR_ITERATIONS
    n = _fitting(len(truth), seconds / _linear_seconds(x, passes * (classes or 1)))
    weights = None if truth.weight is None else truth.weight[:n]
    if classes is None:
        y = truth.values[:n].astype(np.float64)
        ridge = _tuned(lambda c: Ridge(1 / c, solver="sparse_cg" if sparse else "cholesky"), x[:n], y, weights)
        return {"value": ridge.predict(flat.linear.test)}, n
    labels = truth.values[:n].astype(np.int64) - 1  # codes of classes begin at 1
    if len(np.unique(labels)) < 2:
        return None
    logistic = _tuned(lambda c: LogisticRegression(C=c, max_iter=_LINEAR_ITERATIONS), x[:n], labels, weights)
    return _log_probs(logistic.predict_proba(flat.linear.test), logistic.classes_, classes), n


def _linear_labels(flat: FlatInputMatrix, truth: Column, classes: int | None, seconds: float) -> Predicted | None:
    """As `_linear`, for the log odds of each label; a label that all rows or none have keeps its share."""
    x, labels = flat.linear.train, truth.values.shape[1]
    n = _fitting(len(truth), seconds / _linear_seconds(x, 2 * _LINEAR_ITERATIONS * labels))
    weights = None if truth.weight is None else truth.weight[:n]
    log_odds = np.zeros((flat.linear.test.shape[0], labels), np.float32)
    for k in range(labels):
        y = truth.values[:n, k] > 0
        if y.all() or not y.any():
            log_odds[:, k] = np.log((y.sum() + 0.5) / (len(y) - y.sum() + 0.5))
            continue
        model = _tuned(lambda c: LogisticRegression(C=c, max_iter=_LINEAR_ITERATIONS), x[:n], y, weights)
        log_odds[:, k] = model.decision_function(flat.linear.test)
    return {"log_odds": log_odds}, n


def _linear_seconds(x: Matrix, passes: float) -> float:
    """Seconds that a row of a matrix takes in so many passes."""
    if isinstance(x, np.ndarray):
        return 2 * x.shape[1] * passes / _PRODUCTS_PER_SECOND
    return float(2 * x.nnz / max(x.shape[0], 1) * passes / _SPARSE_PER_SECOND)


def _tuned(make: Callable[[float], Linear], x: Matrix, y: np.ndarray, weights: np.ndarray | None = None) -> Linear:
    """The model fitted with the penalty that does best on rows held out; 1 / C is the strength of the penalty."""
    n = min(len(y), max(_MIN_ROWS, len(y) // 4))
    fitted, held = slice(0, int(0.8 * n)), slice(int(0.8 * n), n)
    losses = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the limit on iterations is intended
        warnings.simplefilter("ignore", LinAlgWarning)  # of columns that depend on each other; rows held out decide
        warnings.filterwarnings("ignore", "Singular matrix", UserWarning)  # of the same; least squares are used
        if n >= 50 and len(np.unique(y[fitted])) > 1:
            own, other = (None, None) if weights is None else (weights[fitted], weights[held])
            models = {c: make(c).fit(x[fitted], y[fitted], own) for c in _INVERSE_PENALTIES}
            losses = {c: _loss(model, x[held], y[held], other) for c, model in models.items()}
        return make(min(losses, key=losses.__getitem__, default=1.0)).fit(x, y, weights)


def _loss(model: Linear, x: Matrix, y: np.ndarray, weights: np.ndarray | None) -> float:
    """Squared error, or minus the mean log probability."""
    if weights is not None and not weights.sum() > 0:
        return 0.0
    if isinstance(model, Ridge):
        return float(np.average((model.predict(x) - y) ** 2, weights=weights))
    index = np.searchsorted(model.classes_, y).clip(max=len(model.classes_) - 1)
    probs = model.predict_proba(x)[np.arange(len(y)), index]
    own = np.where(model.classes_[index] == y, probs, 0)
    return float(np.average(-np.log(np.maximum(own, _MIN_PROBABILITY)), weights=weights))


def _boosting(flat: FlatInputMatrix, truth: Column, classes: int | None, seconds: float) -> Predicted | None:
    """As `_linear`."""
    if classes is None and truth.values.ndim > 1:
        return None  # a vector
    x, trees = flat.trees.train, 1 if classes is None or classes == 2 else classes
    n, iterations = _boosting_size(len(truth), x.shape[1], trees, seconds)
    settings = {
        "max_iter": iterations,
        "categorical_features": flat.categorical if any(flat.categorical) else None,
        "n_iter_no_change": 10,
        "random_state": 0,
    }
    weights = None if truth.weight is None else truth.weight[:n]
    if classes is None:
        y = truth.values[:n].astype(np.float64)
        regressor = HistGradientBoostingRegressor(early_stopping=n >= 1000, **settings).fit(x[:n], y, weights)
        return {"value": regressor.predict(flat.trees.test)}, n
    labels = truth.values[:n].astype(np.int64) - 1  # codes of classes begin at 1
    _, counts = np.unique(labels, return_counts=True)
    if len(counts) < 2:
        return None
    stops = n >= 1000 and counts.min() >= 2 and 0.1 * n >= len(counts)  # it holds back a tenth of each class
    classifier = HistGradientBoostingClassifier(early_stopping=stops, **settings).fit(x[:n], labels, weights)
    return _log_probs(classifier.predict_proba(flat.trees.test), classifier.classes_, classes), n


def _boosting_size(rows: int, width: int, trees: int, seconds: float) -> tuple[int, int]:
    """Rows and iterations within the time: first fewer rows down to 5000, then fewer iterations, then both."""
    tree_seconds = seconds / trees

    def fitting(iterations: int) -> float:
        left = tree_seconds / iterations - 31 * width * _NODE_SECONDS
        return left * _BINS_PER_SECOND / width

    fewest = min(rows, 5000)
    iterations = _MAX_ITERATIONS
    while iterations > _MIN_ITERATIONS and fitting(iterations) < fewest:
        iterations = max(_MIN_ITERATIONS, int(iterations * 0.8))
    return _fitting(rows, fitting(iterations)), iterations


def _fitting(rows: int, affordable: float) -> int:
    return min(rows, max(_MIN_ROWS, int(affordable)))


def _log_probs(probs: np.ndarray, present: np.ndarray, classes: int) -> PredictionArrays:
    """Log probabilities of all classes (N, K) from those of the fitted classes."""
    full = np.full((len(probs), classes), _MIN_PROBABILITY)
    full[:, present] = np.maximum(probs, _MIN_PROBABILITY)
    return {"log_probs": np.log(full / full.sum(1, keepdims=True)).astype(np.float32)}
