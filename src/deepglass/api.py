"""The whole in one call: what the command line does, from Python."""

from __future__ import annotations

import time as clock
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from deepglass.doctor.findings import before_training, write_findings
from deepglass.doctor.fixes import apply_fixes
from deepglass.doctor.inspect import Inspection, inspect_table
from deepglass.errors import SpecError
from deepglass.inference import open_run
from deepglass.introspect.boundary import parse_boundary_columns
from deepglass.labelling.candidates import asked
from deepglass.labelling.ranking import asked_about, questions
from deepglass.prepare.prepare import prepare
from deepglass.prepare.sources import read_source
from deepglass.prepare.write_spec import commented_spec
from deepglass.projection.points import TestPredictions
from deepglass.projection.projection import MapOptions, check_map_options
from deepglass.report.after_training import add_baselines, add_report
from deepglass.run import fit
from deepglass.run.callbacks.log_file import LogFile
from deepglass.run.callbacks.margins import margins_for_table
from deepglass.run.context import load_data
from deepglass.run.cross_validation import fold_specs, is_many, summarise
from deepglass.run.folder import Folder
from deepglass.run.run import Run, side_by_side
from deepglass.run.warm_start import inherit_architecture, inherit_features
from deepglass.serve.queue import Queue
from deepglass.spec.overrides import build_spec
from deepglass.spec.spec import DataSpec, Spec
from deepglass.training.callbacks import Callback


def train(
    source: Any,
    target: str | Sequence[str] | None = None,
    *,
    out: str | Path | None = None,
    force: bool = False,
    callbacks: Sequence[Callback] = (),
    baselines: bool = True,
    **settings: Any,
) -> Run:
    """Train on a source, test, explain, and keep it all in a run folder.

    Args:
        source: a file, a folder, `sklearn:NAME`, `data:NAME`, a frame, (X, y) arrays, a list of dicts, or a spec (a
            `.yaml` file, `recipe:NAME`, a dict with a `data` key, a `Spec`).
        target: the column(s) to answer.
        out: the run's folder; `runs/NAME-N` without it. One that exists is kept, unless `force`.
        baselines: also fit the constant, linear and boosting baselines, and write the report.
        settings: `time`, `epochs`, `steps`, `seed`, `objective`, `network`, `kinds`, `ignore`, `fix`, `columns`,
            `inputs`, `split`, `data_root`, `labels` (a file that `label` writes), `init_from` (a run that gives the
            initial weights), or the sections of a spec (`data`, `training`, ...).

    Raises:
        UserError: what is wrong with the words or the data, before training starts.
    """
    started = clock.perf_counter()
    spec = build_spec(source, target, settings)
    path = Path(out) if out is not None else Folder.next_free(_short_name(spec.data.source))
    Folder.occupied(path, force)  # a folder that is taken is told before the data are read
    spec = apply_fixes(spec)
    if not is_many(spec):
        return _train_one(spec, path, force, callbacks, baselines, started)
    first = fold_specs(spec)[0]
    fit.set_up(*prepare(first, partial(inherit_features, first)))
    folder = Folder.make(path, force)
    folder.store_spec(spec)
    return _train_folds(spec, folder, callbacks, baselines, started)


def resume(run: str | Path, source: Any = None, callbacks: Sequence[Callback] = ()) -> Run:
    """Go on with a run that was stopped, to the same bits as an unbroken one; a finished run is returned as it is.

    Args:
        source: the data again, for a run that was trained on a Python object.
    """
    started = clock.perf_counter()
    folder = Folder.open(Path(run))
    if folder.finished and folder.metrics()["stop_reason"] != "interrupted":
        return Run(folder.path)
    spec = folder.spec()
    spec = build_spec(source, None, {}, spec) if source is not None else spec
    if is_many(spec):
        return _train_folds(spec, folder, callbacks, True, started)
    log = LogFile()
    log.open(folder.path / "log.txt")
    with log.errors():
        state = folder.state(spec)
        data = load_data(folder, state, source)
        trained = fit.resume(state.experiment, data, folder, folder.plan(), [*callbacks, log], started)
        _finish(trained, log, started)
    return Run(folder.path)


def inspect(
    source: Any, target: str | Sequence[str] | None = None, *, run: str | Path | Run | None = None, **settings: Any
) -> Inspection:
    """What is in the data, what each column is taken for and why, what is wrong with it.

    Args:
        run: also says which labels of this source look wrong, which rows without one are worth it, and where its
            answers are worse than elsewhere.
    """
    if run is None:
        spec = build_spec(source, target, settings)
        return inspect_table(read_source(spec), spec)
    run = open_run(run)
    base = run.spec
    alone = DataSpec(
        columns=base.data.columns, filename_pattern=base.data.filename_pattern, data_root=base.data.data_root
    )  # none of the run's own rows
    spec = build_spec(source, target, settings, replace(base, data=alone))
    table = read_source(spec)
    known = tuple(o for o in spec.outputs if o.get("column", o["name"]) in table.columns)
    kinds = {name: kind for name, kind in spec.kinds.items() if name in table.columns}
    ignored = tuple(name for name in base.data.ignore if name in table.columns)
    data = replace(spec.data, ignore=tuple(dict.fromkeys([*spec.data.ignore, *ignored])))
    return inspect_table(table, replace(spec, data=data, outputs=known, kinds=kinds), run)


