"""Decoding of pictures, shared by the kinds that have some: files, bytes, Pillow images and arrays to (Y, X, C)."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar, cast

import numpy as np
import polars as pl
from PIL import Image as Pillow
from PIL import ImageOps, UnidentifiedImageError

from deepglass.errors import SourceError
from deepglass.features.base import Media, Raw

ENDINGS = (".png", ".jpg", ".jpeg", ".jpe", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm")
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM")  # no format that runs a program, such as EPS
FEW = 64  # pictures that are decoded without the help of threads
MAX_PIXELS = 80_000_000  # a decoded colour picture of this size takes 240 MB; a larger header is refused unread

BROKEN = (OSError, SyntaxError, ValueError, TypeError, EOFError, KeyError, IndexError, OverflowError)
"""What Pillow raises on damaged files."""

T = TypeVar("T")
Picture = Media | Pillow.Image | np.ndarray | bytes | str | None
"""One picture: a file, a decoded one, an array (Y, X) or (Y, X, C), file contents, a path; None = missing."""


def pictures(raw: Raw) -> Sequence[Picture]:
    """A raw column as single pictures, None = missing."""
    if isinstance(raw, np.ndarray):
        rows = channels_last(raw)
        return [None if row.dtype.kind == "f" and np.isnan(row).all() else row for row in rows]
    return raw.to_list() if isinstance(raw, pl.Series) else raw


def decode(picture: Picture, near: tuple[int, int] | None = None) -> np.ndarray:
    """The pixels of a picture; `decode_sized` without the size."""
    return decode_sized(picture, near)[0]


def decode_sized(picture: Picture, near: tuple[int, int] | None = None) -> tuple[np.ndarray, tuple[int, int]]:
    """The pixels of a picture, the right way up, (Y, X, C) of uint8, uint16 or float, and its size in the file.

    Args:
        near: (rows, columns) that it will be shrunk to; JPEG files are then decoded at a fraction of their size.

    Raises:
        SourceError: `not-found`, `unreadable-image`, `too-large`, naming the file.
    """
    if isinstance(picture, np.ndarray):
        return picture if picture.ndim == 3 else picture[..., None], picture.shape[:2]
    try:
        opened = _open(picture)
        X, Y = opened.size
        if near is not None and opened.format == "JPEG":
            opened.draft(opened.mode, (2 * near[1], 2 * near[0]))
        turned = opened.getexif().get(0x0112, 1) >= 5  # rows and columns change places
        return _array(ImageOps.exif_transpose(opened)), (X, Y) if turned else (Y, X)
    except Pillow.DecompressionBombError as error:
        raise SourceError("too-large", f"{_name(picture)}: {error}") from error
    except BROKEN as error:
        why = "unknown format" if isinstance(error, UnidentifiedImageError) else error
        raise SourceError("unreadable-image", f"{_name(picture)}: cannot be read as an image ({why})") from error


def decode_indices(picture: Picture) -> np.ndarray:
    """The whole numbers of a mask, the right way up, (Y, X): a palette's indices, not its colours.

    Raises:
        SourceError: `not-found`, `unreadable-image`, `too-large`; `bad-value` where its pixels are colours.
    """
    if isinstance(picture, np.ndarray):
        pixels = picture
    else:
        try:
            opened = ImageOps.exif_transpose(_open(picture))
            pixels = np.asarray(opened if opened.mode in ("P", "1") else _array(opened))
        except BROKEN as error:
            raise SourceError("unreadable-image", f"{_name(picture)}: cannot be read as a mask ({error})") from error
    if pixels.ndim == 3 and (pixels == pixels[..., :1]).all():
        pixels = pixels[..., 0]
    if pixels.ndim != 2 or (pixels.dtype.kind == "f" and not _whole_numbers(pixels)):
        came = "colours" if pixels.ndim != 2 else "fractions"
        raise SourceError(
            "bad-value", f"{_name(picture)}: expected a mask whose pixels are class numbers, found {came}"
        )
    return pixels.astype(np.int64) if pixels.dtype.kind in "bf" else pixels


def _whole_numbers(pixels: np.ndarray) -> bool:
    return bool(np.isfinite(pixels).all() and (pixels == np.round(pixels)).all())


def letterbox(shape: tuple[int, ...], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Where a picture of shape (Y, X) stands in one of `size`: top, left, rows, columns; in the middle, as large as
    it gets.
    """
    scale = min(size[0] / shape[0], size[1] / shape[1])
    rows, columns = (max(round(side * scale), 1) for side in shape[:2])
    if rows > 0.9 * size[0] and columns > 0.9 * size[1]:
        rows, columns = size  # so small a stretch does less harm than a border
    return (size[0] - rows) // 2, (size[1] - columns) // 2, rows, columns


