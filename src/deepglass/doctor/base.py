"""What a finding is, and the data that every check looks at."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import polars as pl

from deepglass.data.split import Split
from deepglass.data.table import Table
from deepglass.doctor.duplicates import Duplicates, find_duplicates
from deepglass.doctor.measures import Measure, measures_of
from deepglass.doctor.media_summary import MediaSummary, summarise_media
from deepglass.features.base import Feature
from deepglass.features.outputs.base import Output
from deepglass.prepare.columns import ColumnRole
from deepglass.prepare.prepared_data import PreparedData
from deepglass.prepare.rows import choose_split
from deepglass.spec.spec import Spec

MAX_MEDIA = 20_000  # files of a column that are opened
OF_COLUMNS = (
    "id_column",
    "constant",
    "imbalance",
    "few_examples",
    "leak",
    "drift",
    "group_leak",
    "proxy",
    "order_drift",
)
OF_CLASSES = ("imbalance", "few_examples")  # these quote names of classes and nothing else
QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""")  # as `repr` writes a value


@dataclass(frozen=True)
class Finding:
    """A problem of the data.

    Args:
        kind: name of the check, such as "duplicate".
        rows: indices of the rows in the source, from 0.
        confidence: from 0 to 1.
        text: what is wrong, where.
        fix: a key of the spec and its value, as the command line takes it; empty where nothing is to be fixed.
    """

    kind: str
    rows: tuple[int, ...]
    columns: tuple[str, ...]
    confidence: float
    text: str
    fix: str

    def without_rows(self) -> Finding:
        """Without values of single rows: quoted values are left out, or all but the number of rows."""
        if self.kind in OF_CLASSES:
            return self
        if self.kind in OF_COLUMNS:
            return replace(self, text=QUOTED.sub("…", self.text))
        return replace(self, text=f"{len(self.rows):,} rows, whose contents are left out")


class Target(NamedTuple):
    """An output's labels as numbers.

    Args:
        values: (N,) float64; class codes, or numbers; NaN = no label.
        classes: names of the codes; None for a number.
    """

    name: str
    column: str
    values: np.ndarray
    classes: tuple[str, ...] | None


@dataclass(frozen=True)
class DataContext:
    """A table as it is used for training; the argument of every check.

    Args:
        roles: role and kind of each column, with the reason.
        features: of inputs and outputs, fitted or not.
        source_rows: (N,) index of each row in the source.
        split: (N,) of "train", "valid", "test", "" for unused rows; None without a split.
        split_source: what divides the rows, see `split_source`; "" for a random split.
        max_media: files of a column that are opened, at most.
        hidden_labels: whether labels of training rows are hidden on purpose, so that those left are no fair sample.
    """

    table: Table
    roles: tuple[ColumnRole, ...]
    features: tuple[Feature, ...]
    source_rows: np.ndarray
    split: np.ndarray | None = None
    split_source: str = ""
    max_media: int = MAX_MEDIA
    hidden_labels: bool = False

    @staticmethod
    def of(spec: Spec, data: PreparedData, max_media: int) -> DataContext:
        """The rows that a run has prepared."""
        return DataContext(
            data.table,
            data.column_roles,
            (*data.inputs, *data.outputs),
            data.source_rows,
            data.split,
            split_source(choose_split(spec, data.table, data.outputs), data.table),
            max_media,
            spec.data.num_labels is not None,
        )

    def take(self, rows: np.ndarray) -> DataContext:
        """The same of some rows."""
        if len(rows) == len(self.table):
            return self
        split = None if self.split is None else self.split[rows]
        return replace(self, table=self.table.take(rows), source_rows=self.source_rows[rows], split=split)

    @cached_property
    def inputs(self) -> tuple[Feature, ...]:
        return tuple(f for f in self.features if not isinstance(f, Output))

    @cached_property
    def outputs(self) -> tuple[Output, ...]:
        return tuple(f for f in self.features if isinstance(f, Output))

    def texts(self, features: Sequence[Feature]) -> Iterator[tuple[Feature, pl.Series]]:
        """The columns of these features that are strings."""
        for feature in features:
            raw = self.table[feature.column]
            if isinstance(raw, pl.Series) and raw.dtype == pl.String:
                yield feature, raw

    @cached_property
    def targets(self) -> tuple[Target, ...]:
        """The labels of outputs with classes, and of numbers."""
        targets = []
        for output in self.outputs:
            measures = measures_of(type(output), output.column, self.table[output.column], {})
            targets += [Target(output.name, output.column, m.values, m.names) for m in measures if not m.what][:1]
        return tuple(targets)

    @cached_property
    def media(self) -> dict[str, MediaSummary]:
        """Summaries of the input columns that are images or audio."""
        summaries = ((f.column, summarise_media(type(f), self.table[f.column], self.max_media)) for f in self.inputs)
        return {column: summary for column, summary in summaries if summary is not None}

    @cached_property
    def measures(self) -> tuple[Measure, ...]:
        """Scalar measures of the inputs: a value, a text's length, an image's brightness."""
        measures: list[Measure] = []
        for feature in self.inputs:
            measures += measures_of(type(feature), feature.column, self.table[feature.column], self.media)
        return tuple(measures)

    @cached_property
    def duplicates(self) -> Duplicates:
        """Rows whose inputs are equal, or nearly so."""
        return find_duplicates(self.table, self.inputs, self.media, bool(self.outputs))

    def finding(
        self,
        kind: str,
        rows: np.ndarray | Sequence[int],
        columns: Sequence[str],
        confidence: float,
        text: str,
        fix: str = "",
    ) -> Finding:
        """A finding; `rows` are indices in the table, which become indices in the source."""
        source_rows = np.unique(self.source_rows[np.asarray(rows, np.int64)])
        return Finding(kind, tuple(source_rows.tolist()), tuple(columns), round(float(confidence), 4), text, fix)


