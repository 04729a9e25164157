"""What a run relies on over all rows: its inputs, their curves and interaction, places, words and times.

Each input's importance is measured twice: by permuting it, which asks what is lost without it, and by the mean absolute
attribution of single rows, which asks what the network uses. Where the two disagree, other inputs tell the same.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from deepglass.data.batches import Dataset
from deepglass.data.table import Table
from deepglass.device import pick
from deepglass.errors import SpecError
from deepglass.explain.explainer import Explainer
from deepglass.explain.global_explanation import GlobalExplanation, InputReliance
from deepglass.explain.global_rows import GlobalRows
from deepglass.explain.global_sentences import sentences_of
from deepglass.explain.importance import (
    GRID,
    REPEATS,
    Estimate,
    Importance,
    all_permuted,
    alone,
    lead_over_constant,
    patch_importance,
    permutation_importance,
    time_importance,
)
from deepglass.explain.interactions import dependence, strongest_interaction
from deepglass.explain.profiles import Profile, profiles
from deepglass.explain.reference import ReferenceRows, training_rows
from deepglass.explain.row import ExplainedRow
from deepglass.explain.shapley import shapley_values
from deepglass.explain.word_effects import word_effects
from deepglass.features.base import Column
from deepglass.features.outputs._intervals import RegressionOutput
from deepglass.features.outputs.base import Output
from deepglass.objectives._linear_unit import LinearUnit
from deepglass.objectives.supervised import Supervised
from deepglass.prepare.new_rows import RowReader
from deepglass.run.context import RunContext
from deepglass.run.predictor import Predictor

MAX_ROWS, MIN_ROWS = 400, 20
MAX_IMAGES, MAX_SOUNDS = 200, 200
MAX_TEXTS = 500
MAX_ATTRIBUTED = 12  # rows whose attributions are averaged
MAX_INPUTS = 60  # that are permuted one by one
NUM_BACKGROUND, NUM_REFERENCE_ROWS = 16, 200
MAX_SECONDS = 2.0  # for all predictions of an output; fewer rows are used where it would take longer
REPORT_ROWS, REPORT_SECONDS = 200, 1.0  # of an output in the report, which has many other parts
MIN_TIMED_ROWS = 100
NUM_CURVES, NUM_INTERACTING = 3, 4


def can_explain_globally(output: Output) -> bool:
    """Whether an output has a metric of rows that inputs can be permuted for: classes and numbers."""
    return output.has_classes or (isinstance(output, RegressionOutput) and output.ordered)


def explain_globally(
    predictor: Predictor, table: Table, reference: ReferenceRows | None = None
) -> list[GlobalExplanation]:
    """What each output of a run relies on, by labelled rows that it was not trained on.

    Args:
        table: the rows, with their targets.
        reference: training rows, for attributions; None: they are left out.

    Raises:
        SpecError: `bad-value` for a run without an output of classes or numbers, or fewer than 20 labelled rows.
    """
    if not any(map(can_explain_globally, predictor.outputs)):
        came = ", ".join(f"{f.name} ({f.kind})" for f in predictor.outputs) or "nothing"
        raise SpecError("bad-value", f"explain --global: this run predicts {came}; expected classes or numbers")
    table, columns, truth = predictor.reader.encode_labelled(table)
    results = explain_columns(predictor, table, columns, truth, reference)
    if not results:
        raise SpecError("bad-value", f"explain --global: expected at least {MIN_ROWS} rows with a target")
    return results


def explain_test_rows(context: RunContext) -> list[GlobalExplanation]:
    """As `explain_globally`, of a run's own test rows; [] where nothing can be said."""
    data = context.data
    if not isinstance(context.objective, Supervised | LinearUnit) or data.table.environment is not None:
        return []
    reader = RowReader(data.inputs, data.outputs)
    predictor = Predictor(context.objective, reader, context.calibration, pick(context.device))
    table = data.split_table("test")
    columns = {f.name: f.encode(table[f.column]) for f in data.inputs}
    truth = {f.name: f.encode(table[f.column]) for f in data.outputs}
    reference = training_rows(data, NUM_REFERENCE_ROWS)
    return explain_columns(predictor, table, columns, truth, reference, REPORT_ROWS, REPORT_SECONDS)


def explain_columns(
    predictor: Predictor,
    table: Table,
    columns: Mapping[str, Column],
    truth: Mapping[str, Column],
    reference: ReferenceRows | None,
    max_rows: int = MAX_TEXTS,
    max_seconds: float = MAX_SECONDS,
) -> list[GlobalExplanation]:
    """As `explain_globally`, of encoded rows; [] where nothing can be said.

    Args:
        columns, truth: encoded inputs and targets by name.
        max_rows: of an output; see `_max_rows` for further limits.
        max_seconds: for the predictions of an output; fewer rows are used where they would take longer.
    """
    results = []
    for output in filter(can_explain_globally, predictor.outputs):
        if output.name not in truth or truth[output.name].offsets is not None:
            continue
        labelled = np.flatnonzero(truth[output.name].mask)
        if len(labelled) < MIN_ROWS:
            continue
        rows = GlobalRows(
            predictor.objective,
            predictor.inputs,
            predictor.outputs,
            output,
            table,
            columns,
            truth[output.name],
            predictor.calibration.get(output.name, {}),
            predictor.device,
        )
        chosen = np.random.default_rng(0).permutation(labelled)[: min(_max_rows(predictor), max_rows)]
        affordable = _affordable(rows.take(chosen), max_seconds)
        results.append(_explain(affordable, predictor, reference))
    return results


