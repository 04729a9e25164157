"""Some test rows of a run with the reasons for their answers, as its report shows them."""

from __future__ import annotations

import time
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
from deepglass.explain.files import encode_png, overlay
from deepglass.explain.nearest import training_rows
from deepglass.explain.sound import important_cells as telling_cells
from deepglass.explain.sound import isolate
from deepglass.features._audio_files import wav
from deepglass.features._display import to_pixels
from deepglass.features.audio import Audio
from deepglass.features.base import Calibration, Column, Feature, PredictionArrays
from deepglass.features.image import Image
from deepglass.formatting import plain_number, prediction_text
from deepglass.introspect.rows import row_pixels
from deepglass.mel import log_mel
from deepglass.metrics import summaries as measure
from deepglass.objectives.base import Objective
from deepglass.prepare.prepared_data import PreparedData
from deepglass.report.explanation_facts import NOTHING, Added, Asked, Layout, Near, Why
from deepglass.run.predictor import Predictor
from deepglass.web import encode_image as draw

ROWS = 3  # of an output
SECONDS = 8.0  # for all rows together
KNOWN = 500  # training rows among which neighbours are looked for
STEPS = 64  # of a path
BACKGROUND = 24  # rows that stand for any row
PASSES = 3 * STEPS + 3 * 32 + 110  # what a full explanation with its tests costs, in predictions
FIGURES = 6  # of a vector or a sequence that are named
QUESTIONS = 6  # of an answer that are drawn
SIDE = 192  # pixels of a picture that is shown, at least where it is small


def reasons_told(
    objective: Objective,
    prepared: PreparedData,
    calibration: Mapping[str, Calibration],
    best: Mapping[str, PredictionArrays],
    device: torch.device,
) -> dict[str, tuple[Why, ...]]:
    """Output -> some test rows with their reasons; nothing where there is none to explain or no test row."""
    rows = prepared.rows("test")
    if not len(rows) or not best:
        return {}
    predictor = Predictor(objective, prepared.inputs, prepared.outputs, calibration, device=device)
    known = training_rows(prepared, KNOWN)
    try:
        explainer = Explainer(predictor, known, max_steps=STEPS, num_background=BACKGROUND, separate=True)
    except SpecError:
        return {}
    first = explainer.outputs[0]
    chosen = rows[_chosen(first, prepared, rows, best[first.name])]
    table = prepared.table.take(chosen)
    inputs = {f.name: f.encode(table[f.column]) for f in prepared.inputs}
    cost = _seconds(objective, Dataset(inputs, {}, device)) * PASSES * len(chosen)
    if cost > SECONDS and not explainer.tabular:
        explainer.checks = False
        chosen = chosen[: max(1, int(len(chosen) * SECONDS * 2 / cost))]
        table = prepared.table.take(chosen)
    fast = cost > 8 * SECONDS and not explainer.tabular
    found = explainer.explain(table, None, "fast" if fast else "full")
    told: dict[str, list[Why]] = {f.name: [] for f in explainer.outputs}
    for i, row in enumerate(found):
        for reason in row:
            told[reason.output].append(_why(reason, prepared, int(chosen[i]), inputs, i, known.source_rows))
    return {name: tuple(w for w in whys if w.asked) for name, whys in told.items()}


def _chosen(feature: Feature, prepared: PreparedData, rows: np.ndarray, best: PredictionArrays) -> np.ndarray:
    """Places among the test rows: of classes the surest mistake and two right ones, else some spread over all."""
    spread = np.unique(np.linspace(0, len(rows) - 1, ROWS).astype(int))
    if "log_probs" not in best or best["log_probs"].ndim != 2:
        return spread
    truth = feature.encode(prepared.table.take(rows)[feature.column])
    labels = truth.values.reshape(-1).astype(int) - 1
    sure, right = best["log_probs"].max(1), best["log_probs"].argmax(1) == labels
    wrong = np.flatnonzero(~right & truth.mask)
    good = np.flatnonzero(right & truth.mask)
    picked = (
        good[np.unique(np.linspace(0, len(good) - 1, ROWS - min(1, len(wrong))).astype(int))] if len(good) else good
    )
    worst = wrong[np.argsort(-sure[wrong], kind="stable")[:1]]
    return np.concatenate([picked, worst]) if len(picked) + len(worst) else spread


def _seconds(objective: Objective, data: Dataset) -> float:
    """What one row's prediction takes."""
    objective.eval()
    with torch.inference_mode():
        for _ in range(2):
            started = time.perf_counter()
            objective.predict(data.batch(torch.zeros(1, dtype=torch.int64)))
            spent = time.perf_counter() - started
    return spent


