"""Bounding boxes of outlines: polygons, and masks in COCO's run-length encoding."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

_MAX_BITS = 60  # of a number in a compressed encoding

Sides = tuple[float, float, float, float]


def box_around(segmentation: Any) -> Sides | None:
    """Left, top, right and bottom of a `segmentation` of COCO: polygons, or an encoded mask; None without an area.

    Source: `mask.py` and `maskApi.c` of COCO's API, for the encoding.
    """
    if isinstance(segmentation, dict):
        return _box_of_runs(segmentation)
    if not isinstance(segmentation, list):
        return None
    polygons = segmentation if all(isinstance(polygon, list) for polygon in segmentation) else [segmentation]
    points = [polygon[i : i + 2] for polygon in polygons for i in range(0, len(polygon) - 1, 2)]
    return box_of_points(points)


def box_of_points(points: Sequence[Any]) -> Sides | None:
    """The bounding box of points (x, y); None for other values, and for a box without an area."""
    try:
        x, y = [float(point[0]) for point in points], [float(point[1]) for point in points]
    except (TypeError, ValueError, IndexError, KeyError, OverflowError):
        return None
    if len(x) < 2 or not all(map(math.isfinite, (*x, *y))):
        return None
    sides = min(x), min(y), max(x), max(y)
    return sides if sides[0] < sides[2] and sides[1] < sides[3] else None


def _box_of_runs(encoded: dict[str, Any]) -> Sides | None:
    """The bounding box of a mask whose columns are runs of zeros and ones, in turn."""
    size, counts = encoded.get("size"), encoded.get("counts")
    if not isinstance(size, list) or len(size) != 2 or not all(isinstance(n, int) and 0 < n < 2**31 for n in size):
        return None
    runs = _decompressed(counts) if isinstance(counts, str) else counts
    if not isinstance(runs, list) or not all(isinstance(n, int) and 0 <= n < 2**62 for n in runs) or not runs:
        return None
    rows = size[0]
    if sum(runs) > rows * size[1]:
        return None
    ends = np.cumsum(np.array(runs, np.int64))
    starts, ends = ends[0::2][: len(ends) // 2], ends[1::2]
    starts, ends = starts[ends > starts], ends[ends > starts]
    if not len(starts):
        return None
    first, last = starts // rows, (ends - 1) // rows
    several = bool((first < last).any())  # such a run reaches from the bottom of a column to the top of the next
    top = 0 if several else int((starts % rows).min())
    bottom = rows if several else int(((ends - 1) % rows).max()) + 1
    return float(first.min()), float(top), float(last.max() + 1), float(bottom)


def _decompressed(text: str) -> list[int] | None:
    """The runs of a compressed encoding: numbers of 5 bits a character, from the fourth on as differences."""
    runs: list[int] = []
    value = shift = 0
    for character in text:
        code = ord(character) - 48
        if not 0 <= code < 64 or shift > _MAX_BITS:
            return None
        value |= (code & 0x1F) << shift
        shift += 5
        if code & 0x20:
            continue
        if code & 0x10:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    return runs if not shift else None
