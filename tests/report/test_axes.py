"""Axes of charts: any finite values have an axis with ticks."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from deepglass.report.charts.axes import MAX_VALUE, MIN_VALUE, axis

LARGEST, SMALLEST = 1.7e308, 5e-324


@settings(max_examples=300, deadline=None)
@given(st.lists(st.floats(), max_size=6), st.booleans(), st.booleans(), st.booleans())
@example([1e30, 1e30 + 1e15], False, False, False)
@example([1e30 + 1e17 * i for i in range(30)], False, False, False)
@example([-LARGEST, LARGEST], False, False, False)
@example([SMALLEST, LARGEST], False, True, False)
@example([SMALLEST, 2 * SMALLEST], True, False, True)
@example([3e-13, 1e308], False, True, False)
def test_any_values_have_an_axis(values: list[float], zero: bool, log: bool, share: bool) -> None:
    scale = axis(values, 52, 446, zero=zero, log=log, share=share)
    assert -math.inf < scale.low < scale.high < math.inf
    assert len(scale.ticks()) < 50
    assert len({text for _, text in scale.spaced_ticks()}) >= 1
    for value in values:
        if abs(value) < MAX_VALUE and (value > MIN_VALUE or not scale.log):
            assert 51 <= scale(value) <= 447


@pytest.mark.parametrize("zero", [True, False])
def test_ticks_of_plain_values_are_round(zero: bool) -> None:
    assert [text for _, text in axis([0, 10], 0, 100, zero=zero).ticks()] == ["0", "2", "4", "6", "8", "10"]