def _max_rows(predictor: Predictor) -> int:
    inputs = predictor.inputs
    if any(f.is_image for f in inputs):
        return MAX_IMAGES
    if any(f.is_audio for f in inputs):
        return MAX_SOUNDS
    return MAX_TEXTS if any(f.is_text for f in inputs) else MAX_ROWS


def _explain(rows: GlobalRows, predictor: Predictor, reference: ReferenceRows | None) -> GlobalExplanation:
    features = {f.name: f for f in rows.inputs}
    sign = 1 if rows.output.metric.higher_is_better else -1
    together = all_permuted(rows)
    permuted: dict[str, Importance] = {}
    if 1 < len(features) <= MAX_INPUTS:
        permuted = permutation_importance(rows)
    attributed = _attributions(rows, predictor, reference) if len(features) > 1 else {}
    inputs = sorted(
        (InputReliance(name, p.loss, p.fall, attributed.get(name)) for name, p in permuted.items()),
        key=lambda i: -i.permutation.value,
    )
    k = _main_class(rows.output, rows.labels) if rows.output.has_classes else None
    top = [i.input for i in inputs if features[i.input].tabular]
    curves = [dependence(rows, features[name], k) for name in top[:NUM_CURVES]]
    images = [patch_importance(rows, f.name) for f in rows.inputs if f.is_image]
    texts = [f for f in rows.inputs if f.is_text]
    times = {f.name: time_importance(rows, f.name) for f in rows.inputs if not f.is_text}
    loss = float(rows.plain_losses.mean())
    explanation = GlobalExplanation(
        output=rows.output.name,
        metric=rows.output.metric.name,
        value=sign * rows.plain_quality,
        loss_metric="log_loss" if rows.output.has_classes else "r2",
        loss=loss if rows.output.has_classes else 1 - loss,
        lead=lead_over_constant(rows),
        without=sign * (rows.plain_quality - together.fall),
        rows=len(rows),
        inputs=tuple(inputs),
        curves=tuple(c for c in curves if c is not None),
        interaction=strongest_interaction(rows, top[:NUM_INTERACTING], k),
        patches=tuple(p for p in images if p is not None),
        words=word_effects(rows, texts[0]) if texts else {},
        times={name: t for name, t in times.items() if t is not None},
        profiles=_profiles(rows, predictor, reference),
        alone=sign * alone(rows, inputs[0].input) if inputs else None,
    )
    return replace(explanation, sentences=tuple(sentences_of(explanation, together)))


def _affordable(rows: GlobalRows, seconds: float) -> GlobalRows:
    """Fewer rows where all predictions would take longer.

    Args:
        rows: in random order, so that the first are a sample of them.
    """
    passes = REPEATS * len(rows.columns) if len(rows.columns) <= MAX_INPUTS else 0
    passes += GRID**2 * sum(f.is_image for f in rows.inputs)
    started = time.perf_counter()
    few = rows.take(np.arange(min(MIN_TIMED_ROWS, len(rows))))
    few.predict()
    most = int(len(few) * seconds / max((time.perf_counter() - started) * passes, 1e-9))
    return rows.take(np.arange(min(len(rows), max(most, MIN_TIMED_ROWS))))


def _main_class(output: Output, labels: np.ndarray) -> int:
    """The second of two classes, else the most frequent one."""
    return 1 if len(output.class_names) == 2 else int(np.bincount(labels[labels >= 0]).argmax())


def _profiles(rows: GlobalRows, predictor: Predictor, reference: ReferenceRows | None) -> tuple[Profile, ...]:
    """The profiles of sounds and sequences; () for runs without an output that can be explained."""
    if not any(f.explainable for f in predictor.outputs):
        return ()
    return profiles(rows, Explainer(predictor, reference, num_background=NUM_BACKGROUND, checks=False, separate=False))


def _attributions(rows: GlobalRows, predictor: Predictor, reference: ReferenceRows | None) -> dict[str, Estimate]:
    """Input -> mean absolute Shapley value over some rows; {} for runs that are explained otherwise."""
    if reference is None or not rows.output.explainable:
        return {}
    explainer = Explainer(predictor, reference, num_background=NUM_BACKGROUND, checks=False, separate=False)
    if not explainer.tabular:
        return {}
    some = rows.take(np.arange(min(MAX_ATTRIBUTED, len(rows))))
    names = list(some.columns)
    data = Dataset(dict(some.columns), {}, rows.device)
    values = []
    for i in range(len(some)):
        row = ExplainedRow(explainer.reference, data, some.columns, some.table, i, separate=False)
        result = shapley_values(row.scores, row.fields, explainer.reference.background_fields, names)
        values.append(np.abs(result.values[row.slices[rows.output.name]]).sum(0))
    mean, error = np.mean(values, 0), np.std(values, 0, ddof=1) / len(values) ** 0.5
    return {name: Estimate(float(m), float(e)) for name, m, e in zip(names, mean, error, strict=True)}
