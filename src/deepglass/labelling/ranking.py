"""What to ask a person: the labels that look wrong and the rows that are worth a label, best first, with their like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from deepglass.data.table import Table
from deepglass.doctor.labels import active_learning_scores, embed_rows, label_errors
from deepglass.errors import SpecError
from deepglass.features.base import Feature
from deepglass.features.outputs.base import Output
from deepglass.formatting import plain_number
from deepglass.labelling.question import Near, Question
from deepglass.run.predictor import Predictor

KINDS = ("category", "binary", "number")  # of answers that a person can give on a page
ASKED = 0.25  # probability of being wrong from which a person is asked, who then decides
COMPARED = 3000  # labelled rows among which those that look alike are looked for
ALIKE = 3  # shown beside a row


def asked_about(predictor: Predictor, output: str | None) -> Output:
    """The answer that is asked for: the one that is named, else the first that a person can give.

    Raises:
        SpecError: `unknown-name`, or `bad-value` for kinds that cannot be given on a page.
    """
    named = [f for f in predictor.outputs if output in (None, f.name)]
    fitting = [f for f in named if f.kind in KINDS]
    if fitting:
        return fitting[0]
    if not named and predictor.outputs:
        names = ", ".join(f.name for f in predictor.outputs)
        raise SpecError("unknown-name", f"label: the run has no output {output!r}; there are: {names}")
    available = ", ".join(f"{f.name} ({f.kind})" for f in named) or "none"
    raise SpecError(
        "bad-value", f"label: expected an output of kind {', '.join(KINDS)}; the run's outputs: {available}"
    )


def questions(
    predictor: Predictor,
    table: Table,
    places: np.ndarray,
    feature: Feature,
    done: np.ndarray,
    limit: int,
    margins: np.ndarray | None = None,
) -> list[Question]:
    """The rows that are worth a person's look, best first.

    Args:
        table: rows that may be asked about, with the labels that are known.
        places: (N,) int64, where each of them stands in the source.
        feature: the answer.
        done: (N,) bool, rows that somebody has answered; the others are compared with them too.
        limit: how many at most.
        margins: (N,) of the rows as the run learned, where they are known.
    """
    wrong = [e for e in label_errors(predictor, table, feature.name, margins, ASKED) if not done[e.row]]
    worth = active_learning_scores(predictor, table, feature.name, limit)
    best = sorted([*((e.probability, e.row) for e in wrong), *((w.score, w.row) for w in worth)], key=lambda p: -p[0])
    rows = np.array([row for _, row in best[:limit]], np.int64)
    if not len(rows):
        return []
    proposals = {e.row: e for e in wrong}
    answers = [answer[feature.name] for answer in predictor.predict(table.take(rows))]
    made = []
    for row, answer in zip(rows.tolist(), answers, strict=True):
        proposal = proposals.get(row)
        made.append(
            Question(
                place=int(places[row]),
                kind="wrong" if proposal else "open",
                given=proposal.label if proposal else "",
                proposed=proposal.suggestion if proposal else _text(answer["value"]),
                sure=proposal.probability if proposal else float(answer.get("confidence", 0.0)),
                probabilities=_probabilities(answer),
            )
        )
    alike = _alike(predictor, table, rows, feature, made, np.array(list(proposals), np.int64))
    return [_with_near(q, places, near) for q, near in zip(made, alike, strict=True)]


def _with_near(question: Question, places: np.ndarray, near: Sequence[tuple[int, str]]) -> Question:
    neighbours = tuple(Near(int(places[row]), label) for row, label in near)
    return Question(**{**question.__dict__, "near": neighbours})


def _alike(
    predictor: Predictor,
    table: Table,
    rows: np.ndarray,
    feature: Feature,
    queries: Sequence[Question],
    doubted: np.ndarray,
) -> list[list[tuple[int, str]]]:
    """For each question labelled rows that look alike: the nearest of the proposed and of the given class first."""
    if feature.column not in table.columns:
        return [[] for _ in rows]
    truth = feature.encode(table[feature.column])
    labelled = np.setdiff1d(np.flatnonzero(truth.mask), np.union1d(doubted, rows))
    if not len(labelled):
        return [[] for _ in rows]
    random = np.random.default_rng(0)
    labelled = labelled if len(labelled) <= COMPARED else np.sort(random.choice(labelled, COMPARED, replace=False))
    names = feature.class_names
    labels = [names[int(truth.values[r]) - 1] if names else _text(table[feature.column][int(r)]) for r in labelled]
    points = embed_rows(predictor, table.take(labelled)).embedding
    middle, spread = points.mean(0), points.std(0) + 1e-6
    points, own = (points - middle) / spread, (embed_rows(predictor, table.take(rows)).embedding - middle) / spread
    neighbours = []
    for question, point in zip(queries, own, strict=True):
        order = np.argsort(((points - point) ** 2).sum(1), kind="stable")
        wanted = [question.proposed, question.given] if question.given else []
        first = [next((int(i) for i in order if labels[i] == label), None) for label in wanted]
        chosen = list(dict.fromkeys([*(i for i in first if i is not None), *order[:ALIKE].tolist()]))[:ALIKE]
        neighbours.append([(int(labelled[i]), labels[i]) for i in chosen])
    return neighbours


def _probabilities(answer: dict[str, Any]) -> dict[str, float]:
    if "probabilities" in answer:
        return {name: round(p, 4) for name, p in answer["probabilities"].items()}
    return {}


def _text(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return str(value).lower()
    return plain_number(float(value)).replace(",", "") if isinstance(value, float | np.floating) else str(value)
