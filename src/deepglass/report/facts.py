"""The shared facts as a type."""

from __future__ import annotations

from dataclasses import dataclass

from deepglass.introspect.facts import Introspection
from deepglass.introspect.filters import Filters
from deepglass.introspect.layers import Layer
from deepglass.report.output_facts import OutputFacts
from deepglass.report.source_facts import ColumnFacts, DataFacts
from deepglass.report.training_facts import EvaluationFacts, PlanFacts


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The shared facts that a section may read, as `ReportData` has them."""

    name: str
    task: str
    data: DataFacts
    columns: tuple[ColumnFacts, ...] = ()
    outputs: tuple[OutputFacts, ...] = ()
    history: tuple[EvaluationFacts, ...] = ()
    plan: PlanFacts | None = None
    layers: tuple[Layer, ...] = ()
    filters: Filters | None = None
    inside: Introspection | None = None
