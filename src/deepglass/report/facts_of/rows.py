"""A test row with its truth and its prediction, as a report shows it."""

from __future__ import annotations

from typing import Any

import numpy as np

from deepglass.introspect.rows import row_summary
from deepglass.prepare.prepared_data import PreparedData
from deepglass.report.output_facts import Mistake


def mistake(
    prepared: PreparedData, rows: np.ndarray, i: int, truth: Any, predicted: Any, confidence: float | None
) -> Mistake:
    """The i-th of `rows` with its truth and its prediction."""
    row = row_summary(prepared, int(rows[i]))
    return Mistake(row.row, truth, predicted, confidence, row.image, row.values)
