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
from deepglass.projection.facts import ProjectionMap
from deepglass.report.agent_facts import AgentFacts
from deepglass.report.gan_facts import Contest
from deepglass.report.image_facts import Varied
from deepglass.report.output_facts import OutputFacts
from deepglass.report.pseudo_label_facts import Guessed
from deepglass.report.sample_facts import Again, Samples


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
    """A run as a report tells it.

    Args:
        name: the run's name.
        task: one sentence: what is answered from what.
        data: the source as a whole.
        columns: the source's columns in their order.
        outputs: what was learned, one entry an output; an unsupervised run names its objective here.
        history: the evaluations during training.
        plan: what training did.
        layers: the network, input first.
        findings: what is wrong with the data.
        reproduce: how to come to the same run again.
        filters: what the network looks for in pictures.
        varied: how pictures were varied in training.
        guessed: how rows without an answer were answered, an entry an output.
        contest: how a generator and its critic did.
        agent: how an agent learned, and how it acts.
        samples: what was drawn as the run went on.
        again: rows that were drawn again.
        map: rows in the learned space, to be walked through.
        inside: what goes on inside the network.
    """

    name: str
    task: str
    data: DataFacts
    columns: tuple[ColumnFacts, ...] = ()
    outputs: tuple[OutputFacts, ...] = ()
    history: tuple[Evaluation, ...] = ()
    plan: PlanFacts | None = None
    layers: tuple[Layer, ...] = ()
    findings: tuple[Finding, ...] = ()
    filters: Filters | None = None
    varied: Varied | None = None
    guessed: tuple[Guessed, ...] = ()
    contest: Contest | None = None
    agent: AgentFacts | None = None
    samples: Samples | None = None
    again: Again | None = None
    map: ProjectionMap | None = None
    inside: Introspection | None = None

    def without_rows(self) -> Facts:
        """The same without whatever shows single rows or their values; the names of classes stay."""
        return replace(
            self,
            data=self.data.without_rows(),
            columns=tuple(c.without_rows() for c in self.columns),
            outputs=tuple(o.without_rows() for o in self.outputs),
            findings=tuple(f.without_rows() for f in self.findings),
            filters=self.filters and self.filters.without_rows(),
            samples=self.samples and self.samples.without_rows(),
            map=self.map and self.map.without_rows(),
            inside=self.inside and self.inside.without_rows(),
            varied=None,
            again=None,
        )
