"""Problems of the data, and the fix of each."""

from deepglass.doctor.base import Finding
from deepglass.doctor.findings import EmbeddedRows, findings_of
from deepglass.doctor.weak_slice import weak_slice
from deepglass.report.data import ReportData, View
from deepglass.report.sections.base import Section

MAX_FINDINGS = 50
MAX_ROWS = 12
MAX_COLUMNS = 8


class FindingsSection(Section):
    """The findings, most certain first."""

    title, nav, position = "Data problems", "Findings", 320
    files = ("metrics.json", "findings.json")

    def collect(self, report: ReportData) -> tuple[Finding, ...]:
        context = report.context
        if context.data.table.environment is not None:
            return ()
        slices = {f.name: cut for (f, _), cut in zip(report.tested_outputs, report.cuts, strict=True) if cut}
        points = None if report.options.projection.layer else report.points
        embedded = None if points is None else EmbeddedRows(points.rows, points.points)
        return findings_of(context, weak_slice(report.test_case, slices), embedded)

    def view(self, facts: tuple[Finding, ...], report: ReportData) -> View | None:
        if not facts:
            return None
        findings = sorted(facts, key=lambda f: -f.confidence)[:MAX_FINDINGS]
        return {"findings": findings, "total": len(facts), "max_rows": MAX_ROWS, "max_columns": MAX_COLUMNS}
