"""Pixels -> the small encoded pictures of a report."""

import io

import numpy as np
from PIL import Image

from deepglass.web.palette import Colour

LONGEST = 360  # pixels; a card is about so wide
SMALL = 48  # pixels; up to here each pixel counts


def photo(pixels: np.ndarray, longest: int = LONGEST) -> bytes:
    """A picture shrunk to at most so many pixels a side, as JPEG where it is not small and that takes fewer bytes."""
    picture = Image.fromarray(_plane(pixels))
    picture.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    whole = _written(picture)
    if max(picture.size) <= SMALL:
        return whole
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


def png(pixels: np.ndarray) -> bytes:
    """Pixels as a PNG file.

    Shapes: `pixels`: (Y, X) or (Y, X, C) uint8; C is 2 for grey and 4 for colour with an opacity.
    """
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(out, "PNG", optimize=True)
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


def _written(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()
