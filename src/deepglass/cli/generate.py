"""The command `deepglass generate`: texts as they are written, or new rows and pictures."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

import deepglass
from deepglass.cli.shell import Json, RunArgument, check_free, give, print_json
from deepglass.errors import SpecError


def generate(
    run: RunArgument,
    prompt: Annotated[str, typer.Option("--prompt", help="how the text begins")] = "",
    count: Annotated[int | None, typer.Option("-n", help="how many: 1 text, or 64 rows")] = None,
    given: Annotated[list[str] | None, typer.Option("--given", help="NAME=VALUE: what new rows must be")] = None,
    length: Annotated[int, typer.Option("--length", help="tokens a text")] = 400,
    temperature: Annotated[float, typer.Option("--temperature", help="0 plays safe, 1 as learned")] = 0.8,
    top_k: Annotated[int | None, typer.Option("--top-k", help="draw from the k likeliest only")] = None,
    top_p: Annotated[float | None, typer.Option("--top-p", help="draw from the likeliest of this share only")] = None,
    seed: Annotated[int, typer.Option("--seed", help="the same seed, the same texts")] = 0,
    out: Annotated[
        Path | None, typer.Option("--out", help="texts: .txt, .jsonl; rows: as for predict, a folder for pictures")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="overwrite --out")] = False,
    as_json: Json = False,
) -> None:
    """New texts behind a prompt, as they come, or new rows and pictures; for runs of objectives that generate."""
    if out is not None:
        check_free(out, force)
    loaded = deepglass.Run(run)
    if not deepglass.generates_text(loaded):
        _new_rows(loaded, 64 if count is None else count, given, seed, out, as_json)
        return
    said = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
    texts = []
    for i in range(1 if count is None else count):
        pieces = deepglass.generate(loaded, prompt, length, seed=seed + i, **said)
        texts.append(_told(prompt, pieces, silent=as_json or out is not None))
    if out is not None:
        deepglass.write_texts(out, texts)
        print(f"{len(texts)} texts in {out}", file=sys.stderr)
    elif as_json:
        print_json(texts)


def _new_rows(run: Any, count: int, given: list[str] | None, seed: int, out: Path | None, as_json: bool) -> None:
    wanted = {}
    for pair in given or []:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise SpecError("bad-value", f"--given {pair!r}: expected NAME=VALUE, such as label=7")
        wanted[name] = value
    rows = deepglass.sample(run, count, given=wanted, seed=seed)
    give(rows, "rows", out, as_json)


def _told(prompt: str, pieces: Iterator[str], silent: bool) -> str:
    """The whole text, shown as it comes."""
    show = (lambda text: None) if silent else (lambda text: print(text, end="", flush=True))
    show(prompt)
    whole = prompt
    for piece in pieces:
        show(piece)
        whole += piece
    show("\n\n")
    return whole
