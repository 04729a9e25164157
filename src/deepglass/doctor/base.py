"""What a finding is, and the case that every check looks at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import polars as pl

from deepglass.data.table import Table
from deepglass.doctor.duplicates import Duplicates, find_duplicates
from deepglass.doctor.measures import Measure, measures_of
from deepglass.doctor.media_summary import MediaSummary, summarise_media
from deepglass.features.base import CLASSIFICATION_KINDS, Feature
from deepglass.prepare.columns import ColumnRole
from deepglass.prepare.prepared_data import PreparedData
from deepglass.spec.spec import Spec


@dataclass(frozen=True)
class Finding:
    """Something that is wrong, the rows and columns that it concerns, how sure that is, and what mends it.

    Args:
        rows: places in the source, from 0.
        sure: from 0 to 1.
        fix: a key of the spec and its value, as the command line takes it; empty where nothing is to be mended.
    """

    kind: str
    rows: tuple[int, ...]
    columns: tuple[str, ...]
    sure: float
    text: str
    fix: str


class Target(NamedTuple):
    """An answer as numbers.

    Args:
        values: (N,) float64; codes where there are classes; NaN = no answer.
        classes: names of the codes; None for a number.
    """

    name: str
    column: str
    values: np.ndarray
    classes: tuple[str, ...] | None


@dataclass(frozen=True)
class Case:
    """A table as training takes it.

    Args:
        taken: how each column was taken, and why.
        features: of inputs and outputs, fitted or not.
        places: (N,) where each row stands in the source.
        split: (N,) of "train", "valid", "test", "" for unused rows; None where there is none.
        given: whether the split says how the parts came about: by the source, a second source, time or group.
        most: media that are opened, at most, of each column.
    """

    table: Table
    taken: tuple[ColumnRole, ...]
    features: tuple[Feature, ...]
    places: np.ndarray
    split: np.ndarray | None = None
    given: str = ""
    most: int = 20_000

    @staticmethod
    def of(spec: Spec, prepared: PreparedData, most: int) -> Case:
        """The rows that a training has prepared."""
        features = (*prepared.inputs, *prepared.outputs)
        given = given_by(spec, prepared.table)
        return Case(prepared.table, prepared.column_roles, features, prepared.source_rows, prepared.split, given, most)

    def taking(self, rows: np.ndarray) -> Case:
        """The same of some rows."""
        if len(rows) == len(self.table):
            return self
        split = None if self.split is None else self.split[rows]
        return replace(self, table=self.table.take(rows), places=self.places[rows], split=split)

    @cached_property
    def inputs(self) -> tuple[Feature, ...]:
        names = {t.name for t in self.taken if t.role == "input"}
        return tuple(f for f in self.features if f.name in names)

    @cached_property
    def outputs(self) -> tuple[Feature, ...]:
        names = {t.name for t in self.taken if t.role == "output"}
        return tuple(f for f in self.features if f.name in names)

    @cached_property
    def targets(self) -> tuple[Target, ...]:
        """The answers with classes, and those that are numbers."""
        found = (_target(f.name, f.column, f.kind, self.table) for f in self.outputs)
        return tuple(t for t in found if t is not None)

    @cached_property
    def small(self) -> dict[str, MediaSummary]:
        """Pictures and sounds among the inputs, in small."""
        found = ((f.column, summarise_media(f.kind, self.table[f.column], self.most)) for f in self.inputs)
        return {column: small for column, small in found if small is not None}

    @cached_property
    def measures(self) -> tuple[Measure, ...]:
        """What can be said of each input in one number: its value, its length, its brightness."""
        found: list[Measure] = []
        for feature in self.inputs:
            found += measures_of(feature.kind, feature.column, self.table[feature.column], self.small)
        return tuple(found)

    @cached_property
    def same(self) -> Duplicates:
        """Rows whose inputs are equal, or nearly so."""
        return find_duplicates(self.table, self.inputs, self.small, bool(self.outputs))

    def finding(
        self, kind: str, rows: np.ndarray | Sequence[int], columns: Sequence[str], sure: float, text: str, fix: str = ""
    ) -> Finding:
        """A finding whose rows, counted in the table, are told as places in the source."""
        places = np.unique(self.places[np.asarray(rows, np.int64)])
        return Finding(kind, tuple(places.tolist()), tuple(columns), round(float(sure), 4), text, fix)


Check = Callable[[Case], list[Finding]]


def given_by(spec: Spec, table: Table) -> str:
    """What divides the rows, where that is not chance: "predefined", "order", "time:COLUMN", "group:COLUMN"; else ""."""
    split = spec.data.split
    if split.rows is not None:
        return "order"
    by = split.by or ("predefined" if table.split is not None and split.folds is None else "random")
    return "" if by == "random" else by


def _target(name: str, column: str, kind: str, table: Table) -> Target | None:
    raw = table[column]
    if kind in CLASSIFICATION_KINDS and isinstance(raw, pl.Series | np.ndarray) and np.ndim(raw) == 1:
        values = pl.Series("value", raw)
        values = values.fill_nan(None) if values.dtype.is_float() else values
        texts = values.cast(pl.String, strict=False)
        names = texts.drop_nulls().unique(maintain_order=True)
        codes = texts.replace_strict(names, pl.int_range(len(names), eager=True), default=None)
        return Target(name, column, codes.cast(pl.Float64).fill_null(np.nan).to_numpy(), tuple(names.to_list()))
    if kind == "number":
        found = measures_of("number", column, raw, {})
        return Target(name, column, found[0].values, None) if found else None
    return None


def together(found: Sequence[Finding]) -> Finding:
    """Findings of one kind as one: the rows and columns of all, the first texts."""
    if len(found) == 1:
        return found[0]
    rows = tuple(sorted({row for f in found for row in f.rows}))
    columns = tuple(dict.fromkeys(c for f in found for c in f.columns))
    text = "; ".join(f.text for f in found[:5]) + (f"; and {len(found) - 5} more" if len(found) > 5 else "")
    fixes = list(dict.fromkeys(f.fix for f in found))
    fix = f"data.ignore=[{', '.join(columns)}]" if all(f.startswith("data.ignore") for f in fixes) else fixes[0]
    return Finding(found[0].kind, rows, columns, min(f.sure for f in found), text, fix)


def listed(values: Sequence[object], most: int = 5) -> str:
    """The first of some values, and how many more there are: `3, 17, 40 and 12 more`."""
    more = len(values) - most
    shown = ", ".join(str(v) for v in values[:most])
    return f"{shown} and {more:,} more" if more > 0 else shown
