"""Rows as points in the space that a run has learned, and the files that other tools read them from."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image as Pillow

from deepglass.data.batches import Dataset
from deepglass.errors import SpecError
from deepglass.features.base import Column, Media, Raw
from deepglass.features.image import Image
from deepglass.objectives.base import embed_dataset
from deepglass.prepare.rows import unreadable_rows
from deepglass.run.predictor import Predictor, Rows
from deepglass.training.checkpoint import write_atomic

ENDINGS = (".parquet", ".tsv", ".txt", ".bin")
LONGEST = 200  # characters of a value in the metadata
SIDE, SHEET = 32, 8_192  # pixels of a small picture, and of all in one, at most: more the projector does not take
METADATA, SPRITE, CONFIG = "metadata.tsv", "sprite.png", "projector_config.pbtxt"  # beside a .tsv of vectors


@dataclass(frozen=True)
class Embedded:
    """Points and what is known of their rows: `vectors, about = embed(...)`.

    Shapes:
        vectors: (N, D) float32.
        about: N rows, the columns that can be read as text or numbers; "row" is the place in the source.
        pictures: (N, C, Y, X) uint8, C 1 or 3, where the rows have pictures.
    """

    vectors: np.ndarray
    about: pl.DataFrame
    pictures: np.ndarray | None = None

    def __iter__(self) -> Iterator[np.ndarray | pl.DataFrame]:
        return iter((self.vectors, self.about))


def embed(predictor: Predictor, rows: Rows, batch_size: int = 512) -> Embedded:
    """The points of rows, in their order; rows that cannot be read are left out and counted, as in training.

    Args:
        rows: as `Predictor.predict` takes them.

    Raises:
        SourceError: where none of the rows can be read, naming the first.
    """
    table = predictor.read(rows)
    unread = {row for row, _ in unreadable_rows(table, predictor.inputs)}
    places = np.array([row for row in range(len(table)) if row not in unread], np.int64)
    if unread and len(places):
        predictor.notes["row left out, as it cannot be read"] += len(unread)
        table = table.take(places)
    data = Dataset(predictor.encode(table), {}, predictor.device)
    points = embed_dataset(predictor.objective, data, batch_size)
    return Embedded(points, _about(table.columns, places), _pictures(predictor, data.columns))


def write_vectors(path: Path, embedded: Embedded) -> list[Path]:
    """Points as a file, by its ending; the files that were written.

    Args:
        path: .parquet has the rows' columns and a `vector`; .tsv is what TensorBoard's projector loads, with
            metadata.tsv, small pictures in sprite.png where rows have some, and projector_config.pbtxt beside it, so
            that `tensorboard --logdir FOLDER` shows it; .txt and .bin are word2vec's formats, in which a row's name is
            its only text, or its place.

    Raises:
        SpecError: `bad-value` for another ending.
    """
    check_ending(path)
    vectors, about = embedded.vectors, embedded.about
    if path.suffix == ".parquet":
        content = io.BytesIO()
        points = pl.Series("vector", vectors, dtype=pl.Array(pl.Float32, vectors.shape[1]))
        about.with_columns(points).write_parquet(content)
        write_atomic(path, content.getvalue())
    elif path.suffix == ".tsv":
        write_atomic(path, "".join("\t".join(map(_short, v)) + "\n" for v in vectors.tolist()))
        return [path, *_write_beside(path, embedded)]
    else:
        write_atomic(path, _word2vec(vectors, _names(about), binary=path.suffix == ".bin"))
    return [path]


def check_ending(path: Path) -> tuple[Path, ...]:
    """Refuse a file of no known format, before anything is computed; the files that may be written."""
    if path.suffix not in ENDINGS:
        raise SpecError("bad-value", f"--out: {path}: expected one of {', '.join(ENDINGS)}")
    if path.name == METADATA:
        raise SpecError(
            "bad-value",
            f"--out: {path}: the metadata of the rows get this name; choose another",
        )
    return (path, *(path.with_name(n) for n in (METADATA, SPRITE, CONFIG) if path.suffix == ".tsv"))


def _about(raw: Mapping[str, Raw], places: np.ndarray) -> pl.DataFrame:
    columns = [pl.Series("row", places)]
    for name, values in raw.items():
        if isinstance(values, pl.Series) and not values.dtype.is_nested() and values.dtype != pl.Binary:
            columns.append(values.alias(name))
        elif isinstance(values, np.ndarray) and values.ndim == 1:
            columns.append(pl.Series(name, values))
        elif isinstance(values, list) and all(isinstance(v, Media) for v in values):
            columns.append(pl.Series(name, [v.name for v in values]))
    return pl.DataFrame([c for i, c in enumerate(columns) if i == 0 or c.name != "row"])


def _pictures(predictor: Predictor, columns: Mapping[str, Column]) -> np.ndarray | None:
    """The rows' first pictures as bytes, where they are grey or in colour."""
    first = next((f for f in predictor.inputs if isinstance(f, Image)), None)
    if first is None or first.channels_ not in (1, 3):
        return None
    codes, levels = columns[first.name].values, first.levels_ or 255
    return codes if levels == 255 else (codes * np.float32(255 / levels)).round().astype(np.uint8)


def _write_beside(path: Path, embedded: Embedded) -> list[Path]:
    """What the projector shows beside the points, and where it finds it.

    Source: tensorboard/plugins/projector/projector_config.proto; paths are those beside the file itself.
    """
    metadata, sprite, config = (path.with_name(n) for n in (METADATA, SPRITE, CONFIG))
    write_atomic(metadata, _projector(embedded.about))
    lines = [f'tensor_name: "{path.stem}"', f'tensor_path: "{path.name}"', f'metadata_path: "{METADATA}"']
    if embedded.pictures is not None:
        picture, side = _sprite(embedded.pictures)
        write_atomic(sprite, picture)
        lines.append(f'sprite {{ image_path: "{SPRITE}" single_image_dim: {side} single_image_dim: {side} }}')
    write_atomic(config, "embeddings {\n" + "".join(f"  {line}\n" for line in lines) + "}\n")
    return [metadata, sprite, config] if embedded.pictures is not None else [metadata, config]


def _sprite(pictures: np.ndarray) -> tuple[bytes, int]:
    """All pictures in small squares in one square, row by row, a PNG, and the side of each."""
    across = math.ceil(math.sqrt(len(pictures)))
    side = max(1, min(SIDE, SHEET // across, max(pictures.shape[2:])))
    sheet = Pillow.new("L" if pictures.shape[1] == 1 else "RGB", (across * side, across * side))
    for i, codes in enumerate(pictures):
        tile = Pillow.fromarray(codes[0] if len(codes) == 1 else np.ascontiguousarray(codes.transpose(1, 2, 0)))
        tile.thumbnail((side, side), Pillow.Resampling.BOX)
        left, top = (side - tile.size[0]) // 2, (side - tile.size[1]) // 2
        sheet.paste(tile, (i % across * side + left, i // across * side + top))
    content = io.BytesIO()
    sheet.save(content, "PNG")
    return content.getvalue(), side


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
