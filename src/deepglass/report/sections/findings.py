"""Problems of the data, and the fix of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deepglass.report.data import ReportData
from deepglass.report.sections.base import Section

MAX_FINDINGS = 50
MAX_ROWS = 12
MAX_COLUMNS = 8


class FindingsSection(Section):
    """The findings, most certain first."""

    title, nav, position = "Data problems", "Findings", 320
    files = ("metrics.json", "findings.json")

    def view(self, facts: Any, report: ReportData) -> Mapping[str, Any] | None:
        findings = sorted(report.findings, key=lambda f: -f.confidence)
        if not findings:
            return None
        most = {"max_rows": MAX_ROWS, "max_columns": MAX_COLUMNS}
        return {"findings": findings[:MAX_FINDINGS], "total": len(findings), **most}
