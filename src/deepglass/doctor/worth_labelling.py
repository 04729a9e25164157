"""Active learning: the unlabelled rows whose labels would improve a run most."""

import numpy as np

from deepglass.doctor.base import DataContext, Finding, join_limited
from deepglass.doctor.labels import active_learning_scores
from deepglass.run.predictor import Predictor

MAX_ROWS = 100
MAX_NAMED = 8


def worth_labelling(context: DataContext, predictor: Predictor) -> list[Finding]:
    """One finding, with rows in descending order of their score."""
    values = active_learning_scores(predictor, context.table, count=MAX_ROWS)
    if not values:
        return []
    rows = [int(context.source_rows[v.row]) for v in values]
    columns = tuple(f.column for f in predictor.outputs)
    text = (
        f"{len(rows)} rows without {' or '.join(columns)} are worth a label, the best first: "
        f"{join_limited(rows, MAX_NAMED)} (`deepglass label RUN SOURCE` shows them)"
    )
    confidence = round(min(float(np.mean([v.score for v in values])), 1.0), 4)
    return [Finding("worth_labelling", tuple(rows), columns, confidence, text, "data.label_corrections=FILE")]
