"""The binomial test beside scipy's."""

import pytest
from scipy.stats import binomtest

from deepglass.metrics.paired import binomial_p_value


@pytest.mark.parametrize("trials", [1, 2, 17, 400, 5_000])
@pytest.mark.parametrize("probability", [0.0, 0.3, 0.5, 0.9, 1.0])
def test_binomial_p_value(trials: int, probability: float) -> None:
    for successes in {0, 1, trials // 3, trials // 2, trials - 1, trials}:
        expected = binomtest(successes, trials, probability).pvalue
        assert binomial_p_value(successes, trials, probability) == pytest.approx(expected, abs=1e-9)
