"""Facts of a run that several sections show: the source, its columns, the plan and the evaluations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

import numpy as np
import polars as pl

from deepglass.data.missing import is_null
from deepglass.data.table import Note, Skipped
from deepglass.features.base import FEATURES, Raw
from deepglass.features.outputs.base import Output
from deepglass.formatting import first_names
from deepglass.metrics import summaries
from deepglass.metrics.summaries import Histogram, TopValues
from deepglass.metrics.table import Metric
from deepglass.objectives.base import Objective
from deepglass.prepare.columns import ColumnRole
from deepglass.prepare.prepared_data import PreparedData
from deepglass.run.context import RunContext
from deepglass.training.callbacks import total_loss

ROWS_SEARCHED = 100  # for an example
MAX_EXAMPLE = 120  # characters


@dataclass(frozen=True, kw_only=True)
class ColumnFacts:
    """A column of the source, its kind and its role.

    Args:
        name: the column's name in the source.
        kind: the feature kind, such as "number"; empty for one that was not inspected.
        why: why it has this kind.
        role: what it is for.
        role_why: why it has this role, above all why it is ignored.
        missing: share of rows without a value, 0 to 1.
        spread: the distribution of its values.
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
        """Kind and role alone: a reason may quote a value."""
        return replace(self, why="", spread=None, example="")


@dataclass(frozen=True, kw_only=True)
class DataFacts:
    """The source as a whole.

    Args:
        source: its name.
        rows: that were used.
        splits: numbers of rows of "train", "valid", "test".
        notes: what was recognised while reading it.
        skipped: files and rows that were left out.
        warnings: sentences about the data as a whole, such as an imbalance of the classes.
        training_warnings: what makes the training itself doubtful, such as too few steps or a mode collapse.
    """

    source: str
    rows: int
    splits: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    warnings: tuple[str, ...] = ()
    training_warnings: tuple[str, ...] = ()

    def without_rows(self) -> DataFacts:
        """Without names of files and values: those of what was left out, those in reasons and after "such as"."""
        warnings = tuple(w for w in self.warnings if not any(s.name in w for s in self.skipped))
        notes = tuple(n._replace(value=n.value.partition(" such as ")[0], why="") for n in self.notes)
        return replace(self, skipped=(), warnings=warnings, notes=notes)


@dataclass(frozen=True, kw_only=True)
class PlanFacts:
    """What training did and what it cost."""

    steps: int
    batch_size: int
    epochs: float | None = None
    precision: str = "float32"
    device: str = "cpu"
    threads: int | None = None
    evaluation_rows: int | None = None  # of an evaluation during training; None for all validation rows
    seconds: float | None = None  # of training alone
    seconds_total: float | None = None
    parameters: int | None = None
    examples_per_second: float | None = None


class HistoryPoint(NamedTuple):
    """A line of history.jsonl.

    Args:
        train, valid: "loss" and metric names -> values; the loss of both is the same quantity, and missing in `valid`
            where it was not measured.
    """

    step: int
    epoch: float
    seconds: float
    learning_rate: float
    train: Mapping[str, float]
    valid: Mapping[str, float]


def task_sentence(data: PreparedData, objective: Objective, metrics: Mapping[str, Any]) -> str:
    """One sentence: what is predicted from what.

    Args:
        metrics: the content of metrics.json; {} while the run trains.
    """
    names = [f.name for f in data.inputs]
    if (environment := data.table.environment) is not None:
        return f"How to act in {environment.name}."
    inputs = first_names(names, 4)
    outputs = " and ".join(f.name for f in data.outputs)
    scored = any(f.name in metrics.get(split, {}) for split in ("valid", "test") for f in data.outputs)
    if objective.conditions and not scored:  # the outputs are conditions of generation
        return f"New {inputs} of a given {outputs}."
    return f"{outputs} from {inputs}." if outputs else f"The structure of {inputs}, without labels."


