"""Items that cannot be read, such as broken images, and images and sounds of an unusual size or length."""

from collections.abc import Iterator

import numpy as np

from deepglass.doctor.base import DataContext, Finding, join_limited
from deepglass.doctor.media_summary import spread_evenly
from deepglass.features.base import Media, take_raw

MIN_SIZE_FACTOR = 4.0  # from the median side; twice as much for a length
MIN_SHAPE_FACTOR = 2.0  # from the median aspect ratio
MAX_ALTERED = 300  # files that are opened for changes in reading
MAX_SHARE = 0.05  # of the items; beyond it sizes are simply mixed


def unreadable(context: DataContext) -> Iterator[Finding]:
    """One finding for all columns."""
    errors = {f.column: f.unreadable(context.table[f.column]) for f in context.features}
    broken = {column: rows for column, rows in errors.items() if rows}
    if broken:
        reasons = [reason.partition("] ")[2] for rows in broken.values() for reason in rows.values()]
        text = "; ".join(reasons[:3]) + (f"; and {len(reasons) - 3} more" if len(reasons) > 3 else "")
        rows = sorted({row for rows in broken.values() for row in rows})
        yield context.finding("unreadable", rows, list(broken), 1.0, text, "data.fix=[unreadable]")


def altered(context: DataContext) -> Iterator[Finding]:
    """One finding per column of files that reading changes, from a sample of its rows."""
    for feature in context.inputs:
        raw = context.table[feature.column]
        if not feature.file_based or isinstance(raw, np.ndarray):
            continue
        sample = spread_evenly(len(raw), min(context.max_media, MAX_ALTERED))
        texts = {int(sample[i]): text for i, text in feature.alterations(take_raw(raw, sample)).items()}
        names = {row: item.name if isinstance(item := raw[row], Media) else f"row {row}" for row in texts}
        if texts:
            listed = join_limited([f"{names[row]} ({text})" for row, text in texts.items()], 3)
            opened = f"{len(texts)} of {len(sample):,} files that were opened"
            yield context.finding(
                "altered", list(texts), [feature.column], 0.5, f"{feature.column}: {opened}: {listed}"
            )


def odd_size(context: DataContext) -> Iterator[Finding]:
    """One finding per column with such items: thumbnails, crops, broken recordings."""
    for column, summary in context.media.items():
        statistics = summary.statistics
        rows = np.flatnonzero(_odd(statistics))
        if not 0 < len(rows) <= MAX_SHARE * len(summary.rows):
            continue
        raw, what = context.table[column], "sounds" if summary.is_audio else "images"
        names = {r: item.name if isinstance(item := raw[r], Media) else f"row {r}" for r in rows.tolist()}
        examples = join_limited([f"{name} ({_size(statistics, r)})" for r, name in names.items()], 3)
        usual = _size({k: np.array([np.nanmedian(v)]) for k, v in statistics.items()}, 0)
        are = f"1 of the {what} is" if len(rows) == 1 else f"{len(rows):,} {what} are"
        text = f"{column}: {are} of an unusual size; the median is {usual}: {examples}"
        yield context.finding("odd_size", rows, [column], 0.7, text, "data.fix=[odd_size]")


def _odd(statistics: dict[str, np.ndarray]) -> np.ndarray:
    if "seconds" in statistics:
        return _far(statistics["seconds"], 2 * MIN_SIZE_FACTOR)
    if "width" not in statistics:
        return np.zeros(len(statistics["brightness"]), bool)
    width, height = statistics["width"], statistics["height"]
    return _far(np.sqrt(width * height), MIN_SIZE_FACTOR) | _far(width / height, MIN_SHAPE_FACTOR)


def _far(values: np.ndarray, factor: float) -> np.ndarray:
    """Which values differ from their median by more than a factor; missing ones do not."""
    if not (present := np.isfinite(values)).any():
        return present
    median = max(float(np.median(values[present])), 1e-9)
    return np.nan_to_num(np.abs(np.log(np.maximum(values, 1e-9) / median))) > np.log(factor)


def _size(statistics: dict[str, np.ndarray], row: int) -> str:
    if "seconds" in statistics:
        return f"{statistics['seconds'][row]:.2g} s"
    return f"{statistics['width'][row]:.0f} x {statistics['height'][row]:.0f}"
