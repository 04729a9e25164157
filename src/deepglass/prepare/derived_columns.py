"""Columns that stand between source and features: of SQL expressions, table transforms, features of several columns."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from deepglass.config import construct
from deepglass.data.missing import is_null, set_null
from deepglass.data.table import Note, Table
from deepglass.data.transforms.base import TRANSFORMS, TableTransform, transform_from_state
from deepglass.errors import SourceError, SpecError, near_miss
from deepglass.features.base import Feature, Raw
from deepglass.parsing import MISSING, is_missing, parse_numbers, to_numbers
from deepglass.spec.data_spec import TransformSpec
from deepglass.spec.spec import FeatureSpec
from deepglass.values import plain


def fit_transforms(
    transforms: Mapping[str, TransformSpec], table: Table, train: np.ndarray, targets: Sequence[str]
) -> tuple[TableTransform, ...]:
    """The transforms of a spec, each fitted on the training rows with the columns of those before it.

    Args:
        transforms: path of its settings -> transform, in order.
        train: indices of the training rows.
        targets: columns of the outputs.

    Raises:
        SpecError: an unknown transform or setting; `bad-value` for one that changes a target.
    """
    fitted: list[TableTransform] = []
    for where, spec in transforms.items():
        transform = construct(TRANSFORMS.get(spec.kind, where=where), plain(spec.settings), where, ["kind"])
        transform = transform.fit_split(table, train)
        frame, transform = transform.frame(), transform_from_state(transform.state(), where)  # as a stored run has it
        transform = transform if frame is None else transform.with_frame(frame)
        before, table = table, apply_transform(transform, table)
        if changed := [t for t in targets if table.columns.get(t) is not before.columns.get(t)]:
            raise SpecError("bad-value", f"{where}: {transform.kind} changes {changed[0]!r}, a column of an output")
        added = tuple(name for name in table.names if name not in before.columns)
        fitted.append(replace(transform, added_=added))
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


# -- SQL ------------------------------------------------------------------------------------------------------


def derive(table: Table, expressions: Mapping[str, str], partly: bool = False) -> Table:
    """The table with the columns of SQL expressions, each of which may name those before it.

    A value is missing where all columns of its expression are.

    Args:
        expressions: new column -> expression in the SQL of polars.
        partly: leave out columns whose own columns the table lacks, as in rows to predict.

    Raises:
        SpecError: `bad-value` for an expression that is no SQL, that does not fit the types of its columns, or that
            looks at other rows.
        SourceError: `unknown-column`; `duplicate-column` for one that the table has already.
    """
    for name, text in expressions.items():
        where = f"data.derive.{name}"
        expression, roots = _parsed(text, where)
        if partly and not set(roots) <= set(table.columns):
            continue
        if name in table.columns:
            if partly:
                continue
            raise SourceError("duplicate-column", f"{where}: {table.name} has a column {name!r} already")
        frame = pl.DataFrame([_values(table, column, f"{where}: {text!r}") for column in roots])
        derived: Raw = _evaluate(frame, expression, len(table), f"{where}: {text!r}").alias(name)
        if roots:  # in SQL, CASE WHEN a > b ... ELSE 'low' END is 'low' where nothing is stated
            derived = set_null(derived, np.all([is_missing(frame[c], MISSING).to_numpy() for c in roots], axis=0))
        note = Note("derived", name, f"{text} (from {', '.join(roots)})")
        table = replace(table.with_columns({name: derived}), notes=(*table.notes, note))
    return table


def leaking_columns(expressions: Mapping[str, str], targets: Sequence[str]) -> dict[str, str]:
    """Columns from which a target is derived, or that are derived from one -> the reason in words.

    Args:
        targets: columns of the outputs.
    """
    sources: dict[str, set[str]] = {}  # derived column -> columns of the source that it is derived from
    for name, text in expressions.items():
        columns = _parsed(text, f"data.derive.{name}")[1]
        sources[name] = {root for column in columns for root in sources.get(column, {column})}
    of_target = {root: target for target in targets for root in sources.get(target, {target})}
    leaks = {root: f"{target} is derived from it" for root, target in of_target.items() if target in expressions}
    for name, roots in sources.items():
        if shared := sorted(roots & of_target.keys()):
            target = of_target[shared[0]]
            leaks[name] = f"derived from {target}" if target in shared else f"derived from {shared[0]}, as {target} is"
    return {name: why for name, why in leaks.items() if name not in targets}


def _parsed(text: str, where: str) -> tuple[pl.Expr, list[str]]:
    """An expression, and the columns that it names."""
    try:
        expression = pl.sql_expr(text)
        return expression, list(dict.fromkeys(expression.meta.root_names()))
    except (pl.exceptions.PolarsError, TypeError) as error:
        example = "an SQL expression such as CASE WHEN price > 100 THEN 'high' ELSE 'low' END"
        raise SpecError("bad-value", f"{where}: {text!r}: expected {example} ({error})") from error


def _values(table: Table, column: str, where: str) -> pl.Series:
    """A column for SQL; texts that are numbers as numbers.

    Raises:
        SourceError: `unknown-column`.
        SpecError: `bad-value` for files and arrays.
    """
    if column not in table.columns:
        raise SourceError(
            "unknown-column", f"{where}: no column {column!r} in {table.name}{near_miss(column, table.columns)}"
        )
    raw = table[column]
    if not isinstance(raw, pl.Series):
        raise SpecError("bad-value", f"{where}: {column!r} holds files or arrays; expected numbers, texts or dates")
    numbers = parse_numbers(raw) if raw.dtype == pl.String else None
    values = raw if numbers is None else to_numbers(raw, numbers)[0]
    return values.alias(column)


def _evaluate(frame: pl.DataFrame, expression: pl.Expr, rows: int, where: str) -> pl.Series:
    """The values of an expression, (N,).

    Raises:
        SpecError: `bad-value`.
    """
    try:
        values = frame.select(expression.alias("value"))["value"]
        halves = [
            frame[: rows // 2].select(expression.alias("value")),
            frame[rows // 2 :].select(expression.alias("value")),
        ]
    except pl.exceptions.PolarsError as error:
        types = ", ".join(f"{name}: {dtype}" for name, dtype in frame.schema.items())
        raise SpecError("bad-value", f"{where}: {error} (columns {types})") from error
    if len(values) != rows or not values.equals(pl.concat(halves, how="vertical_relaxed")["value"], null_equal=True):
        raise SpecError(
            "bad-value", f"{where}: looks at other rows; expected a value from each row alone (see data.history)"
        )
    return values
