"""Problems of the data, and the fix of each."""

from deepglass.report.data import ReportData, View
from deepglass.report.sections.base import Section

MAX_FINDINGS = 50
MAX_ROWS = 12
MAX_COLUMNS = 8


class FindingsSection(Section):
    """The findings, most certain first."""

    title, nav, position = "Data problems", "Findings", 320
    files = ("metrics.json", "findings.json")

    def view(self, facts: None, report: ReportData) -> View | None:
        if not report.findings:
            return None
        findings = sorted(report.findings, key=lambda f: -f.confidence)[:MAX_FINDINGS]
        return {"findings": findings, "total": len(report.findings), "max_rows": MAX_ROWS, "max_columns": MAX_COLUMNS}
