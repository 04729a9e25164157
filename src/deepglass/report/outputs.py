"""Each tested output: metrics with bootstrap intervals, baselines, and the rows that are worth a look."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deepglass import metrics
from deepglass.features.base import Column, take_raw
from deepglass.features.outputs._classes import calibrated
from deepglass.features.outputs._intervals import RegressionOutput, why_constant
from deepglass.features.outputs.base import Calibration, Output, PredictionArrays
from deepglass.features.outputs.binary import BinaryOutput
from deepglass.features.outputs.multilabel import MultilabelOutput
from deepglass.features.outputs.tags import TagsOutput
from deepglass.introspect.rows import OutputRows
from deepglass.metrics import summaries
from deepglass.metrics.summaries import Figure
from deepglass.metrics.table import METRICS
from deepglass.objectives.base import Objective
from deepglass.prepare.prepared_data import PreparedData
from deepglass.prepare.sample_weights import with_weight
from deepglass.report.coverage_bands import coverage_bands
from deepglass.report.output_facts import ClassFacts, NumberFacts, OutputFacts
from deepglass.report.paired_baselines import stored_baselines
from deepglass.report.row_cards import RowCard, row_card
from deepglass.report.row_selection import MAX_MISTAKES, cell_rows, confident_mistakes

NUM_RESAMPLES = 100  # bootstrap samples of the test rows
MAX_SECONDS = 2.0  # for the intervals of an output; with less than a fifth of the samples there are none
MIN_RESAMPLED_ROWS, MAX_RESAMPLED_ROWS = 10, 2_000  # with fewer there are too few different samples
MAX_NUMBER_MISTAKES = 24
MAX_COMPARED_CLASSES = 500  # of a confusion matrix, which has as many rows and columns


def tested_outputs(
    prepared: PreparedData,
    objective: Objective,
    best: Mapping[str, PredictionArrays],
    calibration: Mapping[str, Calibration],
) -> list[tuple[Output, OutputRows]]:
    """Each output that was tested, with the predictions of the test rows and their targets."""
    rows = prepared.rows("test")
    return [
        (
            f,
            OutputRows(
                prepared, rows, best[f.name], target_of(f, prepared, rows), calibration.get(f.name, {}), objective
            ),
        )
        for f in prepared.outputs
        if f.name in best
    ]


def output_facts(feature: Output, rows: OutputRows, metrics_json: Mapping[str, Any]) -> OutputFacts:
    """What the sections share of one output."""
    classes: ClassFacts | None = None
    numbers: NumberFacts | None = None
    mistakes: tuple[RowCard, ...] = ()
    items: tuple[RowCard, ...] = ()
    if "log_probs" in rows.best and rows.truth.offsets is None:
        classes, mistakes, items = _classes(feature, rows)
    elif isinstance(feature, TagsOutput):
        classes = _tag_classes(feature, rows)
    elif isinstance(feature, MultilabelOutput):
        mistakes = _label_mistakes(feature, rows)
    elif "value" in rows.best and rows.best["value"].ndim == 1:
        numbers, mistakes = _numbers(feature, rows)
    labelled = np.flatnonzero(rows.truth.mask)
    return OutputFacts(
        name=feature.name,
        metric=feature.metric or METRICS["loss"],
        test=_intervals(feature, rows, labelled),
        test_rows=len(labelled),
        baselines=stored_baselines(metrics_json, feature.name),
        classes=classes,
        numbers=numbers,
        mistakes=mistakes,
        items=items,
        warnings=tuple(feature.target_warnings(rows.truth)) if len(labelled) else (),
    )


def target_of(feature: Output, prepared: PreparedData, rows: np.ndarray) -> Column:
    """The encoded targets of some rows, where their pictures stand."""
    encoded = with_weight(feature.encode(take_raw(prepared.table[feature.column], rows)), prepared.weights(rows))
    if not type(feature).dense:
        return encoded
    inputs = {f.name: f.encode(take_raw(prepared.table[f.column], rows)) for f in prepared.inputs}
    return feature.to_input_frame(encoded, inputs)


def _intervals(feature: Output, rows: OutputRows, labelled: np.ndarray) -> dict[str, Figure]:
    """Each metric with its bootstrap interval, from the same resampled rows for all metrics.

    Rows are drawn within their class, so that a rare one is never missing. A metric that all samples have in common
    has no interval: it is none of rows, such as a threshold, or there are too few that could change it.
    """
    best, truth = feature.for_scoring(rows.best, rows.truth)
    started = time.perf_counter()
    values = feature.score(best, truth, rows.calibration)
    draws = min(NUM_RESAMPLES, int(MAX_SECONDS / max(time.perf_counter() - started, 1e-6)))
    of_classes = "log_probs" in best and truth.offsets is None
    shares = _share_intervals(feature, rows, labelled) if of_classes and truth.weight is None else {}
    if len(labelled) < MIN_RESAMPLED_ROWS or draws < NUM_RESAMPLES // 5:
        return {m: shares.get(m, Figure(v)) for m, v in values.items()}
    pool = labelled
    if len(labelled) > MAX_RESAMPLED_ROWS:
        pool = np.random.default_rng(1).choice(labelled, MAX_RESAMPLED_ROWS, replace=False)
    random = np.random.default_rng(0)
    strata = _strata(truth, pool) if of_classes else [pool]
    resampled: dict[str, list[float]] = {m: [] for m in values}
    for _ in range(draws):
        sample = np.concatenate([random.choice(some, len(some)) for some in strata])
        scores = feature.score({k: v[sample] for k, v in best.items()}, truth.take(sample), rows.calibration)
        for metric in values:
            resampled[metric].append(scores.get(metric, np.nan))
    shrink = np.sqrt(len(pool) / len(labelled))  # intervals narrow with the root of the rows
    result = {}
    for metric, scored in resampled.items():
        value = values[metric]
        if metric in shares:  # exact also where no row of the kind was missed
            result[metric] = shares[metric]
            continue
        if np.nanmin(scored) == np.nanmax(scored):
            result[metric] = Figure(value)
            continue
        low, high = shrink * (np.nanquantile(scored, [0.025, 0.975]) - np.nanmedian(scored))
        result[metric] = Figure(value, value + float(low), value + float(high))
    return result


def _strata(truth: Column, pool: np.ndarray) -> list[np.ndarray]:
    """The rows of each class."""
    codes = truth.values.reshape(-1)[pool]
    return [pool[codes == k] for k in np.unique(codes)]


def _share_intervals(feature: Output, rows: OutputRows, labelled: np.ndarray) -> dict[str, Figure]:
    """Metrics that are shares of rows, with Wilson intervals: accuracy; recall and precision of two classes."""
    predicted = feature.predicted_classes(rows.best, rows.calibration)[labelled]
    labels = rows.truth.values.reshape(-1)[labelled].astype(int) - 1
    shares = {"accuracy": summaries.share_interval(int((predicted == labels).sum()), len(labels))}
    if isinstance(feature, BinaryOutput):
        hits, positive, alarms = (int(v.sum()) for v in ((predicted & labels) == 1, labels == 1, predicted == 1))
        shares |= {
            "recall": summaries.share_interval(hits, positive),
            "precision": summaries.share_interval(hits, alarms),
        }
    return shares


def _classes(feature: Output, rows: OutputRows) -> tuple[ClassFacts, tuple[RowCard, ...], tuple[RowCard, ...]]:
    """Confusion and calibration, the most confident mistakes, and other rows of each cell of the matrix."""
    best, calibration, labelled, names = rows.best, rows.calibration, rows.truth.mask, feature.class_names
    decoded = feature.decode(best, calibration)
    labels = rows.truth.values.reshape(-1).astype(int) - 1
    predicted = feature.predicted_classes(best, calibration)
    thresholds = None
    if isinstance(feature, BinaryOutput):
        probability, chosen = np.array([d["probability"] for d in decoded]), feature.decision_threshold(calibration)
        predicted = (probability >= chosen).astype(int)
        thresholds = summaries.thresholds(
            probability[labelled], labels[labelled] == 1, chosen=chosen, positive=names[1]
        )
    confidence = np.array([d["confidence"] for d in decoded])
    reliability = summaries.reliability(
        best["log_probs"][labelled],
        labels[labelled],
        calibration.get("temperature"),
        confidence[labelled],
        (predicted == labels)[labelled],
        calibration.get("bias"),
    )
    mistakes = confident_mistakes(labels, predicted, confidence, labelled)
    others = cell_rows(mistakes, labels, predicted, confidence, labelled)
    cards = [
        tuple(row_card(rows, i, names[labels[i]], names[predicted[i]], float(confidence[i])) for i in some)
        for some in (mistakes, others)
    ]
    compared, confusion = _confusion(labels[labelled], predicted[labelled], names)
    facts = ClassFacts(
        names=compared, total=len(names), confusion=confusion, reliability=reliability, thresholds=thresholds
    )
    return facts, cards[0], cards[1]


def _confusion(labels: np.ndarray, predicted: np.ndarray, names: Sequence[str]) -> tuple[tuple[str, ...], np.ndarray]:
    """The confusion matrix and the names of its classes.

    Of thousands of classes it has those of the most mistakes, and one for all others, without their mistakes among
    each other.
    """
    if len(names) <= MAX_COMPARED_CLASSES:
        return tuple(names), metrics.confusion_matrix(labels, predicted, len(names))
    wrong = labels != predicted
    mistakes = np.bincount(np.concatenate([labels[wrong], predicted[wrong]]), minlength=len(names))
    chosen = np.sort(np.argsort(-mistakes, kind="stable")[: MAX_COMPARED_CLASSES - 1])
    position = np.full(len(names), len(chosen))
    position[chosen] = np.arange(len(chosen))
    rows = ~wrong | (position[labels] < len(chosen)) | (position[predicted] < len(chosen))
    compared = (*(names[k] for k in chosen), f"{len(names) - len(chosen):,} other classes")
    return compared, metrics.confusion_matrix(position[labels[rows]], position[predicted[rows]], len(compared))


def _tag_classes(feature: TagsOutput, rows: OutputRows) -> ClassFacts | None:
    """Confusion and calibration over all words."""
    if not rows.truth.mask.any():
        return None
    log_probs, labels, _ = feature.words_of(rows.best, rows.truth)
    temperature = rows.calibration.get("temperature")
    probabilities = np.exp(calibrated(log_probs, rows.calibration))
    predicted, names = feature.predicted_classes({"log_probs": log_probs}, rows.calibration), feature.class_names
    confidence = np.take_along_axis(probabilities, predicted[:, None], 1)[:, 0]
    bias = rows.calibration.get("bias")
    reliability = summaries.reliability(log_probs, labels, temperature, confidence, predicted == labels, bias)
    compared, confusion = _confusion(labels, predicted, names)
    return ClassFacts(names=compared, total=len(names), confusion=confusion, reliability=reliability, unit="word")


def _label_mistakes(feature: MultilabelOutput, rows: OutputRows) -> tuple[RowCard, ...]:
    """The rows with a wrong set of labels, the most confident first."""
    decoded = feature.decode(rows.best, rows.calibration)
    names = np.array(feature.class_names, object)
    wrong = []
    for i in map(int, np.flatnonzero(rows.truth.mask)):
        true, predicted = names[rows.truth.values[i, : len(names)] > 0].tolist(), decoded[i]["value"]
        if set(true) != set(predicted):
            wrong.append((float(decoded[i]["confidence"]), i, true, predicted))
    wrong.sort(key=lambda w: -w[0])
    return tuple(
        row_card(rows, i, _labels(true), _labels(predicted), confidence)
        for confidence, i, true, predicted in wrong[:MAX_MISTAKES]
    )


def _labels(names: list[str]) -> str:
    return ", ".join(names) or "none of them"


def _numbers(feature: Output, rows: OutputRows) -> tuple[NumberFacts, tuple[RowCard, ...]]:
    """Values and intervals in the user's units, and the predictions that are farthest off."""
    decoded = feature.decode(rows.best, rows.calibration)
    true = feature.decode({"value": rows.truth.values.astype(np.float64)}, {})
    truth, predicted = (np.array([d["value"] for d in some], dtype=float) for some in (true, decoded))
    labelled = np.flatnonzero(rows.truth.mask)
    sample = labelled[summaries.sample(len(labelled))]
    ends = [np.array([d[k] for d in decoded], dtype=float) for k in ("low", "high")] if "low" in decoded[0] else None
    errors = predicted - truth
    worst = labelled[np.argsort(-np.abs(errors[labelled]), kind="stable")][:MAX_NUMBER_MISTAKES]
    constant = rows.calibration.get("constant_half_width")
    constant_inside = None
    if constant is not None and isinstance(feature, RegressionOutput):
        constant_inside = np.abs(feature.residuals(truth, predicted)) <= constant
    facts = NumberFacts(
        truth=truth[sample],
        predicted=predicted[sample],
        low=ends[0][sample] if ends else None,
        high=ends[1][sample] if ends else None,
        level=decoded[0].get("confidence"),
        coverage=metrics.interval_coverage(truth[labelled], ends[0][labelled], ends[1][labelled]) if ends else None,
        bands=coverage_bands(predicted, truth, ends, labelled, constant_inside) if ends else (),
        has_scale=constant is not None,
        why_constant=why_constant(rows.calibration),
        residuals={q: float(np.quantile(errors[labelled], q)) for q in (0.05, 0.25, 0.5, 0.75, 0.95)},
        errors={q: float(np.quantile(np.abs(errors[labelled]), q)) for q in (0.5, 0.9)},
    )
    cards = (row_card(rows, int(i), float(truth[i]), float(predicted[i]), None) for i in worst)
    return facts, tuple(cards)
