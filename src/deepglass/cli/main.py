"""The command `deepglass`. What takes time to import is reached through the package, when a command runs."""

from __future__ import annotations

import errno
import gc
import json
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

import deepglass
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
    check_free,
    give,
    places_of,
    print_json,
    settings_of,
    stdin_rows,
    tell_notes,
    text_of,
)
from deepglass.errors import DeepglassError, SpecError, StorageError, near_miss

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Deep learning that you can see through: any data in, any answer out, and everything in between to look at.",
)

FIRST = 3  # rows that are explained, unless others are asked for
STORAGE = {errno.ENOSPC: "disk-full", errno.EDQUOT: "disk-full", errno.EROFS: "read-only", errno.EACCES: "read-only"}
USAGE_ERROR: Any = typer.BadParameter.__base__  # of the click that typer brings along


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
    run: Annotated[Path | None, typer.Option("--run", help="a run: which labels look wrong, where it errs")] = None,
    data_root: DataRoot = None,
    as_json: Json = False,
) -> None:
    """What is in the data, what it is taken for and why, what is wrong with it."""
    chosen = settings_of(settings, ignore, kind, columns, filename_pattern)
    found = deepglass.inspect(source, target, run=run, data_root=text_of(data_root), **chosen)
    if as_json:
        print_json(found.to_json())
    else:
        deepglass.show.show_inspection(found)


@app.command()
def train(
    source: Annotated[str, typer.Argument(help="a source, or a spec (.yaml)")],
    settings: Settings = None,
    target: Target = None,
    ignore: Ignore = None,
    kind: Kind = None,
    columns: Columns = None,
    filename_pattern: FilenamePattern = None,
    fix: Annotated[list[str] | None, typer.Option("--fix", help="a kind of finding to mend; may be repeated")] = None,
    test: Annotated[str | None, typer.Option("--test", help="a second source: the test rows")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="the run's folder; else runs/NAME-N")] = None,
    force: Annotated[bool, typer.Option("--force", help="overwrite a run at --out")] = False,
    time: Annotated[
        str | None, typer.Option("--time", help="60s, 5m: for training, validation and calibration")
    ] = None,
    epochs: Annotated[int | None, typer.Option("--epochs", help="passes over the training rows")] = None,
    steps: Annotated[int | None, typer.Option("--steps", help="updates")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="of initialisation and order")] = None,
    objective: Annotated[str | None, typer.Option("--objective", help="the kind of learning")] = None,
    network: Annotated[str | None, typer.Option("--network", help="the trunk")] = None,
    init_from: Annotated[Path | None, typer.Option("--init-from", help="a run whose weights are taken over")] = None,
    labels: Annotated[Path | None, typer.Option("--labels", help="a file of labels, from deepglass label")] = None,
    data_root: DataRoot = None,
    baselines: Annotated[bool, typer.Option("--baselines/--no-baselines", help="baselines and report")] = True,
    as_json: Json = False,
) -> None:
    """Train, test and explain a model; everything is kept in a run folder."""
    chosen = settings_of(settings, ignore, kind, columns, filename_pattern)
    said = {"time": time, "epochs": epochs, "steps": steps, "seed": seed, "test": test, "fix": fix or None}
    chosen |= {k: v for k, v in {**said, "data_root": text_of(data_root)}.items() if v is not None}
    chosen |= {k: str(v) for k, v in {"init_from": init_from, "labels": labels}.items() if v is not None}
    chosen |= {"objective.name": objective} if objective else {}
    chosen |= {"network.trunk": network} if network else {}
    bar = deepglass.show.Bar()
    run = deepglass.train(source, target, out=out, force=force, baselines=baselines, callbacks=[bar], **chosen)
    _finish(run, as_json)


@app.command()
def resume(run: RunArgument, as_json: Json = False) -> None:
    """Go on with a stopped run, to the same bits as an unbroken one."""
    before = run / "metrics.json"
    finished = before.exists() and json.loads(before.read_text()).get("stop_reason") != "interrupted"
    if finished:
        print(f"{run} is finished; there is nothing to resume", file=sys.stderr)
    _finish(deepglass.resume(run, callbacks=[] if finished else [deepglass.show.Bar()]), as_json)