Check = Callable[[DataContext], Iterable[Finding]]


def split_source(split: Split, table: Table) -> str:
    """What divides the rows: "predefined", "order", "time:COLUMN" or "group:COLUMN"; "" for a random split.

    Args:
        split: with its defaults resolved.
    """
    if split.rows is not None:
        return "order"
    by = split.by or ("predefined" if table.split is not None and split.folds is None else "random")
    return "" if by == "random" else by


def merge_findings(checks: Iterable[Iterable[Finding]]) -> tuple[Finding, ...]:
    """The findings of each check as one."""
    return tuple(_merge(findings) for check in checks if (findings := [*check]))


def _merge(findings: Sequence[Finding]) -> Finding:
    """The rows and columns of all, the first five texts."""
    if len(findings) == 1:
        return findings[0]
    rows = tuple(sorted({row for f in findings for row in f.rows}))
    columns = tuple(dict.fromkeys(c for f in findings for c in f.columns))
    more = f"; and {len(findings) - 5} more" if len(findings) > 5 else ""
    fix = _merge_fixes([f.fix for f in findings])
    text = "; ".join(f.text for f in findings[:5]) + more
    return Finding(findings[0].kind, rows, columns, min(f.confidence for f in findings), text, fix)


def _merge_fixes(fixes: Sequence[str]) -> str:
    """The settings of all fixes: `a=[x]` and `a=[y]` are `a=[x, y]`."""
    lists: dict[str, dict[str, None]] = {}
    others: dict[str, None] = {}
    for fix in fixes:
        key, _, value = fix.partition("=")
        if value.startswith("[") and value.endswith("]"):
            lists.setdefault(key, {}).update(dict.fromkeys(value[1:-1].split(", ")))
        elif fix:
            others[fix] = None
    return " ".join([*(f"{key}=[{', '.join(values)}]" for key, values in lists.items()), *others])


def join_limited(values: Sequence[object], max_values: int = 5) -> str:
    """The first values, and how many more there are: `3, 17, 40 and 12 more`."""
    more = len(values) - max_values
    first = ", ".join(str(v) for v in values[:max_values])
    return f"{first} and {more:,} more" if more > 0 else first
