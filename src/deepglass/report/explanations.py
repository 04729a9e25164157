"""Explains some test rows of a run for its report, by `deepglass.explain`."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from PIL import Image as Pillow

from deepglass.data.batches import Dataset
from deepglass.errors import SpecError
from deepglass.explain.aggregate import Part
from deepglass.explain.explainer import Explainer
from deepglass.explain.explanation import Explanation, TargetExplanation
from deepglass.explain.files import overlay
from deepglass.explain.reference import training_rows
from deepglass.explain.sound import important_cells, isolate
from deepglass.features._audio_files import wav
from deepglass.features.audio import Audio
from deepglass.features.base import Column, Feature
from deepglass.features.boxes import Boxes
from deepglass.features.mask import Mask
from deepglass.features.multilabel import Multilabel
from deepglass.features.outputs.base import Calibration, Output, PredictionArrays
from deepglass.formatting import plain_number, plain_percent, prediction_text
from deepglass.introspect.rows import row_pixels
from deepglass.mel import log_mel
from deepglass.metrics import summaries as measure
from deepglass.objectives.base import Objective
from deepglass.prepare.new_rows import RowReader
from deepglass.prepare.prepared_data import PreparedData
from deepglass.report.explanation_facts import (
    NOTHING,
    Contribution,
    ExplanationFacts,
    NeighbourCard,
    PartLayout,
    TargetFacts,
)
from deepglass.report.row_selection import evenly_spaced
from deepglass.run.predictor import Predictor
from deepglass.web import encode_image

MAX_ROWS = 3  # of an output
MAX_SECONDS = 8.0  # for all rows together
PATH_STEPS = 64  # of integrated gradients
PASSES_PER_ROW = 3 * PATH_STEPS + 3 * 32 + 110  # predictions of one explanation with its faithfulness checks
MAX_NEIGHBOUR_VALUES = 3
MAX_LIST_ITEMS = 6  # of a vector or a sequence that are named
MAX_TARGETS = 6  # of a prediction that are drawn
MIN_SIDE = 192  # pixels to which a small image is enlarged


def explanations_of(
    objective: Objective,
    prepared: PreparedData,
    calibration: Mapping[str, Calibration],
    best: Mapping[str, PredictionArrays],
    device: torch.device,
) -> dict[str, tuple[ExplanationFacts, ...]]:
    """Output -> some explained test rows; empty where the objective cannot be explained or there is no test row."""
    rows = prepared.rows("test")
    if not len(rows) or not best:
        return {}
    predictor = Predictor(objective, RowReader(prepared.inputs, prepared.outputs), calibration, device)
    references = training_rows(prepared)  # those of `explain`, so that both give the same figures
    try:
        explainer = Explainer(predictor, references, max_steps=PATH_STEPS, separate=True)
    except SpecError:
        return {}
    first = explainer.outputs[0]
    chosen = rows[_choose_rows(first, prepared, rows, best[first.name])]
    table = prepared.table.take(chosen)
    inputs = {f.name: f.encode(table[f.column]) for f in prepared.inputs}
    cost = _seconds_per_row(objective, Dataset(inputs, {}, device)) * PASSES_PER_ROW * len(chosen)
    if cost > MAX_SECONDS and not explainer.tabular:
        explainer.checks = False
        chosen = chosen[: max(1, int(len(chosen) * MAX_SECONDS * 2 / cost))]
        table = prepared.table.take(chosen)
    fast = cost > 8 * MAX_SECONDS and not explainer.tabular
    explained = explainer.explain(table, None, "fast" if fast else "full")
    by_output: dict[str, list[ExplanationFacts]] = {f.name: [] for f in explainer.outputs}
    for i, row in enumerate(explained):
        for reason in row:
            by_output[reason.output].append(_explanation(reason, prepared, int(chosen[i]), inputs, i))
    return {name: tuple(f for f in facts if f.targets) for name, facts in by_output.items()}


def _choose_rows(feature: Output, prepared: PreparedData, rows: np.ndarray, best: PredictionArrays) -> np.ndarray:
    """Indices among the test rows: of classes the most confident mistake and two right ones, else evenly spaced."""
    spread = evenly_spaced(np.arange(len(rows)), MAX_ROWS)
    if "log_probs" not in best or best["log_probs"].ndim != 2:
        return spread
    truth = feature.encode(prepared.table.take(rows)[feature.column])
    labels = truth.values.reshape(-1).astype(int) - 1
    confidence, right = best["log_probs"].max(1), best["log_probs"].argmax(1) == labels
    wrong = np.flatnonzero(~right & truth.mask)
    chosen = evenly_spaced(np.flatnonzero(right & truth.mask), MAX_ROWS - min(1, len(wrong)))
    mistake = wrong[np.argsort(-confidence[wrong], kind="stable")[:1]]
    return np.concatenate([chosen, mistake]) if len(chosen) + len(mistake) else spread


def _seconds_per_row(objective: Objective, data: Dataset) -> float:
    """Of the prediction of one row."""
    objective.eval()
    with torch.inference_mode():
        for _ in range(2):
            started = time.perf_counter()
            objective.predict(data.batch(torch.zeros(1, dtype=torch.int64)))
            spent = time.perf_counter() - started
    return spent


def _explanation(
    reason: Explanation, prepared: PreparedData, row: int, inputs: Mapping[str, Column], i: int
) -> ExplanationFacts:
    features = {f.name: f for f in prepared.inputs}
    output = next(f for f in prepared.outputs if f.name == reason.output)
    questions = reason.targets[:MAX_TARGETS]
    image = next((n for n, f in features.items() if f.is_image), None)
    audio = next((n for n, f in features.items() if f.is_audio and n in reason.maps), None)
    facts = ExplanationFacts(
        row=int(prepared.source_rows[row]),
        predicted=_prediction_text(reason, output),
        truth=_target_text(prepared.table[output.column][row], output),
        confidence=reason.answer.get("confidence") if reason.unit == "log-odds" else None,
        unit=reason.unit,
        score=reason.total.score,
        base=reason.total.baseline,
        method=reason.method,
        targets=tuple(_target(reason, q, question, features, inputs, i) for q, question in enumerate(questions)),
        neighbours=tuple(
            NeighbourCard(
                n.row,
                _target_text(n.labels.get(reason.output), output),
                _thumbnail(prepared, features, image, n.row),
                _neighbour_values(prepared, features, questions, n.row),
            )
            for n in reason.nearest
        ),
        counterfactual=_counterfactual(reason),
        checks={} if reason.checks is None else reason.checks.to_json(),
    )
    if image is not None:
        codes = features[image].pixels(inputs[image].values[i])
        facts = replace(facts, image=encode_image.photo(_enlarged(codes)))
    if audio is not None:
        feature: Any = features[audio]
        samples = inputs[audio].take(np.array([i])).values[: 10 * (feature.rate_ or 8000)]
        masked = isolate(samples, feature.frames, important_cells(reason.maps[audio].sum(0)))
        facts = replace(facts, wav=wav(samples, feature.rate_), masked_wav=wav(masked, feature.rate_))
    return facts


def _target(
    reason: Explanation,
    q: int,
    question: TargetExplanation,
    features: Mapping[str, Feature],
    inputs: Mapping[str, Column],
    i: int,
) -> TargetFacts:
    target = TargetFacts(
        name=question.name, layout=_layout(question.parts), parts=tuple(map(_contribution, question.parts))
    )
    for name, maps in reason.maps.items():
        feature: Any = features[name]
        if feature.is_image:
            codes = feature.pixels(inputs[name].values[i])
            active = reason.activation_maps.get(name)
            activation = None if active is None else encode_image.photo(overlay(codes, active[q], MIN_SIDE))
            return replace(target, image=encode_image.photo(overlay(codes, maps[q], MIN_SIDE)), activation=activation)
        if feature.is_audio:
            return replace(target, image=_spectrogram(feature, inputs[name].take(np.array([i])).values, maps[q]))
    return target


def _spectrogram(feature: Audio, samples: np.ndarray, cells: np.ndarray) -> bytes:
    """A spectrogram with what each place adds drawn over it; time to the right, frequency upwards."""
    bands = log_mel(samples, feature.frames)[: len(cells)]
    low, high = np.quantile(bands, [0.02, 0.995])
    grey = (np.clip((bands - low) / max(high - low, 1e-6), 0, 1) * 255).astype(np.uint8)
    coloured = overlay(grey.T[::-1, :, None], cells[: len(bands)].T[::-1], 1)
    size = (min(max(coloured.shape[1], 320), 900), 120)
    return encode_image.png(np.asarray(Pillow.fromarray(coloured).resize(size, Pillow.Resampling.NEAREST)))


def _layout(parts: Sequence[Part]) -> PartLayout:
    placed = [p for p in parts if p.position is not None]
    if len(placed) < len(parts) or len({p.input for p in placed}) > 1 or any(" Hz" in p.name for p in placed):
        return "bars"
    return "steps" if all(p.name.rpartition(" ")[2].isdigit() and ", " in p.name for p in placed) else "words"


def _contribution(part: Part) -> Contribution:
    value = plain_number(part.value) if isinstance(part.value, float) else "" if part.value is None else str(part.value)
    whole = part.box is not None and part.position is None
    return Contribution(f"{part.name} (the whole)" if whole else part.name, part.weight, value[:60], part.error)


def _prediction_text(reason: Explanation, output: Output) -> str:
    value = reason.answer["value"]
    if isinstance(output, Mask):
        return ", ".join(f"{n} {plain_percent(s, 0)}" for n, s in list(reason.answer["shares"].items())[:3])
    if isinstance(output, Boxes):
        return ", ".join(f"{n} {label}" for label, n in Counter(b["label"] for b in value).most_common()) or NOTHING
    return ", ".join(value) or NOTHING if isinstance(output, Multilabel) else _text(value)


def _text(value: Any) -> str:
    """A value in few words; empty where it cannot be written so."""
    if isinstance(value, np.generic):
        value = value.item()
    value = value.to_list() if hasattr(value, "to_list") else value
    if isinstance(value, list):
        if all(isinstance(v, int | float) for v in value):
            return ", ".join(plain_number(v) for v in value[:MAX_LIST_ITEMS]) + (
                " …" if len(value) > MAX_LIST_ITEMS else ""
            )
        return " ".join(str(v) for v in value[:40]) if all(isinstance(v, str) for v in value) else ""
    return prediction_text(value)[:300] if isinstance(value, str | int | float | bool) else ""


def _target_text(value: Any, output: Output) -> str:
    """A target; a number, whole or not, as predictions of it are written."""
    is_number = output.has_axis and isinstance(value, int | float | np.number) and not isinstance(value, bool)
    return _text(float(value) if is_number else value)


def _counterfactual(reason: Explanation) -> str:
    if reason.counterfactual is None:
        return ""
    changes = (
        f"{name} were {_text(after)} and not {_text(reason.counterfactual.before[name]) or 'unknown'}"
        for name, after in reason.counterfactual.after.items()
    )
    predicted = _text(reason.counterfactual.answer) or "another one"
    return f"The prediction would be {predicted} if " + " and ".join(changes) + "."


def _neighbour_values(
    prepared: PreparedData, features: Mapping[str, Feature], questions: Sequence[TargetExplanation], source_row: int
) -> tuple[tuple[str, str], ...]:
    """The values of a row in the inputs with the largest attributions, where these are columns."""
    parts = sorted((p for q in questions[:1] for p in q.parts), key=lambda p: -abs(p.weight))
    columns = dict.fromkeys(p.name for p in parts if p.position is None)
    names = [n for n in columns if n in features and features[n].tabular]
    index = _table_index(prepared, source_row)
    texts = ((name, _text(prepared.table[features[name].column][index])) for name in names[:MAX_NEIGHBOUR_VALUES])
    return tuple((name, text[:60] or "missing") for name, text in texts)


def _thumbnail(
    prepared: PreparedData, features: Mapping[str, Feature], image: str | None, source_row: int
) -> bytes | None:
    if image is None:
        return None
    index = _table_index(prepared, source_row)
    return measure.thumbnail(row_pixels(features[image], prepared.table[features[image].column], index))


def _table_index(prepared: PreparedData, source_row: int) -> int:
    """The index in the prepared table of a row of the source."""
    return int(np.flatnonzero(prepared.source_rows == source_row)[0])


def _enlarged(codes: np.ndarray) -> np.ndarray:
    """An image (Y, X, C) uint8 with its pixels repeated until it is large enough to see."""
    grow = max(1, MIN_SIDE // max(codes.shape[:2]))
    large = codes.repeat(grow, 0).repeat(grow, 1)
    return large if large.shape[2] == 3 else large[:, :, :1].repeat(3, 2)
