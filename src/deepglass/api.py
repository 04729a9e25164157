"""Train, resume, label, report and compare; `inspection` looks at data, `inference` uses a trained run."""

import signal
import time as clock
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from deepglass.comparison import RunComparison, side_by_side
from deepglass.config import construct
from deepglass.doctor.findings import before_training, used_rows, write_findings
from deepglass.doctor.fixes import apply_fixes
from deepglass.doctor.reference import reference_of, write_reference
from deepglass.errors import SpecError
from deepglass.features.outputs.boxes import BoxesOutput
from deepglass.features.outputs.mask import MaskOutput
from deepglass.files import check_not_exists, read_file
from deepglass.introspect.boundary import parse_boundary_columns
from deepglass.labelling.candidates import find_candidates
from deepglass.labelling.question import Question
from deepglass.labelling.ranking import labelled_output, rank_questions, reopened_question
from deepglass.limits import limits_changed
from deepglass.notebook import shown_in_notebook
from deepglass.prepare.prepare import prepare
from deepglass.projection.points import TestPredictions
from deepglass.projection.projection import MapOptions, check_map_options
from deepglass.registry import Modules, allow_modules, is_allowed
from deepglass.report.after_training import add_baselines, add_report, rewrite_report
from deepglass.run import fit
from deepglass.run.callbacks.log_file import LogFile
from deepglass.run.context import check_readable, load_data
from deepglass.run.cross_validation import fold_specs, is_many, summarise
from deepglass.run.fit import Trained
from deepglass.run.folder import Folder
from deepglass.run.run import Run, open_run
from deepglass.run.storage.code import write_code
from deepglass.run.storage.contents import is_occupied
from deepglass.run.storage.stages import STAGES
from deepglass.run.warm_start import earlier_run, inherit_architecture
from deepglass.serve.queue import Queue
from deepglass.serve.reviews import Drawings, reopened_review, review_questions
from deepglass.spec.overrides import Setting, build_spec
from deepglass.spec.spec import Spec
from deepglass.training.callbacks import Callback
from deepglass.training.hooks import call, construct_callbacks
from deepglass.training.interrupt import raise_interruption
from deepglass.training.settings import TrainingSettings


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
    spec = build_spec(source, target, {**overrides, **(settings or {})}, allow_code=allow_code)
    if not isinstance(out, str | Path | None):
        raise SpecError("bad-value", f"out: expected the path of a folder, got {out!r:.80}")
    path = Path(out) if out is not None else None
    if path is not None:
        is_occupied(path, force)  # an error for an existing folder comes before the data are read
    with limits_changed(spec.data.limits), shown_in_notebook(construct_callbacks(callbacks), progress) as shown:
        spec = apply_fixes(spec)
        if not is_many(spec):
            return _train_one(spec, path, force, shown, baselines, started)
        first = fold_specs(spec)[0]
        fit.set_up(*prepare(first, earlier_run(first)))
        with Folder.create(path or Folder.claim(_short_name(spec.data.source)), force) as folder:
            folder.stages.begin(baselines)
            write_code(folder.path, spec.code_names().values())
            folder.store_spec(spec)
            return _train_folds(spec, folder, shown, baselines, started)


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
    allow_modules(allow_code)
    callbacks = construct_callbacks(callbacks)
    folder = run.folder if isinstance(run, Run) else Folder.open(Path(run))
    if isinstance(run, Run) and source is None and not isinstance(run.spec.data.source, str):
        source = run.spec.data.source  # the Python object that it was trained on
    length = {n: v for n, v in (("time", time), ("epochs", epochs), ("steps", steps)) if v is not None}
    stage = construct(TrainingSettings, length, "resume") if length else None
    if stage is not None:
        if folder.folds():
            raise SpecError("bad-value", f"resume: {folder.name} is a cross-validation; train one of its folds further")
        finished = resume(run, source, callbacks)  # the plan as it is comes first
        if finished.metrics["stop_reason"] == "interrupted":
            return finished
        started = clock.perf_counter() - finished.metrics["seconds"]["total"]
    elif folder.is_complete():
        return Run(folder.path)
    spec = folder.spec()
    spec = build_spec(source, None, {}, spec) if source is not None else spec
    baselines = "baselines" in folder.stages.missing()
    if not is_many(spec) and not folder.is_planned:  # start again under its name
        check_readable(folder, spec)
        with limits_changed(spec.data.limits), shown_in_notebook(callbacks) as shown:
            return _train_one(spec, folder.path, False, shown, baselines, started)
    with folder.write(), shown_in_notebook(callbacks) as shown:
        if is_many(spec):
            return _train_folds(spec, folder, shown, baselines, started)
        log = LogFile()
        log.open(folder.path / "log.txt")
        with log.errors(), limits_changed(spec.data.limits):
            if stage is None and folder.is_trained():
                _finish(Trained(Run(folder.path).context_of(source)), shown, log, started)
            else:
                state = folder.state(spec)
                data = load_data(folder, state, source)
                trained = fit.resume(state.experiment, data, folder, folder.plan(), [*shown, log], started, stage)
                _finish(trained, shown, log, started)
    return Run(folder.path) if source is None else Run.trained(folder.path, spec)


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


