"""Scales of residuals: recovered where they follow the embedding, absent where they do not."""

import numpy as np
import pytest

from deepglass.metrics.calibration import conformal
from deepglass.metrics.interval_scale import MIN_ROWS, fit_scale


def _rows(seed: int, count: int, slope: float) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings and residuals whose logarithm of the scale rises with the first entry."""
    generator = np.random.default_rng(seed)
    embeddings = generator.normal(size=(count, 8)).astype(np.float32)
    embeddings[:, 7] = 2.5  # constant
    return embeddings, np.exp(slope * embeddings[:, 0]) * generator.normal(size=count)


def test_intervals_of_a_scale_cover_easy_and_hard_rows_alike() -> None:
    valid, residuals = _rows(0, 800, 1.0)
    fit = fit_scale(valid, residuals, 0.9)
    assert fit is not None
    assert fit.gain > 0.2
    rows, errors = _rows(1, 20_000, 1.0)
    half = conformal(residuals / fit.scales, 0.9) * fit.scale(rows)
    inside, order = np.abs(errors) <= half, np.argsort(rows[:, 0])
    assert [inside[fifth].mean() for fifth in np.array_split(order, 5)] == pytest.approx([0.9] * 5, abs=0.035)
    constant = conformal(residuals, 0.9)
    assert half.mean() < 0.9 * constant
    assert np.mean(np.abs(errors[order[-4000:]]) <= constant) < 0.65  # what one width covers of the hardest fifth


def test_cross_fitted_scales_keep_the_coverage_with_many_entries() -> None:
    coverages = []
    for seed in range(4):
        generator = np.random.default_rng(seed)
        valid = np.concatenate([_rows(seed, 300, 0.7)[0], generator.normal(size=(300, 192))], 1)
        residuals = np.exp(0.7 * valid[:, 0]) * generator.normal(size=300)
        fit = fit_scale(valid, residuals, 0.9)
        rows = np.concatenate([_rows(99 + seed, 2000, 0.7)[0], generator.normal(size=(2000, 192))], 1)
        errors = np.exp(0.7 * rows[:, 0]) * generator.normal(size=2000)
        scales, fitted = (fit.scale(rows), fit.scales) if fit else (1.0, 1.0)
        coverages.append(np.mean(np.abs(errors) <= conformal(residuals / fitted, 0.9) * scales))
    assert np.mean(coverages) == pytest.approx(0.9, abs=0.03)


@pytest.mark.parametrize("seed", range(4))
def test_even_residuals_and_few_rows_have_no_scale(seed: int) -> None:
    assert fit_scale(*_rows(seed, 500, 0.0), 0.9) is None
    assert fit_scale(*_rows(seed, MIN_ROWS - 1, 1.0), 0.9) is None
    embeddings, residuals = _rows(seed, 200, 1.0)
    assert fit_scale(embeddings, 0 * residuals, 0.9) is None
    assert fit_scale(0 * embeddings, residuals, 0.9) is None


def test_a_scale_stays_within_that_of_the_validation_rows() -> None:
    embeddings, residuals = _rows(0, 500, 1.0)
    fit = fit_scale(embeddings, residuals, 0.9)
    assert fit is not None
    far = fit.scale(1e6 * embeddings)
    assert far.max() == pytest.approx(fit.scale(embeddings).max())
    assert far.min() == pytest.approx(fit.scale(embeddings).min())
