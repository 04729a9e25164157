"""Columns that a network learns nothing from: constant ones, and those that only name or number their rows.

The rule is that of `prepare.uninformative`, by which training leaves columns out.
"""

from collections.abc import Iterator
from typing import Literal

from deepglass.doctor.base import DataContext, Finding
from deepglass.prepare.uninformative import target_warning, uninformative


def constant(context: DataContext) -> Iterator[Finding]:
    """One finding per column with the same value in every row."""
    return _excluded(context, "constant")


def id_column(context: DataContext) -> Iterator[Finding]:
    """One finding per identifier: those that are left out, those that are inputs nevertheless, and targets."""
    yield from _excluded(context, "id_column")
    for feature in context.inputs:
        reason = uninformative(context.table[feature.column], feature.column, feature.kind)
        if reason is not None and reason.kind == "id_column":
            text = f"{feature.name}: {reason.why}; new rows have other values, so a network learns nothing from it"
            yield context.finding("id_column", [], [feature.column], 0.9, text, f"data.ignore=[{feature.column}]")
    for output in context.outputs:
        if text := target_warning(context.table[output.column], output.column, output.kind):
            yield context.finding("id_column", [], [output.column], 0.9, text)


def _excluded(context: DataContext, kind: Literal["constant", "id_column"]) -> Iterator[Finding]:
    """A finding for each column that training leaves out for a reason of this kind: there is nothing to be fixed."""
    for role in context.roles:
        if role.finding == kind:
            text = f"{role.name}: {role.why}; it is left out"
            yield context.finding(kind, [], [role.name], 1.0, text)
