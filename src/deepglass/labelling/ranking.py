"""The order of questions: labels that look wrong and rows that are worth a label, most valuable first.

Where there are neither, uncertain and random rows are asked, as spot checks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from deepglass.data.table import Table
from deepglass.doctor.base import split_source
from deepglass.doctor.labels import active_learning_scores, embed_rows, label_errors, without_the_rest
from deepglass.errors import SpecError
from deepglass.features.outputs.base import Output
from deepglass.features.outputs.boxes import BoxesOutput
from deepglass.features.outputs.mask import MaskOutput
from deepglass.formatting import plain_number
from deepglass.labelling.candidates import Candidates
from deepglass.labelling.question import Kind, LabelledNeighbour, Question
from deepglass.prepare.label_values import label_text
from deepglass.run.callbacks.margins import margins_for_table
from deepglass.run.predictor import Predictor
from deepglass.run.run import Run

MIN_PROBABILITY = 0.02  # of being wrong, below which a label is never shown
MAX_COMPARED = 3000  # labelled rows that are searched for neighbours
NUM_NEIGHBOURS = 3
MAX_SPOT_CHECKS = 40
MAX_PREDICTED = 2000  # rows whose predictions are compared for spot checks


def labelled_output(predictor: Predictor, name: str | None) -> Output:
    """The output to label: the one of this name, else the first that a person can label.

    Raises:
        SpecError: `unknown-name`, or `bad-value` for outputs that are no classes, numbers, masks or boxes.
    """
    outputs = [f for f in predictor.outputs if name in (None, f.name)]
    kinds = (MaskOutput, BoxesOutput)
    output = next((f for f in outputs if f.has_classes or f.has_axis or isinstance(f, kinds)), None)
    if output is not None:
        return output
    if not outputs and predictor.outputs:
        names = ", ".join(f.name for f in predictor.outputs)
        raise SpecError("unknown-name", f"label: the run has no output {name!r}; there are: {names}")
    available = ", ".join(f"{f.name} ({f.kind})" for f in outputs) or "none"
    expected = "expected an output of classes, numbers, masks or boxes"
    raise SpecError("bad-value", f"label: {expected}; outputs of the run: {available}")


def rank_questions(run: Run, candidates: Candidates, output: Output, limit: int) -> list[Question]:
    """At most `limit` questions, most valuable first."""
    source_rows, predictor = candidates.rows, run.predictor
    if not len(source_rows):
        return []
    table = candidates.corrected.take(source_rows)
    margins = margins_for_table(run.folder, candidates.table, run.state).get(output.name)
    margins = None if margins is None else margins[source_rows]
    random_split = not split_source(run.state.experiment.split, candidates.table)
    errors = label_errors(predictor, table, output.name, margins, MIN_PROBABILITY, random_split)
    errors = without_the_rest(errors)
    wrong = {e.row: e for e in errors if not candidates.answered[e.row]}
    values = active_learning_scores(predictor, table, output.name, limit)
    scores = [*((e.probability, row) for row, e in wrong.items()), *((v.score, v.row) for v in values)]
    rows = np.array([row for _, row in sorted(scores, key=lambda pair: -pair[0])[:limit]], np.int64)
    kinds: dict[int, Kind] = {row: "wrong" if row in wrong else "unlabelled" for row in rows.tolist()}
    if not len(rows):
        kinds = _spot_checks(predictor, candidates, table, output, limit)
        rows = np.array(list(kinds), np.int64)
    if not len(rows):
        return []
    questions = []
    for row, prediction in zip(rows.tolist(), predictor.predict(table.take(rows)), strict=True):
        question = _question(candidates, output, int(source_rows[row]), kinds[row], prediction[output.name])
        if (error := wrong.get(row)) is not None:
            question = replace(question, label=error.label, suggestion=error.suggestion, confidence=error.probability)
        questions.append(question)
    return _with_neighbours(predictor, candidates, rows, output, questions, np.array(list(wrong), np.int64))


def reopened_question(predictor: Predictor, candidates: Candidates, output: Output, row: int) -> Question:
    """The question about a row of the source whose answer was taken back."""
    (prediction,) = predictor.predict(candidates.table.take(np.array([row])))
    return _question(candidates, output, row, "reopened", prediction[output.name])


def _question(candidates: Candidates, output: Output, row: int, kind: Kind, predicted: Mapping[str, Any]) -> Question:
    """A question without neighbours.

    Args:
        row: its index in the source.
    """
    has_labels = output.column in candidates.table.columns
    return Question(
        row=row,
        kind=kind,
        label=label_text(candidates.table[output.column][row]) if has_labels else "",
        suggestion=_text(predicted["value"]),
        confidence=float(predicted.get("confidence", 0.0)),
        probabilities={name: round(p, 4) for name, p in predicted.get("probabilities", {}).items()},
    )


def _spot_checks(
    predictor: Predictor, candidates: Candidates, table: Table, output: Output, limit: int
) -> dict[int, Kind]:
    """Rows without an answer, half of them those with the most uncertain predictions, the others at random.

    Args:
        table: of the candidates.
    """
    random = np.random.default_rng(0)
    rows = random.permutation(np.flatnonzero(~candidates.answered))[:MAX_PREDICTED]
    count = min(limit, MAX_SPOT_CHECKS, len(rows))
    if not count:
        return {}
    predicted = [p[output.name] for p in predictor.predict(table.take(rows))]
    doubts = [p["high"] - p["low"] if "high" in p else 1 - p.get("confidence", 1.0) for p in predicted]
    uncertain = rows[np.argsort(-np.array(doubts), kind="stable")[: -(-count // 2)]].tolist()
    others = [row for row in rows.tolist() if row not in uncertain][: count - len(uncertain)]
    return {**dict.fromkeys(uncertain, "uncertain"), **dict.fromkeys(others, "random")}


def _with_neighbours(
    predictor: Predictor,
    candidates: Candidates,
    rows: np.ndarray,
    output: Output,
    questions: Sequence[Question],
    suspect: np.ndarray,
) -> list[Question]:
    """The questions with similar labelled rows: the nearest of the suggested and of the own class, then the nearest.

    Args:
        rows: of the questions among the candidates.
        suspect: candidates whose label looks wrong, which are no neighbours.
    """
    table = candidates.corrected.take(candidates.rows)
    if output.column not in table.columns:
        return list(questions)
    truth = output.encode(table[output.column])
    labelled = np.setdiff1d(np.flatnonzero(truth.mask), np.union1d(suspect, rows))
    if not len(labelled):
        return list(questions)
    if len(labelled) > MAX_COMPARED:
        labelled = np.sort(np.random.default_rng(0).choice(labelled, MAX_COMPARED, replace=False))
    names = output.class_names
    labels = [names[int(truth.values[r]) - 1] if names else _text(table[output.column][int(r)]) for r in labelled]
    points, own = (embed_rows(predictor, table.take(some)).embedding for some in (labelled, rows))
    mean, std = points.mean(0), points.std(0) + 1e-6
    points, own = (points - mean) / std, (own - mean) / std
    result = []
    for question, point in zip(questions, own, strict=True):
        order = np.argsort(((points - point) ** 2).sum(1), kind="stable").tolist()
        classes = [label for label in (question.suggestion, question.label) if label]
        first = [i for label in classes for i in [i for i in order if labels[i] == label][:1]]
        nearest = list(dict.fromkeys([*first, *order[:NUM_NEIGHBOURS]]))[:NUM_NEIGHBOURS]
        neighbours = (LabelledNeighbour(int(candidates.rows[labelled[i]]), labels[i]) for i in nearest)
        result.append(replace(question, neighbours=tuple(neighbours)))
    return result


def _text(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return str(value).lower()
    return plain_number(float(value)).replace(",", "") if isinstance(value, float | np.floating) else str(value)
