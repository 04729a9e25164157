"""The rows without a label that would teach a run most."""

from __future__ import annotations

import numpy as np

from deepglass.doctor import labels
from deepglass.doctor.base import Finding
from deepglass.doctor.base import DataContext, join_limited
from deepglass.run.predictor import Predictor

COUNT = 100  # rows that are named


def worth_labelling(case: DataContext, predictor: Predictor) -> list[Finding]:
    """Its rows are in order of worth, the most worth first."""
    worth = labels.worth_labelling(predictor, case.table, count=COUNT)
    if not worth:
        return []
    places = [int(case.places[w.place]) for w in worth]
    columns = tuple(f.column for f in predictor.outputs)
    text = (
        f"{len(places)} rows without {' or '.join(columns)} are worth a label, the best first: {listed(places, 8)} "
        "(`deepglass label RUN SOURCE` shows them)"
    )
    sure = float(np.mean([w.score for w in worth]))
    return [
        Finding(
            "worth_labelling", tuple(places), columns, round(min(sure, 1.0), 4), text, "data.label_corrections=FILE"
        )
    ]
