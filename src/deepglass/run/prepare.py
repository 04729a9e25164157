"""From a spec to encoded rows: what each column is taken for, who is in which split, what is left out and why."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import polars as pl

from deepglass.config import construct
from deepglass.data.batches import Dataset
from deepglass.data.sources import read
from deepglass.data.table import Skipped, Table
from deepglass.errors import SourceError, near_miss
from deepglass.features.base import FEATURES, Feature, Raw, recognise, take_raw
from deepglass.run.spec import Spec

SAMPLE = 10_000  # rows that recognising a kind looks at
PARTS = ("train", "valid", "test")


Role = Literal["input", "output", "ignored"]


class Taken(NamedTuple):
    """How a column was taken, and why."""

    name: str
    kind: str
    why: str
    role: Role


@dataclass(frozen=True)
class Prepared:
    """Everything that training needs of the data.

    Args:
        table: the rows that are used; those left out are in `table.skipped`.
        places: (N,) int64, where each row stands in the source.
        split: (N,) of "train", "valid", "test".
        inputs, outputs: fitted on the training rows.
        taken: how each column was taken.
        notes: sentences for the user: imbalance, missing labels, what was left out.
        fingerprint: of the source's content.
    """

    table: Table
    places: np.ndarray
    split: np.ndarray
    inputs: tuple[Feature, ...]
    outputs: tuple[Feature, ...]
    taken: tuple[Taken, ...]
    notes: tuple[str, ...]
    fingerprint: str

    def rows(self, part: str) -> np.ndarray:
        return np.flatnonzero(self.split == part)

    def part(self, part: str) -> Table:
        return self.table.take(self.rows(part))

    def datasets(self, device: str) -> dict[str, Dataset]:
        """The encoded rows of each part."""
        inputs = {f.name: f.encode(self.table[f.column]) for f in self.inputs}
        targets = {f.name: f.encode(self.table[f.column]) for f in self.outputs}
        parts = {}
        for part in PARTS:
            rows = self.rows(part)
            cut = lambda columns, rows=rows: {n: c.take(rows) for n, c in columns.items()}  # noqa: E731
            parts[part] = Dataset(cut(inputs), cut(targets), device)
        return parts


def prepare(spec: Spec) -> Prepared:
    """Read the source, settle kinds and split, fit the features on the training rows.

    Raises:
        SourceError, SpecError: all that can be wrong is found here, before training starts.
    """
    table = read_source(spec)
    taken, features = settle(table, spec)
    targets = [f for f in features if _role(taken, f.name) == "output"]
    inputs = [f for f in features if _role(taken, f.name) == "input"]
    table, places = _usable(table, inputs, targets)
    _check_rows(table, targets)
    first = table[targets[0].column] if targets else None
    stratify = bool(targets) and targets[0].kind in ("category", "binary")
    split = spec.data.split.assign(table, first, stratify)
    return _fitted(table, places, split, inputs, targets, taken)


def reprepare(spec: Spec, split: np.ndarray, places: np.ndarray, features: Mapping[str, Sequence[Feature]]) -> Prepared:
    """What `prepare` gave, from a stored split and stored features: for a run that goes on."""
    table = read_source(spec)
    fingerprint = fingerprint_of(table)
    inputs, outputs = tuple(features["inputs"]), tuple(features["outputs"])
    if len(places) and places.max() >= len(table):
        raise SourceError("mismatched-files", f"{table.name}: has {len(table)} rows, fewer than when the run began")
    return Prepared(table.take(places), places, split, inputs, outputs, (), (), fingerprint)


def read_source(spec: Spec) -> Table:
    """The source as one table; with a test source, the two together and a split between them."""
    root = Path(spec.data.root) if spec.data.root else None
    options: dict[str, Any] = {"columns": spec.data.columns or None, "name_pattern": spec.data.name, "data_root": root}
    table = read(spec.data.source, **options)
    if spec.data.test is None:
        return table
    test = read(spec.data.test, **options)
    absent = [n for n in table.names if n not in test.columns]
    if absent:
        raise SourceError("mismatched-files", f"{test.name}: lacks the columns {', '.join(absent)} of {table.name}")
    columns = {n: _joined(table[n], test[n], n, test.name) for n in table.names}
    given = np.where(np.arange(len(table) + len(test)) < len(table), "train", "test")
    return replace(table, columns=columns, split=given, skipped=(*table.skipped, *test.skipped))


def settle(table: Table, spec: Spec) -> tuple[list[Taken], list[Feature]]:
    """What each column is taken for and why; features are not fitted yet."""
    outputs = list(spec.outputs) or ([{"name": table.target}] if table.target else [])
    for i, settings in enumerate(outputs):
        _known_column(table, settings.get("column", settings["name"]), f"outputs[{i}]")
    for name in spec.data.ignore:
        _known_column(table, name, "data.ignore")
    for name in spec.kinds:
        _known_column(table, name, "--kind")
        FEATURES.get(spec.kinds[name], where=f"--kind {name}")
    used = {s.get("column", s["name"]) for s in outputs}
    chosen = bool(spec.inputs)
    inputs = list(spec.inputs) or [{"name": n} for n in table.names if n not in used and n not in spec.data.ignore]
    taken: list[Taken] = []
    features: list[Feature] = []
    groups: tuple[tuple[Role, list[Any]], ...] = (("output", outputs), ("input", inputs))
    for role, group in groups:
        for i, settings in enumerate(group):
            where = f"{role}s[{i}]" if chosen or role == "output" else f"inputs.{settings['name']}"
            _known_column(table, settings.get("column", settings["name"]), where)
            kind, why = _kind(table, settings, spec)
            useless = None if chosen or role == "output" else _useless(table, settings["name"])
            if useless:
                taken.append(Taken(settings["name"], kind, useless, "ignored"))
                continue
            given = {k: v for k, v in settings.items() if k != "kind"}
            features.append(construct(FEATURES.get(kind, where=where), given, f"{role}s.{settings['name']}"))
            taken.append(Taken(settings["name"], kind, why, role))
    taken += [Taken(n, "", "left out as asked", "ignored") for n in spec.data.ignore]
    if not any(t.role == "input" for t in taken):
        raise SourceError("no-rows", f"{table.name}: no column is left to learn from")
    return taken, features


def fingerprint_of(table: Table) -> str:
    """A hash of a table's shape and of rows spread over it; enough to know a changed source."""
    digest = hashlib.sha256(repr((table.names, len(table))).encode())
    for i in np.unique(np.linspace(0, max(len(table) - 1, 0), 200).astype(int)) if len(table) else []:
        digest.update(repr(table.row(int(i))).encode())
    return digest.hexdigest()


