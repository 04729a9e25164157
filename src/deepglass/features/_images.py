"""Decoding of images (files, bytes, Pillow images, arrays) to pixels (Y, X, C)."""

import io
import struct
import warnings
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar, cast

import numpy as np
import polars as pl
from PIL import Image as Pillow
from PIL import ImageOps, UnidentifiedImageError

from deepglass.errors import SourceError
from deepglass.features.base import Media, Raw
from deepglass.files import read_file
from deepglass.limits import check_limit

_HAS_AVIF = find_spec("PIL.AvifImagePlugin") is not None  # from Pillow 11.3 on
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "JPEG2000", *(["AVIF"] if _HAS_AVIF else []))
"""Of Pillow; none of them runs a program, as EPS would."""

MIN_PARALLEL = 64  # images; fewer are decoded without threads

BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    EOFError,
    KeyError,
    IndexError,
    ArithmeticError,
    struct.error,
    zlib.error,
    Pillow.DecompressionBombError,
)
"""Exceptions that Pillow raises on damaged files."""

T = TypeVar("T")
RawImage = Media | Pillow.Image | np.ndarray | bytes | str | None
"""One image: a file, a Pillow image, an array (Y, X) or (Y, X, C), file contents, or a path; None = missing."""


def as_images(raw: Raw) -> Sequence[RawImage]:
    """A raw column as a sequence of images, None = missing."""
    if isinstance(raw, np.ndarray):
        rows = channels_last(raw)
        return [None if row.dtype.kind == "f" and np.isnan(row).all() else row for row in rows]
    return raw.to_list() if isinstance(raw, pl.Series) else raw


def decode(image: RawImage, target_size: tuple[int, int] | None = None) -> np.ndarray:
    """The pixels of an image; `decode_sized` without the size."""
    return decode_sized(image, target_size)[0]


def decode_sized(image: RawImage, target_size: tuple[int, int] | None = None) -> tuple[np.ndarray, tuple[int, int]]:
    """The pixels of an image (Y, X, C) of uint8, uint16 or float, upright by EXIF, and its size in the file.

    Args:
        target_size: (rows, columns) that it will be resized to; lets JPEG files be decoded at a fraction of their
            size.

    Raises:
        SourceError: `not-found`, `unreadable-image`, `too-large`, naming the file.
    """
    if isinstance(image, np.ndarray):
        return image if image.ndim == 3 else image[..., None], image.shape[:2]
    try:
        opened = _open(image)
        X, Y = opened.size
        if target_size is not None and opened.format == "JPEG":
            opened.draft(opened.mode, (2 * target_size[1], 2 * target_size[0]))
        turned = opened.getexif().get(0x0112, 1) >= 5  # EXIF orientations that swap rows and columns
        return _to_array(ImageOps.exif_transpose(opened)), (X, Y) if turned else (Y, X)
    except Pillow.DecompressionBombError as error:
        raise SourceError("too-large", f"{_name(image)}: {error}") from error
    except BROKEN as error:
        why = "unknown format" if isinstance(error, UnidentifiedImageError) else error
        raise SourceError("unreadable-image", f"{_name(image)}: cannot be read as an image ({why})") from error


def decode_indices(image: RawImage) -> np.ndarray:
    """The integers of a mask (Y, X), upright by EXIF; of a palette image the indices, not the colours.

    Raises:
        SourceError: `not-found`, `unreadable-image`, `too-large`; `bad-value` where its pixels are no integers.
    """
    if isinstance(image, np.ndarray):
        pixels = image
    else:
        try:
            opened = ImageOps.exif_transpose(_open(image))
            pixels = np.asarray(opened if opened.mode in ("P", "1") else _to_array(opened))
        except BROKEN as error:
            raise SourceError("unreadable-image", f"{_name(image)}: cannot be read as a mask ({error})") from error
    if pixels.ndim == 3 and pixels.shape[2] in (2, 4) and not isinstance(image, np.ndarray):
        pixels, alpha = pixels[..., :-1], pixels[..., -1]
        if pixels.min() == pixels.max() and alpha.min() < alpha.max():
            pixels = alpha  # one colour, whose transparency is the mask
    if pixels.ndim == 3 and (pixels == pixels[..., :1]).all():
        pixels = pixels[..., 0]
    if pixels.ndim != 2 or (pixels.dtype.kind == "f" and not _whole_numbers(pixels)):
        content = "colours" if pixels.ndim != 2 else "fractions"
        raise SourceError("bad-value", f"{_name(image)}: expected a mask whose pixels are class numbers, got {content}")
    return pixels.astype(np.int64) if pixels.dtype.kind in "bf" else pixels


def _whole_numbers(pixels: np.ndarray) -> bool:
    return bool(np.isfinite(pixels).all() and (pixels == np.round(pixels)).all())


