"""Runs side by side: test metrics, cost, the settings that differ, and a paired comparison on common test rows."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from deepglass.data.trained_rows import occurrences
from deepglass.features.outputs.base import Output
from deepglass.formatting import plain_duration, plain_number, signed_number
from deepglass.metrics.intervals import mean_interval
from deepglass.run.run import Run
from deepglass.run.storage.stored_files import RunState
from deepglass.web import NotebookBlock, notebook_html

MIN_ROWS = 20  # common test rows, below which an interval is not given


class PairedDifference(NamedTuple):
    """The difference of a metric between two runs on the test rows that both have.

    Args:
        metric: of single rows: accuracy, or mae.
        rows: in common, with a true value.
        first, second: the metric of each run on these rows.
        low, high: 95 % confidence interval of `second - first`, by the t distribution over rows; None for fewer than
            20 rows.
    """

    metric: str
    rows: int
    first: float
    second: float
    low: float | None
    high: float | None

    @property
    def difference(self) -> float:
        return self.second - self.first


class RunComparison(dict[str, dict[str, Any]]):
    """Runs side by side, as `side_by_side` describes; a table in notebooks."""

    def rows(self) -> list[list[str]]:
        """A table: metrics, cost and differing settings, a column per run after the name."""
        runs = list(self.values())
        rows = []
        for key in dict.fromkeys(f"{o}.{m}" for run in runs for o, metrics in run["test"].items() for m in metrics):
            output, _, metric = key.rpartition(".")
            values = [run["test"].get(output, {}).get(metric) for run in runs]
            rows.append([key, *("" if v is None else plain_number(v) for v in values)])
        rows.append(["test rows", *(f"{run['test_rows']:,}" for run in runs)])
        rows.append(["training", *(plain_duration(run["seconds"]["train"]) for run in runs)])
        rows.append(["weights", *(f"{run['parameters']:,}" for run in runs)])
        return rows + [[key, *(_setting(run["settings"][key]) for run in runs)] for key in runs[0]["settings"]]

    def sentences(self) -> list[str]:
        """What is known about the differences of each further run to the first one."""
        first, *others = self
        return [text for path in others for text in _difference_sentences(first, self[first], path, self[path])]

    def _repr_html_(self) -> str:
        return notebook_html(
            NotebookBlock("", "", ["", *self], self.rows()), *(NotebookBlock("", text) for text in self.sentences())
        )


def side_by_side(runs: Sequence[Run]) -> RunComparison:
    """Path -> test metrics, seconds, parameters, the settings in which the runs differ, and the paired comparison.

    `test_rows` is the number of a run's test rows; `common_test_rows` how many of them are test rows of the first run
    too, None if that is not known; `learned_by_first` how many the first run, or one it starts from, has learned from;
    `paired` the differences to the first run on the common rows, by output.
    """
    settings = {r.folder.name: _flat(r.spec.to_dict()) for r in runs}
    keys = dict.fromkeys(k for s in settings.values() for k in s)
    differing = [k for k in keys if len({repr(s.get(k)) for s in settings.values()}) > 1]
    test_rows = [_TestRows.of(r) for r in runs]
    return RunComparison(
        {
            run.folder.name: {
                "test": run.metrics.get("test", {}),
                "seconds": run.metrics["seconds"],
                "parameters": run.metrics["parameters"],
                "settings": {k: settings[run.folder.name].get(k) for k in differing},
                "test_rows": len(rows.source_rows),
                **_against(test_rows[0], rows),
            }
            for run, rows in zip(runs, test_rows, strict=True)
        }
    )


class _TestRows(NamedTuple):
    """The test rows of a run: index in the source, hash of the content (None if unknown), and predictions."""

    run: Run
    state: RunState
    source_rows: np.ndarray
    hashes: np.ndarray | None
    predictions: pl.DataFrame | None

    @staticmethod
    def of(run: Run) -> "_TestRows":
        predictions = run.folder.predictions()
        if folds := run.folder.folds():  # of a cross-validation, in which each row is tested once
            rows = np.zeros(0, np.int64) if predictions is None else predictions["row"].to_numpy()
            return _TestRows(run, Run(folds[0]).state, rows, None, predictions)
        split = run.folder.split()
        test = (split["split"] == "test").to_numpy()
        lineage = run.folder.lineage(run.state)
        hashes = lineage[0].hashes[test] if lineage else None
        return _TestRows(run, run.state, split["row"].to_numpy()[test], hashes, predictions)


def _against(first: _TestRows, other: _TestRows) -> dict[str, Any]:
    """What a run has in common with the first one."""
    if first.run is other.run:
        return {"common_test_rows": len(first.source_rows), "learned_by_first": 0, "paired": {}}
    pairs = _common_rows(first, other)
    if pairs is None:
        return {"common_test_rows": None, "learned_by_first": None, "paired": {}}
    paired = {}
    if first.predictions is not None and other.predictions is not None:
        for output in other.state.experiment.outputs:
            if (difference := _paired(output, first, other, *pairs)) is not None:
                paired[output.name] = {**difference._asdict(), "difference": difference.difference}
    return {"common_test_rows": len(pairs[0]), "learned_by_first": _learned_by(first, other), "paired": paired}


def _common_rows(first: _TestRows, other: _TestRows) -> tuple[np.ndarray, np.ndarray] | None:
    """Positions of the common test rows in each run; None where rows cannot be told."""
    sources = [r.state.source for r in (first, other)]
    if sources[0]["fingerprint"] == sources[1]["fingerprint"]:
        _, a, b = np.intersect1d(first.source_rows, other.source_rows, return_indices=True)
        return a, b
    if first.hashes is None or other.hashes is None:
        return None
    if set(sources[0]["hashed_columns"]) != set(sources[1]["hashed_columns"]):
        return None
    keys = [
        pl.DataFrame({"hash": hashes, "occurrence": occurrences(hashes)}).with_row_index("position")
        for hashes in (first.hashes, other.hashes)
    ]
    pairs = keys[0].join(keys[1], on=["hash", "occurrence"])
    return pairs["position"].to_numpy(), pairs["position_right"].to_numpy()


def _learned_by(first: _TestRows, other: _TestRows) -> int | None:
    """How many test rows of a run the first run, or one it starts from, has learned from; None if unknown."""
    if first.run.folder.folds():
        return None
    if first.state.source["fingerprint"] == other.state.source["fingerprint"]:
        split = first.run.folder.split()
        learned = split.filter(pl.col("split").is_in(["train", "valid"]))["row"].to_numpy()
        return int(np.isin(other.source_rows, learned).sum())
    if other.hashes is None:
        return None
    is_learned = np.zeros(len(other.source_rows), bool)
    for rows in first.run.folder.lineage(first.state):
        if set(rows.columns) != set(other.state.source["hashed_columns"]):
            return None
        is_learned |= np.isin(other.hashes, rows.hashes[np.isin(rows.split, ("train", "valid"))])
    return int(is_learned.sum())


def _paired(
    output: Output, first: _TestRows, other: _TestRows, a: np.ndarray, b: np.ndarray
) -> PairedDifference | None:
    """The paired difference of an output; None for one that single rows have no metric of."""
    earlier, later = _row_scores(output, first.predictions, a), _row_scores(output, other.predictions, b)
    if earlier is None or later is None:
        return None
    (metric, x), (_, y) = earlier, later
    present = ~(np.isnan(x) | np.isnan(y))
    x, y = x[present], y[present]
    n = len(x)
    if not n:
        return None
    limits = mean_interval(y - x) if n >= MIN_ROWS else None
    return PairedDifference(metric, n, float(x.mean()), float(y.mean()), *(limits or (None, None)))


def _row_scores(output: Output, predictions: pl.DataFrame | None, rows: np.ndarray) -> tuple[str, np.ndarray] | None:
    """Metric and values of single rows: whether the class is right, or the absolute error."""
    names = [f"{output.name}.true", f"{output.name}.value"]
    if predictions is None or not set(names) <= set(predictions.columns):
        return None
    raw = [predictions[name][rows] for name in names]
    if any(series.dtype.is_nested() for series in raw) or not (output.has_classes or output.ordered):
        return None
    true, value = (output.encode(series) for series in raw)
    if true.values.size != len(rows) or value.values.size != len(rows):
        return None
    true_values, values = (column.values.reshape(-1).astype(np.float64) for column in (true, value))
    metric = "accuracy" if output.has_classes else "mae"
    scores = true_values == values if output.has_classes else np.abs(true_values - values)
    return metric, np.where(true.mask, scores, np.nan)


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def _difference_sentences(
    first: str, first_values: Mapping[str, Any], path: str, values: Mapping[str, Any]
) -> Iterator[str]:
    """Sentences on the test rows that two runs have in common, and on the difference on them."""
    common, counts = values["common_test_rows"], (first_values["test_rows"], values["test_rows"])
    if common is None:
        yield f"{path} and {first} have other sources and inputs: whether their test rows are the same is not known"
    elif common < max(counts):
        yield (
            f"the test rows differ: {first} has {counts[0]:,}, {path} has {counts[1]:,}, {common:,} in common; "
            "metrics on different rows do not tell which run is better"
        )
    if learned := values["learned_by_first"]:
        yield f"{first} has learned from {learned:,} of the {counts[1]:,} test rows of {path}"
    for output, d in values["paired"].items():
        rows = f"on {d['rows']:,} common test rows"
        start = f"{output}.{d['metric']} of {path} - {first}, {rows}: {signed_number(d['difference'])}"
        if d["low"] is None:
            yield f"{start} (too few rows to tell)"
        else:
            decided = "" if d["low"] > 0 or d["high"] < 0 else "; no difference is shown"
            yield f"{start} (95 % interval {signed_number(d['low'])} to {signed_number(d['high'])}{decided})"


def _setting(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_setting, value))
    return "default" if value is None else str(value)
