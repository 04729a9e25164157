"""Whether a column only names or numbers its rows."""

import re

import numpy as np
import polars as pl

from deepglass.features.base import Raw

MIN_ROWS = 20  # below which nearly any column differs in each row
NAME = re.compile(r"(?i:(^|[_\W])(id|ids|uuid|guid|key|index|idx|nr|no|number|serial)($|[_\W]))|[a-z]I[dD]$")
CODE = r"^[A-Za-z]{0,8}[-_#/]?[0-9a-fA-F-]*[0-9][0-9a-fA-F-]*$"  # A-0001, 3f2504e0-4f89-11d3
MIN_CODES = 0.9  # share of the values that look like a code


def id_like(name: str, raw: Raw) -> str:
    """Why a column is an identifier; "" where it is none.

    Each value occurs once, and is a whole number in a column with such a name or in ascending order, or a code.
    """
    if not isinstance(raw, pl.Series) or not (raw.dtype.is_integer() or raw.dtype == pl.String):
        return ""
    values = raw.drop_nulls()
    if len(values) < MIN_ROWS or values.n_unique() < len(values):
        return ""
    if raw.dtype == pl.String:
        some = values.head(10_000)
        codes = some.str.contains(CODE).to_numpy().mean() >= MIN_CODES
        alike = some.str.len_chars().to_numpy().std() < 3  # codes are of about one length
        numbers = values.head(1000).cast(pl.Float64, strict=False).null_count() == 0
        return "each value is a code that occurs once" if codes and alike and not numbers else ""
    if NAME.search(name):
        return "its name is that of an identifier, and each value occurs once"
    steps = np.diff(raw.cast(pl.Int64, strict=False).fill_null(0).to_numpy())
    if len(steps) and (steps > 0).all() and np.median(steps) <= 2:
        return "whole numbers in ascending order, each once"
    return ""