def _why(
    reason: Explanation, prepared: PreparedData, row: int, inputs: Mapping[str, Column], i: int, known: np.ndarray
) -> Why:
    features = {f.name: f for f in prepared.inputs}
    output = next(f for f in prepared.outputs if f.name == reason.output)
    questions = reason.targets[:QUESTIONS]
    picture = next((n for n, f in features.items() if isinstance(f, Image)), None)
    sound = next((n for n, f in features.items() if isinstance(f, Audio) and n in reason.maps), None)
    why = Why(
        row=int(prepared.source_rows[row]),
        answer=_answer(reason),
        truth=_said(prepared.table[output.column][row]),
        confidence=reason.answer.get("confidence") if reason.unit == "log-odds" else None,
        unit=reason.unit,
        score=reason.total.score,
        base=reason.total.baseline,
        method=reason.method,
        asked=tuple(_asked(reason, q, question, features, inputs, i) for q, question in enumerate(questions)),
        near=tuple(
            Near(
                n.row,
                _said(n.labels.get(reason.output)),
                _small(prepared, features, picture, n.row, known, n.reference_index),
            )
            for n in reason.nearest
        ),
        turn=_turn(reason),
        checks={} if reason.checks is None else reason.checks.to_json(),
    )
    if picture is not None:
        codes = to_pixels(inputs[picture].values[i], getattr(features[picture], "levels_", 255) or 255)
        why = replace(why, picture=draw.photo(_grown(codes)))
    if sound is not None:
        feature: Any = features[sound]
        samples = inputs[sound].take(np.array([i])).values[: 10 * (feature.rate_ or 8000)]
        left = isolate(samples, feature.frames, telling_cells(reason.maps[sound].sum(0)))
        why = replace(why, wave=wav(samples, feature.rate_), remains=wav(left, feature.rate_))
    return why


def _asked(
    reason: Explanation,
    q: int,
    question: TargetExplanation,
    features: Mapping[str, Feature],
    inputs: Mapping[str, Column],
    i: int,
) -> Asked:
    asked = Asked(name=question.name, layout=_layout(question.parts), parts=tuple(map(_added, question.parts)))
    for name, maps in reason.maps.items():
        feature: Any = features[name]
        if isinstance(feature, Image):
            codes = to_pixels(inputs[name].values[i], feature.levels_ or 255)
            active = reason.activation_maps.get(name)
            seen = None if active is None else draw.photo(overlay(codes, active[q], SIDE))
            return replace(asked, picture=draw.photo(overlay(codes, maps[q], SIDE)), active=seen)
        if isinstance(feature, Audio):
            return replace(asked, picture=_spectrogram(feature, inputs[name].take(np.array([i])).values, maps[q]))
    return asked


def _spectrogram(feature: Audio, samples: np.ndarray, cells: np.ndarray) -> bytes:
    """What each place of a spectrogram adds, over it; time to the right, pitch upwards."""
    bands = log_mel(samples, feature.frames)[: len(cells)]
    low, high = np.quantile(bands, [0.02, 0.995])
    grey = (np.clip((bands - low) / max(high - low, 1e-6), 0, 1) * 255).astype(np.uint8)
    shown = overlay(grey.T[::-1, :, None], cells[: len(bands)].T[::-1], 1)
    size = (min(max(shown.shape[1], 320), 900), 120)
    return encode_png(np.asarray(Pillow.fromarray(shown).resize(size, Pillow.Resampling.NEAREST)))


def _layout(parts: Sequence[Part]) -> Layout:
    placed = [p for p in parts if p.position is not None]
    if len(placed) < len(parts) or len({p.input for p in placed}) > 1 or any(" Hz" in p.name for p in placed):
        return "bars"
    return "times" if all(p.name.rpartition(" ")[2].isdigit() and ", " in p.name for p in placed) else "words"


def _added(part: Part) -> Added:
    value = plain_number(part.value) if isinstance(part.value, float) else "" if part.value is None else str(part.value)
    whole = part.box is not None and part.position is None
    return Added(f"{part.name} (the whole)" if whole else part.name, part.weight, value[:60])


def _answer(reason: Explanation) -> str:
    value = reason.answer["value"]
    if reason.kind == "mask":
        return ", ".join(f"{n} {s:.0%}".replace("%", " %") for n, s in list(reason.answer["shares"].items())[:3])
    if reason.kind == "boxes":
        return ", ".join(b["label"] for b in value) or NOTHING
    if reason.kind == "multilabel":
        return ", ".join(value) or NOTHING
    return _said(value)


def _said(value: Any) -> str:
    """A value in few words; nothing for what has none."""
    if isinstance(value, np.generic):
        value = value.item()
    value = value.to_list() if hasattr(value, "to_list") else value
    if isinstance(value, list):
        if all(isinstance(v, int | float) for v in value):
            return ", ".join(plain_number(v) for v in value[:FIGURES]) + (" …" if len(value) > FIGURES else "")
        return " ".join(str(v) for v in value[:40]) if all(isinstance(v, str) for v in value) else ""
    return prediction_text(value)[:300] if isinstance(value, str | int | float | bool) else ""


def _turn(reason: Explanation) -> str:
    if reason.counterfactual is None:
        return ""
    changes = (
        f"{name} were {_said(after)} and not {_said(reason.counterfactual.before[name]) or 'unknown'}"
        for name, after in reason.counterfactual.after.items()
    )
    answer = _said(reason.counterfactual.answer) or "otherwise"
    return f"The answer would be {answer} if " + " and ".join(changes) + "."


def _small(
    prepared: PreparedData, features: Mapping[str, Feature], picture: str | None, row: int, known: np.ndarray, at: int
) -> bytes | None:
    if picture is None:
        return None
    place = int(np.flatnonzero(prepared.source_rows == known[at])[0])
    feature: Any = features[picture]
    return measure.thumbnail(row_pixels(feature, prepared.table[feature.column], place))


def _grown(codes: np.ndarray) -> np.ndarray:
    """A picture of bytes (Y, X, C) with its pixels repeated until it can be seen."""
    grow = max(1, SIDE // max(codes.shape[:2]))
    shown = codes.repeat(grow, 0).repeat(grow, 1)
    return shown if shown.shape[2] == 3 else shown[:, :, :1].repeat(3, 2)
