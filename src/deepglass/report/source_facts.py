"""The source of a run: its splits, how it was read, and the kind and role of each column."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import polars as pl

from deepglass.data.missing import is_null
from deepglass.data.table import Note, Skipped
from deepglass.features.base import FEATURES, Raw
from deepglass.metrics.summaries import Histogram, TopValues, histogram, top_values
from deepglass.objectives.base import Objective
from deepglass.prepare.columns import ColumnRole
from deepglass.prepare.prepared_data import PreparedData

MAX_EXAMPLE = 120  # characters
ROWS_SEARCHED = 100  # for an example
MAX_INPUTS_NAMED = 4


@dataclass(frozen=True, kw_only=True)
class ColumnFacts:
    """A column of the source.

    Args:
        name: in the source.
        kind: the feature kind, such as "number"; empty for a column without one.
        why: why it has this kind.
        role: what it is for.
        role_why: why it has this role, above all why it is ignored.
        missing: share of rows without a value, 0 to 1.
        spread: the distribution of its values.
        example: one value as text, shown where there is no distribution.
    """

    name: str
    kind: str
    why: str = ""
    role: Literal["input", "output", "ignored"] = "input"
    role_why: str = ""
    missing: float = 0.0
    spread: Histogram | TopValues | None = None
    example: str = ""

    def without_rows(self) -> ColumnFacts:
        """Its kind and role alone: a reason may quote a value."""
        return replace(self, why="", spread=None, example="")


@dataclass(frozen=True, kw_only=True)
class DataFacts:
    """The source as a whole.

    Args:
        source: its name for the user.
        rows: rows that were used.
        splits: rows of "train", "valid", "test".
        notes: what was detected while reading, such as the delimiter.
        skipped: files and rows that were left out.
        warnings: sentences about the data as a whole, such as an imbalance of the classes.
    """

    source: str
    rows: int
    splits: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    warnings: tuple[str, ...] = ()

    def without_rows(self) -> DataFacts:
        """Without names of files and without values, which stand in reasons and after "such as"."""
        warnings = tuple(w for w in self.warnings if not any(s.name in w for s in self.skipped))
        notes = tuple(n._replace(value=n.value.partition(" such as ")[0], why="") for n in self.notes)
        return replace(self, skipped=(), warnings=warnings, notes=notes)


def data_facts(prepared: PreparedData, metrics: Mapping[str, Any]) -> DataFacts:
    """The source of a run.

    Args:
        metrics: the content of metrics.json, for its warnings; empty while the run trains.
    """
    table = prepared.table
    return DataFacts(
        source=table.name,
        rows=len(table),
        splits={split: len(prepared.rows(split)) for split in ("train", "valid", "test")},
        notes=table.notes,
        skipped=table.skipped,
        warnings=tuple(metrics.get("notes", ())),
    )


def column_facts(raw: Raw, column: ColumnRole) -> ColumnFacts:
    """A column with the distribution of its values, or an example where there is none."""
    ignored = column.role == "ignored"
    spread = _spread(raw, column.kind)
    return ColumnFacts(
        name=column.name,
        kind=column.kind,
        why="" if ignored else column.why,
        role=column.role,
        role_why=column.why if ignored else "",
        missing=float(is_null(raw).mean()) if len(raw) else 0.0,
        spread=spread,
        example=_example(raw) if spread is None else "",
    )


def _spread(raw: Raw, kind: str) -> Histogram | TopValues | None:
    """Of numbers a histogram, of other cells of a table the most frequent values."""
    feature = FEATURES.get(kind) if kind else None
    has_classes = feature is not None and feature.has_classes
    if isinstance(raw, np.ndarray):
        if raw.ndim != 1:
            return None
        return top_values(raw.tolist()) if has_classes or feature is None else histogram(raw)
    if not isinstance(raw, pl.Series) or raw.dtype.is_nested() or feature is None or not feature.tabular:
        return None
    if raw.dtype.is_numeric() and not has_classes:
        return histogram(raw.drop_nulls().cast(pl.Float64).to_numpy())
    return top_values(raw.to_list())


def _example(raw: Raw) -> str:
    """The first value; the name of a file; the shape of an array."""
    if isinstance(raw, pl.Series) and not raw.dtype.is_nested():
        return next((str(v) for v in raw.head(ROWS_SEARCHED).to_list() if v is not None), "")[:MAX_EXAMPLE]
    return raw[0].name if isinstance(raw, list) and raw else " x ".join(map(str, getattr(raw, "shape", ())[1:]))


def task_sentence(prepared: PreparedData, objective: Objective, metrics: Mapping[str, Any]) -> str:
    """What is predicted from what."""
    if (environment := prepared.table.environment) is not None:
        return f"How to act in {environment.name}."
    names = [f.name for f in prepared.inputs]
    more = f" and {len(names) - MAX_INPUTS_NAMED} more" if len(names) > MAX_INPUTS_NAMED else ""
    inputs, outputs = ", ".join(names[:MAX_INPUTS_NAMED]) + more, " and ".join(f.name for f in prepared.outputs)
    scored = any(f.name in metrics.get(split, {}) for split in ("valid", "test") for f in prepared.outputs)
    if objective.conditions and not scored:  # the outputs are conditions of what is generated
        return f"New {inputs} of a given {outputs}."
    return f"{outputs} from {inputs}." if outputs else f"What {inputs} {'is' if len(names) == 1 else 'are'} made of."