@app.command()
def evaluate(
    run: RunArgument,
    source: Annotated[str | None, typer.Argument(help="labelled rows; else the run's own test rows")] = None,
    as_json: Json = False,
) -> None:
    """Figures of a run on its test rows, or on other labelled data."""
    figures = deepglass.evaluate(run, source)
    if as_json:
        print_json(figures)
    else:
        deepglass.show.show_figures(figures)


@app.command()
def predict(
    run: RunArgument,
    source: Annotated[str, typer.Argument(help="rows to answer; - reads JSON lines from stdin")],
    out: Annotated[Path | None, typer.Option("--out", help=".csv, .parquet, .json(l); a folder for masks")] = None,
    force: Annotated[bool, typer.Option("--force", help="overwrite --out")] = False,
    explain: Annotated[bool, typer.Option("--explain", help="and why, the quick way")] = False,
    as_json: Json = False,
) -> None:
    """A run's answers to new rows, in their order."""
    if out is not None:
        check_free(out, force)
    loaded = deepglass.Run(run)
    answers = deepglass.predict(loaded, stdin_rows() if source == "-" else source, explain=explain)
    tell_notes(loaded)
    give(answers, "answers", out, as_json)


@app.command()
def explain(
    run: RunArgument,
    source: Annotated[str, typer.Argument(help="rows as for predict; - reads JSON lines from stdin")],
    rows: Annotated[str, typer.Option("--rows", help="which of them: 0,1,2 or 0-9; the first three, unless said")] = "",
    fast: Annotated[bool, typer.Option("--fast", help="one pass each way, without the tests of truth")] = False,
    out: Annotated[Path | None, typer.Option("--out", help=".json; a folder for pictures and sounds too")] = None,
    force: Annotated[bool, typer.Option("--force", help="overwrite --out")] = False,
    as_json: Json = False,
) -> None:
    """Why a run answers rows as it does: what each column, word, place or moment adds."""
    if out is not None:
        check_free(out, force)
    loaded = deepglass.Run(run)
    given = stdin_rows() if source == "-" else source
    reasons = deepglass.explain(loaded, given, places_of(rows) or FIRST, fast=fast, out=out)
    tell_notes(loaded)
    if out is not None:
        print(f"{len(reasons)} explanations in {out}", file=sys.stderr)
    elif as_json:
        print_json(reasons)
    else:
        deepglass.show.show_reasons(reasons)


app.command()(generate)


@app.command()
def embed(
    run: RunArgument,
    source: Annotated[str | None, typer.Argument(help="rows; else all of the run's own")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help=".parquet; .tsv for TensorBoard; .txt or .bin as word2vec")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="overwrite --out")] = False,
) -> None:
    """Rows as points in the space that a run has learned."""
    if out is None:
        raise SpecError("bad-value", "embed: say where the vectors go, such as --out vectors.parquet")
    for path in deepglass.check_ending(out):
        check_free(path, force)
    loaded = deepglass.Run(run)
    found = deepglass.embed(loaded, source)
    tell_notes(loaded)
    written = deepglass.write_vectors(out, found)
    rows, dim = found.vectors.shape
    print(f"{rows} vectors of {dim} numbers in {' and '.join(map(str, written))}", file=sys.stderr)


@app.command()
def verify(
    run: RunArgument,
    a: Annotated[str, typer.Argument(help="a picture, or a row as JSON text, or a source of one row")],
    b: Annotated[str, typer.Argument(help="the other")],
    as_json: Json = False,
) -> None:
    """Are these two the same one, such as the same face? For a run that answers an identity."""
    verdict = deepglass.verify(run, a, b)
    if as_json:
        print_json(verdict._asdict())
    else:
        deepglass.show.show_verdict(verdict)


