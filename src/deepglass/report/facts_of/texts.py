"""Outputs that are texts or tags, as the report shows them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

import numpy as np

from deepglass import metrics
from deepglass.features.base import Calibration, Column, Feature, PredictionArrays
from deepglass.features.tags import Tags
from deepglass.features.text import Text
from deepglass.introspect.attention import decoder_attention, encoder_attention
from deepglass.introspect.rows import OutputRows, class_predictions
from deepglass.metrics import summaries as measure
from deepglass.metrics.calibration import apply_temperature
from deepglass.prepare.prepared_data import PreparedData
from deepglass.report.output_facts import ClassFacts
from deepglass.report.text_facts import Tagged, Wrote

_WORST, _TYPICAL = 8, 8
_LONGEST = 400  # characters shown of a text


def texts(feature: Text, seen: OutputRows) -> dict[str, Any]:
    """The texts whose words are farthest from the truth, and some drawn from all."""
    known = np.flatnonzero(seen.truth.mask)
    said = [a["value"] for a in feature.decode(seen.best)]
    bounds = seen.truth.offsets
    assert bounds is not None
    true = {int(i): feature.text_of(seen.truth.values[bounds[i] : bounds[i + 1]].tolist()) for i in known}
    errors = {i: metrics.error_rate([t.split()], [said[i].split()]) for i, t in true.items()}
    order = sorted(true, key=lambda i: -np.nan_to_num(errors[i]))
    shown = [(i, False) for i in order[:_WORST]] + [(i, True) for i in _some(order[_WORST:])]
    written = [
        Wrote(
            seen.place(i),
            _given(seen.prepared, int(seen.rows[i])),
            true[i][:_LONGEST],
            said[i][:_LONGEST],
            float(errors[i]),
            typical,
        )
        for i, typical in shown
    ]
    return {"wrote": tuple(written), "looked": decoder_attention(feature, seen, _mixed(shown))}


def tags(feature: Tags, seen: OutputRows) -> dict[str, Any]:
    """Sentences with their tags, those with the most mistakes first, and what is taken for what."""
    known = np.flatnonzero(seen.truth.mask)
    said = [a["value"] for a in feature.decode(seen.best)]
    words = seen.prepared.table.take(seen.rows)[_beside(feature, seen.prepared)]
    bounds = seen.truth.offsets
    assert bounds is not None
    rows = {}
    for i in known:
        codes = seen.truth.values[bounds[i] : bounds[i + 1]]
        true = [feature.class_names[c - 1] if c else "" for c in codes]
        cell: Any = words[int(i)]
        there = cell.split() if isinstance(cell, str) else list(cell)
        rows[int(i)] = tuple(zip(there, said[i], true))
    order = sorted(rows, key=lambda i: -sum(t != "" and s != t for _, s, t in rows[i]))
    shown = [(i, False) for i in order[:_WORST]] + [(i, True) for i in _some(order[_WORST:])]
    tagged = [Tagged(seen.place(i), rows[i], typical) for i, typical in shown]
    classes = _classes(feature, seen.best, seen.truth, seen.calibration)
    return {"tagged": tuple(tagged), "classes": classes}


def read_before(feature: Feature, seen: OutputRows) -> dict[str, Any]:
    """What was read before an answer that is a class: of the surest mistakes, and of some right ones."""
    rows = class_predictions(feature, seen)
    wrong = sorted((i for i, row in rows.items() if row.answer != row.truth), key=lambda i: -rows[i].confidence)
    right = [i for i, row in rows.items() if row.answer == row.truth]
    shown = [(i, False) for i in wrong[:_WORST]] + [(i, True) for i in _some(right)]
    return {"read": encoder_attention(seen, _mixed(shown), rows)}


def _mixed(rows: Sequence[tuple[int, bool]]) -> list[tuple[int, bool]]:
    """The worst and the typical ones in turn, so that both are among the first."""
    parts = [[row for row in rows if row[1] is kind] for kind in (False, True)]
    return [row for pair in zip_longest(*parts) for row in pair if row is not None]


def _classes(feature: Tags, best: PredictionArrays, truth: Column, calibration: Calibration) -> ClassFacts:
    """Confusion and confidence of words."""
    raw, labels, _ = feature.words_of(best, truth)
    log_probs = apply_temperature(raw, calibration.get("temperature", 1.0))
    said, names = log_probs.argmax(1), feature.class_names
    reliability = measure.reliability(
        raw, labels, calibration.get("temperature"), np.exp(log_probs.max(1)), said == labels
    )
    confusion = metrics.confusion_matrix(labels, said, len(names))
    return ClassFacts(names=names, confusion=confusion, reliability=reliability)


def _some(rows: Sequence[int]) -> list[int]:
    if not rows:
        return []
    return sorted(np.random.default_rng(0).choice(rows, min(_TYPICAL, len(rows)), replace=False).tolist())


def _given(prepared: PreparedData, row: int) -> str:
    """What was read, where it can be said in words."""
    parts = []
    for feature in prepared.inputs:
        value = prepared.table[feature.column][row]
        if isinstance(value, str | int | float):
            parts.append(str(value))
        elif hasattr(value, "name") and isinstance(value.name, str):
            parts.append(value.name)
    return "; ".join(parts)[:_LONGEST]


def _beside(feature: Tags, prepared: PreparedData) -> str:
    return next((f.column for f in prepared.inputs if f.name == feature.beside_), prepared.inputs[0].column)
