"""The commands predict, explain, generate, embed and verify: what a trained run does with new rows."""

import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import deepglass
from deepglass import cli
from deepglass.cli import options
from deepglass.cli.options import (
    AllowCode,
    AllowMissing,
    Force,
    Json,
    RunFolder,
    argument,
    flag,
    option,
)
from deepglass.cli.streams import lines_of, message, output_rows, print_json, rows_of
from deepglass.errors import SpecError
from deepglass.files import check_not_exists, write_file

DEFAULT_EXPLAINED_ROWS = 3
Rows = Annotated[str, argument("SOURCE", "A file or folder of rows; - reads JSON lines from stdin.")]


def predict(
    run: RunFolder,
    source: Rows,
    explain: Annotated[bool, flag("--explain", "Add a fast explanation to each prediction.")] = False,
    out: Annotated[
        Path | None, option("FILE", ".csv, .tsv, .parquet, .xlsx, .json or .jsonl file, or a folder for images.")
    ] = None,
    keep: Annotated[
        str, option("COLUMNS", "Columns of the rows to write beside the predictions, such as id,name; or all.")
    ] = "",
    probabilities: Annotated[bool, flag("--probabilities", "Write the probability of each class.")] = False,
    excel_safe: Annotated[
        bool, flag("--excel-safe", "Write an apostrophe before texts of csv that a spreadsheet takes for formulas.")
    ] = False,
    force: Force = False,
    allow_missing: AllowMissing = None,
    allow_code: AllowCode = None,
    as_json: Json = False,
) -> None:
    """Predict new rows, in their order; with word vectors the words nearest to a word or a sum of words.

    A run of style transfer paints an image, or each image of a folder.

    Example: deepglass predict runs/houses-1 new.csv --out predictions.csv --keep id
    Example: deepglass predict runs/waves photo.jpg --out painted.png
    Example: echo "king - man + woman" | deepglass predict runs/word-vectors-1 -
    """
    check_not_exists(out, force)
    if excel_safe and (out is None or out.suffix not in (".csv", ".tsv")):
        raise SpecError("bad-value", f"--excel-safe: expected --out FILE.csv or FILE.tsv, got {out or 'no file'}")
    loaded = deepglass.Run(run, allow_code or ())
    if loaded.objective.learns_from == "text":
        if explain or keep or probabilities:
            raise SpecError("bad-value", "--explain, --keep and --probabilities: this run predicts no column of rows")
        output_rows(cli.predict_words(loaded, lines_of(source)), "queries", out, as_json, excel_safe)
        return
    if loaded.spec.objective.name == "style":
        if explain or keep or probabilities or as_json:
            raise SpecError("bad-value", "--explain, --keep, --probabilities and --json: this run paints images")
        _paint(loaded, source, out)
        return
    if out is not None and out.suffix in cli.TABLES and not explain:
        table = loaded.predict_table(
            rows_of(source),
            keep=[name for name in keep.split(",") if name],
            probabilities=probabilities,
            allow_missing=allow_missing or (),
        )
        cli.write_table(out, table, excel_safe)
        message(f"{len(table)} predictions in {out}")
        return
    if keep or probabilities:
        raise SpecError(
            "bad-value", f"--keep and --probabilities need --out with {', '.join(cli.TABLES)}, without --explain"
        )
    predictions = deepglass.predict(loaded, rows_of(source), explain=explain, allow_missing=allow_missing or ())
    output_rows(predictions, "predictions", out, as_json, excel_safe)


def _paint(run: Any, source: str, out: Path | None) -> None:
    """Paint an image, or each image of a folder."""
    if out is None:
        raise SpecError("bad-value", "predict: --out is missing; give a file such as --out painted.png, or a folder")
    painted = list(cli.paint_files(run, source, out))
    for file in painted:
        if file.painted_size != file.size:
            (rows, columns), (to_rows, to_columns) = file.size, file.painted_size
            message(f"{file.path}: reduced from {columns} x {rows} to {to_columns} x {to_rows} pixels")
    message(f"{len(painted)} painted {'image' if len(painted) == 1 else 'images'} in {out}")


def explain(
    run: RunFolder,
    source: Annotated[
        str, argument("SOURCE", "Rows; - reads JSON lines from stdin. With --global by default the test rows.")
    ] = "",
    rows: Annotated[str, option("INDICES", "Row indices, such as 0,1,2 or 0-9; by default the first three.")] = "",
    fast: Annotated[bool, flag("--fast", "One forward and backward pass; skip the faithfulness checks.")] = False,
    over_all: Annotated[
        bool, flag("--global", "What the predictions rest on over all rows, which must have targets.")
    ] = False,
    run_source: options.MovedSource = None,
    out: Annotated[Path | None, option("FILE", ".json file, or a folder that gets images and audio too.")] = None,
    force: Force = False,
    allow_missing: AllowMissing = None,
    allow_code: AllowCode = None,
    as_json: Json = False,
) -> None:
    """Explain predictions by the contribution of each input.

    Attributions are given for columns, words, image regions or time spans. With --global: the importance of each input
    over all rows, the strongest interaction, and places or words that decide alone.

    Example: deepglass explain runs/houses-1 new.csv --rows 0-4
    """
    check_not_exists(out, force)
    loaded = deepglass.Run(run, allow_code or ())
    if over_all:
        _explain_globally(loaded, source, rows or fast, out, allow_missing, as_json)
        return
    if not source:
        raise SpecError("bad-value", "explain: expected rows to explain, as SOURCE; or --global")
    indices = options.parse_row_indices(rows) or DEFAULT_EXPLAINED_ROWS
    explanations = deepglass.explain(
        loaded, rows_of(source), indices, fast=fast, out=out, source=run_source, allow_missing=allow_missing or ()
    )
    if out is not None:
        message(f"{len(explanations)} explanations in {out}")
    elif as_json:
        print_json(explanations)
    else:
        cli.show.show_explanations(explanations)


