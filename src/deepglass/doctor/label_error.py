"""Labels that a trained run takes for wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from deepglass.doctor.base import Finding
from deepglass.doctor.base import DataContext
from deepglass.doctor.labels import LabelError, label_errors
from deepglass.run.predictor import Predictor

SHOWN = 3
FIX = "data.label_corrections=FILE (`deepglass label RUN SOURCE` writes it)"


def label_error(case: DataContext, predictor: Predictor, margins: Mapping[str, np.ndarray]) -> list[Finding]:
    """The rows whose label looks wrong, for each answer with classes.

    Args:
        margins: output name -> (N,) of the case's rows as the network learned, where they are known.
    """
    found = []
    for feature in predictor.outputs:
        if feature.has_classes and feature.column in case.table.columns:
            errors = label_errors(predictor, case.table, feature.name, margins.get(feature.name))
            found += label_findings(case, feature.column, errors)
    return found


def label_findings(case: DataContext, column: str, errors: Sequence[LabelError], looked_at: str = "") -> list[Finding]:
    """A finding of these labels; none where there are none."""
    if not errors:
        return []
    shown = ", ".join(f"row {case.places[e.place]} says {e.given!r}, looks like {e.proposed!r}" for e in errors[:SHOWN])
    more = f", and {len(errors) - SHOWN:,} more" if len(errors) > SHOWN else ""
    labels = "1 label looks" if len(errors) == 1 else f"{len(errors):,} labels look"
    sure = sum(e.sure for e in errors) / len(errors)
    text = f"{column}: {labels} wrong{looked_at}, each with {sure:.0%} on average: {shown}{more}"
    return [case.finding("label_error", [e.place for e in errors], [column], sure, text, FIX)]
