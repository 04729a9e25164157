"""Columns that stand between source and features: of fitted table transforms, and of features of several columns."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from deepglass.config import construct
from deepglass.data.missing import is_null, set_null
from deepglass.data.table import Table
from deepglass.data.transforms.base import TRANSFORMS, TableTransform, transform_from_state
from deepglass.errors import SpecError
from deepglass.features.base import Feature, Raw
from deepglass.spec.spec import FeatureSpec, TransformSpec
from deepglass.values import plain


def fit_transforms(
    transforms: Sequence[TransformSpec], table: Table, train: np.ndarray, targets: Sequence[str]
) -> tuple[TableTransform, ...]:
    """The transforms of a spec, each fitted on the training rows with the columns of those before it.

    Args:
        train: indices of the training rows.
        targets: columns of the outputs.

    Raises:
        SpecError: an unknown transform or setting; `bad-value` for one that changes a target.
    """
    fitted: list[TableTransform] = []
    for i, spec in enumerate(transforms):
        where = f"data.transforms[{i}]"
        transform = construct(TRANSFORMS.get(spec.kind, where=where), plain(spec.settings), where, ["kind"])
        state = transform.fit(table.take(train)).state()
        transform = transform_from_state(state, where)  # as a stored run will have it
        before, table = table, apply_transform(transform, table)
        if changed := [t for t in targets if table.columns.get(t) is not before.columns.get(t)]:
            raise SpecError("bad-value", f"{where}: {transform.kind} changes {changed[0]!r}, a column of an output")
        fitted.append(transform)
    return tuple(fitted)


def apply_transform(transform: TableTransform, table: Table) -> Table:
    """The table with the columns of a transform.

    Raises:
        SpecError: `bad-value` for another number of rows.
    """
    after = transform.apply(table)
    lengths = {name: len(raw) for name, raw in after.columns.items() if len(raw) != len(table)}
    if lengths:
        name, length = next(iter(lengths.items()))
        raise SpecError(
            "bad-value", f"data.transforms: {transform.kind}: expected {len(table)} rows, got {length} in {name!r}"
        )
    return after


def derive_columns(table: Table, transforms: Sequence[TableTransform], features: Iterable[Feature]) -> Table:
    """The table as features read it: transforms applied, then the columns of each feature of several joined."""
    for transform in transforms:
        table = apply_transform(transform, table)
    return replace(join_columns(table, features), derived=True)


def join_columns(table: Table, features: Iterable[Feature | FeatureSpec]) -> Table:
    """The table with a column more for each feature of several: a Series of structs, or a list of dicts with files.

    Features whose columns the table lacks are left to later checks.
    """
    complete = [f for f in features if f.columns and {*f.columns} <= {*table.columns}]
    joined = {f.column: _join(table, f.column, f.columns) for f in complete}
    return table.with_columns(joined) if joined else table


def _join(table: Table, name: str, columns: Sequence[str]) -> Raw:
    """The values of several columns in one, missing where all of them are."""
    raws = {c: table[c] for c in columns}
    absent = np.all([is_null(raw) for raw in raws.values()], axis=0)
    if any(isinstance(raw, list) for raw in raws.values()):
        rows = zip(*raws.values(), strict=True)
        return [None if a else dict(zip(columns, row, strict=True)) for a, row in zip(absent, rows, strict=True)]  # type: ignore[misc]
    joined = pl.DataFrame({c: pl.Series(raw) for c, raw in raws.items()}).to_struct(name)
    return set_null(joined, absent) if absent.any() else joined
