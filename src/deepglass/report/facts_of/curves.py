"""Precision over recall at common recalls, so that classes can be drawn and averaged together."""

from __future__ import annotations

import numpy as np

from deepglass.metrics import detection
from deepglass.report.image_facts import Curves, PrecisionRecall


def line(name: str, precision: np.ndarray, recall: np.ndarray, area: float, positives: int) -> PrecisionRecall:
    """A curve read at the common recalls, precision made to fall; zero where it never comes so far."""
    falling = np.maximum.accumulate(precision[::-1])[::-1]
    place = np.searchsorted(recall, detection.RECALLS, side="left")
    return PrecisionRecall(name, tuple(np.append(falling, 0.0)[place].round(4).tolist()), area, positives)


def curves(lines: list[PrecisionRecall]) -> Curves | None:
    if not lines:
        return None
    mean = np.mean([one.precision for one in lines], 0).round(4).tolist()
    area, positives = float(np.mean([one.area for one in lines])), sum(one.positives for one in lines)
    return Curves(tuple(detection.RECALLS.tolist()), (PrecisionRecall("mean", tuple(mean), area, positives), *lines))