# -- steps -------------------------------------------------------------------------------------------------------


def _fitted(
    table: Table,
    places: np.ndarray,
    split: np.ndarray,
    inputs: list[Feature],
    targets: list[Feature],
    taken: list[Taken],
) -> Prepared:
    train = np.flatnonzero(split == "train")
    fit = lambda f: f.fit([take_raw(table[f.column], train)])  # noqa: E731
    fitted_targets = tuple(fit(f) for f in targets)
    notes: list[str] = []
    for feature in fitted_targets:
        column = feature.encode(take_raw(table[feature.column], train))
        feature.check_target(column, table.name)
        missing = int((~column.mask).sum())
        if missing:
            notes.append(f"{feature.name}: {missing} training rows have no value and teach nothing about it")
        notes += feature.remarks(column)
    notes += [
        f"{len(table.skipped)} files or rows were left out, the first: {s.name} ({s.reason})" for s in table.skipped[:1]
    ]
    return Prepared(
        table,
        places,
        split,
        tuple(fit(f) for f in inputs),
        fitted_targets,
        tuple(taken),
        tuple(notes),
        fingerprint_of(table),
    )


def _usable(table: Table, inputs: Sequence[Feature], targets: Sequence[Feature]) -> tuple[Table, np.ndarray]:
    """Leave out rows whose item cannot be read, and rows without any target."""
    keep = np.ones(len(table), bool)
    skipped: list[Skipped] = []
    for feature in inputs:
        for row, reason in feature.unreadable(table[feature.column]).items():
            keep[row] = False
            skipped.append(Skipped(f"row {row}", reason))
    if targets:
        absent = np.all([_absent(table[f.column]) for f in targets], axis=0)
        count = int((absent & keep).sum())
        if count:
            skipped.append(Skipped(f"{count} rows", f"no value for {', '.join(f.name for f in targets)}"))
        keep &= ~absent
    places = np.flatnonzero(keep)
    if len(places) == len(table):
        return table, places
    return replace(table.take(places), skipped=(*table.skipped, *skipped)), places


