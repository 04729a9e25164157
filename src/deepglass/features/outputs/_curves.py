"""Precision-recall curves of outputs with labels or objects."""

from typing import NamedTuple

import numpy as np


class ClassCurve(NamedTuple):
    """The precision-recall curve of one class.

    Args:
        name: of the class.
        precision: at each recall.
        recall: ascending.
        area: area under the curve, the average precision.
        positives: number of positive rows.

    Shapes:
        precision, recall: (T,) float.
    """

    name: str
    precision: np.ndarray
    recall: np.ndarray
    area: float
    positives: int