# -- training ----------------------------------------------------------------------------------------------------


def _train_one(
    spec: Spec, path: Path | None, force: bool, callbacks: Sequence[Callback], baselines: bool, started: float
) -> Run:
    spec = inherit_architecture(spec, path)
    call(callbacks, "on_phase_start", "reading")
    experiment, data = prepare(spec, earlier_run(spec))
    setup = fit.set_up(experiment, data)
    log = LogFile()
    callbacks = [*callbacks, log]
    call(callbacks, "on_data_ready", data)
    labels = None if spec.data.label_corrections is None else read_file(Path(spec.data.label_corrections))
    with Folder.create(path or Folder.claim(_short_name(spec.data.source)), force) as folder, log.errors():
        log.open(folder.path / "log.txt")
        folder.stages.begin(baselines)
        named = filter(is_allowed, {type(callback).__module__ for callback in callbacks})
        write_code(folder.path, [*spec.code_names().values(), *named])
        folder.store_spec(experiment.spec)
        if labels is not None:
            folder.store_labels(labels)
        call(callbacks, "on_phase_start", "checking")
        context = used_rows(experiment.spec, data)
        findings = before_training(context)
        write_findings(folder, findings)
        write_reference(folder, reference_of(context))
        call(callbacks, "on_findings", findings)
        trained = fit.train(setup, folder, callbacks, started)
        _finish(trained, callbacks, log, started)
    return Run.trained(folder.path, experiment.spec)


def _finish(trained: Trained, callbacks: Sequence[Callback], log: LogFile, started: float) -> None:
    """Fit the baselines and write the report, as far as they are wanted and missing."""
    context = trained.context
    if "stop_signal" in context.metrics:  # the process must end soon; a resumed run has them
        return
    stages = context.folder.stages
    missing = stages.missing()
    tested = None if trained.predictions is None else TestPredictions(trained.predictions)
    if "baselines" in missing:
        call(callbacks, "on_phase_start", "baselines")
        context = add_baselines(context, started, tested)
        stages.add("baselines")
    if "reported" in missing:
        call(callbacks, "on_phase_start", "report")
        add_report(context, tested)
        stages.add("reported")
    log.lines(f"run: {trained.context.path}")


def _train_folds(spec: Spec, folder: Folder, callbacks: Sequence[Callback], baselines: bool, started: float) -> Run:
    """Train one run per fold; finished folds are kept, interrupted ones resumed."""
    specs = fold_specs(spec)
    log = LogFile()
    log.open(folder.path / "log.txt")
    for i, fold in enumerate(specs):
        path = folder.path / f"fold-{i}"
        log.lines(f"fold {i + 1} of {len(specs)}: {path}")
        call(callbacks, "on_fold_start", i, len(specs))
        if Folder(path).is_planned:
            run = resume(path, None if isinstance(fold.data.source, str) else fold.data.source, callbacks)
        else:
            run = _train_one(fold, path, False, callbacks, baselines, clock.perf_counter())
        if run.metrics["stop_reason"] == "interrupted":
            raise_interruption(signal.Signals[run.metrics.get("stop_signal", "SIGINT")])
    summarise(folder, started)
    folder.stages.add(*STAGES)
    return Run(folder.path)


def _short_name(source: Any) -> str:
    name = source if isinstance(source, str) else getattr(source, "name", None) or "run"
    return Path(str(name).rpartition(":")[2].rstrip("/")).name.partition(".")[0] or "run"
