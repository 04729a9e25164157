"""Train, resume, label, report and compare; `inspection` looks at data, `inference` uses a trained run."""

import time as clock
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from deepglass.comparison import RunComparison, side_by_side
from deepglass.config import construct
from deepglass.errors import SpecError
from deepglass.features.outputs.boxes import BoxesOutput
from deepglass.features.outputs.mask import MaskOutput
from deepglass.files import check_not_exists
from deepglass.introspect.boundary import parse_boundary_columns
from deepglass.labelling.candidates import find_candidates
from deepglass.labelling.question import Question
from deepglass.labelling.ranking import labelled_output, rank_questions, reopened_question
from deepglass.limits import limits_changed
from deepglass.projection.projection import MapOptions, check_map_options
from deepglass.registry import Modules, allow_modules
from deepglass.report.after_training import rewrite_report
from deepglass.run.folder import Folder
from deepglass.run.run import Run, open_run
from deepglass.run.storage.contents import is_occupied
from deepglass.serve.queue import Queue
from deepglass.serve.reviews import Drawings, reopened_review, review_questions
from deepglass.spec.overrides import Setting, build_spec
from deepglass.together import check_together
from deepglass.training.callbacks import Callback
from deepglass.training.distributed.processes import joined, was_restarted
from deepglass.training.settings import TrainingSettings
from deepglass.training_runs import resume_run, train_run


def train(
    source: Any,
    target: str | Sequence[str] | None = None,
    *,
    out: str | Path | None = None,
    force: bool = False,
    callbacks: Sequence[Callback | str] = (),
    progress: bool = True,
    baselines: bool = True,
    time: float | str | None = None,
    epochs: int | None = None,
    steps: int | None = None,
    seed: int | None = None,
    objective: Setting | None = None,
    network: Setting | None = None,
    inputs: Sequence[Setting] | Mapping[str, Setting] | None = None,
    outputs: Sequence[Setting] | Mapping[str, Setting] | None = None,
    kinds: Mapping[str, Setting] | None = None,
    ignore: Sequence[str] | None = None,
    fix: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    filename_pattern: str | None = None,
    split: Mapping[str, Any] | None = None,
    sample_weight: str | None = None,
    test: Any = None,
    labels: str | Path | None = None,
    init_from: str | Path | Run | None = None,
    data_root: str | Path | Sequence[str | Path] | None = None,
    device: str | None = None,
    data: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    allow_code: Modules = (),
) -> Run:
    """Train a model, test and explain it, and write a run folder.

    Args:
        source: a file, a folder, `sklearn:NAME`, `data:NAME`, a frame, (X, y) arrays, a list of dicts, or a spec (a
            `.yaml` file, `recipe:NAME`, a dict with a `data` key, a `Spec`), whose settings the arguments override.
        target: the column(s) to predict.
        out: the run folder; `runs/NAME-N` without it.
        force: overwrite a run at `out`.
        callbacks: called while it trains; of a class, or its name `module:Class`.
        progress: in a notebook, show the progress and then the findings, unless a callback displays it already.
        baselines: also fit the constant, linear and boosting baselines and write the report.
        time: time budget for training, validation and calibration: seconds, or text such as "60s" or "5m".
        epochs: passes over the training rows, instead of a time budget.
        steps: optimizer updates, instead of a time budget.
        seed: random seed for weight initialisation and batch order.
        objective: kind of learning.
        network: network architecture.
        inputs: input columns; without it all that are left.
        outputs: as `target`, where an output needs settings: {column: settings}.
        kinds: column name -> kind of data, or settings of its kind, where the inferred ones are wrong.
        ignore: columns to leave out.
        fix: kinds of data problems to fix before training.
        columns: column names of a file without a header.
        filename_pattern: columns in file names, such as "{digit}_{speaker}_{take}".
        split: settings of `data.split.Split`.
        sample_weight: a column with the weight of each row in losses and metrics.
        test: a second source, whose rows are the test rows.
        labels: a file of new and corrected labels, as `label` writes it.
        init_from: a run that gives the initial weights.
        data_root: folders of the data sets that `data:NAME` names, by default $DEEPGLASS_DATA; data in other
            folders may name files in them as well.
        device: "auto", "cpu", "cuda" or "mps".
        data, training: further settings of these sections of the spec.
        settings: further settings by path, such as {"training.learning_rate": 1e-3}.
        allow_code: modules outside the package that a spec file or run may name; importing them runs their code.

    Raises:
        UserError: for a wrong setting or unusable data, before training starts.

    Example:
        >>> run = deepglass.train("sklearn:iris", steps=20, out="runs/example", baselines=False, force=True)
        >>> sorted(run.metrics["test"])
        ['target']
    """
    started = clock.perf_counter()
    overrides = {
        "time": time, "epochs": epochs, "steps": steps, "seed": seed, "objective": objective, "network": network,
        "inputs": inputs, "outputs": outputs, "kinds": kinds, "ignore": ignore, "fix": fix, "columns": columns,
        "filename_pattern": filename_pattern, "split": split, "test": test, "labels": labels, "data_root": data_root,
        "device": device, "sample_weight": sample_weight,
        "init_from": init_from.path if isinstance(init_from, Run) else init_from, "data": data, "training": training,
    }  # fmt: skip
    with joined() as processes:
        with processes.common_errors():
            spec = build_spec(source, target, {**overrides, **(settings or {})}, allow_code=allow_code)
            if not isinstance(out, str | Path | None):
                raise SpecError("bad-value", f"out: expected the path of a folder, got {out!r:.80}")
            path = Path(out) if out is not None else None
            goes_on = was_restarted(processes) and path is not None and Folder(path).is_planned
            if path is not None and processes.is_first and not goes_on:
                is_occupied(path, force)  # an error for an existing folder comes before the data are read
            check_together(processes, spec, path)
        if goes_on and path is not None:
            data_object = None if isinstance(spec.data.source, str) else spec.data.source
            return resume_run(path, data_object, callbacks if processes.is_first else (), None, processes, started)
        return train_run(spec, path, force, callbacks, progress, baselines, started, processes)


