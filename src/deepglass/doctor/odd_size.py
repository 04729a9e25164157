"""Images of an unusual size or shape, and sounds of an unusual length: thumbnails, crops, broken recordings."""

import numpy as np

from deepglass.doctor.base import DataContext, Finding, join_limited
from deepglass.doctor.media_summary import display_names

MIN_SIZE_FACTOR = 4.0  # from the median side; twice as much for a length
MIN_SHAPE_FACTOR = 2.0  # from the median aspect ratio
MAX_SHARE = 0.05  # of the items; beyond it sizes are simply mixed


def odd_size(context: DataContext) -> list[Finding]:
    """One finding per column."""
    findings = []
    for column, summary in context.media.items():
        what = "sounds" if summary.is_audio else "images"
        statistics = summary.statistics
        rows = np.flatnonzero(_odd(statistics))
        if not len(rows) or len(rows) > MAX_SHARE * len(summary.rows):
            continue
        names = display_names(context.table[column], rows)
        examples = join_limited([f"{n} ({_size(statistics, int(r))})" for n, r in zip(names, rows, strict=True)], 3)
        usual = _size({k: np.array([np.nanmedian(v)]) for k, v in statistics.items()}, 0)
        are = f"1 of the {what} is" if len(rows) == 1 else f"{len(rows):,} {what} are"
        text = f"{column}: {are} of an unusual size; the median is {usual}: {examples}"
        findings.append(context.finding("odd_size", rows, [column], 0.7, text, "data.fix=[odd_size]"))
    return findings


def _odd(statistics: dict[str, np.ndarray]) -> np.ndarray:
    if "seconds" in statistics:
        return _far(statistics["seconds"], 2 * MIN_SIZE_FACTOR)
    if "width" not in statistics:
        return np.zeros(len(statistics["brightness"]), bool)
    width, height = statistics["width"], statistics["height"]
    return _far(np.sqrt(width * height), MIN_SIZE_FACTOR) | _far(width / height, MIN_SHAPE_FACTOR)


def _far(values: np.ndarray, factor: float) -> np.ndarray:
    present = values[np.isfinite(values)]
    if not len(present):
        return np.zeros(len(values), bool)
    return np.nan_to_num(np.abs(np.log(np.maximum(values, 1e-9) / max(float(np.median(present)), 1e-9)))) > np.log(
        factor
    )


def _size(statistics: dict[str, np.ndarray], row: int) -> str:
    if "seconds" in statistics:
        return f"{statistics['seconds'][row]:.2g} s"
    return f"{statistics['width'][row]:.0f} x {statistics['height'][row]:.0f}"
