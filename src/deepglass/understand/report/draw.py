"""Pixels -> the small encoded pictures of a report."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from deepglass.understand.report.palette import Colour

LONGEST = 360  # pixels; a card is about so wide


def flat(pixels: np.ndarray, scale: int = 1) -> bytes:
    """A small picture as PNG, each pixel as it is.

    Args:
        scale: each pixel becomes so many by so many.

    Shapes: `pixels`: (Y, X), (Y, X, 1) or (Y, X, 3) uint8.
    """
    return _written(Image.fromarray(np.kron(_plane(pixels), _ones(pixels, scale)) if scale > 1 else _plane(pixels)))


def photo(pixels: np.ndarray, longest: int = LONGEST) -> bytes:
    """A picture as JPEG where that is smaller than as PNG, shrunk to at most so many pixels a side."""
    picture = Image.fromarray(_plane(pixels))
    picture.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    whole = _written(picture)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=85, optimize=True)
    return min(whole, out.getvalue(), key=len)


def classes(places: np.ndarray, colours: tuple[Colour, ...], longest: int = LONGEST) -> bytes:
    """A class map as PNG with a palette, transparent where there is none.

    Args:
        places: the class of each pixel; negative where there is none.

    Shapes: `places`: (Y, X) int.
    """
    none = len(colours)
    shown = np.where((places < 0) | (places >= none), none, places)
    picture = Image.fromarray(np.minimum(shown, 255).astype(np.uint8), "P")
    palette = [v for c in (*colours, (0, 0, 0)) for v in c][: 3 * 256]
    picture.putpalette(palette)
    picture = picture.resize(_fitting(picture.size, longest), Image.Resampling.NEAREST)
    out = io.BytesIO()
    picture.save(out, "PNG", optimize=True, transparency=min(none, 255))
    return out.getvalue()


def shown_size(size: tuple[int, int], longest: int = LONGEST) -> tuple[int, int]:
    """Rows and columns of a picture of `size` once it is shrunk."""
    columns, rows = _fitting((size[1], size[0]), longest)
    return rows, columns


def _fitting(size: tuple[int, int], longest: int) -> tuple[int, int]:
    shrink = min(1.0, longest / max(size))
    return max(round(size[0] * shrink), 1), max(round(size[1] * shrink), 1)


def _plane(pixels: np.ndarray) -> np.ndarray:
    if pixels.ndim == 2:
        return np.ascontiguousarray(pixels)
    if pixels.shape[2] == 3:
        return np.ascontiguousarray(pixels)
    return np.ascontiguousarray(pixels[:, :, 0] if pixels.shape[2] < 3 else pixels[:, :, :3])


def _ones(pixels: np.ndarray, scale: int) -> np.ndarray:
    plane = _plane(pixels)
    return np.ones((scale, scale, 1)[: plane.ndim], np.uint8)


def _written(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG", optimize=True)
    return out.getvalue()
