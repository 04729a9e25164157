"""Pictures of another size or shape than most, and sounds far shorter or longer: thumbnails, crops, broken takes."""

from __future__ import annotations

import numpy as np

from deepglass.doctor.base import Finding
from deepglass.doctor.base import DataContext, join_limited
from deepglass.doctor.media_summary import display_names

FACTOR = 4.0  # by which a side or a length differs from the usual
SHAPE = 2.0  # by which the ratio of the sides does
MOST_SHARE = 0.05  # of the items; where more are odd, sizes are simply mixed


def odd_size(case: DataContext) -> list[Finding]:
    found = []
    for column, small in case.small.items():
        what = "sounds" if "seconds" in small.facts else "pictures"
        odd = _odd(small.facts)
        rows = np.flatnonzero(odd)
        if not len(rows) or len(rows) > MOST_SHARE * len(small.rows):
            continue
        names = display_names(case.table[column], rows)
        shown = join_limited([f"{n} ({_size(small.facts, int(r))})" for n, r in zip(names, rows, strict=True)], 3)
        usual = _size({k: np.array([np.nanmedian(v)]) for k, v in small.facts.items()}, 0)
        are = f"1 of the {what} is" if len(rows) == 1 else f"{len(rows):,} {what} are"
        text = f"{column}: {are} of an odd size beside the usual {usual}: {shown}"
        found.append(case.finding("odd_size", rows, [column], 0.7, text, "data.fix=[odd_size]"))
    return found


def _odd(facts: dict[str, np.ndarray]) -> np.ndarray:
    if "seconds" in facts:
        return _far(facts["seconds"], 2 * FACTOR)
    if "width" not in facts:
        return np.zeros(len(facts["brightness"]), bool)
    width, height = facts["width"], facts["height"]
    return _far(np.sqrt(width * height), FACTOR) | _far(width / height, SHAPE)


def _far(values: np.ndarray, factor: float) -> np.ndarray:
    known = values[np.isfinite(values)]
    if not len(known):
        return np.zeros(len(values), bool)
    return np.nan_to_num(np.abs(np.log(np.maximum(values, 1e-9) / max(float(np.median(known)), 1e-9)))) > np.log(factor)


def _size(facts: dict[str, np.ndarray], row: int) -> str:
    if "seconds" in facts:
        return f"{facts['seconds'][row]:.2g} s"
    return f"{facts['width'][row]:.0f} x {facts['height'][row]:.0f}"
