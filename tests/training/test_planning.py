"""Rules of the plan: precision and batch size."""

from __future__ import annotations

import pytest

from deepglass.hyperparameters import TrainingDefaults
from deepglass.training.planning import Evaluations, batch_size_for, make_plan, plan_evaluations, precision_for
from deepglass.training.settings import TrainingSettings


@pytest.mark.parametrize(
    ("setting", "default", "native", "expected"),
    [
        ("auto", "bfloat16", True, "bfloat16"),
        ("auto", "bfloat16", False, "float32"),
        ("auto", "float32", True, "float32"),
        ("bfloat16", "float32", False, "bfloat16"),
        ("float32", "bfloat16", True, "float32"),
    ],
)
def test_auto_precision_is_bfloat16_where_trunk_and_cpu_support_it(
    setting: str, default: str, native: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deepglass.training.planning.fast_bfloat16", lambda device: native)
    defaults = TrainingDefaults(precision=default)  # type: ignore[arg-type]
    assert precision_for(TrainingSettings(precision=setting), defaults, "cpu") == expected  # type: ignore[arg-type]


def test_a_batch_is_halved_until_an_epoch_has_ten_steps() -> None:
    assert [batch_size_for(rows, 256) for rows in (10_000, 2_000, 300, 50)] == [256, 128, 16, 16]


@pytest.mark.parametrize(
    ("learned_rows", "steps", "valid", "expected"),
    [
        (800 * 60, 600, 100, Evaluations(40, None)),  # few validation rows
        (50 * 16, 50, 30, Evaluations(40, None)),
        (60_000 * 10, 4_690, 6_000, Evaluations(40, None)),  # cheap beside the steps
        (50 * 256, 50, 100_000, Evaluations(10, 768)),  # few steps on many rows
        (800_000, 3_125, 100_000, Evaluations(40, 12_000)),  # one epoch
        (1, 1, 100_000, Evaluations(1, 256)),
    ],
)
def test_evaluations_cost_at_most_a_fifth_of_the_steps(
    learned_rows: int, steps: int, valid: int, expected: Evaluations
) -> None:
    assert plan_evaluations(learned_rows, steps, valid) == expected


def test_few_rows_of_thousands_of_columns_are_evaluated_less_often() -> None:
    assert plan_evaluations(50 * 32, 50, 60, columns=1_000) == Evaluations(40, None)
    assert plan_evaluations(50 * 32, 50, 60, columns=5_000) == Evaluations(16, None)
    assert plan_evaluations(50 * 32, 50, 0, columns=5_000) == Evaluations(40, None)


def test_a_plan_without_a_time_budget_limits_the_evaluated_rows() -> None:
    defaults = TrainingDefaults(batch_size=256)
    plan = make_plan(TrainingSettings(steps=50), defaults, 800_000, "cpu", evaluated_rows=100_000)
    assert (plan.evaluate_every, plan.evaluation_rows) == (5, 768)
    assert make_plan(TrainingSettings(time="9s"), defaults, 800_000, "cpu", 100_000).evaluation_rows is None
