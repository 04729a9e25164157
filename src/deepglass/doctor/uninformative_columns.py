"""Columns that a network learns nothing from: constant ones, and those that only name or number their rows."""

from collections.abc import Iterator

from deepglass.doctor.base import DataContext, Finding
from deepglass.doctor.ids import id_like


def constant(context: DataContext) -> Iterator[Finding]:
    """One finding per column with the same value in every row."""
    return _excluded(context, "constant", "the same value", "no value")


def id_column(context: DataContext) -> Iterator[Finding]:
    """One finding per identifier column."""
    yield from _excluded(context, "id_column", "a row number")
    for feature in context.inputs:
        column = feature.column
        if not feature.is_time and (why := id_like(column, context.table[column])):
            text = f"{column}: {why}; new rows have other values, so a network learns nothing from it"
            yield context.finding("id_column", [], [column], 0.9, text, f"data.ignore=[{column}]")


def _excluded(context: DataContext, kind: str, *reasons: str) -> Iterator[Finding]:
    """A finding for each column that is left out for a reason with one of these beginnings."""
    for role in context.roles:
        if role.why.startswith(reasons):
            text = f"{role.name}: {role.why}; it is left out"
            yield context.finding(kind, [], [role.name], 1.0, text, f"data.ignore=[{role.name}]")
