"""Charts are drawn for any numbers: missing, infinite, huge, tiny, constant, and integers beyond float precision."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from deepglass.metrics.summaries import histogram
from deepglass.report.charts.axes import axis
from deepglass.report.charts.curves import Line, Mark, curves
from deepglass.report.output_facts import Figure, NumberFacts
from deepglass.report.sections.regression import _charts
from deepglass.report.templates import draw

NUMBERS = st.floats() | st.integers(10**30, 10**30 + 10**16).map(float) | st.sampled_from([0.0, 1e300, -1e300, 1e-300])
LISTS = st.lists(NUMBERS, min_size=1, max_size=8)
HUGE = [1e30 + 1e15 * i for i in range(8)]
OPEN = [float("nan"), float("inf"), -float("inf"), 1.7e308, -1.7e308, 5e-324]
EXAMPLES = settings(max_examples=60, deadline=None)


def check(html: str) -> None:
    for wrong in ("nan", "inf"):
        assert f'"{wrong}' not in html.lower(), html
        assert f" {wrong} " not in html.lower(), html


@EXAMPLES
@given(LISTS, st.booleans(), st.booleans(), NUMBERS)
@example(HUGE, False, False, 1e30)
@example(OPEN, True, True, float("nan"))
@example([3.0] * 5, True, False, 2.0)
def test_lines_of_any_numbers(values: list[float], log: bool, share: bool, mark: float) -> None:
    x = list(range(len(values)))
    check(curves("t", x, [Line("a", values), Line("b", values[::-1])], x_name="step", log=log, share=share,
                 mark=Mark(mark, "best")))  # fmt: skip
    finite = sorted(v for v in values if np.isfinite(v))
    check(curves("t", finite, [Line("a", finite)], x_name="step"))


@EXAMPLES
@given(LISTS, LISTS)
@example(HUGE, HUGE)
@example(OPEN, OPEN[::-1])
@example([3.0] * 5, [3.0] * 5)
def test_predicted_against_true_for_any_numbers(truth: list[float], predicted: list[float]) -> None:
    count = min(len(truth), len(predicted))
    truth, predicted = truth[:count], predicted[:count]
    facts = NumberFacts(truth=truth, predicted=predicted, low=predicted, high=truth)
    check(_charts(facts, count + 1))


@EXAMPLES
@given(LISTS)
@example(HUGE)
@example(OPEN)
@example([3.0] * 5)
def test_small_histograms_and_compared_metrics_of_any_numbers(values: list[float]) -> None:
    spread = histogram(np.array(values))
    if spread is not None:
        check(draw("mini", spread=spread))
    finite = [v for v in values if np.isfinite(v)]
    entries = [("a", Figure(v, -v, v), "c1") for v in finite]
    check(draw("compared", title="t", metric="rmse", entries=entries, x=axis(finite, 146, 326, room=0.12)))
