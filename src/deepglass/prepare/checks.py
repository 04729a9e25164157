"""Checks before training: enough rows, targets with more than one value, consistent column roles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from deepglass.data.table import Table
from deepglass.errors import SourceError, SpecError, near_miss
from deepglass.features.base import Feature, Raw
from deepglass.objectives.base import OBJECTIVES

LEAST = 10  # rows that can be divided into training, validation and test
KNOWN_PAST = ("series", "image")  # inputs that may share a column with an output: what was; a picture in grey


def check_rows(table: Table, targets: Sequence[Feature]) -> None:
    """Enough rows, and targets with more than one value."""
    names = " or ".join(repr(t.name) for t in targets)
    about = f" with a value for {names}" if names else ""
    if not len(table):
        skipped = ", ".join(f"{s.name} ({s.reason})" for s in table.skipped[:1])
        more = f" and {len(table.skipped) - 1:,} more" if len(table.skipped) > 1 else ""
        left_out = f"; left out: {skipped}{more}" if skipped else ""
        raise SourceError("no-rows", f"{table.name}: there are no rows{about}{left_out}")
    check_count(len(table), table.name, about)
    for target in targets:
        raw = table[target.column]
        distinct = _distinct(raw)
        if distinct == 1:
            code: Any = "one-class" if target.has_classes else "constant-target"
            raise SourceError(
                code,
                f"--target: {target.name!r} has the same value in every row of {table.name}; choose another column",
            )


def check_count(count: int, source: str, about: str = "") -> None:
    """Enough rows to be split."""
    if count < LEAST:
        rows = "1 row" if count == 1 else f"{count} rows"
        text = f"{source}: expected at least {LEAST} rows{about}, to train, validate and test, got {rows}"
        raise SourceError("too-few-rows", text)


def check_world(objective: str, table: Table) -> None:
    """A reinforcement-learning objective needs an environment, and an environment such an objective."""
    acts = OBJECTIVES.get(objective, where="objective.name").learns_from == "environment"
    world = table.environment is not None
    if acts == world:
        return
    fit = ", ".join(name for name, kind in OBJECTIVES if (kind.learns_from == "environment") == world)
    if world:
        text = f"{objective!r} learns from rows, and {table.name} is a world to act in; take one of: {fit}"
    else:
        text = f"{objective!r} acts in a world, such as gym:CartPole-v1, and {table.name} is none; take one of: {fit}"
    raise SpecError("bad-value", f"objective: {text}")


def check_drop(rows: Sequence[int], table: Table) -> None:
    """The rows of `data.drop` exist."""
    wrong = [r for r in rows if isinstance(r, bool) or not isinstance(r, int) or not 0 <= r < len(table)]
    if wrong:
        expected = f"expected places from 0 to {len(table) - 1} in {table.name}"
        raise SpecError("bad-value", f"data.drop: {expected}, got {wrong[0]!r}")


def check_roles(
    outputs: Sequence[Mapping[str, Any]], inputs: Sequence[Mapping[str, Any]], ignore: Sequence[str]
) -> None:
    """A target may not be named twice, left out, or be an input as well (a series may: its past is known)."""
    names = [s["name"] for s in outputs]
    for name in names:
        if names.count(name) > 1:
            raise SpecError("bad-value", f"--target: {name!r} is named twice; name it once")
        if name in ignore:
            raise SpecError("bad-value", f"--target: {name!r} is also in --ignore; remove it from one of the two")
    columns = {c for s in outputs for c in (s["name"], *s.get("columns", [s.get("column", s["name"])]))}
    for i, settings in enumerate(inputs):
        name = settings["name"]
        own = columns & {*settings.get("columns", [settings.get("column", name)])}
        if own and settings.get("kind") not in KNOWN_PAST:
            raise SpecError(
                "bad-value", f"inputs[{i}]: {min(own)!r} is the target, which as an input would be a leak; remove it"
            )
        if name in names or [s["name"] for s in inputs].count(name) > 1:
            raise SpecError(
                "bad-value", f"inputs[{i}]: the name {name!r} occurs twice; use another and `column: {name}`"
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
