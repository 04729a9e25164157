"""Synthetic data sets, generated deterministically, no download: `synthetic:moving_digits`, `synthetic:copy-100`."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image as Pillow
from sklearn.datasets import load_digits

from deepglass.data.sources.base import SPLIT_NAMES, ReadLog
from deepglass.data.sources.memory_tasks import MEMORY_TASKS, with_lag
from deepglass.data.sources.named import locate
from deepglass.data.sources.orders import orders
from deepglass.data.sources.spoken_strings import spoken_strings
from deepglass.data.sources.toy_2d import TOY_SETS
from deepglass.data.table import Table
from deepglass.errors import SourceError, near_miss

ROWS = 4_000
FRAMES = 10
SIDE = 40  # of a frame, in pixels
DIGIT = 16  # side of a digit, twice that of the scans
DIRECTIONS = {
    "up": (-1, 0), "up right": (-1, 1), "right": (0, 1), "down right": (1, 1),
    "down": (1, 0), "down left": (1, -1), "left": (0, -1), "up left": (-1, -1),
}  # fmt: skip


def read_synthetic(name: str, data_root: Sequence[Path] = ()) -> Table:
    """Generate a synthetic data set; `data_root` holds the folders of the named sets that some are composed of.

    Raises:
        SourceError: `unknown-name`, with the near miss; `bad-value` for a lag out of range; `not-found` where a set is
            composed of a named set that is not there.
    """
    if (table := with_lag(name)) is not None:
        return table
    if name not in DESCRIPTIONS:
        text = f"synthetic:{name}: there is no synthetic set of this name{near_miss(name, DESCRIPTIONS)}"
        raise SourceError("unknown-name", text)
    if name == "spoken_strings":
        return spoken_strings(locate("spoken_digits", data_root))
    return SETS[name]()


def moving_digits(rows: int = ROWS, seed: int = 0) -> Table:
    """Videos of a digit that moves through a noisy frame; the classes are the digit and its direction.

    The digits are scikit-learn's scans; each scan is in the videos of one split only.

    Shapes:
        video: (rows, FRAMES, SIDE, SIDE) uint8.
    """
    random = np.random.default_rng(seed)
    scans = load_digits()
    images = np.stack([_enlarged(image) for image in scans.images])  # (1797, DIGIT, DIGIT)
    split = random.choice(SPLIT_NAMES, rows, p=[0.8, 0.1, 0.1]).astype("U5")
    scan_split = random.choice(SPLIT_NAMES, len(images), p=[0.8, 0.1, 0.1])
    chosen = np.zeros(rows, int)
    for name in SPLIT_NAMES:
        videos = np.flatnonzero(split == name)
        chosen[videos] = random.choice(np.flatnonzero(scan_split == name), len(videos))
    names = list(DIRECTIONS)
    direction = random.integers(len(names), size=rows)
    speed = random.uniform(0.8, 2.2, rows)  # pixels a frame along each axis that it moves on
    steps = np.array(list(DIRECTIONS.values()))[direction] * speed[:, None]  # (rows, 2): down, right
    room = SIDE - DIGIT - np.abs(steps) * (FRAMES - 1)
    first = random.uniform(0, 1, (rows, 2)) * room - np.minimum(steps * (FRAMES - 1), 0)
    video = random.integers(0, 40, (rows, FRAMES, SIDE, SIDE), dtype=np.uint8)
    for t in range(FRAMES):
        top, left = np.round(first + t * steps).astype(int).T
        for row in range(rows):
            region = video[row, t, top[row] : top[row] + DIGIT, left[row] : left[row] + DIGIT]
            np.maximum(region, images[chosen[row]], out=region)
    log = ReadLog()
    log.note("video", f"{FRAMES} frames of {SIDE} x {SIDE}", "scikit-learn's scans of digits, moving")
    log.note_split(split.tolist(), "each scan is in one split only")
    return Table(
        {
            "video": video,
            "digit": pl.Series("digit", scans.target[chosen].astype(np.int64)),
            "direction": pl.Series("direction", [names[i] for i in direction]),
        },
        "synthetic:moving_digits",
        *log.entries,
        split=split,
        kinds={"video": "video", "digit": "category", "direction": "category"},
    )


def _enlarged(scan: np.ndarray) -> np.ndarray:
    """A scan (8, 8) of 0..16 as (DIGIT, DIGIT) bytes."""
    image = Pillow.fromarray(scan.astype(np.float32) * (255 / 16))
    return np.round(np.asarray(image.resize((DIGIT, DIGIT), Pillow.Resampling.BILINEAR))).astype(np.uint8)


SETS = {"moving_digits": moving_digits, "orders": orders, **MEMORY_TASKS, **TOY_SETS}
DESCRIPTIONS = {"spoken_strings": spoken_strings.__doc__} | {name: make.__doc__ for name, make in SETS.items()}
