"""Rules of the plan: precision and batch size."""

from __future__ import annotations

import pytest

from deepglass.hyperparameters import TrainingDefaults
from deepglass.training.planning import batch_size_for, precision_for
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
