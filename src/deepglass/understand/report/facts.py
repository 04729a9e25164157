"""Everything that a report needs, as plain data: no torch, no run folder, no model.

The glue that fills it lives with the run; the panels read nothing else. What is unknown is left at its default, and
the panel (or the part of it) that would show it is left out. Numbers may be NaN: they are shown as not measured.
`measure.py` makes the less obvious parts (histograms, intervals, reliability, thresholds) from arrays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np

from deepglass.data.table import Note, Skipped
from deepglass.features.base import Metric
from deepglass.understand.report.adversarial_facts import Contest
from deepglass.understand.report.agent_facts import AgentFacts
from deepglass.understand.report.drawn_facts import Again, Samples
from deepglass.understand.report.inside_facts import Inside
from deepglass.understand.report.map_facts import MapFacts
from deepglass.understand.report.picture_facts import Curves, Filters, Legend, Overlay, Redrawn, Varied, Verification
from deepglass.understand.report.semi_facts import Guessed
from deepglass.understand.report.sound_facts import Heard
from deepglass.understand.report.text_facts import Looked, Read, Tagged, Wrote
from deepglass.understand.report.why_facts import Why


class Histogram(NamedTuple):
    """How numbers are spread: `counts` in bins of one width from `low` to `high`."""

    low: float
    high: float
    counts: tuple[int, ...]


class TopValues(NamedTuple):
    """The most frequent values with their counts, the rows of all others, and how many values there are."""

    values: tuple[tuple[str, int], ...]
    others: int = 0
    distinct: int = 0


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


class Layer(NamedTuple):
    """A layer: its path in the network, its class, the shape that it gives without the batch, its parameters."""

    name: str
    kind: str
    shape: tuple[int | str, ...]
    parameters: int


class Figure(NamedTuple):
    """A measured figure and the ends of its 95 % interval."""

    value: float
    low: float | None = None
    high: float | None = None


class Baseline(NamedTuple):
    """A simpler model on the same test rows: its metrics, the rows that it was fitted on, the seconds it took."""

    metrics: Mapping[str, float]
    rows: int | None = None
    seconds: float | None = None


class Bin(NamedTuple):
    """The rows whose confidence falls into one bin: its mean, the share that was right, how many."""

    confidence: float
    accuracy: float
    rows: int


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """How true confidences are, before and after the temperature; `ece` is the expected calibration error."""

    after: tuple[Bin, ...]
    ece_after: float
    before: tuple[Bin, ...] = ()
    ece_before: float | None = None
    temperature: float | None = None


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """What a yes-or-no output does at each threshold; the ROC curve follows from it.

    Args:
        at: thresholds in ascending order, (T,). A row is called positive when its probability reaches it.
        true_positive: counts, (T,); the other three alike.
        chosen: the threshold that the run answers with.
        positive: the name of the positive class.
    """

    at: np.ndarray
    true_positive: np.ndarray
    false_positive: np.ndarray
    false_negative: np.ndarray
    true_negative: np.ndarray
    chosen: float = 0.5
    positive: str = "yes"


@dataclass(frozen=True, kw_only=True)
class ClassFacts:
    """The test answers of an output that is a class or yes-or-no.

    Args:
        names: class names, (K,).
        confusion: (K, K) counts, a row a true class, a column an answer.
        reliability: how true the confidences are.
        thresholds: yes-or-no outputs only.
    """

    names: tuple[str, ...]
    confusion: np.ndarray | None = None
    reliability: Reliability | None = None
    thresholds: Thresholds | None = None


@dataclass(frozen=True, kw_only=True)
class NumberFacts:
    """The test answers of an output that is a number, in the user's units.

    Args:
        truth: (N,) at most about 2,000 rows are drawn; `measure.sample` picks them.
        predicted: (N,) the answers to the same rows.
        low: (N,) lower ends of the conformal intervals of the same rows.
        high: (N,) upper ends.
        level: the share of rows whose truth the intervals promise to hold.
        coverage: the share that they did hold, over all test rows.
        residuals: quantiles of predicted minus true over all test rows, such as {0.05: -31000, 0.5: 120, ...}.
    """

    truth: np.ndarray
    predicted: np.ndarray
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    level: float | None = None
    coverage: float | None = None
    residuals: Mapping[float, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A test row that was answered wrongly, or, for a number, far off; or one that is shown beside these.

    Args:
        row: its 0-based place in the source.
        truth: the true answer: a class name or a number.
        predicted: the network's answer.
        confidence: 0 to 1, where there is one.
        picture: a small PNG, at most about 96 pixels a side; `measure.thumbnail` makes one.
        values: the row's other values as text, most telling first.
    """

    row: int
    truth: str | float
    predicted: str | float
    confidence: float | None = None
    picture: bytes | None = None
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class OutputFacts:
    """One output and how well it is answered.

    Args:
        name: the output's name.
        kind: its feature kind.
        metric: the figure to watch.
        test: metric name -> figure on the test rows.
        test_rows: how many rows that was.
        unit: what a row is, such as an episode.
        baselines: "constant", "linear", "gradient_boosting" -> baseline.
        classes: for classes and yes-or-no.
        numbers: for numbers.
        mistakes: most confident (or farthest off) first; about four a pair of classes, about 60 in all.
        items: of classes, a few rows of each cell of the confusion matrix that are not among the mistakes.
        remarks: sentences about this output, such as what an imbalance means for its figures.
        overlays: pictures with truth and answer drawn over them, the worst first, then some typical ones.
        show_from: boxes of this confidence and more are shown at first.
        legend: the classes of masks and their colours.
        per_class: class -> metric -> value, with "rows" for how many true ones there are.
        curves: precision over recall.
        verification: for an output that tells same from different.
        redrawn: for an output that is a picture, the worst first.
        wrote: for an output that is a text, the worst first; for a language model, what it wrote.
        tagged: for an output of tags, the sentences with the most mistakes first.
        looked: where the words of an answer looked.
        read: what was read before an answer.
        heard: for an output that is answered from sounds, the worst first.
        whys: some rows with what adds to their answers.
    """

    name: str
    kind: str
    metric: Metric
    test: Mapping[str, Figure]
    test_rows: int
    unit: str = "row"
    baselines: Mapping[str, Baseline] = field(default_factory=dict)
    classes: ClassFacts | None = None
    numbers: NumberFacts | None = None
    mistakes: tuple[Mistake, ...] = ()
    items: tuple[Mistake, ...] = ()
    remarks: tuple[str, ...] = ()
    overlays: tuple[Overlay, ...] = ()
    show_from: float = 0.5
    legend: tuple[Legend, ...] = ()
    per_class: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    curves: Curves | None = None
    verification: Verification | None = None
    redrawn: tuple[Redrawn, ...] = ()
    wrote: tuple[Wrote, ...] = ()
    tagged: tuple[Tagged, ...] = ()
    looked: tuple[Looked, ...] = ()
    read: tuple[Read, ...] = ()
    heard: tuple[Heard, ...] = ()
    whys: tuple[Why, ...] = ()


class Finding(NamedTuple):
    """Something that is wrong with the data, as `inspect` gives it."""

    kind: str
    text: str
    rows: tuple[int, ...] = ()
    columns: tuple[str, ...] = ()
    sure: float = 1.0
    fix: str = ""


@dataclass(frozen=True, kw_only=True)
class Reproduce:
    """How to come to the same run again.

    Args:
        commands: command lines, in order.
        spec: the spec as resolved, YAML text.
        versions: package -> version.
        seed: the run's seed.
        weights_sha256: the hash that a run again should have.
    """

    commands: tuple[str, ...] = ()
    spec: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    seed: int | None = None
    weights_sha256: str = ""


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
    reproduce: Reproduce | None = None
    filters: Filters | None = None
    varied: Varied | None = None
    guessed: tuple[Guessed, ...] = ()
    contest: Contest | None = None
    agent: AgentFacts | None = None
    samples: Samples | None = None
    again: Again | None = None
    map: MapFacts | None = None
    inside: Inside | None = None
