"""The commands evaluate, compare, report and label: what one looks at and corrects after training."""

from pathlib import Path
from typing import Annotated

import typer

import deepglass
from deepglass import cli
from deepglass.cli import completion
from deepglass.cli.options import (
    AllowCode,
    AllowMissing,
    Force,
    Json,
    MovedSource,
    RunFolder,
    argument,
    flag,
    option,
)
from deepglass.cli.streams import message, print_json
from deepglass.errors import SpecError


def evaluate(
    run: RunFolder,
    source: Annotated[str | None, argument("SOURCE", "Labelled rows; by default the test rows of the run.")] = None,
    include_trained: Annotated[
        bool, flag("--include-trained", "Keep rows that the run has learned from; otherwise they are left out.")
    ] = False,
    allow_missing: AllowMissing = None,
    allow_code: AllowCode = None,
    as_json: Json = False,
) -> None:
    """Show a run's metrics on its test rows or on other labelled rows.

    Example: deepglass evaluate runs/houses-1 sold.csv
    """
    metrics = deepglass.evaluate(
        run, source, include_trained=include_trained, allow_missing=allow_missing or (), allow_code=allow_code or ()
    )
    show = print_json if as_json else cli.show.show_metrics
    show(metrics)


def compare(
    runs: Annotated[list[Path], argument("RUN", "Two or more run folders.", completion.runs)], as_json: Json = False
) -> None:
    """Compare runs: test metrics, cost and settings that differ.

    Example: deepglass compare runs/houses-1 runs/houses-2
    """
    comparison = deepglass.compare(*runs)
    show = print_json if as_json else cli.show.show_comparison
    show(comparison)


def check(run: RunFolder, as_json: Json = False) -> None:
    """Compare the files of a run with its manifest.

    Lists those that are damaged, missing or not written by deepglass; the exit code is then 2.

    Example: deepglass check runs/houses-1
    """
    problems = deepglass.check(run)
    if as_json:
        print_json([p._asdict() for p in problems])
    else:
        cli.show.show_problems(str(run), problems)
    if problems:
        raise typer.Exit(2)


def report(
    run: RunFolder,
    samples: Annotated[bool, flag("--samples/--no-samples", "Show rows and images of the data.")] = True,
    map_: Annotated[
        str,
        option("METHOD", "Projection of the embedding map: pca, tsne or umap.", "--map", complete=completion.layouts),
    ] = "pca",
    layer: Annotated[str, option("NAME", "Layer whose embedding the map shows, such as trunk.")] = "",
    boundary: Annotated[str, option("A,B", "Two columns of the decision boundary, such as age,hours.")] = "",
    source: MovedSource = None,
    out: Annotated[Path | None, option("FILE", "The report; by default report.html of the run folder.")] = None,
    force: Force = False,
    allow_code: AllowCode = None,
) -> None:
    """Rewrite the report of a run and print its path.

    Example: deepglass report runs/houses-1 --map tsne
    """
    path = deepglass.report(
        run,
        samples,
        source,
        map=map_,
        layer=layer,
        boundary=boundary,
        out=out,
        force=force,
        allow_code=allow_code or (),
    )
    print(path)


def pack(
    run: RunFolder,
    out: Annotated[Path | None, option("FILE", "A .zip file; by default NAME.zip in the current folder.")] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Write a run as one zip file, to hand on.

    It holds no checkpoints and no paths of this machine. predict, evaluate, explain, embed and report take it as RUN.

    Example: deepglass pack runs/houses-1 --out houses.zip
    """
    packed = cli.pack(deepglass.Run(run).folder, out, force)
    if as_json:
        print_json(packed._asdict())
        return
    left_out = f"; without checkpoints and log ({cli.plain_bytes(packed.left_out)})" if packed.left_out else ""
    message(f"{packed.path}: {cli.plain_bytes(packed.size)}, {packed.files} files{left_out}")


def label(
    run: RunFolder,
    rows: Annotated[str | None, argument("SOURCE", "Rows to label; by default the rows of the run.")] = None,
    source: MovedSource = None,
    target: Annotated[str | None, option("COLUMN", "Column to label; by default the first suitable one.")] = None,
    limit: Annotated[int, option("N", "Maximum number of rows.")] = 300,
    out: Annotated[Path, option("FILE", "Labels file; continued if it exists.")] = Path("labels.csv"),
    host: Annotated[str, option("ADDRESS", "Address at which the page is served.")] = "127.0.0.1",
    port: Annotated[int, option("N", "Port of the page; 0 takes a free one.")] = 8000,
    blind: Annotated[bool, flag("--blind", "Hide label and prediction of a row until it has an answer.")] = False,
    browser: Annotated[bool, flag("--open/--no-open", "Open the page in a browser.")] = True,
    allow_code: AllowCode = None,
    as_json: Annotated[bool, flag("--json", "Print the queue as JSON, without a page.")] = False,
) -> None:
    """Label or correct the most valuable rows on a local page.

    Each answer is saved at once; Ctrl-C stops the page.

    Example: deepglass label runs/photos-1 more-photos/
    """
    if rows is not None and source is not None:
        raise SpecError("bad-value", "--source: the rows to label are given already; it stands for the rows of the run")
    queue = deepglass.label(
        run, rows or source, out=out, limit=limit, output=target, blind=blind, allow_code=allow_code or ()
    )
    if as_json:
        print_json(queue.to_json())
        return
    if queue.note:
        message(f"note: {queue.note}")
    if not queue.items:
        return
    cli.serve_label(queue, host, port, browser)
    count = len(queue.answers)
    message(f"{count} of {len(queue.items)} rows answered, {queue.num_corrected} new or corrected labels, in {out}")
    if count:
        message(cli.next_commands(queue))
