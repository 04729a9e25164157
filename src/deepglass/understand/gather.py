"""From a run to the facts that its report tells."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import polars as pl
import torch

from deepglass import metrics
from deepglass.data.batches import Dataset
from deepglass.data.table import Skipped
from deepglass.device import pick
from deepglass.features.base import Best, Calibration, Column, Feature, Metric, Raw
from deepglass.objectives._agents import Agent
from deepglass.objectives.base import Objective
from deepglass.objectives.dbn import DBN
from deepglass.objectives.gan import Gan
from deepglass.objectives.next_token import NextToken
from deepglass.run.fit import change_of
from deepglass.run.folder import Folder
from deepglass.run.prepare import Prepared, Taken
from deepglass.training.events import total_loss
from deepglass.understand.agents import agent_facts
from deepglass.understand.atlas.atlas import AS_USUAL, Wish, looked_at, map_of
from deepglass.understand.augmented import varied
from deepglass.understand.contest import contest_of
from deepglass.understand.doctor.base import Case
from deepglass.understand.doctor.found import findings_of
from deepglass.understand.doctor.weak_slice import weak_slice
from deepglass.understand.drawn import drawn_again, samples_of
from deepglass.understand.explain.telling import reasons_told
from deepglass.understand.filters import looked_for
from deepglass.understand.guessed import guessed
from deepglass.understand.inside.inside import inside_of
from deepglass.understand.report import measure
from deepglass.understand.report.facts import (
    ColumnFacts,
    DataFacts,
    Evaluation,
    Facts,
    Finding,
    Layer,
    PlanFacts,
    Reproduce,
)
from deepglass.understand.report.layers import trace
from deepglass.understand.report.output_facts import Baseline, ClassFacts, Figure, Mistake, NumberFacts, OutputFacts
from deepglass.understand.report.picture_facts import Filters
from deepglass.understand.report.text_facts import Wrote
from deepglass.understand.rows import mistake, picture_of
from deepglass.understand.sight.cases import Seen
from deepglass.understand.sight.cells import beside, worst_of
from deepglass.understand.sight.kinds import facts_of
from deepglass.understand.sliced import slices_told
from deepglass.understand.slices import cut_up

SLICED = 2_000  # pictures among the test rows that are opened to see how bright and how large they are
LOOKED_AT = 1024  # pictures that are searched for what a network looks for, at most
DRAWN, DRAWN_TOKENS = 3, 300  # texts of a language model
DRAWS = 100  # of the test rows, for intervals
DRAW_SECONDS = 2.0  # an output; below a fifth of the draws intervals are left out


def gather(
    folder: Folder,
    prepared: Prepared,
    objective: Objective,
    best: Mapping[str, Mapping[str, Best]],
    wish: Wish = AS_USUAL,
    pair: tuple[str, str] | None = None,
) -> Facts:
    """Everything that the report of a finished run needs, with the map and the boundary as they were wished for."""
    figures = folder.metrics()
    kept = folder.read_json("features.json")
    table, device = prepared.table, folder.plan().device
    tested = _tested(prepared, objective, best.get("test", {}), kept["calibration"])
    outputs = [_output(f, seen, figures) for f, seen in tested]
    case = Case.of(folder.spec(), prepared, SLICED).taking(prepared.rows("test"))
    cuts = [cut_up(case, f, seen.best, seen.truth, seen.calibration) for f, seen in tested]
    weak = weak_slice(case, {f.name: cut for (f, _), cut in zip(tested, cuts, strict=True) if cut})
    whys = reasons_told(objective, prepared, kept["calibration"], best.get("test", {}), pick(folder.plan().device))
    outputs = [replace(o, whys=whys.get(o.name, ())) for o in outputs]
    seen = looked_at(prepared, objective, device, wish)
    own_space = None if wish.layer else seen
    return Facts(
        name=folder.path.name,
        task=_task(prepared, objective),
        data=DataFacts(
            source=table.name,
            rows=len(table),
            splits={p: len(prepared.rows(p)) for p in ("train", "valid", "test")},
            notes=table.notes,
            skipped=tuple(Skipped(*s) for s in kept["source"]["skipped"]),  # as training met them
            remarks=tuple(figures["notes"]),
        ),
        columns=tuple(_column(table[t.name], t) for t in prepared.taken if t.name in table.columns),
        outputs=tuple(outputs) or _learned(objective, prepared, figures),
        history=tuple(
            _evaluation(r, prepared.outputs, objective.monitor)
            for r in folder.history()
            if r["monitor"] is not None or r["valid"]
        ),
        plan=_plan(folder, figures),
        layers=_layers(objective, prepared.dataset(np.arange(min(2, len(prepared.table))), folder.plan().device)),
        findings=tuple(
            Finding(f.kind, f.text, f.rows, f.columns, f.sure, f.fix)
            for f in (findings_of(folder, prepared, objective, weak, own_space) if table.environment is None else ())
        ),
        reproduce=Reproduce(
            commands=(f"deepglass train {folder.path / 'spec.yaml'}",),
            spec=(folder.path / "spec.yaml").read_text(),
            versions=figures["versions"],
            seed=figures["seed"],
            weights_sha256=figures["weights_sha256"],
        ),
        filters=_filters(objective, prepared, folder.plan().device),
        varied=varied(prepared, change_of(folder.spec(), prepared, objective, folder.plan())),
        guessed=guessed(folder.path, prepared),
        contest=contest_of(objective, folder.history()),
        agent=agent_facts(objective, folder.history(), figures),
        samples=samples_of(folder.path, prepared),
        again=drawn_again(objective, prepared, folder.plan().device),
        map=None if seen is None else map_of(seen, folder.path, prepared, objective, kept["calibration"], wish),
        inside=inside_of(folder, prepared, objective, pair),
        slices=tuple(
            slices_told(i, f, seen, cut) for i, ((f, seen), cut) in enumerate(zip(tested, cuts, strict=True)) if cut
        ),
    )


def _task(prepared: Prepared, objective: Objective) -> str:
    """What is answered from what, in one sentence."""
    names = [f.name for f in prepared.inputs]
    if (world := prepared.table.environment) is not None:
        return f"How to act in {world.name}."
    shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    answered = " and ".join(f.name for f in prepared.outputs)
    if objective.conditions and not isinstance(objective, DBN):
        return f"New {shown} of a given {answered}."
    return f"{answered} from {shown}." if answered else f"What {shown} are made of."


# -- columns and plan --------------------------------------------------------------------------------------------


def _column(raw: Raw, taken: Taken) -> ColumnFacts:
    role_why = taken.why if taken.role == "ignored" else ""
    spread: Any = None
    missing, example = 0.0, ""
    if isinstance(raw, pl.Series) and not raw.dtype.is_nested():
        missing = raw.null_count() / max(len(raw), 1)
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
        missing=missing,
        spread=spread,
        example=example,
    )


def _plan(folder: Folder, figures: Mapping[str, Any]) -> PlanFacts:
    plan = folder.plan()
    best_steps = [r["step"] for r in folder.history() if r["best"]]
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
        valid |= {m if len(outputs) == 1 else f"{name}.{m}": v for m, v in figures.items()}
    train = {"loss": total_loss(record["losses"])}
    return Evaluation(record["step"], record["epoch"], record["seconds"], record["learning_rate"], train, valid)


def _layers(objective: Objective, data: Dataset) -> tuple[Layer, ...]:
    """The layers in the order in which a row meets them, with the shapes that they give."""
    objective.eval()
    batch = data.batch(torch.arange(min(2, len(data))))
    return trace(objective, lambda: objective.look(batch))


def _filters(objective: Objective, prepared: Prepared, device: str) -> Filters | None:
    """What the network looks for in its first picture, in test rows, or in training rows where there are few."""
    picture = picture_of(prepared)
    if picture is None:
        return None
    rows = prepared.rows("test")
    if len(rows) < LOOKED_AT // 2:
        rows = np.concatenate([rows, prepared.rows("train")])
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, min(LOOKED_AT, len(rows))).astype(int))]
    data = prepared.dataset(rows, device)
    named = next((f for f in prepared.outputs if f.kind in ("category", "binary")), None)
    labels = None
    if named is not None:
        codes, names = data.truth[named.name].values.reshape(-1).astype(int), named.class_names
        labels = [names[c - 1] if 0 < c <= len(names) else "" for c in codes]
    return looked_for(objective, objective.look, data, picture.name, labels)


# -- outputs -----------------------------------------------------------------------------------------------------


def _tested(
    prepared: Prepared, objective: Objective, best: Mapping[str, Best], calibration: Mapping[str, Calibration]
) -> list[tuple[Feature, Seen]]:
    """Each output that was tested, with its answers to the test rows and their truth."""
    rows = prepared.rows("test")
    return [
        (f, Seen(prepared, rows, best[f.name], _truth(f, prepared, rows), calibration.get(f.name, {}), objective))
        for f in prepared.outputs
        if f.name in best
    ]


def _output(feature: Feature, seen: Seen, figures: Mapping[str, Any]) -> OutputFacts:
    prepared, rows, best, truth, calibration, _ = seen
    known = np.flatnonzero(truth.mask)
    classes = numbers = None
    mistakes: tuple[Mistake, ...] = ()
    items: tuple[Mistake, ...] = ()
    if "log_probs" in best and truth.offsets is None:
        classes, mistakes, items = _classes(feature, prepared, rows, truth, best, calibration)
    elif "value" in best and best["value"].ndim == 1:
        numbers, mistakes = _numbers(feature, prepared, rows, truth, best, calibration)
    found = figures.get("baselines", {}).get(feature.name, {})
    facts = OutputFacts(
        name=feature.name,
        kind=feature.kind,
        metric=feature.metric or Metric("loss", False),
        test=_intervals(feature, best, truth, known, calibration),
        test_rows=len(known),
        baselines={
            name: Baseline(
                {m: v for m, v in b.items() if m not in ("rows", "steps", "seconds")}, b.get("rows"), b.get("seconds")
            )
            for name, b in found.items()
        },
        classes=classes,
        numbers=numbers,
        mistakes=mistakes,
        items=items,
        remarks=tuple(feature.remarks(truth)) if len(known) else (),
    )
    return replace(facts, **facts_of(feature, seen))


def _learned(objective: Objective, prepared: Prepared, figures: Mapping[str, Any]) -> tuple[OutputFacts, ...]:
    """What a kind of learning without outputs says of itself, and some of what it writes."""
    found = figures.get("test", {})
    if isinstance(objective, Agent) and objective.name in found:
        return (_played(objective, found[objective.name], figures),)
    if isinstance(objective, Gan) and objective.name in found:
        test = {name: Figure(value) for name, value in found[objective.name].items()}
        rows = len(prepared.rows("test"))
        return (OutputFacts(name=objective.name, kind="rows", metric=objective.monitor, test=test, test_rows=rows),)
    if not isinstance(objective, NextToken) or objective.name not in found:
        return ()
    drawn = []
    for seed in range(DRAWN):
        generator = torch.Generator(next(objective.parameters()).device).manual_seed(seed)
        codes = list(islice(objective.go_on("", generator), DRAWN_TOKENS))
        drawn.append(Wrote(None, "", "", objective.feature.text_of(codes), 0.0))
    return (
        OutputFacts(
            name=objective.name,
            kind="text",
            metric=Metric("bits_per_character", False),
            test={name: Figure(value) for name, value in found[objective.name].items()},
            test_rows=len(prepared.rows("test")),
            wrote=tuple(drawn),
        ),
    )


def _played(agent: Agent, found: Mapping[str, float], figures: Mapping[str, Any]) -> OutputFacts:
    """What an agent got in its test episodes, beside play at random."""
    beside = figures.get("baselines", {}).get(agent.name, {})
    return OutputFacts(
        name=agent.name,
        kind="agent",
        metric=agent.monitor,
        test={n: Figure(v) for n, v in found.items() if n not in ("episodes", "environment_steps")},
        test_rows=int(found["episodes"]),
        unit="episode",
        baselines={name: Baseline(b) for name, b in beside.items()},
    )


def _truth(feature: Feature, prepared: Prepared, rows: np.ndarray) -> Column:
    """The encoded targets of some rows, where their pictures stand."""
    table = prepared.table.take(rows)
    encoded = feature.encode(table[feature.column])
    if not type(feature).spatial:
        return encoded
    return feature.place(encoded, {f.name: f.encode(table[f.column]) for f in prepared.inputs})


def _intervals(
    feature: Feature, best: Best, truth: Column, known: np.ndarray, calibration: Calibration
) -> dict[str, Figure]:
    """Each figure with its interval: over the same resampled rows for all figures at once."""
    best, truth = feature.condensed(best, truth)
    started = time.perf_counter()
    value = feature.score(best, truth, calibration)
    draws = min(DRAWS, int(DRAW_SECONDS / max(time.perf_counter() - started, 1e-6)))
    if len(known) < 2 or draws < DRAWS // 5:
        return {m: Figure(v) for m, v in value.items()}
    pool = known if len(known) <= 2000 else np.random.default_rng(1).choice(known, 2000, replace=False)
    random = np.random.default_rng(0)
    drawn: dict[str, list[float]] = {m: [] for m in value}
    for _ in range(draws):
        again = random.choice(pool, len(pool))
        figures = feature.score({k: v[again] for k, v in best.items()}, truth.take(again), calibration)
        for metric in value:
            drawn[metric].append(figures.get(metric, np.nan))
    shrink = np.sqrt(len(pool) / len(known))  # intervals narrow with the root of the rows
    result = {}
    for metric, values in drawn.items():
        if metric == "accuracy" and "log_probs" in best:
            result[metric] = measure.share_interval(round(value[metric] * len(known)), len(known))
            continue
        low, high = np.nanquantile(values, [0.025, 0.975]) - np.nanmedian(values)
        result[metric] = Figure(
            value[metric], value[metric] + float(low * shrink), value[metric] + float(high * shrink)
        )
    return result


def _classes(
    feature: Feature, prepared: Prepared, rows: np.ndarray, truth: Column, best: Best, calibration: Calibration
) -> tuple[ClassFacts, tuple[Mistake, ...], tuple[Mistake, ...]]:
    names = feature.class_names
    decoded = feature.decode(best, calibration)
    labels = truth.values.reshape(-1).astype(int) - 1
    said = best["log_probs"].argmax(1)
    if feature.kind == "binary":
        said = (np.array([d["probability"] for d in decoded]) >= calibration.get("threshold", 0.5)).astype(int)
    confidence = np.array([d["confidence"] for d in decoded])
    known = truth.mask
    reliability = measure.reliability(
        best["log_probs"][known],
        labels[known],
        calibration.get("temperature"),
        confidence[known],
        (said == labels)[known],
    )
    thresholds = None
    if feature.kind == "binary":
        thresholds = measure.thresholds(
            np.array([d["probability"] for d in decoded])[known],
            labels[known] == 1,
            chosen=calibration.get("threshold", 0.5),
            positive=names[1],
        )
    worst = worst_of(labels, said, confidence, known)
    others = beside(worst, labels, said, confidence, known)
    shown, items = (
        tuple(mistake(prepared, rows, i, names[labels[i]], names[said[i]], float(confidence[i])) for i in some)
        for some in (worst, others)
    )
    confusion = metrics.confusion_matrix(labels[known], said[known], len(names))
    facts = ClassFacts(names=names, confusion=confusion, reliability=reliability, thresholds=thresholds)
    return facts, shown, items


def _numbers(
    feature: Feature, prepared: Prepared, rows: np.ndarray, truth: Column, best: Best, calibration: Calibration
) -> tuple[NumberFacts, tuple[Mistake, ...]]:
    decoded = feature.decode(best, calibration)
    true = feature.decode({"value": truth.values.astype(np.float64)}, {})
    actual = np.array([d["value"] for d in true], dtype=float)
    said = np.array([d["value"] for d in decoded], dtype=float)
    known = np.flatnonzero(truth.mask)
    shown = known[measure.sample(len(known))]
    ends = [np.array([d[k] for d in decoded], dtype=float) for k in ("low", "high")] if "low" in decoded[0] else None
    off = said - actual
    worst = known[np.argsort(-np.abs(off[known]), kind="stable")][:24]
    facts = NumberFacts(
        truth=actual[shown],
        predicted=said[shown],
        low=ends[0][shown] if ends else None,
        high=ends[1][shown] if ends else None,
        level=decoded[0].get("confidence"),
        coverage=metrics.coverage(actual[known], ends[0][known], ends[1][known]) if ends else None,
        residuals={q: float(np.quantile(off[known], q)) for q in (0.05, 0.25, 0.5, 0.75, 0.95)},
    )
    return facts, tuple(mistake(prepared, rows, int(i), float(actual[i]), float(said[i]), None) for i in worst)
