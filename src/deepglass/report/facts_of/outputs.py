"""What a report tells of each answer that was tested: figures with their intervals, and rows by themselves."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from deepglass import metrics
from deepglass.features.base import Calibration, Column, Feature, PredictionArrays, take_raw
from deepglass.introspect.rows import OutputRows
from deepglass.metrics import summaries as measure
from deepglass.metrics.summaries import Figure
from deepglass.metrics.table import METRICS
from deepglass.objectives.base import Objective
from deepglass.prepare.prepared_data import PreparedData
from deepglass.report.facts_of.cells import beside, worst_of
from deepglass.report.facts_of.kinds import facts_of
from deepglass.report.facts_of.rows import mistake
from deepglass.report.output_facts import Baseline, ClassFacts, Mistake, NumberFacts, OutputFacts

DRAWS = 100  # of the test rows, for intervals
DRAW_SECONDS = 2.0  # an output; below a fifth of the draws intervals are left out


def answers_of(
    prepared: PreparedData,
    objective: Objective,
    best: Mapping[str, PredictionArrays],
    calibration: Mapping[str, Calibration],
) -> list[tuple[Feature, OutputRows]]:
    """Each output that was tested, with its answers to the test rows and their truth."""
    rows = prepared.rows("test")
    return [
        (f, OutputRows(prepared, rows, best[f.name], _truth(f, prepared, rows), calibration.get(f.name, {}), objective))
        for f in prepared.outputs
        if f.name in best
    ]


def output_told(feature: Feature, seen: OutputRows, figures: Mapping[str, Any]) -> OutputFacts:
    """An output's figures, what stands beside them, and rows that are worth a look."""
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
        metric=feature.metric or METRICS["loss"],
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
        remarks=tuple(feature.target_warnings(truth)) if len(known) else (),
    )
    return replace(facts, **facts_of(feature, seen))


def _truth(feature: Feature, prepared: PreparedData, rows: np.ndarray) -> Column:
    """The encoded targets of some rows, where their pictures stand."""
    encoded = feature.encode(take_raw(prepared.table[feature.column], rows))
    if not type(feature).dense:
        return encoded
    inputs = {f.name: f.encode(take_raw(prepared.table[f.column], rows)) for f in prepared.inputs}
    return feature.to_input_frame(encoded, inputs)


def _intervals(
    feature: Feature, best: PredictionArrays, truth: Column, known: np.ndarray, calibration: Calibration
) -> dict[str, Figure]:
    """Each figure with its interval: over the same resampled rows for all figures at once."""
    best, truth = feature.for_scoring(best, truth)
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
    feature: Feature,
    prepared: PreparedData,
    rows: np.ndarray,
    truth: Column,
    best: PredictionArrays,
    calibration: Calibration,
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
    feature: Feature,
    prepared: PreparedData,
    rows: np.ndarray,
    truth: Column,
    best: PredictionArrays,
    calibration: Calibration,
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
        coverage=metrics.interval_coverage(actual[known], ends[0][known], ends[1][known]) if ends else None,
        residuals={q: float(np.quantile(off[known], q)) for q in (0.05, 0.25, 0.5, 0.75, 0.95)},
    )
    return facts, tuple(mistake(prepared, rows, int(i), float(actual[i]), float(said[i]), None) for i in worst)
