"""The training of a run: its plan, its cost, and the evaluations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from deepglass.features.base import Feature
from deepglass.metrics.table import Metric
from deepglass.run.context import RunContext
from deepglass.training.callbacks import total_loss


@dataclass(frozen=True, kw_only=True)
class PlanFacts:
    """What training did, and its cost."""

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


class EvaluationFacts(NamedTuple):
    """A line of history.jsonl; `train` and `valid` map "loss" and metric names to values."""

    step: int
    epoch: float
    seconds: float
    learning_rate: float
    train: Mapping[str, float]
    valid: Mapping[str, float]


def plan_facts(context: RunContext) -> PlanFacts:
    """Of a finished run."""
    plan, metrics = context.plan, context.metrics
    best_steps = [r["step"] for r in context.history if r["best"]]
    return PlanFacts(
        steps=metrics["step"],
        batch_size=plan.batch_size,
        epochs=metrics["step"] / plan.batches_per_epoch,
        precision=plan.precision,
        device=metrics["device"],
        threads=plan.threads,
        seconds=metrics["seconds"]["train"],
        seconds_total=metrics["seconds"]["total"],
        parameters=metrics["parameters"],
        examples_per_second=metrics["examples_per_second"],
        best_step=best_steps[-1] if best_steps else None,
    )


def evaluation_facts(record: Mapping[str, Any], outputs: Sequence[Feature], monitor: Metric) -> EvaluationFacts:
    """A line of history.jsonl; the value that chose the weights comes first."""
    selected_by = monitor.name if monitor.higher_is_better else "loss"
    valid = {selected_by: record["monitor"]} if record["monitor"] is not None else {}
    for name, metrics in record["valid"].items():
        valid |= {f"{name}.{m}" if len(outputs) > 1 else m: v for m, v in metrics.items()}
    train = {"loss": total_loss(record["losses"])}
    return EvaluationFacts(record["step"], record["epoch"], record["seconds"], record["learning_rate"], train, valid)
