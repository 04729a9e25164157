"""Cells that hold files: bytes, `{bytes, path}` as Hugging Face writes them, Pillow images, arrays of pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import polars as pl
from PIL import Image as Pillow

from deepglass.features._reading import media_kind
from deepglass.features.base import Media, Raw

_MIN_SHARE = 0.9  # of the cells with bytes that begin as a known format
_STARTS = {
    b"\x89PNG\r\n\x1a\n": ".png", b"\xff\xd8\xff": ".jpg", b"GIF8": ".gif", b"BM": ".bmp", b"II*\x00": ".tif",
    b"MM\x00*": ".tif", b"fLaC": ".flac", b"OggS": ".ogg", b"ID3": ".mp3", b"\xff\xfb": ".mp3", b"\xff\xf3": ".mp3",
    b".snd": ".au",
}  # fmt: skip
_CONTAINERS = {(b"RIFF", b"WEBP"): ".webp", (b"RIFF", b"WAVE"): ".wav", (b"FORM", b"AIFF"): ".aiff"}


class StoredFile(Media):
    """A file whose content is in memory."""

    data: bytes

    def __new__(cls, name: str, member: str, data: bytes) -> StoredFile:
        file = super().__new__(cls, name, Path(member), member)
        file.data = data
        return file

    def read(self) -> bytes:
        return self.data


def ending_of(data: bytes) -> str | None:
    """The ending of a file by its first bytes; None for an unknown format."""
    container = _CONTAINERS.get((data[:4], data[8:12]))
    if container is None and data[4:8] == b"ftyp" and data[8:12] in (b"avif", b"avis"):
        container = ".avif"
    return container or next((ending for start, ending in _STARTS.items() if data.startswith(start)), None)


def stored_column(name: str, values: Sequence[Any]) -> tuple[Raw, str] | None:
    """A column of files and its kind, from cells that hold them; None for other cells. None is a missing value."""
    cells = [value for value in values if value is not None]
    if not cells:
        return None
    if all(isinstance(cell, Media | Path) for cell in cells):
        return _paths(values)
    if all(isinstance(cell, Pillow.Image) for cell in cells):
        return cast(Raw, list(values)), "image"
    if all(isinstance(cell, np.ndarray) and _are_pixels(cell) for cell in cells):
        shapes = {cell.shape for cell in cells}
        is_array = len(shapes) == 1 and len(cells) == len(values)
        return (np.stack(cells), "image") if is_array else (cast(Raw, list(values)), "image")
    if all(isinstance(cell, bytes) for cell in cells):
        return _stored(name, values, [None] * len(values))
    if all(isinstance(cell, Mapping) and {"bytes"} <= set(cell) <= {"bytes", "path"} for cell in cells):
        paths = [None if cell is None else cell.get("path") for cell in values]
        return _stored(name, [None if cell is None else cell["bytes"] for cell in values], paths)
    return None


def _are_pixels(array: np.ndarray) -> bool:
    """Whether an array (Y, X) or (Y, X, C) holds bytes, or colours of another type; other numbers may be anything."""
    is_colour = array.ndim == 3 and array.shape[2] in (1, 3, 4)
    return is_colour if array.dtype.kind == "f" else array.dtype in (np.uint8, np.uint16) and array.ndim in (2, 3)


def stored_series(series: pl.Series) -> tuple[Raw, str] | None:
    """`stored_column` of a polars column of bytes, structs or Python objects."""
    dtype = series.dtype
    is_struct = isinstance(dtype, pl.Struct) and {f.name for f in dtype.fields} in ({"bytes"}, {"bytes", "path"})
    if dtype not in (pl.Binary, pl.Object) and not is_struct:
        return None
    return stored_column(series.name, series.to_list())


def _paths(values: Sequence[Any]) -> tuple[Raw, str] | None:
    files = [Media(str(v), v) if isinstance(v, Path) else v for v in values]
    kinds = {media_kind(file.member or file.path.name) for file in files if file is not None}
    kind = kinds.pop() if len(kinds) == 1 else None
    return None if kind is None else (cast(Raw, files), kind)


def _stored(name: str, contents: Sequence[Any], paths: Sequence[Any]) -> tuple[Raw, str] | None:
    present = [data for data in contents if data]
    endings = [ending_of(data) if isinstance(data, bytes) else None for data in present]
    kinds = {media_kind(f"file{ending}") for ending in endings if ending}
    if not present or len(kinds) != 1 or sum(e is not None for e in endings) < _MIN_SHARE * len(present):
        return None
    files: list[Media | None] = []
    for i, (data, path) in enumerate(zip(contents, paths, strict=True)):
        ending = (ending_of(data) or endings[0]) if data else None
        label = str(path) if path else f"{name}, row {i}"
        files.append(StoredFile(label, f"{i}{ending}", data) if data else None)
    return cast(Raw, files), str(kinds.pop())
