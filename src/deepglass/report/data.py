"""What the sections of a report share: each fact is computed once, when a section first asks for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch

from deepglass.device import pick
from deepglass.doctor.base import DataContext, Finding, split_source
from deepglass.doctor.findings import EmbeddedRows, findings_of
from deepglass.doctor.slices import find_slices
from deepglass.doctor.weak_slice import weak_slice
from deepglass.explain.explain_globally import explain_test_rows
from deepglass.explain.global_explanation import GlobalExplanation
from deepglass.features._display import first_image
from deepglass.features.outputs.base import Output
from deepglass.introspect.layers import Layer, trace
from deepglass.introspect.rows import OutputRows
from deepglass.projection.points import EmbeddedPoints, TestPredictions
from deepglass.projection.projection import DEFAULT_MAP, MapOptions, predict_test_rows, projection_points
from deepglass.report.explanation_facts import ExplanationFacts
from deepglass.report.explanations import explanations_of
from deepglass.report.facts import (
    ColumnFacts,
    DataFacts,
    HistoryPoint,
    PlanFacts,
    column_facts,
    divided_notes,
    history_point,
    plan_facts,
    task_sentence,
)
from deepglass.report.objective_results import objective_result
from deepglass.report.output_facts import OutputFacts
from deepglass.report.outputs import output_facts, tested_outputs
from deepglass.run.context import RunContext

SLICED = 2_000  # images among the test rows that are opened to measure how bright and how large they are

T = TypeVar("T")
View = Mapping[str, Any]  # the variables of a section's template


class ReportOptions(NamedTuple):
    """What the user chose for a report.

    Args:
        samples: False leaves out single rows and their values; the names of classes stay.
        projection: how the map is laid out, and whose space it shows.
        pair: two columns whose decision boundary is drawn; None: the most important ones.
    """

    samples: bool = True
    projection: MapOptions = DEFAULT_MAP
    pair: tuple[str, str] | None = None


DEFAULT_OPTIONS = ReportOptions()


class _Failure(NamedTuple):
    """Instead of a fact: why it could not be computed."""

    error: Exception


def _shared(compute: Callable[[Any], T]) -> T:
    """A property of `ReportData` that is computed once, copies included; without rows where these are not wanted."""
    return property(lambda report: report.of(compute.__name__, compute), doc=compute.__doc__)  # type: ignore[return-value]


class ReportData:
    """The facts of one run that several sections show, computed lazily; and those that a section collects for itself.

    Args:
        context: the run.
        tested: predictions of the test rows where they are at hand; else they are computed.
        values: facts that are there already, by name, instead of computing them; without a context, all there are.
    """

    def __init__(
        self,
        context: RunContext | None,
        options: ReportOptions = DEFAULT_OPTIONS,
        tested: TestPredictions | None = None,
        values: dict[str, Any] | None = None,
    ) -> None:
        self._context = context
        self.options = options
        self.values: dict[str, Any] = {} if values is None else values
        if tested is not None:
            self.values["tested"] = tested

    @property
    def context(self) -> RunContext:
        """The run itself."""
        assert self._context is not None, "these facts have no run"
        return self._context

    @property
    def shows_rows(self) -> bool:
        """Whether single rows and their values may be on the page."""
        return self.options.samples

    def without_samples(self) -> ReportData:
        """The same facts, without single rows and their values; nothing is computed twice."""
        return type(self)(self._context, self.options._replace(samples=False), None, self.values)

    def of(self, name: str, compute: Callable[[ReportData], T]) -> T:
        """The fact of this name, computed at most once; None where it is not given and there is no run."""
        if name not in self.values:
            try:
                self.values[name] = None if self._context is None else compute(self)
            except Exception as error:
                self.values[name] = _Failure(error)
        value = self.values[name]
        if isinstance(value, _Failure):
            raise value.error
        return value if self.shows_rows else _without_rows(value)  # type: ignore[no-any-return]

    def require(self) -> None:
        """Compute what the page is about: the run, its data and its test predictions.

        Raises:
            DeepglassError: where one of these cannot be read; without them there is no report.
        """
        if self._context is not None:
            for fact in (self.metrics, self.task, self.data, self.outputs):
                assert fact is not None

    def is_objective(self, kind: type) -> bool:
        """Whether the run's objective is of this class."""
        return self._context is not None and isinstance(self._context.objective, kind)

    def has(self, requirement: str) -> bool:
        """Whether a section's requirement is met by now."""
        if requirement == "metrics":
            return bool(self.metrics)
        if requirement == "test_predictions":
            return bool(self.outputs)
        if requirement == "image_input":
            return self._context is not None and first_image(self.context.data.inputs) is not None
        assert requirement == "history", requirement
        return bool(self.history)

    @_shared
    def name(self) -> str:
        """The run's name."""
        return self.context.folder.path.name

    @_shared
    def metrics(self) -> Mapping[str, Any]:
        """metrics.json; empty while the run trains."""
        return self.context.metrics

    @_shared
    def task(self) -> str:
        """One sentence: what is predicted from what."""
        return task_sentence(self.context.data, self.context.objective, self.metrics)

    @_shared
    def data(self) -> DataFacts:
        """The source as a whole."""
        prepared = self.context.data
        return DataFacts(
            source=prepared.table.name,
            rows=len(prepared.table),
            splits={p: len(prepared.rows(p)) for p in ("train", "valid", "test")},
            notes=prepared.table.notes,
            skipped=prepared.table.skipped,  # as in training
            **divided_notes(self.metrics, prepared.notes),
        )

    @_shared
    def split_source(self) -> str:
        """What divides the rows, see `doctor.base.split_source`; "" for a random split."""
        return split_source(self.context.experiment.split, self.context.data.table)

    @_shared
    def columns(self) -> tuple[ColumnFacts, ...]:
        """The source's columns and their kinds and roles."""
        prepared = self.context.data
        return tuple(
            column_facts(prepared.table[t.name], t) for t in prepared.column_roles if t.name in prepared.table.columns
        )

    @_shared
    def history(self) -> tuple[HistoryPoint, ...]:
        """The evaluations so far."""
        outputs, monitor = self.context.data.outputs, self.context.objective.monitor
        records = (r for r in self.context.history if r["monitor"] is not None or r["valid"])
        return tuple(history_point(r, outputs, monitor) for r in records)

    @_shared
    def best_step(self) -> int | None:
        """The step whose weights were kept; None while training has not ended."""
        return max((r["step"] for r in self.context.history if r["best"]), default=None) if self.metrics else None

    @_shared
    def plan(self) -> PlanFacts | None:
        """What training did; None while it has not ended."""
        return plan_facts(self.context) if self.metrics else None

    @_shared
    def layers(self) -> tuple[Layer, ...]:
        """The layers in the order of the forward pass."""
        prepared, objective = self.context.data, self.context.objective
        data = prepared.dataset(np.arange(min(2, len(prepared.table))), self.context.device)
        objective.eval()
        batch = data.batch(torch.arange(min(2, len(data))))
        return trace(objective, lambda: objective.forward_pass(batch))

    @_shared
    def tested(self) -> TestPredictions:
        """The predictions of the test rows, with their points in the map's space where one pass gives both."""
        context = self.context
        return predict_test_rows(context, self.options.projection)

    @_shared
    def tested_outputs(self) -> list[tuple[Output, OutputRows]]:
        """Each tested output with its predictions and true values."""
        tested = tested_outputs(self.context.data, self.context.objective, self.tested.best, self.context.calibration)
        important = self.important_inputs
        return [(f, rows._replace(important_inputs=important.get(f.name, ()))) for f, rows in tested]

    @_shared
    def reliance(self) -> tuple[GlobalExplanation, ...]:
        """What the predictions of each output rest on over all test rows."""
        return tuple(explain_test_rows(self.context))

    @property
    def important_inputs(self) -> Mapping[str, tuple[str, ...]]:
        """Output -> inputs, the most important first; {} where the section `reliance` tells why there are none."""
        try:
            explained = self.reliance or ()
        except Exception:
            return {}
        return {e.output: tuple(i.input for i in e.inputs) for e in explained}

    @_shared
    def outputs(self) -> tuple[OutputFacts, ...]:
        """How well each output is predicted; an objective without outputs tells its own result here."""
        context = self.context
        facts = [output_facts(f, rows, self.metrics) for f, rows in self.tested_outputs]
        own = objective_result(context.objective, len(context.data.rows("test")), self.metrics) if not facts else None
        return tuple(facts) if own is None else (own,)

    @_shared
    def explanations(self) -> Mapping[str, tuple[ExplanationFacts, ...]]:
        """Output -> some explained test rows."""
        context, device = self.context, pick(self.context.device)
        return explanations_of(context.objective, context.data, context.calibration, self.tested.best, device)

    @_shared
    def test_case(self) -> DataContext:
        """The test rows as the data checks take them."""
        prepared = self.context.data
        return DataContext.of(self.context.experiment.spec, prepared, SLICED).take(prepared.rows("test"))

    @_shared
    def cuts(self) -> list[Any]:
        """For each tested output, the test rows divided into slices; None where none differs."""
        return [find_slices(self.test_case, f, s.best, s.truth, s.calibration) for f, s in self.tested_outputs]

    @_shared
    def per_class(self) -> list[Mapping[str, Mapping[str, float]]]:
        """For each tested output, class -> metric -> value; {} for outputs without metrics of single classes."""
        return [
            f.per_class(rows.best, rows.truth, rows.calibration) if rows.truth.mask.any() else {}
            for f, rows in self.tested_outputs
        ]

    @_shared
    def findings(self) -> tuple[Finding, ...]:
        """Problems of the data, those that its predictions show among them."""
        context = self.context
        if context.data.table.environment is not None:
            return ()
        slices = {f.name: cut for (f, _), cut in zip(self.tested_outputs, self.cuts, strict=True) if cut}
        points = None if self.options.projection.layer else self.points
        embedded = None if points is None else EmbeddedRows(points.rows, points.points)
        return findings_of(context, weak_slice(self.test_case, slices), embedded)

    @_shared
    def points(self) -> EmbeddedPoints | None:
        """The rows of the map as points of the space that it shows."""
        context = self.context
        return projection_points(context, self.options.projection, self.tested)


def _without_rows(value: Any) -> Any:
    """The same without single rows and their values."""
    if isinstance(value, tuple) and type(value) is tuple:
        return tuple(shown for v in value if (shown := _without_rows(v)) is not None)
    return value.without_rows() if hasattr(value, "without_rows") else value
