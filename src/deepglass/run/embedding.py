"""Embeddings of rows, and files of them for other programs: parquet, TensorBoard's projector, word2vec."""

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
from deepglass.features._tokenizers import FIRST
from deepglass.features.base import Column, Media, Raw
from deepglass.features.image import Image
from deepglass.files import write_file
from deepglass.objectives._word_vectors import WordVectors
from deepglass.objectives.base import embed_dataset
from deepglass.prepare.rows import unreadable_rows
from deepglass.run.predictor import Predictor, Rows

ENDINGS = (".parquet", ".tsv", ".txt", ".bin")
MAX_VALUE_LENGTH = 200  # characters of a value in the metadata
MAX_THUMBNAIL, MAX_SPRITE = 32, 8_192  # pixels of a side; the projector's limit for a sprite
METADATA, SPRITE, CONFIG = "metadata.tsv", "sprite.png", "projector_config.pbtxt"  # beside a .tsv of vectors


@dataclass(frozen=True)
class RowEmbeddings:
    """Embeddings with the columns of their rows: `vectors, metadata = embed(...)`.

    Args:
        metadata: N rows of text and number columns; "row" is the index in the source.
        images: of rows with an image input.

    Shapes:
        vectors: (N, D) float32.
        images: (N, C, Y, X) uint8, C 1 or 3.
    """

    vectors: np.ndarray
    metadata: pl.DataFrame
    images: np.ndarray | None = None

    def __iter__(self) -> Iterator[np.ndarray | pl.DataFrame]:
        return iter((self.vectors, self.metadata))


def embed(predictor: Predictor, rows: Rows, batch_size: int = 512) -> RowEmbeddings:
    """Embed rows, in their order; rows that cannot be read are left out and counted, as in training.

    Args:
        rows: as `Predictor.predict` takes them.

    Raises:
        SourceError: none of the rows can be read.
    """
    table = predictor.reader.read(rows)
    unreadable = [row for row, _ in unreadable_rows(table, predictor.inputs)]
    rows_used = np.delete(np.arange(len(table)), np.array(unreadable, np.int64))
    if unreadable and len(rows_used):
        predictor.reader.notes["row left out, as it cannot be read"] += len(table) - len(rows_used)
        table = table.take(rows_used)
    data = Dataset(predictor.reader.encode(table), {}, predictor.device)
    predictor.reader.check_readable(table, data.columns)
    points = embed_dataset(predictor.objective, data, batch_size)
    return RowEmbeddings(points, _metadata(table.columns, rows_used), _images(predictor, data.columns))


def embed_words(objective: WordVectors) -> RowEmbeddings:
    """The vectors of all words, the most frequent first, with their number of occurrences."""
    words = pl.Series("word", objective.feature.vocabulary_, dtype=pl.String)
    counts = pl.Series("count", objective.counts[FIRST:].long().numpy())
    return RowEmbeddings(objective.words.weight.detach()[FIRST:].cpu().numpy(), pl.DataFrame([words, counts]))


def write_vectors(path: Path, embeddings: RowEmbeddings) -> list[Path]:
    """Write embeddings to a file, in the format of its suffix.

    Args:
        path: .parquet has the rows' columns and `vector`. .tsv is for TensorBoard's projector, with metadata.tsv,
            sprite.png for images and projector_config.pbtxt beside it; `tensorboard --logdir FOLDER` shows it. .txt and
            .bin are word2vec's formats, in which a row's name is its only text, or its index.

    Returns:
        The written files.

    Raises:
        SpecError: `bad-value` for another suffix.
    """
    check_ending(path)
    vectors, metadata = embeddings.vectors, embeddings.metadata
    if path.suffix == ".parquet":
        content = io.BytesIO()
        points = pl.Series("vector", vectors, dtype=pl.Array(pl.Float32, vectors.shape[1]))
        metadata.with_columns(points).write_parquet(content)
        write_file(path, content.getvalue())
    elif path.suffix == ".tsv":
        write_file(path, "".join("\t".join(map(_short, v)) + "\n" for v in vectors.tolist()))
        return [path, *_write_projector(path, embeddings)]
    else:
        write_file(path, _word2vec(vectors, _names(metadata), binary=path.suffix == ".bin"))
    return [path]