def each(work: Callable[[Picture], T], items: Sequence[Picture]) -> list[T]:
    """`work` done on each picture, on several threads where there are many: Pillow gives way while it decodes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of odd metadata, which says nothing about the pixels
        if len(items) < FEW:
            return [work(item) for item in items]
        parts = [items[i : i + FEW] for i in range(0, len(items), FEW)]
        with ThreadPoolExecutor() as threads:
            return [one for part in threads.map(lambda part: [work(item) for item in part], parts) for one in part]


def check(picture: Picture) -> str | None:
    """Why a picture cannot be used, or None when it can: it is decoded whole and thrown away."""
    try:
        if picture is not None:
            decode(picture, near=(64, 64))
    except SourceError as error:
        return str(error)
    return None


def picture_size(picture: Picture) -> tuple[int, int]:
    """(rows, columns) of a picture as people see it, from its header alone."""
    if isinstance(picture, np.ndarray):
        return picture.shape[0], picture.shape[1]
    opened = _open(picture)
    X, Y = opened.size
    return (X, Y) if opened.getexif().get(0x0112, 1) >= 5 else (Y, X)


def frames(picture: Picture) -> int:
    """How many frames a picture has; 0 where it cannot be read."""
    try:
        return 1 if picture is None or isinstance(picture, np.ndarray) else getattr(_open(picture), "n_frames", 1)
    except (SourceError, *BROKEN):
        return 0


def resize(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Pixels (Y, X, C) brought to (rows, columns) with an antialiased bilinear filter, dtype kept."""
    if pixels.shape[:2] == size:
        return pixels
    if pixels.dtype == np.uint8 and pixels.shape[2] in (1, 3):
        image = Pillow.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
        return np.asarray(image.resize(size[::-1], Pillow.Resampling.BILINEAR)).reshape(*size, pixels.shape[2])
    planes = [
        Pillow.fromarray(np.ascontiguousarray(pixels[..., c], np.float32)).resize(
            size[::-1], Pillow.Resampling.BILINEAR
        )
        for c in range(pixels.shape[2])
    ]
    out = np.stack([np.asarray(plane) for plane in planes], -1)
    return np.round(out).astype(pixels.dtype) if pixels.dtype.kind == "u" else out


def with_channels(pixels: np.ndarray, channels: int, background: float, picture: Picture = None) -> np.ndarray:
    """Pixels (Y, X, 1..4) as grey or colour; transparent ones show a background from 0 (black) to 1 (white).

    Args:
        picture: what the pixels are of, for the error's text.

    Raises:
        SourceError: `bad-value` where the channels cannot become so many.
    """
    depth = pixels.shape[2]
    if depth == channels:
        return pixels
    if depth in (2, 4):
        top = float(np.iinfo(pixels.dtype).max) if pixels.dtype.kind == "u" else 1.0
        alpha = pixels[..., -1:].astype(np.float32) / top
        blended = pixels[..., :-1] * alpha + background * top * (1 - alpha)
        pixels = np.round(blended).astype(pixels.dtype) if pixels.dtype.kind == "u" else blended
    if pixels.shape[2] == channels:
        return pixels
    if pixels.shape[2] == 1:
        return np.repeat(pixels, channels, 2)
    if channels == 1 and pixels.shape[2] == 3:
        grey = pixels @ np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, as Pillow's "L"
        return (np.round(grey).astype(pixels.dtype) if pixels.dtype.kind == "u" else grey)[..., None]
    raise SourceError(
        "bad-value",
        f"{_name(picture)}: expected {channels} channels, as the training pictures have, got {depth}; leave it out, "
        "or train with the setting colour: rgb of this input",
    )


