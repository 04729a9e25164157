"""Weights of the rows: the column `data.sample_weight`, checked."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from deepglass.data.table import Table
from deepglass.errors import SourceError, SpecError
from deepglass.features.base import Column, Raw
from deepglass.features.number import as_floats
from deepglass.features.outputs.base import Output
from deepglass.objectives.base import OBJECTIVES
from deepglass.parsing import parse_numbers
from deepglass.prepare.checks import check_column
from deepglass.spec.spec import Spec

WHERE = "data.sample_weight"


def check_sample_weight(spec: Spec, table: Table) -> None:
    """The column of weights exists, has no other role, and the objective uses it.

    Raises:
        SourceError: `unknown-column`.
        SpecError: `bad-value`.
    """
    if (name := spec.data.sample_weight) is None:
        return
    check_column(table, name, WHERE)
    for section, features in (("outputs", spec.outputs), ("inputs", spec.inputs)):
        if any(name in f.source_columns for f in features):
            raise SpecError("bad-value", f"{WHERE}: {name!r} is in {section} as well; a weight is neither")
    if name == table.target and not spec.outputs:
        raise SpecError("bad-value", f"{WHERE}: {name!r} is the target; a weight is neither input nor output")
    if not OBJECTIVES.get(spec.objective.name, where="objective.name").weighs_rows:
        able = ", ".join(n for n, objective in OBJECTIVES if objective.weighs_rows)
        raise SpecError("bad-value", f"{WHERE}: {spec.objective.name} does not weigh rows; expected one of: {able}")


def sample_weights(raw: Raw, source: str, name: str, needed: np.ndarray | None = None) -> np.ndarray:
    """The weights of rows, (N,) float64.

    Args:
        source: name of the data, for messages.
        name: of the column.
        needed: (N,) bool, rows that need a weight, those with a label; others without one get 1.

    Raises:
        SourceError: `bad-value` for negative, missing or unreadable weights.
    """
    where = f"{WHERE}: {source}, column {name!r}"
    parsed = parse_numbers(raw) if isinstance(raw, pl.Series) and raw.dtype == pl.String else None
    weights = as_floats(raw, parsed)
    if weights is None:
        raise SourceError("bad-value", f"{where}: expected numbers of at least 0, got {_example(raw, 0)}")
    weights = np.array(weights, np.float64)
    needed = np.ones(len(weights), bool) if needed is None else needed
    weights[~needed & np.isnan(weights)] = 1.0
    wrong = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if len(wrong):
        what = (
            f"{len(wrong):,} of {len(weights):,} are not, the first in row {wrong[0]}: {_example(raw, int(wrong[0]))}"
        )
        raise SourceError("bad-value", f"{where}: expected a number of at least 0 in each row; {what}")
    return weights


def check_sums(weights: np.ndarray, split: np.ndarray, source: str) -> None:
    """The weights of no split are all zero.

    Raises:
        SourceError: `bad-value`.
    """
    for name, what in (("train", "training"), ("valid", "validation"), ("test", "test")):
        own = weights[split == name]
        if len(own) and not own.sum() > 0:
            raise SourceError("bad-value", f"{WHERE}: {source}: all {len(own):,} {what} rows have the weight 0")


def weights_to_evaluate(table: Table, name: str | None) -> tuple[np.ndarray | None, str]:
    """Weights of labelled rows by the column of a run, and what to tell the user; None where there are none."""
    if name is None:
        return None, ""
    if name not in table.columns:
        return None, f"not weighted, as there is no column {name!r}"
    weights = sample_weights(table[name], table.name, name)
    check_sums(weights, np.full(len(table), "test"), table.name)
    return weights, f"the metrics are weighted by {name!r}"


def with_weight(column: Column, weights: np.ndarray | None) -> Column:
    """A column of targets with weights of its rows, (N,)."""
    return column if weights is None else replace(column, weight=weights.astype(np.float32))


def weight_notes(spec: Spec, outputs: Sequence[Output]) -> list[str]:
    """What the user should know about weighted metrics."""
    if spec.data.sample_weight is None:
        return []
    notes = [f"rows are weighted by {spec.data.sample_weight!r} ({WHERE}) in the loss and in the metrics"]
    plain = [f.name for f in outputs if not f.weighs_metrics]
    return notes + [f"{name}: the metrics of this output are not weighted, its loss is" for name in plain]


def _example(raw: Raw, row: int) -> str:
    return repr(raw[row])[:60] if len(raw) else "no rows"
