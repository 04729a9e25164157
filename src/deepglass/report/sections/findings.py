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
ABOUT_COLUMNS = ("id_column", "constant", "imbalance", "few_examples", "leak", "drift")
ABOUT_CLASSES = ("imbalance", "few_examples")  # these quote names of classes and nothing else
QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""")  # as `repr` writes a value


class FindingFacts(NamedTuple):
    """A problem of the data, as `deepglass inspect` gives it."""

    kind: str
    text: str
    rows: tuple[int, ...] = ()
    columns: tuple[str, ...] = ()
    sure: float = 1.0
    fix: str = ""

    def without_rows(self) -> FindingFacts:
        """Of whole columns: without quoted values; else: the number of rows alone."""
        if self.kind in ABOUT_CLASSES:
            return self
        if self.kind in ABOUT_COLUMNS:
            return self._replace(text=QUOTED.sub("…", self.text))
        return self._replace(text=f"{len(self.rows):,} rows; their values are left out")


class FindingsSection(Section):
    """The findings, most certain first."""

    title, nav, position = "Data problems", "Findings", 320
    files = ("metrics.json", "findings.json")

    def collect(self, report: ReportData) -> tuple[FindingFacts, ...]:
        context = report.context
        if context.data.table.environment is not None:
            return ()
        slices = {f.name: cut for (f, _), cut in zip(report.tested_outputs, report.cuts, strict=True) if cut}
        points = None if report.options.projection.layer else report.points
        embedded = None if points is None else EmbeddedRows(points.rows, points.points)
        findings = findings_of(context, weak_slice(report.test_case, slices), embedded)
        return tuple(FindingFacts(f.kind, f.text, f.rows, f.columns, f.confidence, f.fix) for f in findings)

    def view(self, facts: tuple[FindingFacts, ...], report: ReportData) -> Mapping[str, Any] | None:
        if not facts:
            return None
        findings = sorted(facts, key=lambda f: -f.confidence)[:MAX_FINDINGS]
        return {"findings": findings, "total": len(facts), "max_rows": MAX_ROWS, "max_columns": MAX_COLUMNS}