def letterbox(shape: tuple[int, ...], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Top, left, rows and columns of an image of shape (Y, X) fitted into the middle of `size`."""
    scale = min(size[0] / shape[0], size[1] / shape[1])
    rows, columns = (max(round(side * scale), 1) for side in shape[:2])
    if rows > 0.9 * size[0] and columns > 0.9 * size[1]:
        rows, columns = size  # such a small distortion does less harm than a border
    return (size[0] - rows) // 2, (size[1] - columns) // 2, rows, columns


def full_frames(count: int, size: tuple[int, int]) -> np.ndarray:
    """`Column.letterbox` of images that fill an encoded image of `size`, (N, 6) float32."""
    return np.tile(np.array([0, 0, *size, *size], np.float32), (count, 1))


def map_images(function: Callable[[RawImage], T], items: Sequence[RawImage]) -> list[T]:
    """`function` of each image, on several threads where there are many: Pillow releases the GIL while it decodes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns about odd metadata, which does not concern the pixels
        if len(items) < MIN_PARALLEL:
            return [function(item) for item in items]
        context = copy_context()  # with the limits that apply
        with ThreadPoolExecutor() as threads:
            return list(threads.map(lambda item: context.copy().run(function, item), items))


def count_frames(image: RawImage) -> int:
    """Number of frames of an image; 0 where it cannot be read."""
    try:
        return 1 if image is None or isinstance(image, np.ndarray) else getattr(_open(image), "n_frames", 1)
    except (SourceError, *BROKEN):
        return 0


def holds_fractions(image: RawImage) -> bool:
    """Whether an image file has floating-point pixels, by its header; False where it cannot be read."""
    try:
        return image is not None and not isinstance(image, np.ndarray) and _open(image).mode == "F"
    except (SourceError, *BROKEN):
        return False


def resize(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Pixels (Y, X, C) resized to (rows, columns) with an antialiased bilinear filter, in the same dtype."""
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


def shrink_by_averages(images: np.ndarray, max_side: int) -> np.ndarray:
    """Images (..., Y, X) with at most `max_side` rows and columns, by area averaging."""
    for axis in (-2, -1):
        side = images.shape[axis]
        edges = np.linspace(0, side, min(side, max_side) + 1).astype(int)
        widths = np.diff(edges)[:, None] if axis == -2 else np.diff(edges)
        images = np.add.reduceat(images, edges[:-1], axis=axis) / widths
    return images


def with_channels(pixels: np.ndarray, channels: int, background: float, image: RawImage = None) -> np.ndarray:
    """Pixels (Y, X, 1..4) converted to `channels`; transparent ones are blended with the background.

    Args:
        background: from 0 (black) to 1 (white).
        image: the source of the pixels, for messages.

    Raises:
        SourceError: `bad-value` for channels that cannot be converted.
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
        f"{_name(image)}: expected {channels} channels, as the training images have, got {depth}; leave it out, "
        "or train with the setting mode: rgb of this input",
    )


def channels_last(array: np.ndarray) -> np.ndarray:
    """Images (N, Y, X), (N, Y, X, C) or (N, C, Y, X) as a view (N, Y, X, C)."""
    if array.ndim == 3:
        return array[..., None]
    return array if channel_axis(array.shape) == 3 else array.transpose(0, 2, 3, 1)


def channel_axis(shape: tuple[int, ...]) -> int | None:
    """The channel axis of (N, ., ., .): the last if it is short, else the second if that is; None if neither is."""
    if shape[3] <= 4:
        return 3
    if shape[1] <= 4:
        return 1
    short = min(shape[3], shape[1])  # more than four bands, as in satellite images
    return None if short > 16 else (3 if shape[3] == short else 1)


def _open(image: RawImage) -> Pillow.Image:
    if isinstance(image, Pillow.Image):
        return image
    if not isinstance(image, Media | bytes | str):
        raise SourceError("unreadable-image", f"expected the path of an image, got {image!r}")
    data = _read_bytes(cast(Media | bytes | str, image))
    opened = Pillow.open(io.BytesIO(data), formats=FORMATS)
    X, Y = opened.size
    check_limit("image_pixels", X * Y, _name(image), f"{X:,} x {Y:,} pixels")
    return opened


def _read_bytes(image: Media | bytes | str) -> bytes:
    if isinstance(image, bytes):
        return image
    return read_file(Path(image)) if isinstance(image, str) else image.read()


def _to_array(image: Pillow.Image) -> np.ndarray:
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


def _name(image: RawImage) -> str:
    if isinstance(image, Media):
        return image.name
    return image if isinstance(image, str) else "an image"


def to_pixels(codes: np.ndarray, levels: int) -> np.ndarray:
    """An encoded image as uint8 pixels, channels last; the first three of more than three channels.

    Args:
        levels: the largest code.

    Shapes: codes: (C, Y, X); returns: (Y, X, 1 or 3).
    """
    if codes.dtype != np.uint8 or levels != 255:
        codes = np.clip(np.round(codes.astype(np.float32) * (255 / levels)), 0, 255).astype(np.uint8)
    return np.moveaxis(codes if len(codes) in (1, 3) else codes[: 3 if len(codes) > 3 else 1], 0, -1)
