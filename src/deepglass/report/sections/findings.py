"""Problems of the data, and the fix of each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from deepglass.doctor.findings import EmbeddedRows, findings_of
from deepglass.doctor.weak_slice import weak_slice
from deepglass.report.data import ReportData
from deepglass.report.sections.base import Section

MAX_FINDINGS = 50
MAX_ROWS = 12
MAX_COLUMNS = 8
OF_COLUMNS = ("id_column", "constant", "imbalance", "few_examples", "leak", "drift")
QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""")  # as `repr` writes a value
OF_CLASSES = ("imbalance", "few_examples")  # these quote names of classes and nothing else


class FindingFacts(NamedTuple):
    """A problem of the data, as `deepglass inspect` reports it."""

    kind: str
    text: str
    rows: tuple[int, ...] = ()
    columns: tuple[str, ...] = ()
    sure: float = 1.0
    fix: str = ""

    def without_rows(self) -> FindingFacts:
        """Of whole columns: without the quoted values; else the number of rows alone."""
        if self.kind in OF_CLASSES:
            return self
        if self.kind in OF_COLUMNS:
            return self._replace(text=QUOTED.sub("…", self.text))
        return self._replace(text=f"{len(self.rows):,} rows; what they hold is left out")


class FindingsSection(Section):
    """The findings, most certain first."""

    title, nav, position = "Data problems", "Findings", 320
    files = ("metrics.json", "findings.json")

    def collect(self, report: ReportData) -> tuple[FindingFacts, ...]:
        context = report.context
        if context.data.table.environment is not None:
            return ()
        cuts = {f.name: cut for (f, _), cut in zip(report.tested_outputs, report.cuts, strict=True) if cut}
        points = None if report.options.projection.layer else report.points
        embedded = None if points is None else EmbeddedRows(points.rows, points.points)
        findings = findings_of(context, weak_slice(report.test_case, cuts), embedded)
        return tuple(FindingFacts(f.kind, f.text, f.rows, f.columns, f.confidence, f.fix) for f in findings)

    def view(self, facts: tuple[FindingFacts, ...], report: ReportData) -> Mapping[str, Any] | None:
        findings = sorted(facts, key=lambda f: -f.confidence)
        limits = {"max_rows": MAX_ROWS, "max_columns": MAX_COLUMNS}
        return {"findings": findings[:MAX_FINDINGS], "total": len(findings), **limits} if findings else None
