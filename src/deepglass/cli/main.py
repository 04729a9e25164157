"""The command `deepglass`. Heavy modules are loaded lazily, through `deepglass` and `deepglass.cli`."""

from __future__ import annotations

import errno
import gc
import json
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

import deepglass
from deepglass import cli
from deepglass.cli.generate import generate
from deepglass.cli.shell import (
    Columns,
    DataRoot,
    FilenamePattern,
    Ignore,
    Json,
    Kind,
    RunArgument,
    Settings,
    SourceArgument,
    Target,
    check_not_exists,
    output,
    parse_row_indices,
    parse_settings,
    print_json,
    print_notes,
    stdin_rows,
)
from deepglass.errors import DeepglassError, SpecError, StorageError, near_miss

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Deep learning that you can see through: any data in, any prediction out, every step inspectable.",
)

DEFAULT_EXPLAINED_ROWS = 3
STORAGE = {errno.ENOSPC: "disk-full", errno.EDQUOT: "disk-full", errno.EROFS: "read-only", errno.EACCES: "read-only"}
USAGE_ERROR: Any = typer.BadParameter.__base__  # of the click package that typer uses


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"deepglass {deepglass.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None: ...


@app.command()
def inspect(
    source: SourceArgument,
    settings: Settings = None,
    target: Target = None,
    ignore: Ignore = None,
    kind: Kind = None,
    columns: Columns = None,
    filename_pattern: FilenamePattern = None,
    run: Annotated[
        Path | None, typer.Option("--run", help="A run whose predictions find label errors and weak slices.")
    ] = None,
    data_root: DataRoot = None,
    as_json: Json = False,
) -> None:
    """Show the columns, their inferred kinds and the problems of a data source."""
    chosen = parse_settings(settings, ignore, kind, columns, filename_pattern)
    inspection = deepglass.inspect(source, target, run=run, data_root=data_root, settings=chosen)
    if as_json:
        print_json(inspection.to_json())
    else:
        cli.show.show_inspection(inspection)


