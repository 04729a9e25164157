"""Problems of the data, and the fix of each."""

from deepglass.report.data import ReportData, View
from deepglass.report.headline import by_severity, first_sentence
from deepglass.report.sections.base import Section

MAX_FINDINGS = 50
MAX_ROWS = 12
MAX_COLUMNS = 8


class FindingsSection(Section):
    """The findings, the most serious first."""

    title, nav, position = "Data problems", "Findings", 0
    layer = "data"
    files = ("metrics.json", "findings.json")

    def view(self, facts: None, report: ReportData) -> View | None:
        if not report.findings:
            return None
        findings = [(f, *first_sentence(f)) for f in by_severity(report.findings)[:MAX_FINDINGS]]
        return {"findings": findings, "total": len(report.findings), "max_rows": MAX_ROWS, "max_columns": MAX_COLUMNS}
