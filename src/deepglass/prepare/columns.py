"""Kind and role of each column of a source."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np
import polars as pl

from deepglass.config import construct
from deepglass.data.missing import is_null
from deepglass.data.table import Table
from deepglass.errors import SourceError, SpecError
from deepglass.features.base import FEATURES, Feature, Raw, infer_type, take_raw
from deepglass.features.outputs.base import Output, output_class
from deepglass.prepare.checks import check_column, check_roles
from deepglass.prepare.derived_columns import join_columns
from deepglass.spec.spec import Spec

MAX_INFERENCE_ROWS = 10_000  # rows from which a kind is inferred

F = TypeVar("F", bound=Feature)

Role = Literal["input", "output", "ignored"]
Settings = Mapping[str, Any]  # of a feature, as a spec has them

_TAKEN_FOR = {
    "image": ("image", "mask", "video"),
    "mask": ("mask", "image"),
    "audio": ("audio",),
    "video": ("video", "image"),
}
"""Kinds that files of a kind may be column_roles for."""


class ColumnRole(NamedTuple):
    """Kind and role of a column, and the reason."""

    name: str
    kind: str
    why: str
    role: Role


def infer_columns(table: Table, spec: Spec) -> tuple[list[ColumnRole], list[Feature], list[Output]]:
    """Kind and role of each column, and the unfitted inputs and outputs.

    Inputs whose columns a table transform has still to add are left out.

    Raises:
        SourceError: `unknown-column`; `empty-source` where nothing is left to learn from.
        SpecError: an unknown kind or setting, roles that exclude each other.
    """
    targets: list[Settings] = list(spec.outputs) or ([{"name": table.target}] if table.target else [])
    chosen = bool(spec.inputs)
    sources: list[Settings] = list(spec.inputs)
    incomplete = bool(spec.data.transforms) and not table.derived
    if incomplete:
        sources = [s for s in sources if all(c in table.columns for c in source_columns(s))]
    _check_names(table, spec, targets, incomplete)
    used = {c for s in targets for c in (s["name"], *source_columns(s))}
    if not chosen:
        sources = [{"name": n} for n in table.names if n not in used.union(spec.data.ignore, table.excluded)]
    table = join_columns(table, joined_columns((*targets, *sources)))
    column_roles: list[ColumnRole] = []
    inputs: list[Feature] = []
    outputs: list[Output] = []
    for i, settings in enumerate(targets):
        kind, why = _kind(table, settings, spec)
        advice = f"choose another kind, such as --kind {settings['name']}=category"
        cls = output_class(kind, f"outputs[{i}]", advice)
        outputs.append(_feature(table, settings, kind, cls, "outputs"))
        column_roles.append(ColumnRole(settings["name"], kind, why, "output"))
    longest = max((side for f in outputs if (side := type(f).longest_side)), default=None)
    for i, settings in enumerate(sources):
        where = f"inputs[{i}]" if chosen else f"inputs.{settings['name']}"
        for column in source_columns(settings):
            check_column(table, column, where)
        kind, why = _kind(table, settings, spec)
        if not chosen and (useless := _useless(table[settings["name"]])):
            column_roles.append(ColumnRole(settings["name"], kind, useless, "ignored"))
            continue
        defaults = {"max_side": longest} if kind == "image" and longest else {}
        inputs.append(_feature(table, settings, kind, FEATURES.get(kind, where=where), "inputs", defaults))
        column_roles.append(ColumnRole(settings["name"], kind, why, "input"))
    column_roles += [ColumnRole(n, "", "left out by --ignore", "ignored") for n in spec.data.ignore]
    excluded = [n for n in table.excluded if not chosen and n not in used and n not in spec.data.ignore]
    why = "set aside by the source: no input unless asked"
    column_roles += [ColumnRole(n, table.kinds.get(n, ""), why, "ignored") for n in excluded]
    if not inputs and not incomplete:
        why = "; ".join(f"{t.name}: {t.why if t.role == 'ignored' else 'the target'}" for t in column_roles[:8])
        raise SourceError("empty-source", f"{table.name}: no column is left to learn from ({why})")
    return column_roles, inputs, outputs


def _check_names(table: Table, spec: Spec, outputs: Sequence[Settings], incomplete: bool) -> None:
    """The spec names columns and kinds that exist, and no column has two roles.

    Args:
        incomplete: a table transform may still add columns.
    """
    for i, settings in enumerate(outputs):
        for column in source_columns(settings):
            check_column(table, column, f"outputs[{i}]")
    joined = joined_columns((*outputs, *spec.inputs))
    if taken := [name for name in joined if name in table.columns and not table.derived]:
        text = f"{taken[0]!r} is a column of {table.name}; a feature of several columns needs a name of its own"
        group = "outputs" if any(s["name"] == taken[0] for s in outputs) else "inputs"
        raise SpecError("bad-value", f"{group}.{taken[0]}: {text}")
    for where, names in (("data.ignore", spec.data.ignore), ("--kind", spec.kinds)):
        for name in names:
            if name not in joined and not incomplete:
                check_column(table, name, where)
    for name, kind in spec.kinds.items():
        FEATURES.get(kind, where=f"--kind {name}")
    check_roles(outputs, spec.inputs, spec.data.ignore)


def source_columns(settings: Settings) -> tuple[str, ...]:
    """Columns of the table that a feature of the spec reads."""
    return tuple(settings.get("columns", ())) or (_column(settings),)


def joined_columns(features: Iterable[Settings]) -> dict[str, tuple[str, ...]]:
    """Name -> columns, of the features of a spec that read several."""
    return {s["name"]: source_columns(s) for s in features if s.get("columns")}


def _column(settings: Settings) -> str:
    return settings.get("column", settings["name"])


def _feature(
    table: Table, settings: Settings, kind: str, cls: type[F], group: str, defaults: Mapping[str, Any] | None = None
) -> F:
    """A feature or output with the spec's settings; else the source's; else these defaults."""
    column = _column(settings)
    hints = table.hints.get(column, {}) if table.kinds.get(column) == kind else {}
    given = {**(defaults or {}), **hints, **{k: v for k, v in settings.items() if k != "kind"}}
    return construct(cls, given, f"{group}.{settings['name']}", beside=["kind"])


def _kind(table: Table, settings: Settings, spec: Spec) -> tuple[str, str]:
    name, column = settings["name"], _column(settings)
    if explicit_kind := settings.get("kind") or spec.kinds.get(name):
        source_kind = table.kinds.get(column, explicit_kind)
        if isinstance(table[column], list) and explicit_kind not in _TAKEN_FOR.get(source_kind, (explicit_kind,)):
            expected = " or ".join(_TAKEN_FOR[source_kind])
            raise SpecError(
                "bad-value", f"{name}: expected the kind {expected} for its {source_kind} files, got {explicit_kind!r}"
            )
        return explicit_kind, "set by the user"
    if settings.get("columns"):
        raw = table[column]
        if isinstance(raw, pl.Series) and all(t.is_numeric() for t in raw.struct.unnest().dtypes):
            return "vector", "numbers in several columns"
        names = ", ".join(source_columns(settings))
        raise SpecError("bad-value", f"{name}: no kind fits the columns {names} together; set it with `kind:`")
    if column in table.kinds:
        return table.kinds[column], "the source says so"
    return infer_type(_head(table[column]), column)


def _useless(raw: Raw) -> str | None:
    """Why a column can teach nothing, if so."""
    if not isinstance(raw, pl.Series):
        return None
    absent = is_null(raw)
    if absent.all():
        return "no value in any row"
    if absent.any() or raw.dtype == pl.Object or raw.dtype.is_nested():
        return None
    if raw.n_unique() == 1:
        return "the same value in every row"
    if raw.dtype.is_integer() and len(raw) > 20:
        steps = raw.cast(pl.Int64).diff().drop_nulls()
        if steps.min() == steps.max() == 1:
            return "a row number: it counts up by one"
    return None


def _head(raw: Raw) -> Raw:
    if len(raw) <= MAX_INFERENCE_ROWS:
        return raw
    rows = np.random.default_rng(0).choice(len(raw), MAX_INFERENCE_ROWS, replace=False)
    return take_raw(raw, np.sort(rows))
