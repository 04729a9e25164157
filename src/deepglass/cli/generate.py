"""The command `deepglass generate`: text, or new rows and images."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

import deepglass
from deepglass import cli
from deepglass.cli.shell import Json, RunArgument, check_not_exists, output, print_json
from deepglass.errors import SpecError


def generate(
    run: RunArgument,
    prompt: Annotated[str, typer.Option("--prompt", help="Start of the text.")] = "",
    count: Annotated[int | None, typer.Option("-n", help="Number of texts (default 1) or rows (default 64).")] = None,
    given: Annotated[
        list[str] | None, typer.Option("--given", help="Condition generation on NAME=VALUE (repeatable).")
    ] = None,
    length: Annotated[int, typer.Option("--length", help="Tokens of each text.")] = 400,
    temperature: Annotated[
        float,
        typer.Option(
            "--temperature", help="Sampling temperature: 0 takes the most probable token, 1 the learned distribution."
        ),
    ] = 0.8,
    top_k: Annotated[int | None, typer.Option("--top-k", help="Sample from the k most probable tokens only.")] = None,
    top_p: Annotated[
        float | None,
        typer.Option("--top-p", help="Nucleus sampling: smallest set of tokens with this total probability."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Random seed of the samples.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Output file: .txt or .jsonl for texts, as for predict for rows; a folder for images."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite --out.")] = False,
    as_json: Json = False,
) -> None:
    """Generate text after a prompt, or new rows and images, with a generative run."""
    if out is not None:
        check_not_exists(out, force)
    loaded = deepglass.Run(run)
    if not cli.generates_text(loaded):
        _new_rows(loaded, 64 if count is None else count, given, seed, out, as_json)
        return
    texts = []
    for i in range(1 if count is None else count):
        pieces = deepglass.generate(
            loaded, prompt, length, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed + i
        )
        texts.append(_collect(prompt, pieces, silent=as_json or out is not None))
    if out is not None:
        cli.write_texts(out, texts)
        print(f"{len(texts)} texts in {out}", file=sys.stderr)
    elif as_json:
        print_json(texts)


def _new_rows(run: Any, count: int, given: list[str] | None, seed: int, out: Path | None, as_json: bool) -> None:
    conditions = {}
    for pair in given or []:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise SpecError("bad-value", f"--given {pair!r}: expected NAME=VALUE, such as label=7")
        conditions[name] = value
    rows = deepglass.sample(run, count, given=conditions, seed=seed)
    output(rows, "rows", out, as_json)


def _collect(prompt: str, pieces: Iterator[str], silent: bool) -> str:
    """The whole text; printed piece by piece unless `silent`."""
    show = (lambda text: None) if silent else (lambda text: print(text, end="", flush=True))
    show(prompt)
    whole = prompt
    for piece in pieces:
        show(piece)
        whole += piece
    show("\n\n")
    return whole