def resume(
    run: str | Path | Run,
    source: Any = None,
    callbacks: Sequence[Callback | str] = (),
    *,
    time: float | str | None = None,
    epochs: int | None = None,
    steps: int | None = None,
    allow_code: Modules = (),
) -> Run:
    """Continue an interrupted run to the same bits as an unbroken one, or train a finished run further.

    A finished run is returned unchanged, unless there is a length for a further stage. The stage begins with the best
    weights, with its own warm-up and learning-rate schedule, and the best weights of all stages are kept.

    A run that was stopped before its first step is trained from the start.

    Args:
        source: the data, for a run that was trained on a Python object, unless `run` is what `train` has returned.
        callbacks: called while it trains; of a class, or its name `module:Class`.
        time: time budget of a further stage, in seconds or as text such as "60s".
        epochs, steps: its passes over the training rows or optimizer updates, instead of a time budget.
        allow_code: modules outside the package that the run may name; importing them runs their code.

    Example:
        >>> run = deepglass.train("sklearn:iris", steps=10, out="runs/further", baselines=False, force=True)
        >>> run = deepglass.resume("runs/further", steps=10)
        >>> run.history[-1]["step"]
        20
    """
    started = clock.perf_counter()
    length = {n: v for n, v in (("time", time), ("epochs", epochs), ("steps", steps)) if v is not None}
    with joined() as processes:
        with processes.common_errors():
            allow_modules(allow_code)
            stage = construct(TrainingSettings, length, "resume") if length else None
        return resume_run(run, source, callbacks if processes.is_first else (), stage, processes, started)