def _check_rows(table: Table, targets: Sequence[Feature]) -> None:
    if not len(table):
        about = f" with a value for {targets[0].name!r}" if targets else ""
        raise SourceError("no-rows", f"{table.name}: there are no rows{about}")
    if len(table) < 10:
        raise SourceError(
            "too-few-rows", f"{table.name}: {len(table)} rows are too few to train, validate and test; at least 10"
        )
    for target in targets:
        raw = table[target.column]
        distinct = raw.drop_nulls().n_unique() if isinstance(raw, pl.Series) else _distinct(raw)
        if distinct == 1:
            code: Any = "one-class" if target.kind in ("category", "binary") else "constant-target"
            raise SourceError(code, f"--target: {target.name!r} has the same value in every row of {table.name}")


def _kind(table: Table, settings: Mapping[str, Any], spec: Spec) -> tuple[str, str]:
    name = settings["name"]
    column = settings.get("column", name)
    if "kind" in settings:
        return settings["kind"], "as asked"
    if name in spec.kinds:
        return spec.kinds[name], "as asked"
    if column in table.kinds:
        return table.kinds[column], "the source says so"
    return recognise(_head(table[column]), column)


def _useless(table: Table, name: str) -> str | None:
    """Why a column can teach nothing, if so."""
    raw = table[name]
    if not isinstance(raw, pl.Series):
        return None
    if raw.null_count() == len(raw):
        return "no value in any row"
    if (
        raw.dtype != pl.Object
        and not raw.dtype.is_nested()
        and raw.drop_nulls().n_unique() == 1
        and not raw.null_count()
    ):
        return "the same value in every row"
    if raw.dtype.is_integer() and len(raw) > 20 and not raw.null_count():
        steps = raw.cast(pl.Int64).diff().drop_nulls()
        if steps.min() == steps.max() == 1:
            return "a row number: it counts up by one"
    return None


def _known_column(table: Table, name: str, where: str) -> None:
    if name not in table.columns:
        place = "--target" if where.startswith("outputs") else where
        raise SourceError(
            "unknown-column", f"{place}: no column {name!r} in {table.name}{near_miss(name, table.columns)}"
        )


def _absent(raw: Raw) -> np.ndarray:
    if isinstance(raw, pl.Series):
        null = raw.is_null()
        empty = null | raw.is_nan().fill_null(False) if raw.dtype.is_float() else null
        return empty.to_numpy()
    if isinstance(raw, np.ndarray) and raw.dtype.kind == "f":
        return np.asarray(np.isnan(raw.reshape(len(raw), -1)).all(1))
    return np.zeros(len(raw), bool)


def _distinct(raw: Raw) -> int:
    return len(np.unique(raw, axis=0)) if isinstance(raw, np.ndarray) and raw.ndim == 1 else 2


def _head(raw: Raw) -> Raw:
    if len(raw) <= SAMPLE:
        return raw
    rows = np.random.default_rng(0).choice(len(raw), SAMPLE, replace=False)
    return take_raw(raw, np.sort(rows))


def _joined(a: Raw, b: Raw, name: str, source: str) -> Raw:
    if isinstance(a, pl.Series) and isinstance(b, pl.Series):
        try:
            return pl.concat([a.to_frame(name), b.alias(name).to_frame()], how="vertical_relaxed")[name]
        except pl.exceptions.PolarsError:
            raise SourceError(
                "mismatched-files", f"{source}: {name!r} is {b.dtype} there and {a.dtype} in training"
            ) from None
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and a.shape[1:] == b.shape[1:]:
        return np.concatenate([a, b])
    if isinstance(a, list) and isinstance(b, list):
        return a + b
    raise SourceError("mismatched-files", f"{source}: {name!r} is of another kind there than in training")


def _role(taken: Sequence[Taken], name: str) -> str:
    return next(t.role for t in taken if t.name == name)