@app.command()
def label(
    run: RunArgument,
    source: Annotated[str | None, typer.Argument(help="rows like the run's; else its own")] = None,
    out: Annotated[Path, typer.Option("--out", help="the file of answers, which may be there already")] = Path(
        "labels.csv"
    ),
    target: Annotated[str | None, typer.Option("--target", help="the answer that is asked for")] = None,
    limit: Annotated[int, typer.Option("--limit", help="rows at most")] = 300,
    host: Annotated[str, typer.Option("--host", help="where the page is served")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="0 takes a free one")] = 8000,
    opens: Annotated[bool, typer.Option("--open/--no-open", help="the browser")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="only print what would be asked, without a page")] = False,
) -> None:
    """A page to label or mend the rows that are worth it most; Ctrl-C ends, each answer is in the file already."""
    queue = deepglass.label(run, source, out=out, limit=limit, output=target)
    if as_json:
        print_json(queue.to_json())
        return
    if not queue.items:
        print("nothing to ask: no label looks wrong, and no row is without one", file=sys.stderr)
        return
    deepglass.serve_label(queue, host, port, opens)
    count = len(queue.answers)
    print(f"{count} answers of {len(queue.items)}, {queue.mended} new or mended labels, in {out}", file=sys.stderr)
    if count:
        print(deepglass.next_commands(queue), file=sys.stderr)


@app.command()
def compare(runs: Annotated[list[Path], typer.Argument(help="two runs or more")], as_json: Json = False) -> None:
    """Runs side by side: test figures, cost, and the settings in which they differ."""
    compared = deepglass.compare(*runs)
    if as_json:
        print_json(compared)
    else:
        deepglass.show.show_comparison(compared)


@app.command()
def report(
    run: RunArgument,
    samples: Annotated[bool, typer.Option("--samples/--no-samples", help="with or without the data's own rows")] = True,
    map_: Annotated[str, typer.Option("--map", help="how the map is laid out: pca, tsne, umap")] = "pca",
    layer: Annotated[str, typer.Option("--layer", help="whose space the map shows, such as trunk")] = "",
    boundary: Annotated[str, typer.Option("--boundary", help="two columns to draw the boundary over: age,hours")] = "",
) -> None:
    """Write a run's report again and say where it is."""
    print(deepglass.report(run, samples, map=map_, layer=layer, boundary=boundary))


@app.command()
def new(
    source: SourceArgument,
    settings: Settings = None,
    target: Target = None,
    ignore: Ignore = None,
    kind: Kind = None,
    columns: Columns = None,
    filename_pattern: FilenamePattern = None,
    data_root: DataRoot = None,
    out: Annotated[Path | None, typer.Option("--out", help="a .yaml file; else stdout")] = None,
    force: Annotated[bool, typer.Option("--force", help="overwrite --out")] = False,
) -> None:
    """Write a commented spec for a source."""
    if out is not None:
        check_free(out, force)
    chosen = settings_of(settings, ignore, kind, columns, filename_pattern)
    folder = None if out is None else out.parent
    text = deepglass.new(source, target, folder=folder, data_root=text_of(data_root), **chosen)
    if out is None:
        print(text, end="")
        return
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text)
    except OSError as error:
        raise StorageError("read-only", f"--out: {out}: cannot be written ({error.strerror})") from error
    print(f"spec: {out}", file=sys.stderr)


LISTS = ("features", "outputs", "trunks", "objectives", "optimizers", "schedules", "activations", "recipes", "data")


@app.command("list")
def list_names(
    what: Annotated[str | None, typer.Argument(help=" | ".join(LISTS))] = None,
    as_json: Json = False,
) -> None:
    """What there is: kinds of data, networks, kinds of learning, and more."""
    if what is not None and what not in LISTS:
        raise SpecError("unknown-name", f"list: there is no list {what!r}{near_miss(what, LISTS)}")
    found = deepglass.listing(what)
    if as_json:
        print_json(found)
    else:
        deepglass.show.show_listing(found)


def main() -> NoReturn:
    """The console script: errors become a line on stderr and an exit code."""
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
        gc.freeze()  # nor does anybody need rubbish collected at the end
    sys.exit(0)


def _finish(run: Any, as_json: bool) -> None:
    if as_json:
        print_json({"run": str(run.path), **run.metrics})
    else:
        deepglass.show.show_run(run)
