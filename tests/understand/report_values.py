"""Facts of a report without a run, for tests of its sections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deepglass.report.data import ReportData
from deepglass.report.facts import DataFacts
from deepglass.report.sections.base import section_key
from deepglass.report.write import sections

EMPTY: dict[str, Any] = {
    "name": "run",
    "task": "",
    "data": DataFacts(source="rows.csv", rows=1),
    "plan": None,
    "metrics": {},
}
LISTS = ("columns", "outputs", "history", "layers")


def report_of(own: Mapping[str, Any] | None = None, **values: Any) -> ReportData:
    """A report of these facts alone.

    Args:
        own: section -> the facts that it collects for itself.
        values: facts that sections share.
    """
    sections_own = {section_key(name): facts for name, facts in (own or {}).items()}
    given = {**EMPTY, **dict.fromkeys(LISTS, ()), **values, **sections_own}
    return ReportData(None, values=given)


def section_html(name: str, report: ReportData) -> str:
    """A section of a report; empty where it is left out."""
    section = next(s for s in sections() if s.name == name)
    return str(section.render(report) or "")
