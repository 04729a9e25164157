"""Everything that a report needs, as plain data: no torch, no run folder, no model.

The glue that fills it lives with the run; the panels read nothing else. What is unknown is left at its default, and
the panel (or the part of it) that would show it is left out. Numbers may be NaN: they are shown as not measured.
`measure.py` makes the less obvious parts (histograms, intervals, reliability, thresholds) from arrays.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

from deepglass.data.table import Note, Skipped
from deepglass.introspect.facts import Introspection
from deepglass.introspect.filters import Filters
from deepglass.introspect.layers import Layer
from deepglass.metrics.summaries import Histogram, TopValues
from deepglass.report.output_facts import OutputFacts


@dataclass(frozen=True, kw_only=True)
class ColumnFacts:
    """A column of the source and how it was taken.

    Args:
        name: the column's name in the source.
        kind: the feature kind, such as "number"; empty for a column that was never looked at.
        why: why it was taken for that kind.
        role: what it is for.
        role_why: why it has this role, above all why it is ignored.
        missing: share of rows without a value, 0 to 1.
        spread: its values in small.
        example: one value as text, shown where there is no spread.
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
        """How it was taken alone: a reason may quote a value."""
        return replace(self, why="", spread=None, example="")


@dataclass(frozen=True, kw_only=True)
class DataFacts:
    """The source as a whole.

    Args:
        source: what the user calls it.
        rows: rows that were used.
        splits: rows of "train", "valid", "test".
        notes: what was recognised while reading.
        skipped: files and rows that were left out.
        remarks: sentences about the data as a whole, such as an imbalance of the classes.
    """

    source: str
    rows: int
    splits: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    remarks: tuple[str, ...] = ()

    def without_rows(self) -> DataFacts:
        """Without names of files and values: those of what was left out, those in reasons and after "such as"."""
        remarks = tuple(r for r in self.remarks if not any(s.name in r for s in self.skipped))
        notes = tuple(n._replace(value=n.value.partition(" such as ")[0], why="") for n in self.notes)
        return replace(self, skipped=(), remarks=remarks, notes=notes)


@dataclass(frozen=True, kw_only=True)
class PlanFacts:
    """What training did and what it took."""

    steps: int
    batch_size: int
    epochs: float | None = None
    precision: str = "float32"
    device: str = "cpu"
    threads: int | None = None
    seconds: float | None = None  # of training alone
    seconds_total: float | None = None
    parameters: int | None = None
    examples_per_second: float | None = None
    best_step: int | None = None  # whose weights were kept


class Evaluation(NamedTuple):
    """A line of history.jsonl; `train` and `valid` map "loss" and metric names to values."""

    step: int
    epoch: float
    seconds: float
    learning_rate: float
    train: Mapping[str, float]
    valid: Mapping[str, float]


_OF_COLUMNS = ("id_column", "constant", "imbalance", "few_examples", "leak", "drift")
_QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""")  # as `repr` writes a value
_OF_CLASSES = ("imbalance", "few_examples")  # these quote names of classes and nothing else


class Finding(NamedTuple):
    """Something that is wrong with the data, as `inspect` gives it."""

    kind: str
    text: str
    rows: tuple[int, ...] = ()
    columns: tuple[str, ...] = ()
    sure: float = 1.0
    fix: str = ""

    def without_rows(self) -> Finding:
        """Of whole columns: without the values that are quoted; else: how many rows there are, and no more."""
        if self.kind in _OF_CLASSES:
            return self
        if self.kind in _OF_COLUMNS:
            return self._replace(text=_QUOTED.sub("…", self.text))
        return self._replace(text=f"{len(self.rows):,} rows; what they hold is left out")


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The shared facts that a section may read, as `ReportData` has them."""

    name: str
    task: str
    data: DataFacts
    columns: tuple[ColumnFacts, ...] = ()
    outputs: tuple[OutputFacts, ...] = ()
    history: tuple[Evaluation, ...] = ()
    plan: PlanFacts | None = None
    layers: tuple[Layer, ...] = ()
    filters: Filters | None = None
    inside: Introspection | None = None
