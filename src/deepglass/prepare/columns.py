"""Kind and role of each column of a source."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeVar, cast

import numpy as np
import polars as pl

from deepglass.config import construct
from deepglass.data.table import Table
from deepglass.errors import SourceError, SpecError
from deepglass.features.base import FEATURES, Feature, Raw, infer_type, take_raw
from deepglass.features.category import Category
from deepglass.features.outputs.base import Output, output_class
from deepglass.objectives.base import OBJECTIVES
from deepglass.prepare.checks import check_column, check_roles
from deepglass.prepare.derived_columns import join_columns, leaking_columns
from deepglass.prepare.uninformative import Reason, uninformative
from deepglass.spec.spec import FeatureSpec, Spec
from deepglass.values import plain

MAX_INFERENCE_ROWS = 10_000  # rows from which a kind is inferred
MAX_CLASS_SHARE = 0.3  # of different texts in the rows of a column that may be classes

F = TypeVar("F", bound=Feature)

Role = Literal["input", "output", "ignored"]

COMPATIBLE_KINDS = {
    "image": ("image", "mask", "video"),
    "mask": ("mask", "image"),
    "audio": ("audio",),
    "video": ("video", "image"),
}
"""Kinds that a column of files of a kind may have."""


class ColumnRole(NamedTuple):
    """Kind and role of a column, and the reason.

    Args:
        finding: the kind of finding for which it is left out: "constant", "id_column", "leak", or empty.
    """

    name: str
    kind: str
    why: str
    role: Role
    finding: str = ""


def infer_columns(
    table: Table, spec: Spec, added: Sequence[str] = ()
) -> tuple[list[ColumnRole], list[Feature], list[Output]]:
    """Kind and role of each column, and the unfitted inputs and outputs.

    Inputs whose columns a table transform has still to add are left out.

    Args:
        added: columns of the history, which are inputs beside those that the spec names, unless it names some of them.

    Raises:
        SourceError: `unknown-column`; `empty-source` where nothing is left to learn from.
        SpecError: an unknown kind or setting, roles that exclude each other.
    """
    objective = OBJECTIVES.get(spec.objective.name, where="objective.name")
    unused_target = table.target if table.target and not spec.outputs and not objective.takes_targets else None
    marked = [FeatureSpec(table.target)] if table.target and unused_target is None else []
    targets = list(spec.outputs) or marked
    chosen = bool(spec.inputs)
    sources = list(spec.inputs)
    if chosen and not {c for s in sources for c in s.source_columns} & {*added}:
        sources += [FeatureSpec(name) for name in added]
    incomplete = bool(spec.data.table_transforms) and not table.derived
    if incomplete:
        sources = [s for s in sources if {*s.source_columns} <= {*table.columns}]
    _check_names(table, spec, targets, incomplete)
    used = {c for s in targets for c in (s.name, *s.source_columns)} | {spec.data.sample_weight or ""}
    left_out = _left_out(spec, [c for s in targets for c in (s.name, *s.source_columns)])
    if not chosen:
        others = used.union(spec.data.ignore, table.excluded, left_out, {unused_target})
        sources = [FeatureSpec(n) for n in table.names if n not in others]
    table = join_columns(table, (*targets, *sources))
    column_roles: list[ColumnRole] = []
    inputs: list[Feature] = []
    outputs: list[Output] = []
    for i, feature in enumerate(targets):
        kind, why = _kind(table, feature, spec, True)
        advice = f"choose another kind, such as --kind {feature.name}=category"
        cls = output_class(kind, f"outputs[{i}]", advice)
        outputs.append(_feature(table, feature, kind, cls, "outputs", spec.kind_settings(feature.name)))
        column_roles.append(ColumnRole(feature.name, kind, why, "output"))
    longest = max((side for f in outputs if (side := type(f).longest_side)), default=None)
    for i, feature in enumerate(sources):
        where = f"inputs[{i}]" if chosen else f"inputs.{feature.name}"
        for column in feature.source_columns:
            check_column(table, column, where)
        kind, why = _kind(table, feature, spec, False)
        reason = None if chosen else _reason(table, feature, kind, spec, len(sources))
        if reason is not None:
            column_roles.append(ColumnRole(feature.name, kind, reason.why, "ignored", reason.kind))
            continue
        defaults = {"max_side": longest} if kind == "image" and longest else {}
        input_class = FEATURES.get(kind, where=where)
        inputs.append(_feature(table, feature, kind, input_class, "inputs", spec.kind_settings(feature.name), defaults))
        column_roles.append(ColumnRole(feature.name, kind, why, "input"))
    column_roles += [ColumnRole(n, "", "ignored in the spec", "ignored") for n in spec.data.ignore]
    if (weight := spec.data.sample_weight) is not None:
        column_roles.append(ColumnRole(weight, "", "weights of the rows (data.sample_weight)", "ignored"))
    if unused_target is not None and not chosen and unused_target not in spec.data.ignore:
        why = f"the objective {spec.objective.name!r} has no target"
        column_roles.append(ColumnRole(unused_target, table.kinds.get(unused_target, ""), why, "ignored"))
    excluded = [n for n in table.excluded if not chosen and n not in used and n not in spec.data.ignore]
    why = "excluded by the source; an input only if the spec names it"
    column_roles += [ColumnRole(n, table.kinds.get(n, ""), why, "ignored") for n in excluded]
    why_not = {n: why for n, why in left_out.items() if not chosen and n not in used.union(spec.data.ignore)}
    column_roles += [ColumnRole(n, "", why, "ignored", "leak") for n, why in why_not.items() if n in table.columns]
    if not inputs and not incomplete:
        why = "; ".join(f"{t.name}: {t.why if t.role == 'ignored' else 'the target'}" for t in column_roles[:8])
        raise SourceError("empty-source", f"{table.name}: no column is left to learn from ({why})")
    return column_roles, inputs, outputs


def _left_out(spec: Spec, targets: Sequence[str]) -> dict[str, str]:
    """Columns that are inputs only if the spec names them -> the reason."""
    leaks = leaking_columns(spec.data.derive, targets)
    time = {spec.data.history["time"]: "orders the rows of data.history"} if spec.data.history else {}
    return {name: f"{why}; an input only if the spec names it" for name, why in {**time, **leaks}.items()}


def _check_names(table: Table, spec: Spec, outputs: Sequence[FeatureSpec], incomplete: bool) -> None:
    """The spec names columns and kinds that exist, and no column has two roles.

    Args:
        incomplete: a table transform may still add columns.
    """
    for i, feature in enumerate(outputs):
        for column in feature.source_columns:
            check_column(table, column, f"outputs[{i}]")
    joined = [f.name for f in (*outputs, *spec.inputs) if f.columns]
    if taken := [name for name in joined if name in table.columns and not table.derived]:
        text = f"{taken[0]!r} is a column of {table.name}; a feature of several columns needs a name of its own"
        group = "outputs" if any(s.name == taken[0] for s in outputs) else "inputs"
        raise SpecError("bad-value", f"{group}.{taken[0]}: {text}")
    for key in ("entities", "time", "columns", "rating_outcome", "even"):
        value = spec.data.history.get(key) or ()
        for column in [value] if isinstance(value, str) else value:
            check_column(table, column, f"data.history.{key}")
    for where, names in (("data.ignore", spec.data.ignore), ("--kind", spec.kinds)):
        for name in names:
            if name not in joined and not incomplete:
                check_column(table, name, where)
    for name in spec.kinds:
        if (kind := spec.kind_of(name)) is not None:
            FEATURES.get(kind, where=f"--kind {name}")
    check_roles(outputs, spec.inputs, spec.data.ignore)


def _feature(
    table: Table,
    spec: FeatureSpec,
    kind: str,
    cls: type[F],
    group: str,
    of_kind: Mapping[str, Any],
    defaults: Mapping[str, Any] | None = None,
) -> F:
    """A feature or output with the spec's settings; else those of `kinds`; else the source's; else these defaults."""
    hints = table.hints.get(spec.column, {}) if table.kinds.get(spec.column) == kind else {}
    names = {"name": spec.name, "column": spec.column, "columns": spec.columns}
    settings = {**(defaults or {}), **hints, **of_kind, **plain(spec.settings), **names}
    where = "kinds" if of_kind and not spec.settings else group
    return construct(cls, settings, f"{where}.{spec.name}", beside=["kind"])


def _kind(table: Table, feature: FeatureSpec, spec: Spec, is_output: bool) -> tuple[str, str]:
    name, column = feature.name, feature.column
    if explicit_kind := feature.kind or spec.kind_of(name):
        source_kind = table.kinds.get(column, explicit_kind)
        if isinstance(table[column], list) and explicit_kind not in COMPATIBLE_KINDS.get(source_kind, (explicit_kind,)):
            expected = " or ".join(COMPATIBLE_KINDS[source_kind])
            raise SpecError(
                "bad-value", f"{name}: expected the kind {expected} for its {source_kind} files, got {explicit_kind!r}"
            )
        return explicit_kind, "as specified"
    if feature.columns:
        raw = table[column]
        if isinstance(raw, pl.Series) and all(t.is_numeric() for t in raw.struct.unnest().dtypes):
            return "vector", "numbers in several columns"
        names = ", ".join(feature.columns)
        raise SpecError(
            "bad-value", f"{name}: no kind is known for the columns {names} together; name one with `kind:`"
        )
    if column in table.kinds:
        return table.kinds[column], "stated by the source"
    kind, why = infer_type(_sample(table[column], is_output), column)
    named = "names" in {**spec.kind_settings(name), **feature.settings}
    if named and kind in ("number", "text") and Category.infer_type(table[column], column):
        return "category", "its classes have names"
    return kind, why


def _reason(table: Table, feature: FeatureSpec, kind: str, spec: Spec, num_inputs: int) -> Reason | None:
    """Why a column is left out; an identifier stays where its kind is named, and a text where it is the only input."""
    raw = table[feature.name]
    reason = uninformative(raw, feature.name, kind)
    if reason is None or reason.kind == "constant":
        return reason
    named = feature.kind or spec.kinds.get(feature.name) or feature.name in table.kinds
    only = num_inputs == 1 and isinstance(raw, pl.Series) and raw.dtype == pl.String
    return None if named or only else reason


def _sample(raw: Raw, is_output: bool) -> Raw:
    """Rows from which a kind is inferred, at random; of an output with thousands of texts, all rows of some texts.

    A random sample holds each of thousands of classes about once, as if they were no classes.
    """
    if len(raw) <= MAX_INFERENCE_ROWS:
        return raw
    rows = np.random.default_rng(0).choice(len(raw), MAX_INFERENCE_ROWS, replace=False)
    sample = take_raw(raw, np.sort(rows))
    if is_output and isinstance(sample, pl.Series) and sample.dtype == pl.String:
        values = cast(pl.Series, raw).unique().sort()
        if sample.n_unique() >= MAX_CLASS_SHARE * len(sample) and len(values) < MAX_CLASS_SHARE * len(raw):
            some = values.gather_every(-(-len(raw) // MAX_INFERENCE_ROWS))
            return cast(pl.Series, raw).filter(cast(pl.Series, raw).is_in(some.implode()))
    return sample
