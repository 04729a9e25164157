"""The distributions of a run's training rows, column by column, with which new rows are compared.

reference.json of a run folder holds quantiles of numbers and shares of classes, never whole rows, so that drift can be
told where the data themselves are not, as from the zip file of a run.

Numbers: the Kolmogorov-Smirnov distance. Classes: the total variation distance. Both run from 0 to 1, with a bound that
chance exceeds once in a thousand comparisons; see `doctor.distances` for their sources.
"""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from deepglass.config import restore_record
from deepglass.doctor.base import DataContext
from deepglass.doctor.distances import kolmogorov_smirnov, kolmogorov_smirnov_bound, total_variation_bound
from deepglass.doctor.drift import MAX_VALUES, MIN_DISTANCE, SIGNIFICANCE
from deepglass.doctor.measures import Measure
from deepglass.files import write_file
from deepglass.formatting import plain_number, plain_percent
from deepglass.run.folder import Folder

FILE = "reference.json"
MAX_ROWS = 100_000  # training rows that the distributions are of
NUM_QUANTILES = 201
MIN_ROWS = 20  # new values, below which nothing is compared
MIN_MISSING = 0.05  # difference of two shares of missing values that is told
OTHERS = "other values"


class ReferenceMeasure(NamedTuple):
    """A measure of the training rows.

    Args:
        column, what: as of a `Measure`.
        num_values: values that were measured.
        names: of the classes, the most frequent ones; None for numbers.
        values: shares of the classes; for numbers quantiles, or all of them in ascending order.
    """

    column: str
    what: str
    num_values: int
    names: tuple[str, ...] | None
    values: tuple[float, ...]


class MeasureComparison(NamedTuple):
    """A measure of new rows beside that of the training rows.

    Args:
        distance: from 0 to 1.
        bound: of the distance by chance.
        difference: what differs most, in words.
    """

    column: str
    title: str
    distance: float
    bound: float
    difference: str

    @property
    def drifts(self) -> bool:
        """Whether the distance is large, and larger than by chance."""
        return self.distance >= max(MIN_DISTANCE, self.bound)

    @property
    def evidence(self) -> str:
        return f"distance {self.distance:.2f} of 1, by chance up to {self.bound:.2f}"


def all_measures(context: DataContext) -> list[Measure]:
    """The measures of inputs and targets."""
    return [*context.measures, *(Measure(t.column, "", t.values, t.classes) for t in context.targets)]


def reference_of(context: DataContext) -> list[ReferenceMeasure]:
    """The distributions of the training rows of a context; not of times and counters, where later rows must differ."""
    train = np.flatnonzero(context.split == "train") if context.split is not None else np.arange(len(context.table))
    if len(context.table) > MAX_ROWS:
        train = np.sort(np.random.default_rng(0).choice(train, min(MAX_ROWS, len(train)), replace=False))
        context, train = context.take(train), np.arange(len(train))
    measures = [m for m in all_measures(context) if m.what != "time" and (m.names is not None or not m.monotonic)]
    measured = (_reference(m, m.values[train][np.isfinite(m.values[train])]) for m in measures)
    return [m for m in measured if m.num_values >= MIN_ROWS]


def write_reference(folder: Folder, reference: Sequence[ReferenceMeasure]) -> None:
    """Write reference.json of a run folder."""
    content = json.dumps([m._asdict() for m in reference], ensure_ascii=False, indent=None, separators=(",", ":"))
    write_file(folder.path / FILE, content + "\n")


def read_reference(folder: Folder) -> list[ReferenceMeasure] | None:
    """The distributions that a run has stored; None without them.

    Raises:
        SourceError: `damaged-run`, `unreadable-file`.
    """
    where = f"{folder.path.name}/{FILE}"
    for path in folder.files.recorded(FILE):
        records = folder.files.read_recorded(path, list[dict[str, Any]])
        return [restore_record(ReferenceMeasure, record, f"{where}[{i}]") for i, record in enumerate(records)]
    return None


def compare(reference: Sequence[ReferenceMeasure], measures: Sequence[Measure]) -> list[MeasureComparison]:
    """New rows beside the training rows, measure by measure; those of too few values are left out."""
    new = {(m.column, m.what): m for m in measures}
    pairs = [(m, new[m.column, m.what]) for m in reference if (m.column, m.what) in new]
    comparisons = []
    for old, measure in pairs:
        values = measure.values[np.isfinite(measure.values)]
        if len(values) >= MIN_ROWS and (old.names is None) == (measure.names is None):
            comparisons.append(_compare(old, measure, values, SIGNIFICANCE / len(pairs)))
    return comparisons


def missing_bound(rows: int, training_rows: int, inputs: int) -> float:
    """The difference of two shares of missing values that is more than chance."""
    return kolmogorov_smirnov_bound(rows, training_rows, SIGNIFICANCE / max(inputs, 1))


def _reference(measure: Measure, values: np.ndarray) -> ReferenceMeasure:
    if measure.names is None:
        points = np.sort(values)
        if len(values) > NUM_QUANTILES:
            shares = (np.arange(NUM_QUANTILES) + 0.5) / NUM_QUANTILES
            points = np.quantile(values, shares, method="inverted_cdf")
        return ReferenceMeasure(measure.column, measure.what, len(values), None, tuple(points.tolist()))
    counts = np.bincount(values.astype(int), minlength=len(measure.names))
    frequent = np.argsort(-counts, kind="stable")[:MAX_VALUES]
    frequent = frequent[counts[frequent] > 0]
    shares = counts[frequent] / max(len(values), 1)
    names = tuple(str(measure.names[k]) for k in frequent)
    return ReferenceMeasure(measure.column, measure.what, len(values), names, tuple(shares.round(6).tolist()))


def _compare(old: ReferenceMeasure, measure: Measure, values: np.ndarray, significance: float) -> MeasureComparison:
    if old.names is None or measure.names is None:
        distance, difference = _numbers(np.array(old.values), values)
        bound = kolmogorov_smirnov_bound(len(values), old.num_values, significance)
    else:
        counts = np.bincount(values.astype(int), minlength=len(measure.names))
        new = dict(zip(map(str, measure.names), counts / len(values), strict=True))
        distance, difference = _classes(dict(zip(old.names, old.values, strict=True)), new)
        bound = total_variation_bound(len(old.names) + 1, len(values), old.num_values, significance)
    return MeasureComparison(old.column, measure.title, round(distance, 4), min(round(bound, 4), 1.0), difference)


def _numbers(old: np.ndarray, new: np.ndarray) -> tuple[float, str]:
    """The Kolmogorov-Smirnov distance, and the medians."""
    medians = (plain_number(float(np.median(x))) for x in (old, new))
    return kolmogorov_smirnov(old, new), "median {} in training, {} here".format(*medians)


def _classes(old: dict[str, float], new: dict[str, float]) -> tuple[float, str]:
    """The total variation distance with the other values as one class, and the class that differs most."""
    shares = {name: (share, new.get(name, 0.0)) for name, share in old.items()}
    shares[OTHERS] = (max(1 - sum(old.values()), 0.0), max(1 - sum(b for _, b in shares.values()), 0.0))
    name, (before, after) = max(shares.items(), key=lambda item: abs(item[1][0] - item[1][1]))
    title = name if name == OTHERS else repr(name)
    text = f"{title} is {plain_percent(before)} of training, {plain_percent(after)} here"
    return sum(abs(a - b) for a, b in shares.values()) / 2, text
