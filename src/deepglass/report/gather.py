"""From a run to the facts that its report tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import torch

from deepglass.data.batches import Dataset
from deepglass.data.missing import missing
from deepglass.device import pick
from deepglass.doctor.base import Case
from deepglass.doctor.findings import findings_of
from deepglass.doctor.slices import cut_up
from deepglass.doctor.weak_slice import weak_slice
from deepglass.features.base import CLASSED, Feature, Metric, Raw
from deepglass.introspect.filters import looked_for
from deepglass.introspect.introspect import inside_of
from deepglass.introspect.layers import trace
from deepglass.metrics import summaries as measure
from deepglass.objectives.base import Objective
from deepglass.prepare.columns import ColumnRole
from deepglass.prepare.prepared_data import PreparedData
from deepglass.projection.points import Tested
from deepglass.projection.projection import AS_USUAL, Wish, looked_at, map_of
from deepglass.report.facts import ColumnFacts, DataFacts, Evaluation, Facts, Finding, Layer, PlanFacts, Reproduce
from deepglass.report.facts_of.agents import agent_facts, played
from deepglass.report.facts_of.augmentation import varied
from deepglass.report.facts_of.explanations import reasons_told
from deepglass.report.facts_of.gan import contest_of, contested
from deepglass.report.facts_of.language_model import written
from deepglass.report.facts_of.outputs import answers_of, output_told
from deepglass.report.facts_of.pseudo_labels import guessed
from deepglass.report.facts_of.rows import picture_of
from deepglass.report.facts_of.samples import drawn_again, samples_of
from deepglass.report.facts_of.slice_tables import slices_told
from deepglass.report.image_facts import Filters
from deepglass.run.context import RunContext
from deepglass.run.fit import augmentation_of
from deepglass.training.callbacks import total_loss

SLICED = 2_000  # pictures among the test rows that are opened to see how bright and how large they are
LOOKED_AT = 1024  # pictures that are searched for what a network looks for, at most
OF_THEMSELVES = (played, contested, written)  # what kinds of learning without outputs say of themselves


def gather(
    context: RunContext,
    tested: Tested,
    wish: Wish = AS_USUAL,
    pair: tuple[str, str] | None = None,
) -> Facts:
    """Everything that the report of a finished run needs, with the map and the boundary as they were wished for."""
    folder, prepared, objective = context.folder, context.data, context.objective
    figures, calibration, history = context.metrics, context.calibration, context.history
    table, device = prepared.table, context.device
    answered = answers_of(prepared, objective, tested.best, calibration)
    outputs = [output_told(f, seen, figures) for f, seen in answered]
    case = Case.of(context.experiment.spec, prepared, SLICED).taking(prepared.rows("test"))
    cuts = [cut_up(case, f, seen.best, seen.truth, seen.calibration) for f, seen in answered]
    weak = weak_slice(case, {f.name: cut for (f, _), cut in zip(answered, cuts, strict=True) if cut})
    whys = reasons_told(objective, prepared, calibration, tested.best, pick(device))
    outputs = [replace(o, whys=whys.get(o.name, ())) for o in outputs]
    seen = looked_at(prepared, objective, device, wish, tested)
    own_space = None if wish.layer else seen
    return Facts(
        name=folder.path.name,
        task=_task(prepared, objective, figures),
        data=DataFacts(
            source=table.name,
            rows=len(table),
            splits={p: len(prepared.rows(p)) for p in ("train", "valid", "test")},
            notes=table.notes,
            skipped=table.skipped,  # as training met them
            remarks=tuple(figures["notes"]),
        ),
        columns=tuple(_column(table[t.name], t) for t in prepared.column_roles if t.name in table.columns),
        outputs=tuple(outputs) or tuple(o for told in OF_THEMSELVES if (o := told(objective, prepared, figures))),
        history=tuple(
            _evaluation(r, prepared.outputs, objective.monitor)
            for r in history
            if r["monitor"] is not None or r["valid"]
        ),
        plan=_plan(context),
        layers=_layers(objective, prepared.dataset(np.arange(min(2, len(prepared.table))), device)),
        findings=tuple(
            Finding(f.kind, f.text, f.rows, f.columns, f.sure, f.fix)
            for f in (findings_of(context, weak, own_space) if table.environment is None else ())
        ),
        reproduce=Reproduce(
            commands=(f"deepglass train {folder.path / 'spec.yaml'}",),
            spec=context.spec_text,
            versions=figures["versions"],
            seed=figures["seed"],
            weights_sha256=figures["weights_sha256"],
        ),
        filters=_filters(objective, prepared, device),
        varied=varied(prepared, augmentation_of(context.experiment, objective, context.plan)),
        guessed=guessed(folder.path, prepared),
        contest=contest_of(objective, history),
        agent=agent_facts(objective, history, figures),
        samples=samples_of(folder.path, prepared),
        again=drawn_again(objective, prepared, device),
        map=None if seen is None else map_of(seen, folder.path, prepared, objective, calibration, wish),
        inside=inside_of(context, pair),
        slices=tuple(
            slices_told(i, f, seen, cut) for i, ((f, seen), cut) in enumerate(zip(answered, cuts, strict=True)) if cut
        ),
    )


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
        missing=float(missing(raw).mean()) if len(raw) else 0.0,
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


def _evaluation(record: Mapping[str, Any], outputs: Sequence[Feature], monitor: Metric) -> Evaluation:
    chose = monitor.name if monitor.higher_is_better else "loss"
    valid = {chose: record["monitor"]} if record["monitor"] is not None else {}  # first: it chose the weights
    for name, figures in record["valid"].items():
        valid |= {f"{name}.{m}" if len(outputs) > 1 else m: v for m, v in figures.items()}
    train = {"loss": total_loss(record["losses"])}
    return Evaluation(record["step"], record["epoch"], record["seconds"], record["learning_rate"], train, valid)


def _layers(objective: Objective, data: Dataset) -> tuple[Layer, ...]:
    """The layers in the order in which a row meets them, with the shapes that they give."""
    objective.eval()
    batch = data.batch(torch.arange(min(2, len(data))))
    return trace(objective, lambda: objective.forward_pass(batch))


def _filters(objective: Objective, prepared: PreparedData, device: str) -> Filters | None:
    """What the network looks for in its first picture, in test rows, or in training rows where there are few."""
    picture = picture_of(prepared)
    if picture is None:
        return None
    rows = prepared.rows("test")
    if len(rows) < LOOKED_AT // 2:
        rows = np.concatenate([rows, prepared.rows("train")])
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, min(LOOKED_AT, len(rows))).astype(int))]
    data = prepared.dataset(rows, device)
    named = next((f for f in prepared.outputs if f.kind in CLASSED), None)
    labels = None
    if named is not None:
        codes, names = data.truth[named.name].values.reshape(-1).astype(int), named.class_names
        labels = [names[c - 1] if 0 < c <= len(names) else "" for c in codes]
    return looked_for(objective, objective.forward_pass, data, picture.name, labels)
