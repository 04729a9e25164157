"""Runs from their start to their end: prepare, train, test, baselines and report; by one process or several."""

import signal
import time as clock
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deepglass.doctor.findings import before_training, used_rows, write_findings
from deepglass.doctor.fixes import apply_fixes
from deepglass.doctor.reference import reference_of, write_reference
from deepglass.errors import SpecError
from deepglass.files import read_file
from deepglass.limits import limits_changed
from deepglass.notebook import shown_in_notebook
from deepglass.prepare.prepare import prepare
from deepglass.projection.points import TestPredictions
from deepglass.registry import is_allowed
from deepglass.report.after_training import add_baselines, add_report
from deepglass.run import fit
from deepglass.run.callbacks.log_file import LogFile
from deepglass.run.context import check_readable, load_data
from deepglass.run.cross_validation import fold_specs, is_many, summarise
from deepglass.run.fit import Trained
from deepglass.run.folder import Folder
from deepglass.run.run import Run
from deepglass.run.storage.code import write_code
from deepglass.run.storage.names import run_name
from deepglass.run.storage.stages import STAGES
from deepglass.run.warm_start import earlier_run, inherit_architecture
from deepglass.spec.overrides import build_spec
from deepglass.spec.spec import Spec
from deepglass.together import check_same_data, check_together, follow
from deepglass.training.callbacks import Callback
from deepglass.training.distributed.processes import Processes
from deepglass.training.hooks import call, construct_callbacks
from deepglass.training.interrupt import raise_interruption
from deepglass.training.settings import TrainingSettings

TRAINED, UNTRAINED = b"trained", b"untrained"  # told to the processes that follow


def resume_run(
    run: str | Path | Run,
    source: Any,
    callbacks: Sequence[Callback | str],
    stage: TrainingSettings | None,
    processes: Processes,
    started: float,
) -> Run:
    """Train a run to its end, or further.

    Args:
        run, source, callbacks: as of `api.resume`.
        stage: the length of a further stage.
        processes: that train together.
        started: `time.perf_counter()` when the command began, for the total.
    """
    with processes.common_errors():
        shown_callbacks = construct_callbacks(callbacks)
        folder = run.folder if isinstance(run, Run) else Folder.open(Path(run))
        if isinstance(run, Run) and source is None and not isinstance(run.spec.data.source, str):
            source = run.spec.data.source  # the Python object that it was trained on
        if stage is not None and folder.folds():
            raise SpecError("bad-value", f"resume: {folder.name} is a cross-validation; train one of its folds further")
        is_complete = folder.is_complete()
    if stage is not None:
        finished = resume_run(run, source, shown_callbacks, None, processes, started)  # the plan as it is comes first
        if finished.metrics["stop_reason"] == "interrupted":
            return finished
        started = clock.perf_counter() - finished.metrics["seconds"]["total"]
    elif is_complete:
        return Run(folder.path)
    with processes.common_errors():
        spec = folder.spec()
        spec = build_spec(source, None, {}, spec) if source is not None else spec
        baselines = "baselines" in folder.stages.missing()
        starts_again = not is_many(spec) and not folder.is_planned  # under its name
        if starts_again:
            check_readable(folder, spec)
        check_together(processes, spec, folder.path)
    if starts_again:
        with limits_changed(spec.data.limits), shown_in_notebook(shown_callbacks) as shown:
            return _train_one(spec, folder.path, False, shown, baselines, started, processes)
    if not processes.is_first:
        return _follow_resumed(folder, spec, source, stage, processes)
    with folder.write(), shown_in_notebook(shown_callbacks) as shown:
        if is_many(spec):
            return _train_folds(spec, folder, shown, baselines, started)
        log = LogFile()
        log.open(folder.path / "log.txt")
        with log.errors(), limits_changed(spec.data.limits):
            if stage is None and folder.is_trained():
                processes.send(TRAINED)
                _finish(Trained(Run(folder.path).context_of(source)), shown, log, started)
            else:
                processes.send(UNTRAINED)
                with processes.common_errors():
                    state = folder.state(spec)
                    data = load_data(folder, state, source)
                trained = fit.resume(
                    state.experiment, data, folder, folder.plan(), [*shown, log], started, stage, processes
                )
                _finish(trained, shown, log, started)
    processes.send(str(folder.path).encode())
    return Run(folder.path) if source is None else Run.trained(folder.path, spec)


def _follow_resumed(
    folder: Folder, spec: Spec, source: Any, stage: TrainingSettings | None, processes: Processes
) -> Run:
    """What a process beside the first one does in `resume_run`."""
    with limits_changed(spec.data.limits):
        if processes.send(b"") != TRAINED:
            with processes.common_errors():
                state = folder.state(spec)
                data = load_data(folder, state, source)
                setup = fit.set_up(state.experiment, data, processes=processes)
            follow(setup)
    return Run(Path(processes.send(b"").decode()))


def train_run(
    spec: Spec,
    path: Path | None,
    force: bool,
    callbacks: Sequence[Callback | str],
    progress: bool,
    baselines: bool,
    started: float,
    processes: Processes,
) -> Run:
    """Train a run, or those of a cross-validation.

    Args:
        spec: without overrides.
        path: the run folder; None for `runs/NAME-N`.
        force, callbacks, progress, baselines: as of `api.train`.
        started: `time.perf_counter()` when the command began, for the total.
        processes: that train together.
    """
    constructed = construct_callbacks(callbacks) if processes.is_first else []
    with limits_changed(spec.data.limits), shown_in_notebook(constructed, progress) as shown:
        with processes.common_errors():
            spec = apply_fixes(spec)
        if not is_many(spec):
            return _train_one(spec, path, force, shown, baselines, started, processes)
        first = fold_specs(spec)[0]
        fit.set_up(*prepare(first, earlier_run(first)))
        with Folder.create(path or Folder.claim(run_name(spec.data.source)), force) as folder:
            folder.stages.begin(baselines)
            write_code(folder.path, spec.code_names().values())
            folder.store_spec(spec)
            return _train_folds(spec, folder, shown, baselines, started)


def _train_one(
    spec: Spec,
    path: Path | None,
    force: bool,
    callbacks: Sequence[Callback],
    baselines: bool,
    started: float,
    processes: Processes,
) -> Run:
    with processes.common_errors():
        spec = inherit_architecture(spec, path)
        call(callbacks, "on_phase_start", "reading")
        experiment, data = prepare(spec, earlier_run(spec))
        setup = fit.set_up(experiment, data, processes=processes)
    check_same_data(setup)
    if not processes.is_first:
        follow(setup)
        return Run(Path(processes.send(b"").decode()))
    log = LogFile()
    callbacks = [*callbacks, log]
    call(callbacks, "on_data_ready", data)
    labels = None if spec.data.label_corrections is None else read_file(Path(spec.data.label_corrections))
    with Folder.create(path or Folder.claim(run_name(spec.data.source)), force) as folder, log.errors():
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
    processes.send(str(folder.path).encode())
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
            source = None if isinstance(fold.data.source, str) else fold.data.source
            run = resume_run(path, source, callbacks, None, Processes(), clock.perf_counter())
        else:
            run = _train_one(fold, path, False, callbacks, baselines, clock.perf_counter(), Processes())
        if run.metrics["stop_reason"] == "interrupted":
            raise_interruption(signal.Signals[run.metrics.get("stop_signal", "SIGINT")])
    summarise(folder, started)
    folder.stages.add(*STAGES)
    return Run(folder.path)
