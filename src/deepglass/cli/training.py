"""The commands inspect, new, train and resume: from a source to a run."""

import json
import signal
from pathlib import Path
from typing import Annotated, Any

import typer

import deepglass
from deepglass import cli
from deepglass.cli import completion, options
from deepglass.cli.options import SOURCES, Force, Json, RunFolder, Settings, argument, flag, option
from deepglass.cli.streams import message, print_json
from deepglass.errors import SpecError
from deepglass.files import check_not_exists, write_file
from deepglass.training.distributed.environment import is_first_process
from deepglass.training.interrupt import raise_interruption


def inspect(
    source: options.Source,
    settings: Settings = None,
    target: options.Target = None,
    ignore: options.Ignore = None,
    kind: options.Kind = None,
    columns: options.Columns = None,
    filename_pattern: options.FilenamePattern = None,
    sheet: options.Sheet = None,
    data_root: options.DataRoot = None,
    allow_code: options.AllowCode = None,
    run: Annotated[
        Path | None,
        option("RUN", "A run whose predictions find label errors and weak slices.", complete=completion.runs),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show columns, inferred kinds and problems of a source.

    Example: deepglass inspect houses.csv --target price
    """
    chosen = options.parse_settings(settings, ignore, kind, columns, filename_pattern, sheet)
    inspection = deepglass.inspect(
        source, target, run=run, data_root=data_root, settings=chosen, allow_code=allow_code or ()
    )
    if as_json:
        print_json(inspection.to_json())
    else:
        cli.show.show_inspection(inspection)


def new(
    source: Annotated[str | None, argument("SOURCE", f"{SOURCES}.", completion.sources)] = None,
    settings: Settings = None,
    target: options.Target = None,
    ignore: options.Ignore = None,
    kind: options.Kind = None,
    columns: options.Columns = None,
    filename_pattern: options.FilenamePattern = None,
    sheet: options.Sheet = None,
    data_root: options.DataRoot = None,
    allow_code: options.AllowCode = None,
    out: Annotated[Path | None, option("FILE", "Output file; by default stdout.")] = None,
    force: Force = False,
    schema: Annotated[bool, flag("--schema", "Print the JSON schema of specs instead.")] = False,
) -> None:
    """Write a commented spec for a source.

    Example: deepglass new houses.csv --target price --out houses.yaml
    """
    check_not_exists(out, force)
    if schema:
        text = json.dumps(cli.spec_schema(), indent=1) + "\n"
    elif source is None:
        raise SpecError("bad-value", "new: SOURCE is missing; give a file, a folder or a set's name, or --schema")
    else:
        chosen = options.parse_settings(settings, ignore, kind, columns, filename_pattern, sheet)
        folder = None if out is None else out.parent
        text = deepglass.new(
            source, target, folder=folder, data_root=data_root, settings=chosen, allow_code=allow_code or ()
        )
    if out is None:
        print(text, end="")
        return
    write_file(out, text)
    message(f"{'schema' if schema else 'spec'}: {out}")


def train(
    source: Annotated[
        str, argument("SOURCE", f"{SOURCES}, gym:NAME, recipe:NAME or a spec (.yaml).", completion.sources)
    ],
    settings: Settings = None,
    target: options.Target = None,
    ignore: options.Ignore = None,
    kind: options.Kind = None,
    columns: options.Columns = None,
    filename_pattern: options.FilenamePattern = None,
    sheet: options.Sheet = None,
    data_root: options.DataRoot = None,
    allow_code: options.AllowCode = None,
    fix: Annotated[list[str] | None, option("PROBLEM", "Kind of data problem to fix (repeatable).")] = None,
    test: Annotated[str | None, option("SOURCE", "A second source whose rows are the test rows.")] = None,
    labels: Annotated[Path | None, option("FILE", "New and corrected labels, written by `deepglass label`.")] = None,
    objective: Annotated[
        str | None,
        option("NAME", "Kind of learning, see `deepglass list objectives`.", complete=completion.objectives),
    ] = None,
    network: Annotated[
        str | None, option("NAME", "Network architecture, see `deepglass list trunks`.", complete=completion.trunks)
    ] = None,
    init_from: Annotated[
        Path | None, option("RUN", "Initialise the weights from this run.", complete=completion.runs)
    ] = None,
    time: Annotated[str | None, option("TIME", "Time to train, validate and calibrate, such as 60s or 5m.")] = None,
    epochs: Annotated[int | None, option("N", "Passes over the training rows.")] = None,
    steps: Annotated[int | None, option("N", "Optimizer steps.")] = None,
    seed: Annotated[int | None, option("N", "Random seed of initial weights and batch order.")] = None,
    baselines: Annotated[bool, flag("--baselines/--no-baselines", "Fit baselines and write the report.")] = True,
    callback: options.Callbacks = None,
    devices: options.Devices = None,
    out: Annotated[Path | None, option("RUN", "Run folder; by default runs/NAME-N.")] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Train, test and explain a model; write a run folder.

    Example: deepglass train houses.csv --target price --time 60s network.depth=4
    """
    if devices is not None:
        raise typer.Exit(cli.train_together(devices, source, out))
    chosen = {
        "time": time, "epochs": epochs, "steps": steps, "seed": seed, "fix": fix or None, "test": test,
        "labels": labels, "init_from": init_from, "data_root": data_root, "objective.name": objective,
        "network.trunk": network, **options.parse_settings(settings, ignore, kind, columns, filename_pattern, sheet),
    }  # fmt: skip
    run = deepglass.train(
        source,
        target,
        out=out,
        force=force,
        callbacks=[cli.ProgressBar(), *(callback or ())],
        baselines=baselines,
        settings=chosen,
        allow_code=allow_code or (),
    )
    _show_run(run, as_json)


def resume(
    run: RunFolder,
    time: Annotated[str | None, option("TIME", "Train a finished run further for this time, such as 60s.")] = None,
    epochs: Annotated[int | None, option("N", "Train it further for N passes over the training rows.")] = None,
    steps: Annotated[int | None, option("N", "Train it further for N optimizer steps.")] = None,
    devices: options.Devices = None,
    callback: options.Callbacks = None,
    allow_code: options.AllowCode = None,
    as_json: Json = False,
) -> None:
    """Continue an interrupted run, or train a finished one further.

    The weights become the same, bit for bit, as without the interruption. A further stage of training has its own
    warm-up and schedule, and can be interrupted and resumed too.

    Example: deepglass resume runs/houses-1 --epochs 10
    """
    if devices is not None:
        raise typer.Exit(cli.resume_together(devices, run))
    if not (time or epochs or steps) and is_first_process() and deepglass.Run(run).folder.is_complete():
        message(f"{run} is finished; --time, --epochs or --steps trains it further")
    _show_run(
        deepglass.resume(
            run,
            callbacks=[cli.ProgressBar(), *(callback or ())],
            time=time,
            epochs=epochs,
            steps=steps,
            allow_code=allow_code or (),
        ),
        as_json,
    )


def _show_run(run: Any, as_json: bool) -> None:
    if not is_first_process():
        return
    if as_json:
        print_json({"run": str(run.path), **run.metrics})
    else:
        cli.show.show_run(run)
    if name := run.metrics.get("stop_signal"):
        message(f"the run can be used; {cli.resume_command(run.path)} goes on")
        raise_interruption(signal.Signals[name])
