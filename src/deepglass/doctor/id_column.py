"""Columns that only name or number their rows: a network memorises them and learns nothing."""

from deepglass.doctor.base import DataContext, Finding
from deepglass.doctor.ids import id_like


def id_column(context: DataContext) -> list[Finding]:
    """One finding per identifier column."""
    findings = context.excluded_columns("id_column", ("a row number",))
    for feature in context.inputs:
        column = feature.column
        if not feature.is_time and (why := id_like(column, context.table[column])):
            text = f"{column}: {why}; new rows have other values, so a network learns nothing from it"
            findings.append(context.finding("id_column", [], [column], 0.9, text, f"data.ignore=[{column}]"))
    return findings
