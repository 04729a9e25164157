"""Style images: procedural ones of the project, and files."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from deepglass.errors import SourceError, near_miss
from deepglass.features._images import decode, with_channels

SYNTHETIC = "synthetic:"
Array = np.ndarray


def waves(side: int, seed: int = 0) -> Array:
    """Curved strokes of blue, white and ochre that follow a flow, as of a rough sea.

    Shapes:
        (side, side, 3) uint8.
    """
    palette = np.array([[12, 32, 74], [28, 74, 128], [72, 138, 176], [226, 232, 222], [214, 166, 82]], float)
    return _strokes(side, seed, palette, lambda x, y: 0.9 * np.sin(5 * x + 2 * np.sin(3 * y)) + 0.5 * np.cos(7 * y))


def embers(side: int, seed: int = 0) -> Array:
    """Upright strokes of black, red, orange and yellow, as of a fire; shape as `waves`."""
    palette = np.array([[20, 8, 12], [92, 14, 20], [196, 46, 22], [242, 132, 32], [252, 222, 120]], float)
    return _strokes(side, seed, palette, lambda x, y: np.pi / 2 + 0.7 * np.sin(6 * y + 3 * np.cos(4 * x)))


STYLE_IMAGES: Mapping[str, Callable[[int], Array]] = {"waves": waves, "embers": embers}


def read_style_image(name: str, side: int) -> Array:
    """A style image as a square, its middle where it is not one.

    Args:
        name: a file, or `synthetic:waves`, `synthetic:embers`.
        side: pixels.

    Shapes:
        (side, side, 3) uint8.

    Raises:
        SourceError: `unknown-name`, with the near miss; `not-found`, `unreadable-image`, `too-large`.
    """
    if name.startswith(SYNTHETIC):
        key = name.removeprefix(SYNTHETIC)
        if key not in STYLE_IMAGES:
            text = f"objective.style_image: there is no style image {name!r}{near_miss(key, STYLE_IMAGES)}"
            raise SourceError("unknown-name", text)
        return STYLE_IMAGES[key](side)
    if not Path(name).is_file():
        expected = f"expected an image file, or one of {', '.join(SYNTHETIC + key for key in STYLE_IMAGES)}"
        raise SourceError("not-found", f"objective.style_image: there is no file {name}; {expected}")
    pixels = with_channels(decode(name), 3, 1.0, name)
    if pixels.dtype != np.uint8:
        top = float(np.iinfo(pixels.dtype).max) if pixels.dtype.kind == "u" else max(float(pixels.max()), 1e-9)
        pixels = (np.clip(pixels / top, 0, 1) * 255).round().astype(np.uint8)
    rows, columns = pixels.shape[:2]
    edge = min(rows, columns)
    top_row, left = (rows - edge) // 2, (columns - edge) // 2
    square = Pillow.fromarray(np.ascontiguousarray(pixels[top_row : top_row + edge, left : left + edge]))
    return np.asarray(square.resize((side, side), Pillow.Resampling.BICUBIC))


def _strokes(side: int, seed: int, palette: Array, direction: Callable[[Array, Array], Array]) -> Array:
    """Line integral convolution: noise smeared along a field of directions, coloured by a palette.

    Args:
        direction: angle of the strokes at x and y from 0 to 1.

    Source: Cabral and Leedom, 1993, doi 10.1145/166117.166151.
    """
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:side, 0:side] / side
    angle = direction(x, y)
    noise = _blurred(random.normal(size=(side, side)), max(side // 85, 1))
    length = max(side // 12, 2)
    smeared, rows, columns = np.zeros((2, side, side)), None, None
    for sign in (1, -1):
        rows, columns = np.mgrid[0:side, 0:side].astype(float)
        for _ in range(length):
            i, j = rows.astype(int) % side, columns.astype(int) % side
            smeared[0] += noise[i, j]
            smeared[1] += 1
            rows, columns = rows + sign * np.sin(angle[i, j]), columns + sign * np.cos(angle[i, j])
    tone = smeared[0] / smeared[1]
    tone = tone / tone.std() + 0.7 * np.sin(2 * np.pi * (1.2 * y + 0.35 * np.sin(angle)))
    rank = tone.ravel().argsort().argsort().reshape(side, side) / (side * side - 1)  # each colour on an equal area
    position = rank * (len(palette) - 1)
    low = np.minimum(position.astype(int), len(palette) - 2)
    share = np.clip(1.6 * (position - low) - 0.3, 0, 1)[..., None]  # edges between the colours are sharper than linear
    return np.round(palette[low] * (1 - share) + palette[low + 1] * share).astype(np.uint8)


def _blurred(values: Array, radius: int) -> Array:
    """Box filter along both axes, periodic."""
    for axis in (0, 1):
        values = np.mean([np.roll(values, step, axis) for step in range(-radius, radius + 1)], 0)
    return values
