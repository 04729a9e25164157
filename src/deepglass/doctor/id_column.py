"""Columns that only name or number their rows: a network learns them by heart, and nothing from them."""

from __future__ import annotations

from deepglass.doctor.base import Finding
from deepglass.doctor.base import DataContext
from deepglass.doctor.ids import id_like


def id_column(case: DataContext) -> list[Finding]:
    found = []
    for taken in case.taken:
        fix = f"data.ignore=[{taken.name}]"
        if taken.why.startswith("a row number"):
            text = f"{taken.name}: {taken.why}; it is left out"
            found.append(case.finding("id_column", [], [taken.name], 1.0, text, fix))
    for feature in case.inputs:
        if why := id_like(feature.column, case.table[feature.column], feature.kind):
            text = f"{feature.column}: {why}; it can teach nothing about new rows"
            found.append(case.finding("id_column", [], [feature.column], 0.9, text, f"data.ignore=[{feature.column}]"))
    return found
