"""A finished run as a Python object: metrics, predictions, the network."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from torch import nn

from deepglass.data.environments import PREFIX, module_of
from deepglass.data.table import Table
from deepglass.data.trained_rows import split_of
from deepglass.errors import SourceError, SpecError, UnfinishedRunWarning, near_miss
from deepglass.features.outputs._classes import ClassOutput
from deepglass.features.outputs.identity import Verdict
from deepglass.formatting import baseline_name, plain_duration, plain_number
from deepglass.objectives.base import Objective
from deepglass.prepare.new_rows import Rows
from deepglass.prepare.sources import file_columns, fingerprint_of, read_like
from deepglass.registry import Modules, allow_modules
from deepglass.run.context import RunContext, load_data
from deepglass.run.folder import Folder
from deepglass.run.predictor import Predictor, verify
from deepglass.run.storage.pack import pack
from deepglass.run.storage.stored_files import RunState
from deepglass.spec.data_spec import Source
from deepglass.spec.spec import Spec
from deepglass.web import NotebookBlock, notebook_html


class Run:
    """A finished run: its metrics, predictions for new rows, and the network.

    Args:
        path: the run folder, or its zip file.
        allow_code: modules outside the package that the run may name; importing them runs their code.

    Example:
        >>> run = deepglass.train("sklearn:iris", time=5)  # doctest: +SKIP
        >>> run.predict({"petal length (cm)": 5.1})  # doctest: +SKIP
    """

    def __init__(self, path: Path | str, allow_code: Modules = ()) -> None:
        allow_modules(allow_code)
        self.folder = Folder.open(Path(path))
        self._is_checked = False

    @staticmethod
    def trained(path: Path, spec: Spec) -> Run:
        """A run that this process has trained, with the Python objects that its spec has as sources."""
        run = Run(path)
        run.__dict__["spec"] = spec.anchored()  # fills the cached property
        return run

    @property
    def path(self) -> Path:
        return self.folder.path

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """The content of metrics.json."""
        return self.folder.metrics()

    @cached_property
    def predictor(self) -> Predictor:
        """The loaded objective with its features."""
        return Predictor.load(self.folder, state=self.state)

    @property
    def objective(self) -> Objective:
        return self.predictor.objective

    @property
    def network(self) -> nn.Module:
        """The network as a torch module; the whole objective if it builds its own networks."""
        return self.objective if self.objective.builds_network else self.objective.network

    @cached_property
    def context(self) -> RunContext:
        """The run with its data, for checks, explanations and reports."""
        return self.context_of(None)

    def context_of(self, source: Source) -> RunContext:
        """The context with the given data, for a run that was trained on a Python object."""
        data = load_data(self.folder, self.state, source)
        device = str(self.predictor.device)
        return RunContext(self.folder, self.state.experiment, data, self.objective, self.state.calibration, device)

    @cached_property
    def state(self) -> RunState:
        """Experiment, column roles and calibration, as stored in the run folder."""
        return self.folder.state(self.spec)

    @cached_property
    def spec(self) -> Spec:
        """The resolved spec."""
        return self.folder.spec()

    @property
    def history(self) -> list[dict[str, Any]]:
        """history.jsonl, one dict per evaluation."""
        return self.folder.history()

    def warn_if_unfinished(self) -> None:
        """Warn, once, where the training has not come to its end."""
        if not self._is_checked and (text := self.folder.unfinished()) is not None:
            warnings.warn(text, UnfinishedRunWarning, stacklevel=4)
        self._is_checked = True

    def predict(self, rows: Rows, allow_missing: Sequence[str] = ()) -> Any:
        """Predictions in the order of the rows, {OUTPUT: {"value": ..., "confidence": ...}} each.

        For a polars or pandas frame they are a frame of the same library, as `predict_table` makes it; a pandas frame
        keeps its index.

        Warns with `DataWarning` of unusual values, and of columns that are missing or not used.

        Args:
            allow_missing: columns that may be absent or unreadable, though training had them.

        Raises:
            SourceError: `missing-column`, `unreadable-column`; a single row as a dict may leave out columns.
        """
        with self.predictor.reader.reading(allow_missing):
            if (frame_type := type(rows).__module__.partition(".")[0]) not in ("polars", "pandas"):
                return self.predictor.predict(rows)
            table = self.predictor.predict_table(rows)
        return table if frame_type == "polars" else type(rows)(table.to_dict(as_series=False), index=rows.index)

    def predict_table(
        self,
        rows: Rows,
        *,
        keep: Sequence[str] = (),
        probabilities: bool = False,
        allow_missing: Sequence[str] = (),
    ) -> pl.DataFrame:
        """Predictions as a table: a column per output and value, such as `price` and `price.low`.

        Args:
            rows: as for `predict`.
            keep: columns of the rows to have before the predictions, such as an id; ["all"] for all of them.
            probabilities: add the probability of each class, `OUTPUT.probability.CLASS`.
            allow_missing: columns that may be absent or unreadable, though training had them.
        """
        with self.predictor.reader.reading(allow_missing):
            return self.predictor.predict_table(rows, keep, probabilities)

    def predict_proba(self, rows: Rows, output: str | None = None) -> np.ndarray:
        """Calibrated class probabilities, (N, K), in the order of `classes`.

        Args:
            output: name of an output with classes; None for the first.

        Raises:
            SpecError: `bad-value` if the run has none.
        """
        feature = self._class_output(output)
        with self.predictor.reader.reading():
            arrays = self.predictor.predict_arrays(rows)[feature.name]
        shares = feature.class_probabilities(arrays, self.predictor.calibration.get(feature.name))
        assert shares is not None
        return shares

    def classes(self, output: str | None = None) -> list[Any]:
        """The classes of an output, in the order of `predict_proba`."""
        return list(self._class_output(output).class_values)

    def _class_output(self, name: str | None) -> ClassOutput:
        outputs = {f.name: f for f in self.predictor.outputs if isinstance(f, ClassOutput)}
        if name is None and outputs:
            return next(iter(outputs.values()))
        if name not in outputs:
            what = "" if name is None else f" {name!r}"
            hint = near_miss(str(name), outputs) if outputs else ""
            raise SpecError("bad-value", f"{self.folder.name}: there is no output{what} with classes{hint}")
        return outputs[name]

    def pack(self, out: str | Path | None = None, *, force: bool = False) -> Path:
        """Write the run as one zip file to hand on, and return its path; see `run.storage.pack`.

        Args:
            out: a .zip file; `NAME.zip` in the current folder without it.
            force: overwrite it.
        """
        return pack(self.folder, None if out is None else Path(out), force).path

    def evaluate(
        self, source: Any = None, include_trained: bool = False, allow_missing: Sequence[str] = ()
    ) -> EvaluationMetrics:
        """Metrics on labelled rows; without a source those of the run's test rows.

        Rows that the run, or a run it starts from, has learned from are recognised by the content of their inputs and
        left out, with a `DataWarning` that counts them.

        Args:
            include_trained: evaluate on those rows too.
            allow_missing: columns that may be absent or unreadable, though training had them.

        Raises:
            SourceError: `no-rows` if it has learned from all of them; `missing-column`, `unreadable-column`.
        """
        if source is None:
            return EvaluationMetrics(self.metrics.get("test", {}))
        with self.predictor.reader.reading(allow_missing):
            return EvaluationMetrics(self._evaluate(source, include_trained))

    def labelled_rows(self, source: Any, include_trained: bool = False) -> Table:
        """Labelled rows of a source; without those that the run has learned from, as `evaluate` leaves them out."""
        table = read_like(self.spec.data, source, file_columns(self.predictor.inputs))
        return self._without_trained_rows(table, include_trained)

    def _evaluate(self, source: Any, include_trained: bool) -> dict[str, dict[str, float]]:
        if isinstance(source, str) and source.startswith(PREFIX):  # the user names its module
            allow_modules(filter(None, [module_of(source.removeprefix(PREFIX))]))
        table = read_like(self.spec.data, source, file_columns(self.predictor.inputs))
        if table.environment is not None and self.objective.learns_from == "environment":
            metrics = self.objective.evaluate(self.predictor.dataset(table), 1024).metrics
            return {name: dict(values) for name, values in metrics.items()}
        return self.predictor.evaluate(self._without_trained_rows(table, include_trained))

    def _without_trained_rows(self, table: Table, include_trained: bool) -> Table:
        rows = self.folder.split()
        if fingerprint_of(table) == self.state.source["fingerprint"]:  # the run's own source
            split = np.full(len(table), "", "U5")
            split[rows["row"].to_numpy()] = rows["split"].to_numpy()
        else:
            split = split_of(self.folder.lineage(self.state, rows), table)
        counts = {name: int((split == name).sum()) for name in ("train", "valid")}
        if not (trained := sum(counts.values())):
            return table
        if include_trained:
            self.predictor.reader.notes[f"rows that {self.folder.name} has learned from are in the metrics"] += trained
            return table
        kind = f"{counts['train']:,} training and {counts['valid']:,} validation rows"
        if trained == len(table):
            raise SourceError(
                "no-rows",
                f"{table.name}: all {trained:,} rows are {kind} of {self.folder.name}; give other rows, "
                "or evaluate on these with --include-trained (include_trained=True)",
            )
        note = f"left out: rows that {self.folder.name} has learned from, by their inputs"
        self.predictor.reader.notes[note] += trained
        return table.take(np.flatnonzero(~np.isin(split, ("train", "valid"))))

    def verify(self, a: Any, b: Any) -> Verdict:
        """Whether two images or rows have the same identity; for a run with an identity output."""
        return verify(self.predictor, a, b)

    def __repr__(self) -> str:
        return f"Run({self.folder.name!r}: {self.summary()})"

    def summary(self) -> str:
        """The test metrics in one line."""
        test = self.metrics.get("test") or self.metrics.get("valid") or {}
        return "; ".join(
            f"{name}: " + ", ".join(f"{m} {plain_number(v)}" for m, v in list(values.items())[:3])
            for name, values in test.items()
        )

    def _repr_html_(self) -> str:
        """For notebooks: metrics on the test rows, else on the validation rows, beside the baselines."""
        metrics = self.metrics
        split = next((s for s in ("test", "valid") if metrics.get(s)), "test")
        text = f"{metrics['parameters']:,} parameters, {plain_duration(metrics['seconds']['train'])} of training"
        report = self.path / "report.html"
        text += f", {report}" if report.exists() and self.folder.packed is None else ""
        blocks = [NotebookBlock(self.folder.name, text)]
        for name, values in metrics.get(split, {}).items():
            others = metrics.get("baselines", {}).get(name, {})
            head = [name, f"{split} rows", *(baseline_name(other) for other in others)]
            columns = [values, *others.values()]
            rows = [[m, *(plain_number(c[m]) if m in c else "" for c in columns)] for m in values]
            blocks.append(NotebookBlock("", "", head, rows))
        return notebook_html(*blocks)


class EvaluationMetrics(dict[str, dict[str, float]]):
    """Output -> metric -> value; a table in notebooks."""

    def _repr_html_(self) -> str:
        rows = [[name, metric, plain_number(v)] for name, values in self.items() for metric, v in values.items()]
        return notebook_html(NotebookBlock("", "", ["output", "metric", "value"], rows))


def open_run(run: str | Path | Run, allow_code: Modules = ()) -> Run:
    """A run by its folder, or the run itself; `allow_code` as for `Run`."""
    if not isinstance(run, str | Path | Run):
        raise SpecError("bad-value", f"RUN: expected the path of a run, or a Run, got {type(run).__name__}")
    allow_modules(allow_code)
    run = Run(run) if not isinstance(run, Run) else run
    run.warn_if_unfinished()
    return run