@app.command()
def train(
    source: Annotated[
        str, typer.Argument(help="A file, folder, sklearn:NAME, data:NAME, recipe:NAME or spec (.yaml).")
    ],
    settings: Settings = None,
    target: Target = None,
    ignore: Ignore = None,
    kind: Kind = None,
    columns: Columns = None,
    filename_pattern: FilenamePattern = None,
    fix: Annotated[
        list[str] | None, typer.Option("--fix", help="Automatically fix this kind of data problem (repeatable).")
    ] = None,
    test: Annotated[str | None, typer.Option("--test", help="A second source whose rows are the test rows.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Run folder; by default runs/NAME-N.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing run at --out.")] = False,
    time: Annotated[
        str | None,
        typer.Option("--time", help="Time budget for training, validation and calibration, such as 60s or 5m."),
    ] = None,
    epochs: Annotated[int | None, typer.Option("--epochs", help="Passes over the training rows.")] = None,
    steps: Annotated[int | None, typer.Option("--steps", help="Optimizer updates.")] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", help="Random seed for weight initialisation and batch order.")
    ] = None,
    objective: Annotated[
        str | None, typer.Option("--objective", help="Kind of learning (see `deepglass list objectives`).")
    ] = None,
    network: Annotated[
        str | None, typer.Option("--network", help="Network architecture (see `deepglass list trunks`).")
    ] = None,
    init_from: Annotated[Path | None, typer.Option("--init-from", help="Initialise the weights from this run.")] = None,
    labels: Annotated[
        Path | None, typer.Option("--labels", help="File of new and corrected labels from `deepglass label`.")
    ] = None,
    data_root: DataRoot = None,
    baselines: Annotated[
        bool, typer.Option("--baselines/--no-baselines", help="Fit baselines and write the report.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Train, test and explain a model, and write a run folder."""
    chosen = parse_settings(settings, ignore, kind, columns, filename_pattern)
    chosen |= {"objective.name": objective} if objective else {}
    chosen |= {"network.trunk": network} if network else {}
    run = deepglass.train(
        source,
        target,
        out=out,
        force=force,
        callbacks=[cli.ProgressBar()],
        baselines=baselines,
        time=time,
        epochs=epochs,
        steps=steps,
        seed=seed,
        fix=fix or None,
        test=test,
        labels=labels,
        init_from=init_from,
        data_root=data_root,
        settings=chosen,
    )
    _finish(run, as_json)


@app.command()
def resume(run: RunArgument, as_json: Json = False) -> None:
    """Continue an interrupted run, to the same bits as an unbroken one."""
    before = run / "metrics.json"
    finished = before.exists() and json.loads(before.read_text()).get("stop_reason") != "interrupted"
    if finished:
        print(f"{run} is finished; there is nothing to resume", file=sys.stderr)
    _finish(deepglass.resume(run, callbacks=[] if finished else [cli.ProgressBar()]), as_json)


@app.command()
def evaluate(
    run: RunArgument,
    source: Annotated[str | None, typer.Argument(help="Labelled rows; by default the test rows of the run.")] = None,
    as_json: Json = False,
) -> None:
    """Show the metrics of a run on its test rows or on other labelled rows."""
    metrics = deepglass.evaluate(run, source)
    if as_json:
        print_json(metrics)
    else:
        cli.show.show_metrics(metrics)


@app.command()
def predict(
    run: RunArgument,
    source: Annotated[str, typer.Argument(help="Rows to predict; - reads JSON lines from stdin.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Output file (.csv, .parquet, .json, .jsonl), or a folder for masks.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite --out.")] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Add a fast explanation to each prediction.")] = False,
    as_json: Json = False,
) -> None:
    """Predict new rows, in their order."""
    if out is not None:
        check_not_exists(out, force)
    loaded = deepglass.Run(run)
    predictions = deepglass.predict(loaded, stdin_rows() if source == "-" else source, explain=explain)
    print_notes(loaded)
    output(predictions, "predictions", out, as_json)


@app.command()
def explain(
    run: RunArgument,
    source: Annotated[str, typer.Argument(help="Rows to explain; - reads JSON lines from stdin.")],
    rows: Annotated[
        str, typer.Option("--rows", help="Row indices, such as 0,1,2 or 0-9; by default the first three.")
    ] = "",
    fast: Annotated[
        bool, typer.Option("--fast", help="One forward and backward pass; skip the faithfulness checks.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="Output file (.json), or a folder that gets images and audio too.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite --out.")] = False,
    as_json: Json = False,
) -> None:
    """Explain predictions: the contribution of each column, word, image region or time span."""
    if out is not None:
        check_not_exists(out, force)
    loaded = deepglass.Run(run)
    content = stdin_rows() if source == "-" else source
    which = parse_row_indices(rows) or DEFAULT_EXPLAINED_ROWS
    explanations = deepglass.explain(loaded, content, which, fast=fast, out=out)
    print_notes(loaded)
    if out is not None:
        print(f"{len(explanations)} explanations in {out}", file=sys.stderr)
    elif as_json:
        print_json(explanations)
    else:
        cli.show.show_explanations(explanations)


app.command()(generate)


@app.command()
def embed(
    run: RunArgument,
    source: Annotated[str | None, typer.Argument(help="Rows to embed; by default all rows of the run.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Output file: .parquet, .tsv (TensorBoard), .txt or .bin (word2vec).")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite --out.")] = False,
) -> None:
    """Write the embedding of each row."""
    if out is None:
        raise SpecError("bad-value", "embed: --out is missing; give a file such as --out vectors.parquet")
    for path in cli.check_ending(out):
        check_not_exists(path, force)
    loaded = deepglass.Run(run)
    embedded = deepglass.embed(loaded, source)
    print_notes(loaded)
    written = cli.write_vectors(out, embedded)
    rows, dim = embedded.vectors.shape
    print(f"{rows} vectors of {dim} numbers in {' and '.join(map(str, written))}", file=sys.stderr)


@app.command()
def verify(
    run: RunArgument,
    a: Annotated[str, typer.Argument(help="An image, a row as JSON text, or a source of one row.")],
    b: Annotated[str, typer.Argument(help="The item to compare with.")],
    as_json: Json = False,
) -> None:
    """Compare two items: same identity? For runs with an identity output."""
    verdict = deepglass.verify(run, a, b)
    if as_json:
        print_json(verdict._asdict())
    else:
        cli.show.show_verdict(verdict)


@app.command()
def label(
    run: RunArgument,
    source: Annotated[
        str | None, typer.Argument(help="Rows of the same columns; by default the rows of the run.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Labels file (continued if it exists).")] = Path("labels.csv"),
    target: Annotated[str | None, typer.Option("--target", help="Output to label.")] = None,
    limit: Annotated[int, typer.Option("--limit", help="Maximum number of rows.")] = 300,
    host: Annotated[str, typer.Option("--host", help="Address that the page is served on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="Port of the page; 0 takes a free one.")] = 8000,
    opens: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in a browser.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the queue as JSON, without a page.")] = False,
) -> None:
    """Open a page to label or correct the most valuable rows; answers are saved at once, stop with Ctrl-C."""
    queue = deepglass.label(run, source, out=out, limit=limit, output=target)
    if as_json:
        print_json(queue.to_json())
        return
    if not queue.items:
        print("nothing to label: no label looks wrong, and every row has one", file=sys.stderr)
        return
    cli.serve_label(queue, host, port, opens)
    count = len(queue.answers)
    print(
        f"{count} of {len(queue.items)} rows answered, {queue.num_corrected} new or corrected labels, in {out}",
        file=sys.stderr,
    )
    if count:
        print(cli.next_commands(queue), file=sys.stderr)


@app.command()
def compare(runs: Annotated[list[Path], typer.Argument(help="Two or more runs.")], as_json: Json = False) -> None:
    """Compare runs: test metrics, cost, and the settings that differ."""
    compared = deepglass.compare(*runs)
    if as_json:
        print_json(compared)
    else:
        cli.show.show_comparison(compared)


@app.command()
def report(
    run: RunArgument,
    samples: Annotated[
        bool, typer.Option("--samples/--no-samples", help="Show rows of the data in the report.")
    ] = True,
    map_: Annotated[str, typer.Option("--map", help="Projection of the map: pca, tsne or umap.")] = "pca",
    layer: Annotated[str, typer.Option("--layer", help="Layer whose embedding the map shows, such as trunk.")] = "",
    boundary: Annotated[
        str, typer.Option("--boundary", help="Two columns of the decision boundary, such as age,hours.")
    ] = "",
) -> None:
    """Rewrite the report of a run and print its path."""
    print(deepglass.report(run, samples, map=map_, layer=layer, boundary=boundary))


@app.command()
def new(
    source: Annotated[str | None, typer.Argument(help="A file, a folder, sklearn:NAME or data:NAME.")] = None,
    settings: Settings = None,
    target: Target = None,
    ignore: Ignore = None,
    kind: Kind = None,
    columns: Columns = None,
    filename_pattern: FilenamePattern = None,
    data_root: DataRoot = None,
    out: Annotated[Path | None, typer.Option("--out", help="Output file; by default stdout.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite --out.")] = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema of specs instead.")] = False,
) -> None:
    """Write a commented spec for a source."""
    if out is not None:
        check_not_exists(out, force)
    if schema:
        text = json.dumps(cli.spec_schema(), indent=1) + "\n"
    elif source is None:
        raise SpecError("bad-value", "new: the source is missing; give a file or folder, or --schema")
    else:
        chosen = parse_settings(settings, ignore, kind, columns, filename_pattern)
        folder = None if out is None else out.parent
        text = deepglass.new(source, target, folder=folder, data_root=data_root, settings=chosen)
    if out is None:
        print(text, end="")
        return
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text)
    except OSError as error:
        raise StorageError("read-only", f"--out: {out}: cannot be written ({error.strerror})") from error
    print(f"{'schema' if schema else 'spec'}: {out}", file=sys.stderr)


LISTS = ("features", "outputs", "trunks", "objectives", "optimizers", "schedules", "activations", "recipes", "data")


@app.command("list")
def list_names(
    what: Annotated[str | None, typer.Argument(help=" | ".join(LISTS))] = None,
    as_json: Json = False,
) -> None:
    """List features, trunks, objectives and other names."""
    if what is not None and what not in LISTS:
        raise SpecError("unknown-name", f"list: no list {what!r}{near_miss(what, LISTS)}")
    groups = cli.listing(what)
    if as_json:
        print_json(groups)
    else:
        cli.show.show_listing(groups)


def main() -> NoReturn:
    """The console script: an error is a line on stderr and an exit code."""
    try:
        app(standalone_mode=False)
    except DeepglassError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except USAGE_ERROR as error:
        error.show()
        sys.exit(2)
    except (KeyboardInterrupt, typer.Abort):
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        if error.errno not in STORAGE:
            raise
        print(f"error: [{STORAGE[error.errno]}] {error.filename or ''}: {error.strerror}", file=sys.stderr)
        sys.exit(1)
    finally:
        gc.freeze()  # no garbage collection at exit
    sys.exit(0)


def _finish(run: Any, as_json: bool) -> None:
    if as_json:
        print_json({"run": str(run.path), **run.metrics})
    else:
        cli.show.show_run(run)
