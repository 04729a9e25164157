"""Raw values of each kind of data, for contract tests; loads no torch."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

import numpy as np
import polars as pl

from deepglass.features.base import Raw

ROWS = 60


@dataclass(frozen=True)
class Sample:
    """Raw values of a kind: complete, with missing values, and all missing; None where a kind has none."""

    raw: Raw
    some_missing: Raw | None
    all_missing: Raw | None


def _with_gaps(values: list) -> Sample:
    gaps = [None if i % 4 == 1 else v for i, v in enumerate(values)]
    dtype = pl.Series(values).dtype
    return Sample(pl.Series(values), pl.Series(gaps, dtype=dtype), pl.Series([None] * len(values), dtype=dtype))


def _samples() -> dict[str, Sample]:
    generator = np.random.default_rng(0)
    words = ["red", "green", "blue"]
    sentences = ["a good day", "the bad road is long", "no rain in spring", "what a long night it was"]
    day = datetime.datetime(2020, 1, 1)
    hours = [day + datetime.timedelta(hours=int(h)) for h in generator.integers(0, 20_000, ROWS)]
    numbers = generator.normal(100, 20, ROWS).tolist()
    vectors = generator.normal(size=(ROWS, 3))
    flat = np.ones((ROWS, 12, 10), np.uint8)  # one grey level per image, so that a vector can represent it
    pictures = flat * generator.integers(0, 255, (ROWS, 1, 1), dtype=np.uint8)
    return {
        "number": _with_gaps(numbers),
        "category": _with_gaps([words[i % 3] for i in range(ROWS)]),
        "binary": _with_gaps([bool(i % 3) for i in range(ROWS)]),
        "date": _with_gaps(hours),
        "vector": _with_gaps(vectors.tolist()),
        "image": Sample(pictures, None, None),
        "mask": Sample(flat * (np.arange(ROWS) % 3).astype(np.uint8)[:, None, None], None, None),
        "video": Sample(np.repeat(pictures[:, None, :, :, None], 3, 1), None, None),
        "multilabel": _with_gaps([[["a"], ["b", "c"], [], ["c", "a", "b"], ["c"]][i % 5] for i in range(ROWS)]),
        "identity": _with_gaps([["Ada", "Bo", "Cleo"][i % 3] for i in range(ROWS)]),
        "boxes": _boxes(generator),
        "text": _with_gaps([sentences[i % 4] + f" {i}" for i in range(ROWS)]),
        "tags": _with_gaps([["A", "B", "C"][: 1 + i % 3] for i in range(ROWS)]),
        "sequence": _with_gaps([numbers[i : i + 2 + i % 3] for i in range(ROWS)]),
        "audio": Sample(pictures.repeat(100, 1)[:, :, 0].astype(np.float32) / 255 - 0.5, None, None),
    }


def _boxes(generator: np.random.Generator) -> Sample:
    """No to two boxes per row, as shares of the image, in the coordinates of the letterbox."""
    corners = generator.uniform(0.0, 0.4, (ROWS, 2, 4)) + np.array([0.0, 0.0, 0.5, 0.5])
    sides = ("left", "top", "right", "bottom")
    boxes = [
        [{"label": "ab"[j], **dict(zip(sides, corners[i, j].tolist(), strict=True))} for j in range(i % 3)]
        for i in range(ROWS)
    ]
    return _with_gaps(boxes)


SAMPLES = _samples()
