"""Labels that look wrong to a trained run, and unlabelled rows whose labels would improve it most."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from deepglass.data.table import Note, Table
from deepglass.doctor.base import DataContext, Finding, join_limited
from deepglass.doctor.labels import (
    MIN_LABELS,
    LabelError,
    active_learning_scores,
    checked_labels,
    label_errors,
)
from deepglass.formatting import plain_percent
from deepglass.run.predictor import Predictor

MAX_ERRORS_NAMED = 3
FIX = "data.label_corrections=FILE (`deepglass label RUN SOURCE` writes it)"
MAX_ROWS, MAX_ROWS_NAMED = 100, 8  # that are worth a label


def label_error(
    context: DataContext, predictor: Predictor, margins: Mapping[str, np.ndarray], random_split: bool = True
) -> Iterator[Finding]:
    """One finding per output with classes.

    Args:
        margins: output name -> (N,) margins of the rows during training, where they are known.
        random_split: as in `label_errors`.
    """
    for output in predictor.outputs:
        if output.has_classes and output.column in context.table.columns:
            own = margins.get(output.name)
            errors = label_errors(predictor, context.table, output.name, own, random_split=random_split)
            yield from label_findings(context, output.column, errors)


def label_note(predictor: Predictor, table: Table, name: str) -> Note:
    """How many labels of an output `label_error` checks, and why not all."""
    output = next(f for f in predictor.outputs if f.name == name)
    truth = output.encode(table[output.column])
    labels = truth.values[truth.mask & (truth.values > 0)].astype(np.int64) - 1
    what = f"labels of {name}"
    if len(labels) < MIN_LABELS or len(np.unique(labels)) < 2:
        return Note(
            what, "not checked", f"too few rows to tell: {len(labels):,} labels; {MIN_LABELS} of two classes are needed"
        )
    if (checked := len(checked_labels(labels, len(output.class_names)))) < len(labels):
        return Note(what, f"{checked:,} of {len(labels):,} checked", "those of the most frequent classes")
    return Note(what, f"all {len(labels):,} checked", "those that look wrong to the run are listed")


def label_findings(
    context: DataContext, column: str, errors: Sequence[LabelError], searched: str = ""
) -> Iterator[Finding]:
    """The finding of these errors, if there are any.

    Args:
        searched: among which rows, in words.
    """
    if errors:
        examples = ", ".join(
            f"row {context.source_rows[e.row]} is labelled {e.label!r} and looks like {e.suggestion!r}"
            for e in errors[:MAX_ERRORS_NAMED]
        )
        more = f", and {len(errors) - MAX_ERRORS_NAMED:,} more" if len(errors) > MAX_ERRORS_NAMED else ""
        labels = "1 label looks" if len(errors) == 1 else f"{len(errors):,} labels look"
        mean = sum(e.probability for e in errors) / len(errors)
        text = (
            f"{column}: {labels} wrong{searched}, with a probability of {plain_percent(mean, 0)} on average: "
            f"{examples}{more}"
        )
        yield context.finding("label_error", [e.row for e in errors], [column], mean, text, FIX)


def worth_labelling(context: DataContext, predictor: Predictor) -> Iterator[Finding]:
    """One finding, with rows in descending order of their score."""
    if values := active_learning_scores(predictor, context.table, count=MAX_ROWS):
        rows = [int(context.source_rows[v.row]) for v in values]
        columns = tuple(f.column for f in predictor.outputs)
        text = (
            f"{len(rows)} rows without {' or '.join(columns)} are worth a label, the best first: "
            f"{join_limited(rows, MAX_ROWS_NAMED)} (`deepglass label RUN SOURCE` shows them)"
        )
        confidence = round(min(float(np.mean([v.score for v in values])), 1.0), 4)
        yield Finding("worth_labelling", tuple(rows), columns, confidence, text, "data.label_corrections=FILE")
