"""The source: its splits, how it was read, and how each column was taken."""

from collections import Counter

from deepglass.formatting import count, plural
from deepglass.report.data import ReportData, View
from deepglass.report.facts import ColumnFacts
from deepglass.report.sections.base import Section

MAX_COLUMNS = 1000  # more would make the page slow; features.json has all
MAX_SKIPPED = 50
MIN_COLUMNS_SEARCH = 9  # from so many on there is a search field
COLOURS = {"train": "c1", "valid": "c3", "test": "c4"}


class DataSection(Section):
    """Always there."""

    title, nav, position = "Data", "Data", 10
    layer = "data"
    assets = ("tables",)
    files = ("features.json", "metrics.json")

    def view(self, facts: None, report: ReportData) -> View:
        data, columns = report.data, report.columns
        beside_metrics = {warning for output in report.outputs for warning in output.warnings}
        splits = [(name, rows, COLOURS.get(name, "c2")) for name, rows in data.splits.items()]
        return {
            "data": data,
            "roles": _roles(columns),
            "warnings": [warning for warning in data.warnings if warning not in beside_metrics],
            "splits": splits,
            "total": max(sum(data.splits.values()), 1),
            "skipped": data.skipped[:MAX_SKIPPED],
            "columns": columns[:MAX_COLUMNS],
            "num_columns": len(columns),
            "searchable": len(columns) >= MIN_COLUMNS_SEARCH,
        }


def _roles(columns: tuple[ColumnFacts, ...]) -> str:
    roles = Counter(c.role for c in columns)
    parts = [plural(roles[role], role) for role in ("input", "output") if roles[role]]
    return ", ".join([*parts, f"{count(roles['ignored'])} ignored"] if roles["ignored"] else parts)
