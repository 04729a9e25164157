"""Using a trained run: evaluate, predict, explain, embed, verify. Imports no training code."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deepglass.errors import SourceError
from deepglass.explain.explainer import explain_rows, explainable
from deepglass.explain.nearest import ReferenceRows, training_rows
from deepglass.features.outputs.identity import Verdict
from deepglass.prepare.sources import read_source
from deepglass.run.embedding import Embedded
from deepglass.run.embedding import embed as embedded
from deepglass.run.predictor import Answers, Rows
from deepglass.run.run import Run, open_run


def evaluate(run: str | Path | Run, source: Any = None) -> dict[str, dict[str, float]]:
    """Figures of a run on its test rows, or on other labelled rows."""
    return open_run(run).evaluate(source)


def predict(run: str | Path | Run, rows: Rows, explain: bool = False) -> Answers:
    """A run's answers to rows, in their order.

    Args:
        explain: each with `attributions`, from the fast kind of explanation; see `explain`.
    """
    run = open_run(run)
    if not explain:
        return run.predict(rows)
    explainable(run.predictor)  # refused before any data are read
    notes = run.predictor.notes.copy()
    explanations = explain_rows(run.predictor, rows, _reference_rows(run), fast=True)
    run.predictor.notes = notes  # the same rows are noted once, as they are predicted
    keys = ("attributions", "score", "baseline", "unit", "method")
    return [
        {name: p | {k: explanation[name][k] for k in keys} if name in explanation else p for name, p in row.items()}
        for row, explanation in zip(run.predict(rows), explanations, strict=True)
    ]


def explain(
    run: str | Path | Run,
    rows: Rows,
    which: Sequence[int] | int | None = None,
    *,
    fast: bool = False,
    out: str | Path | None = None,
    source: Any = None,
) -> list[dict[str, Any]]:
    """Explanations of predictions, one dict per row: {"row": ..., OUTPUT: {"value": ..., "attributions": [...], ...}}.

    Args:
        which: 0-based indices of the rows; a number for the first rows, None for all.
        fast: one forward and one backward pass, without the faithfulness checks.
        out: a .json file, or a folder that gets images and sounds too.
        source: the data that the run was trained on, where that was a Python object.

    Raises:
        SpecError: `bad-value` for a run whose answers cannot be explained, or a row that is not there.
    """
    run = open_run(run)
    explainable(run.predictor)  # refused before any data are read
    return explain_rows(
        run.predictor, rows, _reference_rows(run, source), which, fast, None if out is None else Path(out)
    )


def embed(run: str | Path | Run, rows: Rows = None) -> Embedded:
    """Rows as points in the space that a run has learned, beside what is known of them.

    Args:
        rows: as for `predict`; None: all rows that the run has learned from and was tested on.

    Example:
        vectors, about = deepglass.embed("runs/mnist-1", "photos/")
    """
    run = open_run(run)
    return embedded(run.predictor, read_source(run.spec) if rows is None else rows)


def verify(run: str | Path | Run, a: Any, b: Any) -> Verdict:
    """Whether two pictures or rows show the same one, by a run that answers an identity."""
    return open_run(run).verify(a, b)


def _reference_rows(run: Run, source: Any = None) -> ReferenceRows | None:
    """Some of a run's training rows; None, with a note, where its data are no longer there."""
    try:
        return training_rows((run.context if source is None else run.context_of(source)).data)
    except SourceError as error:
        run.predictor.notes[f"explained without the training rows ({error})"] += 1
        return None
