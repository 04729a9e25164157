"""Checks before training: enough rows, targets with more than one value, consistent column roles."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from deepglass.data.table import Table
from deepglass.errors import SourceError, SpecError, near_miss
from deepglass.features.base import Feature, Raw
from deepglass.objectives.base import OBJECTIVES
from deepglass.spec.spec import FeatureSpec

MIN_ROWS = 10  # from which training, validation and test rows can be split
MAY_SHARE_COLUMN = ("image",)  # kinds of inputs that may be read from the column of an output: an image in grey


def check_rows(table: Table, targets: Sequence[Feature]) -> None:
    """Enough rows, and targets with more than one value."""
    names = " or ".join(repr(t.name) for t in targets)
    about = f" with a value for {names}" if names else ""
    if not len(table):
        raise SourceError("no-rows", f"{table.name}: there are no rows{about}{_left_out(table)}")
    check_count(len(table), table.name, about, _left_out(table))
    for target in targets:
        if _distinct(table[target.column]) == 1:
            code: Any = "one-class" if target.has_classes else "constant-target"
            raise SourceError(
                code,
                f"--target: {target.name!r} has the same value in every row of {table.name}{_left_out(table)}; "
                "choose another column",
            )


def check_count(count: int, source: str, about: str = "", left_out: str = "") -> None:
    """Enough rows to be split."""
    if count < MIN_ROWS:
        rows = "1 row" if count == 1 else f"{count} rows"
        text = f"{source}: expected at least {MIN_ROWS} rows{about}, to train, validate and test, got {rows}{left_out}"
        raise SourceError("too-few-rows", text)


def _left_out(table: Table) -> str:
    """The first row or file that was left out, and how many more, for an error that they explain."""
    if not table.skipped:
        return ""
    first, more = table.skipped[0], len(table.skipped) - 1
    return f"; left out: {first.name} ({first.reason})" + (f" and {more:,} more" if more else "")


def check_environment(objective: str, table: Table) -> None:
    """A reinforcement-learning objective needs an environment, and an environment such an objective."""
    reinforcement = OBJECTIVES.get(objective, where="objective.name").learns_from == "environment"
    environment = table.environment is not None
    if reinforcement == environment:
        return
    fit = ", ".join(name for name, kind in OBJECTIVES if (kind.learns_from == "environment") == environment)
    if environment:
        text = f"{objective!r} needs a table, and {table.name} is an environment"
    else:
        text = f"{objective!r} needs an environment, such as gym:CartPole-v1, and {table.name} is none"
    raise SpecError("bad-value", f"objective: {text}; choose one of: {fit}")


def check_drop(rows: Sequence[int], table: Table) -> None:
    """The rows of `data.drop` exist."""
    wrong = [r for r in rows if isinstance(r, bool) or not isinstance(r, int) or not 0 <= r < len(table)]
    if wrong:
        expected = f"expected row indices from 0 to {len(table) - 1} in {table.name}"
        raise SpecError("bad-value", f"data.drop: {expected}, got {wrong[0]!r}")


def check_roles(outputs: Sequence[FeatureSpec], inputs: Sequence[FeatureSpec], ignore: Sequence[str]) -> None:
    """A target may not be named twice, ignored, or be an input as well."""
    names = [f.name for f in outputs]
    for name in names:
        if names.count(name) > 1:
            raise SpecError("bad-value", f"--target: {name!r} is named twice; name it once")
        if name in ignore:
            raise SpecError("bad-value", f"--target: {name!r} is ignored as well (--ignore); remove one of the two")
    columns = {c for f in outputs for c in f.source_columns}
    for i, feature in enumerate(inputs):
        name = feature.name
        if (own := columns & {*feature.source_columns}) and feature.kind not in MAY_SHARE_COLUMN:
            raise SpecError(
                "bad-value", f"inputs[{i}]: {min(own)!r} is the target; an input that contains the target is a leak"
            )
        if name in names or [f.name for f in inputs].count(name) > 1:
            raise SpecError(
                "bad-value",
                f"inputs[{i}]: two features have the name {name!r}; rename one and set `column:`",
            )


def check_column(table: Table, name: str, where: str) -> None:
    """The column exists; the error names the near miss."""
    if name not in table.columns:
        place = "--target" if where.startswith("outputs") else where
        several = [part.strip() for part in name.split(",")]
        if all(part in table.columns for part in several):
            hint = f"; name each column by itself: {' and '.join(map(repr, several))}"
        else:
            hint = near_miss(name, table.columns)
        raise SourceError("unknown-column", f"{place}: no column {name!r} in {table.name}{hint}")


def _distinct(raw: Raw) -> int:
    if isinstance(raw, pl.Series):
        return 2 if raw.dtype.is_nested() else raw.drop_nulls().n_unique()
    return len(np.unique(raw, axis=0)) if isinstance(raw, np.ndarray) and raw.ndim == 1 else 2
