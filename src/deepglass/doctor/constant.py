"""Columns that are the same in every row, and so say nothing."""

from __future__ import annotations

from deepglass.doctor.base import Finding
from deepglass.doctor.base import DataContext


def constant(case: DataContext) -> list[Finding]:
    found = [t for t in case.taken if t.why.startswith(("the same value", "no value"))]
    return [
        case.finding("constant", [], [t.name], 1.0, f"{t.name}: {t.why}; it is left out", f"data.ignore=[{t.name}]")
        for t in found
    ]
