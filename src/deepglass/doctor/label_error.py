"""Labels that look wrong to a trained run."""

from collections.abc import Mapping, Sequence

import numpy as np

from deepglass.doctor.base import DataContext, Finding
from deepglass.doctor.labels import LabelError, label_errors
from deepglass.run.predictor import Predictor

MAX_NAMED = 3
FIX = "data.label_corrections=FILE (`deepglass label RUN SOURCE` writes it)"


def label_error(context: DataContext, predictor: Predictor, margins: Mapping[str, np.ndarray]) -> list[Finding]:
    """One finding per output with classes.

    Args:
        margins: output name -> (N,) margins of the rows during training, where they are known.
    """
    findings = []
    for output in predictor.outputs:
        if output.has_classes and output.column in context.table.columns:
            errors = label_errors(predictor, context.table, output.name, margins.get(output.name))
            findings += label_findings(context, output.column, errors)
    return findings


def label_findings(
    context: DataContext, column: str, errors: Sequence[LabelError], searched: str = ""
) -> list[Finding]:
    """The finding of these errors; empty without any.

    Args:
        searched: among which rows, in words.
    """
    if not errors:
        return []
    examples = ", ".join(
        f"row {context.source_rows[e.row]} is labelled {e.label!r} and looks like {e.suggestion!r}"
        for e in errors[:MAX_NAMED]
    )
    more = f", and {len(errors) - MAX_NAMED:,} more" if len(errors) > MAX_NAMED else ""
    labels = "1 label looks" if len(errors) == 1 else f"{len(errors):,} labels look"
    probability = sum(e.probability for e in errors) / len(errors)
    text = f"{column}: {labels} wrong{searched}, with a probability of {probability:.0%} on average: {examples}{more}"
    return [context.finding("label_error", [e.row for e in errors], [column], probability, text, FIX)]
