"""Columns that a network learns nothing from: constant ones, and identifiers. One rule for inspecting and training."""

import re
from typing import Literal, NamedTuple

import numpy as np
import polars as pl

from deepglass.data.missing import is_null
from deepglass.features.base import Raw

MIN_ROWS = 20  # below which nearly any column differs in each row
NAME = re.compile(r"(?i:(^|[_\W])(id|ids|uuid|guid|key|index|idx|nr|no|number|serial)($|[_\W]))|[a-z]I[dD]$")
CODE = r"^[A-Za-z]{0,8}[-_#/]?[0-9a-fA-F-]*[0-9][0-9a-fA-F-]*$"  # A-0001, 3f2504e0-4f89-11d3
UUID = r"^[0-9a-fA-F-]{16,}$"
MIN_CODES = 0.9  # share of the values that look like a code
MIN_DISTINCT = 0.9  # share of different values in a column of categories that teaches nothing


class Reason(NamedTuple):
    """Why a column teaches nothing: the kind of finding, and a clause."""

    kind: Literal["constant", "id_column"]
    why: str


def uninformative(raw: Raw, name: str, kind: str) -> Reason | None:
    """Why a column contains nothing that new rows share; None if it may.

    Args:
        kind: of the feature.
    """
    if not isinstance(raw, pl.Series):
        return None
    if raw.dtype.is_float():
        return _constant(raw.to_numpy())
    absent = is_null(raw)
    if absent.all():
        return Reason("constant", "no value in any row")
    if raw.dtype == pl.Object or raw.dtype.is_nested():
        return None
    values, has_missing = raw.filter(~absent), bool(absent.any())
    distinct = values.n_unique()
    if distinct == 1 and not has_missing:
        return Reason("constant", "the same value in every row")
    why = _identifier(values, distinct, name, kind, has_missing)
    return None if why is None else Reason("id_column", why)


def _constant(numbers: np.ndarray) -> Reason | None:
    """As `uninformative`, of floats, (N,): they are no identifiers."""
    finite = np.isfinite(numbers)
    if not finite.any():
        return Reason("constant", "no value in any row")
    if finite.all() and numbers.min() == numbers.max():
        return Reason("constant", "the same value in every row")
    return None


def target_warning(raw: Raw, name: str, kind: str) -> str:
    """A sentence for a target that only names or numbers its rows; empty for others."""
    reason = uninformative(raw, name, kind) if kind in ("number", "category") else None
    if reason is None or reason.kind != "id_column":
        return ""
    return f"{name}, the target: {reason.why}; inputs cannot tell it; choose another --target"


def _identifier(values: pl.Series, distinct: int, name: str, kind: str, has_missing: bool) -> str | None:
    """Why a column only names or numbers its rows."""
    if not (values.dtype.is_integer() or values.dtype == pl.String) or len(values) < MIN_ROWS or kind == "date":
        return None
    if distinct == len(values) and (why := _differs_in_each_row(values, name, has_missing)):
        return why
    if kind == "category" and distinct >= MIN_DISTINCT * len(values):
        return f"codes, nearly each in one row ({distinct:,} different ones in {len(values):,} rows)"
    return None


def _differs_in_each_row(values: pl.Series, name: str, has_missing: bool) -> str:
    """Why different values are identifiers; empty where they may be measures."""
    if values.dtype == pl.String:
        return "each value is a code that occurs once" if _are_codes(values) else ""
    steps = values.cast(pl.Int128).diff().drop_nulls().cast(pl.Float64).to_numpy()
    if len(steps) and (steps == 1).all() and not has_missing:
        return "a row number: it counts up by one"
    if NAME.search(name):
        return "its name is that of an identifier, and each value occurs once"
    return (
        "whole numbers in ascending order, each once"
        if len(steps) and (steps > 0).all() and np.median(steps) <= 2
        else ""
    )


def _are_codes(values: pl.Series) -> bool:
    """Codes of about one length that begin with the same letters, so that no part of them repeats."""
    some = values.head(10_000)
    if some.str.contains(UUID).to_numpy().mean() >= MIN_CODES:
        return True
    codes = some.str.contains(CODE).to_numpy().mean() >= MIN_CODES
    alike = some.str.len_chars().to_numpy().std() < 3
    numbers = values.head(1000).cast(pl.Float64, strict=False).null_count() == 0
    prefixes = some.str.extract(r"^([A-Za-z]*)").value_counts()["count"].to_numpy()
    return bool(codes and alike and not numbers and np.max(prefixes) >= MIN_CODES * len(some))
