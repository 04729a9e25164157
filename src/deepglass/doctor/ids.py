"""Columns that only name or number their rows."""

from __future__ import annotations

import re

import numpy as np
import polars as pl

from deepglass.features.base import Raw

FEWEST = 20  # rows below which nearly any column is different in each row
NAME = re.compile(r"(?i:(^|[_\W])(id|ids|uuid|guid|key|index|idx|nr|no|number|serial)($|[_\W]))|[a-z]I[dD]$")
CODE = r"^[A-Za-z]{0,8}[-_#/]?[0-9a-fA-F-]*[0-9][0-9a-fA-F-]*$"  # A-0001, 3f2504e0-4f89-11d3
NUMBERED = 0.9  # share of the values that look like a code


def id_like(name: str, raw: Raw, kind: str) -> str:
    """Why a column only names its rows, or "" where it may say more.

    Each value stands but once, and it is a whole number in a column that is called so or counts upwards, or a code.
    """
    if kind == "date" or not isinstance(raw, pl.Series) or raw.dtype.is_nested() or raw.dtype == pl.Object:
        return ""
    known = raw.drop_nulls()
    if len(known) < FEWEST or not (raw.dtype.is_integer() or raw.dtype == pl.String):
        return ""
    if known.n_unique() < len(known):
        return ""
    if raw.dtype == pl.String:
        some = known.head(10_000)
        codes = some.str.contains(CODE).to_numpy()
        alike = some.str.len_chars().to_numpy().std() < 3  # codes are of about one length
        if codes.mean() >= NUMBERED and alike and not _all_numbers(known):
            return "each value is a code that stands but once"
        return ""
    if NAME.search(name):
        return "its name says so, and each value stands but once"
    steps = np.diff(raw.cast(pl.Int64, strict=False).fill_null(0).to_numpy())
    if len(steps) and (steps > 0).all() and np.median(steps) <= 2:
        return "whole numbers that go up from row to row, each but once"
    return ""


def _all_numbers(values: pl.Series) -> bool:
    return values.head(1000).cast(pl.Float64, strict=False).null_count() == 0