def _explain_globally(
    run: Any, source: str, of_rows: object, out: Path | None, allow_missing: AllowMissing, as_json: bool
) -> None:
    if of_rows:
        raise SpecError("bad-value", "explain --global: --rows and --fast are for single rows")
    if out is not None and out.suffix != ".json":
        raise SpecError("bad-value", f"explain --global: --out: expected a .json file, got {out}")
    allowed = allow_missing or ()
    explanations = deepglass.explain_globally(run, rows_of(source) if source else None, allow_missing=allowed)
    values = {e.output: e.to_json() for e in explanations}
    if out is not None:
        write_file(out, json.dumps(values, ensure_ascii=False, indent=1) + "\n")
        message(f"{len(values)} explanations in {out}")
    elif as_json:
        print_json(values)
    else:
        cli.show.show_global_explanations(explanations)


def generate(
    run: RunFolder,
    prompt: Annotated[str, option("TEXT", "Start of the text.")] = "",
    count: Annotated[int | None, option("N", "Number of texts (default 1) or rows (64).", "--count", "-n")] = None,
    given: Annotated[list[str] | None, option("COLUMN=VALUE", "Condition of all rows, such as label=7.")] = None,
    length: Annotated[int, option("N", "Tokens of each text.")] = 400,
    temperature: Annotated[float, option("T", "0: the most probable token; 1: the learned distribution.")] = 0.8,
    top_k: Annotated[int | None, option("K", "Sample from the K most probable tokens.")] = None,
    top_p: Annotated[float | None, option("P", "Sample from the fewest tokens with this total probability.")] = None,
    seed: Annotated[int, option("N", "Random seed of the samples.")] = 0,
    out: Annotated[Path | None, option("FILE", "texts: .txt, .jsonl; rows: as predict; images: a folder.")] = None,
    force: Force = False,
    allow_code: AllowCode = None,
    as_json: Json = False,
) -> None:
    """Generate text, or new rows and images, with a generative run.

    Example: deepglass generate runs/digits-1 -n 10 --given label=7 --out sevens
    """
    check_not_exists(out, force)
    loaded = deepglass.Run(run, allow_code or ())
    if not cli.generates_text(loaded):
        conditions = dict(options.split_pairs(given, "--given: expected COLUMN=VALUE, such as label=7"))
        samples = deepglass.sample(loaded, 64 if count is None else count, given=conditions, seed=seed)
        output_rows(samples, "rows", out, as_json)
        return
    texts = []
    for i in range(1 if count is None else count):
        chunks = deepglass.generate(
            loaded, prompt, length, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed + i
        )
        texts.append(_join(prompt, chunks, silent=as_json or out is not None))
    if out is not None:
        cli.write_texts(out, texts)
        message(f"{len(texts)} texts in {out}")
    elif as_json:
        print_json(texts)


def embed(
    run: RunFolder,
    source: Annotated[str | None, argument("SOURCE", "Rows to embed; by default all rows of the run.")] = None,
    run_source: options.MovedSource = None,
    out: Annotated[Path | None, option("FILE", ".parquet, .tsv (TensorBoard), .txt or .bin (word2vec).")] = None,
    force: Force = False,
    allow_missing: AllowMissing = None,
    allow_code: AllowCode = None,
) -> None:
    """Write the embedding of each row to a file.

    Example: deepglass embed runs/houses-1 new.csv --out vectors.parquet
    """
    if out is None:
        raise SpecError("bad-value", "embed: --out is missing; give a file such as --out vectors.parquet")
    for path in cli.check_ending(out):
        check_not_exists(path, force)
    loaded = deepglass.Run(run, allow_code or ())
    if source is not None and run_source is not None:
        raise SpecError("bad-value", "--source: the rows to embed are given already; it stands for the rows of the run")
    embedded = deepglass.embed(loaded, source, source=run_source, allow_missing=allow_missing or ())
    paths = cli.write_vectors(out, embedded)
    rows, dim = embedded.vectors.shape
    message(f"{rows} vectors of {dim} numbers in {' and '.join(map(str, paths))}")


def verify(
    run: RunFolder,
    a: Annotated[str, argument("A", "An image, a row as JSON text, or a source of one row.")],
    b: Annotated[str, argument("B", "The item to compare with, given in the same way.")],
    allow_code: AllowCode = None,
    as_json: Json = False,
) -> None:
    """Decide whether two items have the same identity.

    The run needs an output of kind identity.

    Example: deepglass verify runs/faces-1 first.jpg second.jpg
    """
    verdict = deepglass.verify(run, a, b, allow_code=allow_code or ())
    if as_json:
        print_json(verdict._asdict())
    else:
        cli.show.show_verdict(verdict)


def _join(prompt: str, chunks: Iterator[str], silent: bool) -> str:
    """The prompt and its continuation; printed as they come unless `silent`."""
    texts = []
    for text in chain([prompt], chunks):
        texts.append(text)
        if not silent:
            print(text, end="", flush=True)
    if not silent:
        print("\n")
    return "".join(texts)
