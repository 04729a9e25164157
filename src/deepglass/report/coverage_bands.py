"""The coverage of prediction intervals by fifths of the prediction and of the true value."""

from collections.abc import Iterator, Sequence

import numpy as np

from deepglass.metrics.summaries import share_interval
from deepglass.report.output_facts import CoverageBand

NUM_BANDS = 5
MIN_BAND_ROWS = 20  # below which the interval of a coverage of 90 % is wider than 25 points


def coverage_bands(
    predicted: np.ndarray,
    truth: np.ndarray,
    ends: Sequence[np.ndarray],
    rows: np.ndarray,
    constant_inside: np.ndarray | None,
) -> tuple[CoverageBand, ...]:
    """Bands of equally many rows, by the prediction and then by the true value; none for too few rows.

    Args:
        ends: lower and upper ends of the intervals.
        rows: indices of the rows with a true value.
        constant_inside: whether the true value lies in the interval of one width; None where these are such.

    Shapes:
        predicted, truth, each of ends: (N,) float; constant_inside: (N,) bool.
    """
    if len(rows) < NUM_BANDS * MIN_BAND_ROWS:
        return ()
    low, high = (end[rows] for end in ends)
    predicted, truth = predicted[rows], truth[rows]
    inside = (low <= truth) & (truth <= high)
    constant_inside = None if constant_inside is None else constant_inside[rows]

    def bands(by: str, values: np.ndarray) -> Iterator[CoverageBand]:
        for band in np.array_split(np.argsort(values, kind="stable"), NUM_BANDS):
            compared = None if constant_inside is None else share_interval(int(constant_inside[band].sum()), len(band))
            coverage = share_interval(int(inside[band].sum()), len(band))
            first, last = float(values[band[0]]), float(values[band[-1]])
            yield CoverageBand(by, first, last, len(band), coverage, float((high - low)[band].mean()), compared)

    return (*bands("prediction", predicted), *bands("true value", truth))