def check_ending(path: Path) -> tuple[Path, ...]:
    """Check the suffix of a file before anything is computed, and return all files that may be written."""
    if path.suffix not in ENDINGS:
        raise SpecError("bad-value", f"--out: {path}: expected one of {', '.join(ENDINGS)}")
    if path.name == METADATA:
        raise SpecError("bad-value", f"--out: {path}: this name is for the metadata; choose another one")
    return (path, *(path.with_name(n) for n in (METADATA, SPRITE, CONFIG) if path.suffix == ".tsv"))


def _metadata(raw: Mapping[str, Raw], rows: np.ndarray) -> pl.DataFrame:
    columns = [pl.Series("row", rows)]
    for name, values in raw.items():
        if isinstance(values, pl.Series) and not values.dtype.is_nested() and values.dtype != pl.Binary:
            columns.append(values.alias(name))
        elif isinstance(values, np.ndarray) and values.ndim == 1:
            columns.append(pl.Series(name, values))
        elif isinstance(values, list) and all(isinstance(v, Media) for v in values):
            columns.append(pl.Series(name, [v.name for v in values]))
    return pl.DataFrame([c for i, c in enumerate(columns) if i == 0 or c.name != "row"])


def _images(predictor: Predictor, columns: Mapping[str, Column]) -> np.ndarray | None:
    """The first image of each row, uint8; None without images, or for other than 1 or 3 channels."""
    first = next((f for f in predictor.inputs if isinstance(f, Image)), None)
    if first is None or first.channels_ not in (1, 3):
        return None
    codes, levels = columns[first.name].values, first.levels_ or 255
    return codes if levels == 255 else (codes * np.float32(255 / levels)).round().astype(np.uint8)


def _write_projector(path: Path, embeddings: RowEmbeddings) -> list[Path]:
    """Metadata, sprite and configuration of TensorBoard's projector.

    Source: tensorboard/plugins/projector/projector_config.proto; paths are relative to the file itself.
    """
    metadata, sprite, config = (path.with_name(n) for n in (METADATA, SPRITE, CONFIG))
    write_file(metadata, _tsv(embeddings.metadata))
    lines = [f'tensor_name: "{path.stem}"', f'tensor_path: "{path.name}"', f'metadata_path: "{METADATA}"']
    if embeddings.images is not None:
        png, side = _sprite(embeddings.images)
        write_file(sprite, png)
        lines.append(f'sprite {{ image_path: "{SPRITE}" single_image_dim: {side} single_image_dim: {side} }}')
    write_file(config, "embeddings {\n" + "".join(f"  {line}\n" for line in lines) + "}\n")
    return [metadata, sprite, config] if embeddings.images is not None else [metadata, config]


def _sprite(images: np.ndarray) -> tuple[bytes, int]:
    """A PNG with all images as square thumbnails, row by row, and the side of a thumbnail in pixels."""
    across = math.ceil(math.sqrt(len(images)))
    side = max(1, min(MAX_THUMBNAIL, MAX_SPRITE // across, max(images.shape[2:])))
    sheet = Pillow.new("L" if images.shape[1] == 1 else "RGB", (across * side, across * side))
    for i, codes in enumerate(images):
        tile = Pillow.fromarray(codes[0] if len(codes) == 1 else np.ascontiguousarray(codes.transpose(1, 2, 0)))
        tile.thumbnail((side, side), Pillow.Resampling.BOX)
        left, top = (side - tile.size[0]) // 2, (side - tile.size[1]) // 2
        sheet.paste(tile, (i % across * side + left, i // across * side + top))
    content = io.BytesIO()
    sheet.save(content, "PNG")
    return content.getvalue(), side


def _tsv(metadata: pl.DataFrame) -> str:
    """Metadata in the projector's format: a header only for several columns."""
    lines = ["\t".join(map(_line, metadata.columns))] if metadata.width > 1 else []
    lines += ["\t".join("" if v is None else _line(v) for v in row) for row in metadata.iter_rows()]
    return "\n".join(lines) + "\n"


def _names(metadata: pl.DataFrame) -> list[str]:
    """A name for each row: its only text column where all values differ, else its index."""
    texts = [c for c in metadata if c.dtype == pl.String and c.null_count() == 0 and c.n_unique() == len(c)]
    chosen = texts[0].to_list() if len(texts) == 1 else [f"row_{i}" for i in range(len(metadata))]
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
    return " ".join(str(value).split())[:MAX_VALUE_LENGTH]
