"""Columns with the same value in every row; a network learns nothing from them."""

from deepglass.doctor.base import DataContext, Finding


def constant(context: DataContext) -> list[Finding]:
    """One finding per constant column."""
    return context.excluded_columns("constant", ("the same value", "no value"))