def column_facts(raw: Raw, column: ColumnRole) -> ColumnFacts:
    """A column with the distribution of its values, or an example where there is none."""
    ignored = column.role == "ignored"
    spread = _spread(raw, column.kind)
    return ColumnFacts(
        name=column.name,
        kind=column.kind,
        why="" if ignored else column.why,
        role=column.role,
        role_why=column.why if ignored else "",
        missing=float(is_null(raw).mean()) if len(raw) else 0.0,
        spread=spread,
        example=_example(raw) if spread is None else "",
    )


def _spread(raw: Raw, kind: str) -> Histogram | TopValues | None:
    """Of numbers a histogram, of other cells of a table the most frequent values."""
    feature = FEATURES.get(kind) if kind else None
    has_classes = feature is not None and feature.has_classes
    if isinstance(raw, np.ndarray):
        if raw.ndim != 1:
            return None
        return summaries.top_values(raw.tolist()) if has_classes or feature is None else summaries.histogram(raw)
    if not isinstance(raw, pl.Series) or raw.dtype.is_nested() or feature is None or not feature.tabular:
        return None
    if raw.dtype.is_numeric() and not has_classes:
        return summaries.histogram(raw.drop_nulls().cast(pl.Float64).to_numpy())
    return summaries.top_values(raw.to_list())


def _example(raw: Raw) -> str:
    """The first value; the name of a file; the shape of an array."""
    if isinstance(raw, pl.Series) and not raw.dtype.is_nested():
        return next((str(v) for v in raw.head(ROWS_SEARCHED).to_list() if v is not None), "")[:MAX_EXAMPLE]
    return raw[0].name if isinstance(raw, list) and raw else " x ".join(map(str, getattr(raw, "shape", ())[1:]))


def divided_notes(metrics: Mapping[str, Any], of_data: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The sentences of metrics.json as fields of `DataFacts`: those about the data and how they are predicted, and
    those about the training.
    """
    notes, others = metrics.get("notes", ()), (*of_data, *metrics.get("decisions", ()))
    training = tuple(note for note in notes if note not in others)
    return {"warnings": tuple(note for note in notes if note in others), "training_warnings": training}


def plan_facts(context: RunContext) -> PlanFacts:
    """The plan of a finished run and what it cost."""
    plan, metrics = context.plan, context.metrics
    return PlanFacts(
        steps=metrics["step"],
        batch_size=plan.batch_size,
        epochs=metrics["step"] / plan.batches_per_epoch if plan.has_epochs else None,
        precision=plan.precision,
        device=metrics["device"],
        threads=plan.threads,
        evaluation_rows=plan.evaluation_rows,
        seconds=metrics["seconds"]["train"],
        seconds_total=metrics["seconds"]["total"],
        parameters=metrics["parameters"],
        examples_per_second=metrics["examples_per_second"],
    )


def history_point(record: Mapping[str, Any], outputs: Sequence[Output], monitor: Metric) -> HistoryPoint:
    """A line of history.jsonl; with several outputs their metrics are named OUTPUT.METRIC.

    The metric that selects the weights comes first. A monitored loss that is not the training loss, such as one
    relative to that of a constant prediction, is called "relative_loss".
    """
    loss, selecting = record.get("valid_loss"), record["monitor"]
    valid = {}
    if loss is not None:
        valid["loss"] = loss
    if selecting is not None and (loss is None or monitor.name != "loss"):
        valid["relative_loss" if monitor.name == "loss" else monitor.name] = selecting
    for name, metrics in record["valid"].items():
        own = {m: v for m, v in metrics.items() if m != "loss"}
        valid |= {f"{name}.{m}" if len(outputs) > 1 else m: v for m, v in own.items()}
    train = {"loss": total_loss(record["losses"])}
    return HistoryPoint(record["step"], record["epoch"], record["seconds"], record["learning_rate"], train, valid)
