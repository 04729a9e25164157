"""Target leakage by several inputs together: a target that is computed from two to four of them.

A number: a linear combination, or a product, exact on held-out rows (total = a + b + c, price = amount * unit price).
A class: what side of a line the inputs lie on, without errors and without a gap at the line (result from the final
goals). Classes that a gap separates, such as two kinds of flowers, are no leak.
"""

import warnings
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from deepglass.doctor.measures import Measure

MIN_ROWS, MAX_ROWS = 200, 1_500  # labelled rows
MAX_COLUMNS, MAX_INVOLVED = 60, 4
MAX_CODES, MAX_CLASSES = 6, 10
MAX_UNEXPLAINED = 1e-5  # share of the variance of a number
MAX_ERRORS, MAX_ERRORS_OF_ALL = 0.0075, 0.03  # share of the held-out rows, with the few columns and with all
MAX_COUNTS = 30  # different values of a column of counts
MIN_NEAR = 0.2  # share of the rows within half the mean distance from the line; far fewer where there is a gap


class JointLeak(NamedTuple):
    """Columns that together give away the target."""

    columns: tuple[str, ...]
    how: str


def joint_leak(measures: Sequence[Measure], y: np.ndarray, classes: tuple[str, ...] | None) -> JointLeak | None:
    """The fewest columns that give away a target; None where no few do.

    Args:
        measures: the values of the inputs.

    Shapes:
        y: (N,) float64; codes of classes, or numbers; NaN = missing.
    """
    rows = np.flatnonzero(np.isfinite(y))
    if len(rows) < MIN_ROWS:
        return None
    rows = np.random.default_rng(0).permutation(rows)[:MAX_ROWS]
    columns = dict(_columns(measures, rows))
    if len(columns) < 2 or len(columns) > MAX_COLUMNS:
        return None
    return _number_leak(columns, y[rows]) if classes is None else _class_leak(columns, y[rows])


def _columns(measures: Sequence[Measure], rows: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Columns of numbers (n, 1), and of few codes (n, K), complete and not constant."""
    for measure in measures:
        values = measure.values[rows]
        if measure.what or not np.isfinite(values).all() or values.min() == values.max():
            continue
        numbers = values if measure.names is None else _as_numbers(values, measure.names)
        if numbers is not None:
            yield measure.column, numbers[:, None].astype(np.float64)
        elif len(codes := np.unique(values)) <= MAX_CODES:
            yield measure.column, (values[:, None] == codes).astype(np.float64)


def _as_numbers(codes: np.ndarray, names: Sequence[str]) -> np.ndarray | None:
    """The values of codes whose names are numbers, such as 1, 2 and 3; None for others."""
    try:
        numbers = np.array([float(name) for name in names])
    except ValueError:
        return None
    return numbers[codes.astype(np.int64)] if np.isfinite(numbers).all() else None  # a class may be called nan


def _number_leak(columns: dict[str, np.ndarray], y: np.ndarray) -> JointLeak | None:
    numbers = {name: x for name, x in columns.items() if x.shape[1] == 1}
    if (names := _exact(numbers, y)) is not None:
        return JointLeak(names, "it is a sum of them, each times a number")
    positive = {name: np.log(x) for name, x in numbers.items() if x.min() > 0}
    if y.min() > 0 and (names := _exact(positive, np.log(y))) is not None:
        return JointLeak(names, "it is a product of them, each to a power")
    return None


def _exact(columns: dict[str, np.ndarray], y: np.ndarray) -> tuple[str, ...] | None:
    """The columns of an exact linear combination; None without, or for another number of them than 2 to 4."""
    if len(columns) < 2 or y.std() == 0:
        return None
    names = list(columns)
    x = np.concatenate([columns[n] for n in names], 1)
    x = (x - x.mean(0)) / x.std(0)
    used = list(range(len(names)))
    if _unexplained(x, y) > MAX_UNEXPLAINED:
        return None
    for k in sorted(used, key=lambda k: abs(float(np.corrcoef(x[:, k], y)[0, 1]))):  # the least related first
        rest = [u for u in used if u != k]
        if rest and _unexplained(x[:, rest], y) <= MAX_UNEXPLAINED:
            used = rest
    return tuple(names[k] for k in used) if 2 <= len(used) <= MAX_INVOLVED else None


def _unexplained(x: np.ndarray, y: np.ndarray) -> float:
    """Share of the variance of held-out rows, the second half, that a linear model leaves."""
    design, half = np.concatenate([x, np.ones((len(x), 1))], 1), len(x) // 2
    weights = np.linalg.lstsq(design[:half], y[:half], rcond=None)[0]
    errors = y[half:] - design[half:] @ weights
    return float(errors.var() / max(float(y[half:].var()), 1e-300))


def _class_leak(columns: dict[str, np.ndarray], y: np.ndarray) -> JointLeak | None:
    counts = np.unique(y, return_counts=True)[1]
    if not 2 <= len(counts) <= MAX_CLASSES or counts.min() < 5:
        return None
    names = list(columns)
    errors, _, weights = _separation([columns[n] for n in names], y)
    if errors > MAX_ERRORS_OF_ALL:
        return None
    ranked = sorted(names, key=lambda n: -weights[names.index(n)])
    for count in range(2, min(MAX_INVOLVED, len(names)) + 1):
        chosen = [columns[n] for n in ranked[:count]]
        errors, near, _ = _separation(chosen, y)
        if errors <= MAX_ERRORS:
            counts_only = all(len(np.unique(column)) <= MAX_COUNTS for column in chosen)  # a gap anyway
            if not counts_only and near < MIN_NEAR:
                return None
            leak_columns = tuple(n for n in names if n in ranked[:count])
            return JointLeak(leak_columns, "it follows from a sum of them, each times a number")
    return None


def _separation(columns: Sequence[np.ndarray], y: np.ndarray) -> tuple[float, float, list[float]]:
    """Errors of a linear classifier on held-out rows, the share of rows near its lines, and the columns' weights."""
    from sklearn.linear_model import LogisticRegression

    x = np.concatenate(columns, 1)
    x, half = (x - x.mean(0)) / x.std(0), len(y) // 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LogisticRegression(C=1e4, max_iter=300).fit(x[:half], y[:half])
    errors = float((model.predict(x[half:]) != y[half:]).mean())
    scores = model.decision_function(x[half:])
    if scores.ndim == 1:
        margin = np.abs(scores)
    else:
        top = np.sort(scores, 1)
        margin = top[:, -1] - top[:, -2]
    sizes = np.cumsum([c.shape[1] for c in columns])[:-1]
    weights = [float(np.abs(part).max()) for part in np.split(model.coef_, sizes, axis=1)]
    return errors, float((margin <= margin.mean() / 2).mean()), weights
