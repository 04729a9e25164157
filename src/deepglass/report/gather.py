"""From a run to the facts that its report tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from deepglass.data.missing import is_null
from deepglass.features._display import first_image
from deepglass.features.base import Raw
from deepglass.features.outputs.base import Output
from deepglass.introspect.filters import Filters, filters_of
from deepglass.metrics import summaries as measure
from deepglass.metrics.table import Metric
from deepglass.objectives.base import Objective
from deepglass.prepare.columns import ColumnRole
from deepglass.prepare.prepared_data import PreparedData
from deepglass.report.facts import ColumnFacts, Evaluation, PlanFacts
from deepglass.report.facts_of.agents import played
from deepglass.report.facts_of.gan import contested
from deepglass.report.facts_of.language_model import written
from deepglass.run.context import RunContext
from deepglass.training.callbacks import total_loss

SLICED = 2_000  # pictures among the test rows that are opened to see how bright and how large they are
LOOKED_AT = 1024  # pictures that are searched for what a network looks for, at most
OF_THEMSELVES = (played, contested, written)  # what kinds of learning without outputs say of themselves


def _task(prepared: PreparedData, objective: Objective, figures: Mapping[str, Any]) -> str:
    """What is answered from what, in one sentence."""
    names = [f.name for f in prepared.inputs]
    if (world := prepared.table.environment) is not None:
        return f"How to act in {world.name}."
    shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    answered = " and ".join(f.name for f in prepared.outputs)
    judged = any(f.name in figures.get(part, {}) for part in ("valid", "test") for f in prepared.outputs)
    if objective.conditions and not judged:  # they only say what to draw
        return f"New {shown} of a given {answered}."
    return f"{answered} from {shown}." if answered else f"What {shown} {'is' if len(names) == 1 else 'are'} made of."


# -- columns and plan --------------------------------------------------------------------------------------------


def _column(raw: Raw, taken: ColumnRole) -> ColumnFacts:
    role_why = taken.why if taken.role == "ignored" else ""
    spread: Any = None
    example = ""
    if isinstance(raw, pl.Series) and not raw.dtype.is_nested():
        if taken.kind == "number" and raw.dtype.is_numeric():
            spread = measure.histogram(raw.drop_nulls().cast(pl.Float64).to_numpy())
        elif taken.kind in ("category", "binary", "number", "date"):
            spread = measure.top_values(raw.to_list())
        else:
            example = next((str(v) for v in raw.head(100).to_list() if v is not None), "")[:120]
    elif isinstance(raw, np.ndarray) and raw.ndim == 1:
        spread = measure.top_values(raw.tolist()) if taken.kind != "number" else measure.histogram(raw)
    else:
        example = raw[0].name if isinstance(raw, list) and raw else " x ".join(map(str, getattr(raw, "shape", ())[1:]))
    why = taken.why if taken.role != "ignored" else ""
    return ColumnFacts(
        name=taken.name,
        kind=taken.kind,
        why=why,
        role=taken.role,
        role_why=role_why,
        missing=float(is_null(raw).mean()) if len(raw) else 0.0,
        spread=spread,
        example=example,
    )


def _plan(context: RunContext) -> PlanFacts:
    plan, figures = context.plan, context.metrics
    best_steps = [r["step"] for r in context.history if r["best"]]
    return PlanFacts(
        steps=figures["step"],
        batch_size=plan.batch_size,
        epochs=figures["step"] / plan.batches_per_epoch,
        precision=plan.precision,
        device=figures["device"],
        threads=plan.threads,
        seconds=figures["seconds"]["train"],
        seconds_total=figures["seconds"]["total"],
        parameters=figures["parameters"],
        examples_per_second=figures["examples_per_second"],
        best_step=best_steps[-1] if best_steps else None,
    )


def _evaluation(record: Mapping[str, Any], outputs: Sequence[Output], monitor: Metric) -> Evaluation:
    chose = monitor.name if monitor.higher_is_better else "loss"
    valid = {chose: record["monitor"]} if record["monitor"] is not None else {}  # first: it chose the weights
    for name, figures in record["valid"].items():
        valid |= {f"{name}.{m}" if len(outputs) > 1 else m: v for m, v in figures.items()}
    train = {"loss": total_loss(record["losses"])}
    return Evaluation(record["step"], record["epoch"], record["seconds"], record["learning_rate"], train, valid)


def _filters(objective: Objective, prepared: PreparedData, device: str) -> Filters | None:
    """What the network looks for in its first picture, in test rows, or in training rows where there are few."""
    picture = first_image(prepared.inputs)
    if picture is None:
        return None
    rows = prepared.rows("test")
    if len(rows) < LOOKED_AT // 2:
        rows = np.concatenate([rows, prepared.rows("train")])
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, min(LOOKED_AT, len(rows))).astype(int))]
    data = prepared.dataset(rows, device)
    named = next((f for f in prepared.outputs if f.has_classes), None)
    labels = None
    if named is not None:
        codes, names = data.truth[named.name].values.reshape(-1).astype(int), named.class_names
        labels = [names[c - 1] if 0 < c <= len(names) else "" for c in codes]
    return filters_of(objective, objective.forward_pass, data, picture.name, labels)