def label(
    run: str | Path | Run,
    source: Any = None,
    *,
    out: str | Path = "labels.csv",
    limit: int = 300,
    output: str | None = None,
) -> Queue:
    """The rows that a person should label or mend, best first; the answers are what `train(..., labels=out)` takes.

    Args:
        source: rows like those that the run has learned from; None for its own, whose test rows are left alone.
        out: the file of the answers; one that is there is gone on with.
        limit: how many rows at most.
        output: which answer; None for the first that a person can give.

    Raises:
        SpecError: `bad-value` for a run whose answers cannot be given so, or `limit` below 1.
        SourceError: `mismatched-files` where the file of answers belongs to another source.

    Example:
        queue = deepglass.label("runs/photos-1")
        for i, item in enumerate(queue.items):
            queue.answer(i, item.proposed)  # the file has it
    """
    run, out = open_run(run), Path(out)
    if limit < 1:
        raise SpecError("bad-value", f"label: limit must be at least 1, not {limit}")
    answer = asked_about(run.predictor, output)
    found = asked(run, source, answer, out)
    rows = found.rows
    learned = margins_for_table(run.folder, found.table).get(answer.name)
    learned = None if learned is None else learned[rows]
    known = found.known.take(rows)
    items = questions(run.predictor, known, rows, answer, found.done, limit, learned) if len(rows) else []
    inputs = run.predictor.inputs
    return Queue(items, found.table, inputs, answer, out, found.origin, found.earlier, str(run.path))


def report(
    run: str | Path | Run,
    samples: bool = True,
    source: Any = None,
    *,
    map: str = "pca",
    layer: str = "",
    boundary: str = "",
) -> Path:
    """Write a run's report again and say where it is.

    Args:
        samples: False leaves out the users' rows and pictures.
        source: the data again, for a run that was trained on a Python object.
        map: how the map is laid out: pca, tsne (up to 5,000 rows), umap (likewise, an extra).
        layer: whose space the map shows, by its name in the network; what the heads read without it.
        boundary: two columns whose boundary is drawn, such as "age,hours"; the most telling ones without it.
    """
    run, wish = open_run(run), MapOptions(map, layer)
    check_map_options(wish, run.objective)
    context = run.context if source is None else run.context_of(source)
    pair = parse_boundary_columns(boundary, context) if boundary else None
    return add_report(context, None, samples, wish, pair)


def compare(*runs: str | Path | Run) -> dict[str, dict[str, Any]]:
    """Runs side by side: path -> their test figures, what they cost, and the settings in which they differ."""
    loaded = [open_run(r) for r in runs]
    if len(loaded) < 2:
        raise SpecError("bad-value", "compare: expected two runs or more")
    return side_by_side(loaded)


def new(
    source: Any, target: str | Sequence[str] | None = None, *, folder: str | Path | None = None, **settings: Any
) -> str:
    """A commented spec for a source, as text.

    Args:
        folder: where the spec will lie, from which it names its source; None: here.
    """
    spec = build_spec(source, target, settings)
    table = read_source(spec)
    return commented_spec(table, spec, None if folder is None else Path(folder))


# -- training ----------------------------------------------------------------------------------------------------


def _train_one(
    spec: Spec, path: Path, force: bool, callbacks: Sequence[Callback], baselines: bool, started: float
) -> Run:
    spec = inherit_architecture(spec, path)
    experiment, data = prepare(spec, partial(inherit_features, spec))
    setup = fit.set_up(experiment, data)
    log = LogFile()
    callbacks = [*callbacks, log]
    for callback in callbacks:
        callback.on_data_ready(data)
    labels = None if spec.data.label_corrections is None else Path(spec.data.label_corrections).read_bytes()
    folder = Folder.make(path, force)
    log.open(folder.path / "log.txt")
    with log.errors():
        if labels is not None:
            folder.store_labels(labels)
        findings = before_training(experiment.spec, data)
        write_findings(folder, findings)
        for callback in callbacks:
            callback.on_findings(findings)
        trained = fit.train(setup, folder, callbacks, started)
        _finish(trained, log, started, baselines)
    return Run(path)


def _finish(trained: fit.Trained, log: LogFile, started: float, baselines: bool = True) -> None:
    """Baselines and report, unless they are not wanted."""
    if baselines:
        context = add_baselines(trained.context, started)
        add_report(context, TestPredictions(trained.predictions.get("test", {})))
    log.line(f"run: {trained.context.path}")


def _train_folds(spec: Spec, folder: Folder, callbacks: Sequence[Callback], baselines: bool, started: float) -> Run:
    """A run a fold; one that is finished stays as it is, one that was stopped goes on."""
    specs = fold_specs(spec)
    log = LogFile()
    log.open(folder.path / "log.txt")
    for i, fold in enumerate(specs):
        path = folder.path / f"fold-{i}"
        log.line(f"fold {i + 1} of {len(specs)}: {path}")
        for callback in callbacks:
            callback.on_fold_start(i, len(specs))
        if (path / "spec.yaml").exists():
            run = resume(path, None if isinstance(fold.data.source, str) else fold.data.source, callbacks)
        else:
            run = _train_one(fold, path, False, callbacks, baselines, clock.perf_counter())
        if run.metrics["stop_reason"] == "interrupted":
            raise KeyboardInterrupt
    summarise(folder, started)
    return Run(folder.path)


def _short_name(source: Any) -> str:
    name = source if isinstance(source, str) else getattr(source, "name", None) or "run"
    return Path(str(name).rpartition(":")[2].rstrip("/")).name.partition(".")[0] or "run"