def label(
    run: str | Path | Run,
    source: Any = None,
    *,
    out: str | Path = "labels.csv",
    limit: int = 300,
    output: str | None = None,
    blind: bool = False,
    allow_code: Modules = (),
) -> Queue:
    """A queue of rows to label or correct, most valuable first, for `train(..., labels=out)`.

    Where no label looks wrong and none is missing, it holds uncertain and random rows, as spot checks. Masks and boxes
    of the run's own rows are accepted ("given") or refused (""), those that its predictions agree with least first.

    Args:
        source: rows of the same columns as the training data; None for the run's own, without its test rows.
        out: the labels file; continued if it exists.
        limit: maximum number of rows.
        output: the output to label; None for the first whose kind can be labelled.
        blind: the page hides label and prediction of a row until it has an answer.
        allow_code: modules outside the package that the run may name; importing them runs their code.

    Raises:
        SpecError: `bad-value` for outputs that cannot be labelled, or `limit` below 1.
        SourceError: `mismatched-files` if the labels file belongs to another source.

    Example:
        >>> queue = deepglass.label("runs/example", out="runs/labels.csv", limit=3)
        >>> for i, item in enumerate(queue.items):
        ...     queue.answer(i, item.suggestion)  # written to the file at once
        >>> len(queue.items)
        3
    """
    run, out = open_run(run, allow_code), Path(out)
    if limit < 1:
        raise SpecError("bad-value", f"label: expected a limit of at least 1, got {limit}")
    labelled = labelled_output(run.predictor, output)
    candidates = find_candidates(run, source, labelled, out)
    predictor = run.predictor
    reopen: Callable[[int], Question] = partial(reopened_question, predictor, candidates, labelled)
    drawings: dict[int, Drawings] | None = None
    if isinstance(labelled, MaskOutput | BoxesOutput):
        questions, drawings = review_questions(run, candidates, labelled, limit)
        reopen = partial(reopened_review, run, candidates, labelled, drawings)
    else:
        questions = rank_questions(run, candidates, labelled, limit)
    return Queue(
        questions,
        candidates.table,
        predictor.inputs,
        labelled,
        out,
        candidates.origin,
        candidates.earlier,
        run.folder.name,
        blind,
        trained_with=candidates.trained_with,
        history=list(candidates.history),
        reopen=reopen,
        drawings=drawings,
    )


def report(
    run: str | Path | Run,
    samples: bool = True,
    source: Any = None,
    *,
    map: str = "pca",
    layer: str = "",
    boundary: str = "",
    out: str | Path | None = None,
    force: bool = False,
    allow_code: Modules = (),
) -> Path:
    """Rewrite the report of a run and return its path.

    Args:
        samples: False leaves out rows and images of the data.
        source: the data, where they have moved, or were a Python object that this process does not have.
        map: projection of the map: pca, tsne (up to 5,000 rows) or umap (up to 5,000 rows, an extra).
        layer: name of the layer whose embedding the map shows; without it the input of the heads.
        boundary: two columns of the decision boundary, such as "age,hours"; the most important ones without it.
        out: the report; by default report.html of the run folder, or NAME.html here for a zip file NAME.zip.
        force: overwrite `out`.
        allow_code: modules outside the package that the run may name; importing them runs their code.

    Raises:
        SpecError: `already-exists` for a file that would be overwritten.
        SourceError: `not-found` without the data, `mismatched-files` for others.

    Example:
        >>> deepglass.report("runs/example", samples=False, out="runs/example.html").name
        'example.html'
    """
    run, wish = open_run(run, allow_code), MapOptions(map, layer)
    check_map_options(wish, run.objective)
    if out is None and run.folder.packed is not None:
        out = f"{run.folder.packed.stem}.html"
    page = None if out is None else Path(out)
    check_not_exists(page, force)
    context = run.context if source is None else run.context_of(source)
    pair = parse_boundary_columns(boundary, context) if boundary else None
    with limits_changed(run.spec.data.limits):
        return rewrite_report(context, samples, wish, pair, page)


def compare(*runs: str | Path | Run) -> RunComparison:
    """Runs side by side: path -> test metrics, cost, and the settings that differ.

    Each further run is compared with the first one on the test rows that both have, with a 95 % interval; see
    `comparison.side_by_side`.

    Example:
        >>> second = deepglass.train("sklearn:iris", steps=40, out="runs/second", baselines=False, force=True)
        >>> sorted(deepglass.compare("runs/example", second))
        ['runs/example', 'runs/second']
    """
    loaded = [open_run(r) for r in runs]
    if len(loaded) < 2:
        raise SpecError("bad-value", f"compare: expected two or more runs, got {len(loaded)}")
    return side_by_side(loaded)
