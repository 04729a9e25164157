"""Text cells that spreadsheets would take for formulas, and the apostrophe that keeps them texts.

A cell that begins with `=`, `+`, `-`, `@`, a tab or a carriage return gets an apostrophe in front, and so does one that
has apostrophes before these, so that removing one restores every text. Numbers such as -5 stay.
"""

import polars as pl

_FORMULA = r"^'*[=+\-@\t\r]"
_GUARDED = r"^''*[=+\-@\t\r]"
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"


def guarded(texts: pl.Series) -> pl.Series:
    """Texts with an apostrophe before those that a spreadsheet would take for a formula."""
    formula = texts.str.contains(_FORMULA) & ~texts.str.contains(_NUMBER)
    return pl.select(pl.when(formula).then(pl.lit("'") + texts).otherwise(texts).alias(texts.name)).to_series()


def unguarded(texts: pl.Series) -> pl.Series:
    """The texts of `guarded`; all others are unchanged."""
    if not texts.str.starts_with("'").any():
        return texts
    formula = texts.str.contains(_GUARDED) & ~texts.str.slice(1).str.contains(_NUMBER)
    return pl.select(pl.when(formula).then(texts.str.slice(1)).otherwise(texts).alias(texts.name)).to_series()
