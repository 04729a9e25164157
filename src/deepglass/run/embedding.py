"""Rows as points in the space that a run has learned, and the files that other tools read them from."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import torch

from deepglass.data.batches import Dataset
from deepglass.errors import SpecError
from deepglass.features.base import Media, Raw
from deepglass.run.predictor import Predictor, Rows
from deepglass.training.checkpoint import write_atomic

ENDINGS = (".parquet", ".tsv", ".txt", ".bin")
LONGEST = 200  # characters of a value in the metadata


class Embedded(NamedTuple):
    """Points and what is known of their rows.

    Shapes:
        vectors: (N, D) float32.
        about: N rows, the columns that can be read as text or numbers; "row" is the place in the source.
    """

    vectors: np.ndarray
    about: pl.DataFrame


def embed(predictor: Predictor, rows: Rows, batch_size: int = 512) -> Embedded:
    """The points of rows, in their order.

    Args:
        rows: as `Predictor.predict` takes them.
    """
    data = Dataset(predictor.encode(rows), {}, predictor.device)
    predictor.objective.eval()
    with torch.inference_mode():
        points = [predictor.objective.embed(batch).float().cpu().numpy() for batch in data.batches(batch_size)]
    return Embedded(np.concatenate(points), _about(predictor.read(rows), len(data)))


def write_vectors(path: Path, embedded: Embedded) -> list[Path]:
    """Points as a file, by its ending; the files that were written.

    Args:
        path: .parquet has the rows' columns and a `vector`; .tsv is what TensorBoard's projector loads, with
            metadata.tsv beside it; .txt and .bin are word2vec's formats, in which a row's name is its only text, or its
            place.

    Raises:
        SpecError: `bad-value` for another ending.
    """
    check_ending(path)
    vectors, about = embedded
    if path.suffix == ".parquet":
        content = io.BytesIO()
        points = pl.Series("vector", vectors, dtype=pl.Array(pl.Float32, vectors.shape[1]))
        about.with_columns(points).write_parquet(content)
        write_atomic(path, content.getvalue())
    elif path.suffix == ".tsv":
        write_atomic(path, "".join("\t".join(map(_short, v)) + "\n" for v in vectors.tolist()))
        beside = path.with_name("metadata.tsv")
        write_atomic(beside, _projector(about))
        return [path, beside]
    else:
        write_atomic(path, _word2vec(vectors, _names(about), binary=path.suffix == ".bin"))
    return [path]


def check_ending(path: Path) -> None:
    """Refuse a file of no known format, before anything is computed."""
    if path.suffix not in ENDINGS:
        raise SpecError("bad-value", f"--out: {path}: expected one of {', '.join(ENDINGS)}")
    if path.name == "metadata.tsv":
        raise SpecError("bad-value", f"--out: {path}: is where the rows' columns go; choose another name, vectors.tsv")


def _about(raw: Mapping[str, Raw], count: int) -> pl.DataFrame:
    columns = [pl.Series("row", np.arange(count))]
    for name, values in raw.items():
        if isinstance(values, pl.Series) and not values.dtype.is_nested() and values.dtype != pl.Binary:
            columns.append(values.alias(name))
        elif isinstance(values, np.ndarray) and values.ndim == 1:
            columns.append(pl.Series(name, values))
        elif isinstance(values, list) and all(isinstance(v, Media) for v in values):
            columns.append(pl.Series(name, [v.name for v in values]))
    return pl.DataFrame([c for i, c in enumerate(columns) if i == 0 or c.name != "row"])


def _projector(about: pl.DataFrame) -> str:
    """Metadata as the projector wants it: with a head, which a single column must not have."""
    lines = ["\t".join(map(_line, about.columns))] if about.width > 1 else []
    lines += ["\t".join("" if v is None else _line(v) for v in row) for row in about.iter_rows()]
    return "\n".join(lines) + "\n"


def _names(about: pl.DataFrame) -> list[str]:
    """Each row's name: its only text where all differ, else its place."""
    texts = [c for c in about if c.dtype == pl.String and c.null_count() == 0 and c.n_unique() == len(c)]
    chosen = texts[0].to_list() if len(texts) == 1 else [f"row_{i}" for i in range(len(about))]
    return ["_".join(str(name).split()) or "_" for name in chosen]


def _word2vec(vectors: np.ndarray, names: list[str], binary: bool) -> bytes:
    head = f"{len(vectors)} {vectors.shape[1]}\n".encode()
    if not binary:
        lines = (f"{n} {' '.join(map(_short, v))}\n" for n, v in zip(names, vectors.tolist(), strict=True))
        return head + "".join(lines).encode()
    rows = np.ascontiguousarray(vectors, "<f4")
    return head + b"".join(n.encode() + b" " + v.tobytes() + b"\n" for n, v in zip(names, rows, strict=True))


def _short(value: float) -> str:
    return f"{value:.6g}"


def _line(value: object) -> str:
    return " ".join(str(value).split())[:LONGEST]
