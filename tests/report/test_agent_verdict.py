"""The verdict on an agent: its returns against those of random actions."""

import numpy as np
import pytest

from deepglass.data.environments import EpisodeResult, return_stats
from deepglass.metrics.table import METRICS
from deepglass.report.objective_results import _returns
from deepglass.report.output_facts import OutputFacts
from deepglass.report.paired_baselines import compare_returns, stored_baselines
from deepglass.report.verdict import judge


@pytest.mark.parametrize(
    ("mean", "headline"), [(158, "Better than random actions"), (23, "Not shown to be better than random actions")]
)
def test_returns_far_above_those_of_random_actions_are_better(mean: float, headline: str) -> None:
    generator = np.random.default_rng(0)
    agent, random = (
        return_stats([EpisodeResult(v, 1) for v in generator.normal(m, 40, n)]) for m, n in ((mean, 100), (23, 50))
    )
    stored = {"baselines": {"ppo": {"random": random | compare_returns(agent, random)}}}
    output = OutputFacts(
        name="ppo",
        metric=METRICS["mean_return"],
        test=_returns(agent),
        test_rows=100,
        unit="episode",
        baselines=stored_baselines(stored, "ppo"),
    )
    verdict = judge(output)
    assert verdict.headline == headline
    assert "In 100\N{NO-BREAK SPACE}test episodes" in verdict.sentence
    assert "95\N{NO-BREAK SPACE}% interval" in verdict.sentence
    assert verdict.evidence.startswith("Over separate episodes")


def test_the_test_of_two_means_is_that_of_scipy() -> None:
    from scipy.stats import ttest_ind

    from deepglass.metrics.paired import SampleStats, compare_means

    generator = np.random.default_rng(1)
    first, second = generator.normal(1, 3, 30), generator.normal(0, 1, 12)
    test = compare_means(*(SampleStats(v.mean(), v.std(ddof=1), len(v)) for v in (first, second)))
    expected = ttest_ind(first, second, equal_var=False)
    np.testing.assert_allclose(test.p_value, expected.pvalue)
    np.testing.assert_allclose((test.low, test.high), expected.confidence_interval(0.95))
