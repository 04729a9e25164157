"""Columns with the same value in every row; a network learns nothing from them."""

from __future__ import annotations

from deepglass.doctor.base import DataContext, Finding


def constant(context: DataContext) -> list[Finding]:
    """One finding per constant column."""
    columns = [r for r in context.roles if r.why.startswith(("the same value", "no value"))]
    return [
        context.finding("constant", [], [r.name], 1.0, f"{r.name}: {r.why}; it is left out", f"data.ignore=[{r.name}]")
        for r in columns
    ]