def channels_last(array: np.ndarray) -> np.ndarray:
    """Pictures (N, Y, X), (N, Y, X, C) or (N, C, Y, X) as (N, Y, X, C), a view."""
    if array.ndim == 3:
        return array[..., None]
    return array if channel_axis(array.shape) == 3 else array.transpose(0, 2, 3, 1)


def channel_axis(shape: tuple[int, ...]) -> int | None:
    """Which axis of (N, ., ., .) holds the channels: the last if it is short, else the second; None when neither is."""
    if shape[3] <= 4:
        return 3
    if shape[1] <= 4:
        return 1
    short = min(shape[3], shape[1])  # more than four bands, as from satellites
    return None if short > 16 else (3 if shape[3] == short else 1)


def _open(picture: Picture) -> Pillow.Image:
    if isinstance(picture, Pillow.Image):
        return picture
    try:
        data = _contents(cast(Media | bytes | str, picture))
    except FileNotFoundError as error:
        raise SourceError("not-found", f"{_name(picture)}: there is no such file") from error
    opened = Pillow.open(io.BytesIO(data), formats=FORMATS)
    X, Y = opened.size
    if X * Y > MAX_PIXELS:
        raise SourceError(
            "too-large", f"{_name(picture)}: {X:,} x {Y:,} pixels, more than {MAX_PIXELS:,}; make the picture smaller"
        )
    return opened


def _contents(picture: Media | bytes | str) -> bytes:
    if isinstance(picture, bytes):
        return picture
    return Path(picture).read_bytes() if isinstance(picture, str) else picture.read()


def _array(image: Pillow.Image) -> np.ndarray:
    if image.mode in ("I;16", "I;16L", "I;16B", "I;16N"):
        pixels = np.asarray(image).astype(np.uint16)
    elif image.mode == "I":
        pixels = np.asarray(image)
        pixels = pixels.astype(np.uint16) if pixels.min() >= 0 and pixels.max() < 2**16 else pixels.astype(np.float32)
    elif image.mode == "F":
        pixels = np.asarray(image)
    elif image.mode in ("1", "L"):
        pixels = np.asarray(image.convert("L"))
    elif image.mode in ("LA", "La"):
        pixels = np.asarray(image.convert("LA"))
    elif image.mode in ("RGBA", "RGBa", "PA") or "transparency" in image.info:
        pixels = np.asarray(image.convert("RGBA"))
    else:
        pixels = np.asarray(image.convert("RGB"))
    return pixels if pixels.ndim == 3 else pixels[..., None]


def _name(picture: Picture) -> str:
    if isinstance(picture, Media):
        return picture.name
    return picture if isinstance(picture, str) else "a picture"


def to_pixels(codes: np.ndarray, levels: int) -> np.ndarray:
    """Encoded image as uint8 pixels, channels last; of more than three channels the first three.

    Args:
        levels: the largest code.

    Shapes: codes: (C, Y, X); returns: (Y, X, 1 or 3).
    """
    if codes.dtype != np.uint8 or levels != 255:
        codes = np.clip(np.round(codes.astype(np.float32) * (255 / levels)), 0, 255).astype(np.uint8)
    return np.moveaxis(codes if len(codes) in (1, 3) else codes[: 3 if len(codes) > 3 else 1], 0, -1)
