"""A finished run, as one holds it in Python."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import nn

from deepglass.features.outputs.identity import Verdict
from deepglass.formatting import plain_duration, plain_number
from deepglass.objectives.base import Objective
from deepglass.prepare.sources import read_like
from deepglass.run.context import RunContext, load_data
from deepglass.run.folder import Folder, RunState
from deepglass.run.predictor import Answers, Predictor, Rows, verify
from deepglass.spec.spec import Source, Spec


class Run:
    """What a training left: figures, answers to new rows, the network itself.

    Args:
        path: the run's folder.

    Example:
        >>> run = deepglass.train("sklearn:iris", time=5)  # doctest: +SKIP
        >>> run.predict({"petal length (cm)": 5.1})  # doctest: +SKIP
    """

    def __init__(self, path: Path | str) -> None:
        self.folder = Folder.open(Path(path))

    @property
    def path(self) -> Path:
        return self.folder.path

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """What metrics.json holds."""
        return self.folder.metrics()

    @cached_property
    def predictor(self) -> Predictor:
        """The loaded weights with the features around them."""
        return Predictor.load(self.folder, state=self.state)

    @property
    def objective(self) -> Objective:
        return self.predictor.objective

    @property
    def network(self) -> nn.Module:
        """The network: a plain torch module; the whole objective where its networks are parts of its own."""
        objective = self.predictor.objective
        return objective if objective.builds_network else objective.network

    @cached_property
    def context(self) -> RunContext:
        """Everything of the run, with its data, for checks, explanations and reports."""
        return self.context_of(None)

    def context_of(self, source: Source) -> RunContext:
        """The context with the data of `source`, for a run that was trained on a Python object."""
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
        """One dict an evaluation."""
        return self.folder.history()

    def predict(self, rows: Rows) -> Answers:
        """Answers in the order of the rows, {OUTPUT: {"value": ..., "confidence": ...}} each."""
        return self.predictor.predict(rows)

    def evaluate(self, source: Any = None) -> dict[str, dict[str, float]]:
        """Figures on labelled rows; without any, those of the run's own test rows."""
        if source is None:
            return self.metrics.get("test", {})
        table = read_like(self.spec.data, source)
        if table.environment is not None and self.objective.learns_from == "environment":
            metrics = self.objective.evaluate(self.predictor.dataset(table), 1024).metrics
            return {name: dict(figures) for name, figures in metrics.items()}
        return self.predictor.evaluate(table)

    def verify(self, a: Any, b: Any) -> Verdict:
        """Whether two pictures or rows show the same one; for a run that answers an identity."""
        return verify(self.predictor, a, b)

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r}: {self.summary()})"

    def summary(self) -> str:
        """The test figures in one line."""
        test = self.metrics.get("test") or self.metrics.get("valid") or {}
        return "; ".join(
            f"{name}: " + ", ".join(f"{m} {plain_number(v)}" for m, v in list(figures.items())[:3])
            for name, figures in test.items()
        )

    def _repr_html_(self) -> str:
        """What a notebook shows: the figures of the test rows, or of the validation rows where there are none."""
        part = next((p for p in ("test", "valid") if self.metrics.get(p)), "test")
        rows = [
            f"<tr><td>{html.escape(name)}</td><td>{html.escape(metric)}</td><td>{plain_number(value)}</td></tr>"
            for name, figures in self.metrics.get(part, {}).items()
            for metric, value in figures.items()
        ]
        head = f"<tr><th>output</th><th>metric</th><th>{part}</th></tr>"
        about = (
            f"{self.metrics['parameters']:,} parameters, {plain_duration(self.metrics['seconds']['train'])} of training"
        )
        return f"<p><b>{html.escape(str(self.path))}</b>: {about}</p><table>{head}{''.join(rows)}</table>"


def side_by_side(runs: Sequence[Run]) -> dict[str, dict[str, Any]]:
    """Path -> test figures, what the run cost, and the settings in which the runs differ."""
    settings = {str(r.path): _flat(r.spec.to_dict()) for r in runs}
    keys = dict.fromkeys(k for s in settings.values() for k in s)
    differing = [k for k in keys if len({repr(s.get(k)) for s in settings.values()}) > 1]
    return {
        str(r.path): {
            "test": r.metrics.get("test", {}),
            "seconds": r.metrics["seconds"],
            "parameters": r.metrics["parameters"],
            "settings": {k: settings[str(r.path)].get(k) for k in differing},
        }
        for r in runs
    }


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def open_run(run: str | Path | Run) -> Run:
    """A run by its folder, or the run itself."""
    return run if isinstance(run, Run) else Run(run)
