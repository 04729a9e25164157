"""Schedules: their range, ends and warmup."""

import math

import pytest
import torch

from deepglass.errors import SpecError
from deepglass.training.schedules import SCHEDULES, schedule

POINTS = [i / 200 for i in range(201)]


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.5])
def test_stays_between_zero_and_one(name: str, warmup: float) -> None:
    factors = [schedule(name, warmup)(p) for p in POINTS]
    assert all(-1e-12 <= f <= 1 + 1e-12 for f in factors)
    assert max(factors) > 0.99


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("constant", 1),
        ("linear", 0),
        ("cosine", 0),
        ("step", 0.01),
        ("exponential", 0.001),
        ("trapezoid", 0),
        ("one_cycle", 4e-6),
        ("cos4", 0),
    ],
)
def test_values_at_start_and_end(name: str, end: float) -> None:
    assert schedule(name)(1.0) == pytest.approx(end, abs=1e-12)


def test_warmup_is_linear_and_reaches_the_peak() -> None:
    factor = schedule("cosine", 0.2)
    assert [factor(p) for p in (0, 0.05, 0.1, 0.2)] == pytest.approx([0, 0.25, 0.5, 1])
    assert factor(0.6) == pytest.approx(0.5)


@pytest.mark.parametrize("warmup", [0.1, 0.3])
def test_one_cycle_agrees_with_torch(warmup: float) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    reference = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1.0, 1001, pct_start=warmup, cycle_momentum=False)
    rates = []
    for _ in range(1001):
        rates.append(reference.get_last_lr()[0])
        optimizer.step()
        if len(rates) < 1001:
            reference.step()
    ours = [schedule("one_cycle", warmup)(i / 1000) for i in range(1001)]
    assert max(abs(a - b) for a, b in zip(ours, rates, strict=True)) < 0.02  # torch starts its fall a step earlier


def test_cos4_has_four_peaks() -> None:
    assert [schedule("cos4")((2 ** (k + 0.5) - 1) / 15) for k in range(4)] == pytest.approx([1] * 4)


def test_trapezoid_is_constant_and_then_decays() -> None:
    assert [schedule("trapezoid")(p) for p in (0, 0.8, 0.9)] == pytest.approx([1, 1, 0.5])


def test_takes_a_function() -> None:
    assert schedule(math.sqrt, 0.5)(0.75) == pytest.approx(math.sqrt(0.5))


def test_errors_name_the_culprit() -> None:
    with pytest.raises(SpecError, match=r"\[unknown-name\] schedule: no schedule 'cosin'; did you mean 'cosine'\?"):
        schedule("cosin")
    with pytest.raises(SpecError, match=r"\[bad-value\] warmup: expected a share of the run in \[0, 1\), got 1"):
        schedule("cosine", 1)
