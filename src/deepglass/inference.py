"""Inference with a trained run: evaluate, predict, explain, verify. Imports no training code."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deepglass.errors import SourceError
from deepglass.explain import load
from deepglass.features.outputs.identity import Verdict
from deepglass.formatting import part_text, prediction_line, signed_number
from deepglass.prepare.new_rows import Rows
from deepglass.registry import Modules
from deepglass.run.run import EvaluationMetrics, Run, open_run
from deepglass.web import NotebookBlock, notebook_html

MAX_SHOWN = 10  # rows whose explanations a notebook shows
MAX_PARTS = 8  # of each


def evaluate(
    run: str | Path | Run,
    source: Any = None,
    *,
    include_trained: bool = False,
    allow_missing: Sequence[str] = (),
    allow_code: Modules = (),
) -> EvaluationMetrics:
    """Metrics of a run on its test rows, or on other labelled rows.

    Args:
        source: labelled rows; None for the test rows.
        include_trained: also on rows that the run, or a run it starts from, has learned from; otherwise they are left
            out, with a `DataWarning` that counts them.
        allow_missing: columns that may be absent or unreadable, though training had them.
        allow_code: modules outside the package that the run may name; importing them runs their code.

    Example:
        >>> deepglass.evaluate("runs/example")["target"]["accuracy"] > 0.2
        True
    """
    return open_run(run, allow_code).evaluate(source, include_trained, allow_missing)


def predict(
    run: str | Path | Run,
    rows: Rows,
    explain: bool = False,
    *,
    allow_missing: Sequence[str] = (),
    allow_code: Modules = (),
) -> Any:
    """Predictions for rows, in their order: a list of dicts, or a frame for a frame, as `Run.predict` gives them.

    Args:
        explain: add `attributions` by the fast method; see `explain`.
        allow_missing: columns that may be absent or unreadable, though training had them.
        allow_code: modules outside the package that the run may name; importing them runs their code.

    Example:
        >>> predictions = deepglass.predict("runs/example", "sklearn:iris")
        >>> len(predictions), sorted(predictions[0]["target"])
        (150, ['confidence', 'probabilities', 'value'])
    """
    run = open_run(run, allow_code)
    if not explain:
        return run.predict(rows, allow_missing)
    with run.predictor.reader.reading(allow_missing):
        predictions = run.predictor.predict(rows)
        notes = run.predictor.reader.notes.copy()  # so that rows are not counted twice
        explanations = _explain(run, rows, fast=True)
        run.predictor.reader.notes = notes
    keys = ("attributions", "score", "baseline", "unit", "method")
    return [
        {name: p | {k: explanation[name][k] for k in keys} if name in explanation else p for name, p in row.items()}
        for row, explanation in zip(predictions, explanations, strict=True)
    ]


def explain(
    run: str | Path | Run,
    rows: Rows,
    which: Sequence[int] | int | None = None,
    *,
    fast: bool = False,
    out: str | Path | None = None,
    source: Any = None,
    allow_missing: Sequence[str] = (),
    allow_code: Modules = (),
) -> Explanations:
    """Explanations of predictions, one dict per row: {"row": ..., OUTPUT: {"value": ..., "attributions": [...], ...}}.

    Args:
        which: 0-based indices of the rows; a number for the first rows, None for all.
        fast: one forward and one backward pass, without the faithfulness checks.
        out: a .json file, or a folder, into which images and audio are written too.
        source: the training data, for a run that was trained on a Python object.
        allow_missing: columns that may be absent or unreadable, though training had them.
        allow_code: modules outside the package that the run may name; importing them runs their code.

    Raises:
        SpecError: `bad-value` for a run whose predictions cannot be explained, or an index without a row.

    Example:
        >>> (explanation,) = deepglass.explain("runs/example", "sklearn:iris", which=[7], fast=True)
        >>> explanation["row"], sorted(explanation["target"]["attributions"][0])
        (7, ['part', 'value', 'weight'])
    """
    run = open_run(run, allow_code)
    with run.predictor.reader.reading(allow_missing):
        explanations = _explain(run, rows, source, which=which, fast=fast, out=None if out is None else Path(out))
    return Explanations(explanations)


def explain_globally(
    run: str | Path | Run,
    source: Any = None,
    *,
    allow_missing: Sequence[str] = (),
    allow_code: Modules = (),
) -> list[Any]:
    """What each output of a run relies on over all rows: a `GlobalExplanation` each, with `sentences` and `to_json()`.

    Args:
        source: labelled rows that the run was not trained on; None for its test rows.
        allow_missing: columns that may be absent or unreadable, though training had them.
        allow_code: modules outside the package that the run may name; importing them runs their code.

    Raises:
        SpecError: `bad-value` for a run without an output of classes or numbers, or fewer than 20 labelled rows.
    """
    run = open_run(run, allow_code)
    module = load("explain_globally")
    if source is None:
        explanations: list[Any] = module.explain_test_rows(run.context)
        return explanations
    with run.predictor.reader.reading(allow_missing):
        table = run.labelled_rows(source)
        explanations = module.explain_globally(run.predictor, table, _training_rows(run))
    return explanations


def verify(run: str | Path | Run, a: Any, b: Any, *, allow_code: Modules = ()) -> Verdict:
    """Whether two images or rows have the same identity, by a run with an identity output.

    Args:
        a, b: the items to compare.
        allow_code: modules outside the package that the run may name; importing them runs their code.
    """
    return open_run(run, allow_code).verify(a, b)


class Explanations(list[dict[str, Any]]):
    """Explanations, a dict per row; in notebooks a table per row, with the largest attributions."""

    def _repr_html_(self) -> str:
        blocks = []
        for row in self[:MAX_SHOWN]:
            for name, explained in ((n, e) for n, e in row.items() if n != "row"):
                parts = [[part_text(p), signed_number(p["weight"])] for p in explained["attributions"][:MAX_PARTS]]
                head = ["part of the input", f"attribution ({explained['unit']})"]
                title = f"row {row['row']}, {name}: {prediction_line(explained)}"
                blocks.append(NotebookBlock(title, explained["method"], head, parts))
        if (more := len(self) - MAX_SHOWN) > 0:
            blocks.append(NotebookBlock(f"and {more:,} more rows"))
        return notebook_html(*blocks)


def _explain(run: Run, rows: Rows, source: Any = None, **options: Any) -> list[dict[str, Any]]:
    """Explanations relative to training rows; without these, and with a note, if the source no longer exists."""
    explainer = load("explainer")
    explainer.explainable(run.predictor)  # an error comes before data are read
    reference = _training_rows(run, source)
    explanations: list[dict[str, Any]] = explainer.explain_rows(run.predictor, rows, reference, **options)
    return explanations


def _training_rows(run: Run, source: Any = None) -> Any:
    """The training rows to compare with; None, and a note, where the source no longer exists."""
    try:
        context = run.context if source is None else run.context_of(source)
        return load("reference").training_rows(context.data)
    except SourceError as error:
        run.predictor.reader.notes[f"explained without the training rows ({error})"] += 1
        return None
