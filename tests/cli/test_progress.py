"""The progress bar: it never runs backwards, and fits into the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import made_up
from hypothesis import given, settings
from hypothesis import strategies as st

import deepglass
from deepglass.cli import console
from deepglass.cli.progress import ProgressBar
from deepglass.training.callbacks import Callback, EvaluationRecord
from deepglass.training.plan import Plan, Stage

SIZES = st.integers(1, 500)


def share_of(bar: ProgressBar) -> float:
    assert bar.progress is not None
    return bar.progress.tasks[0].percentage


MOVES = st.lists(st.tuples(SIZES, st.booleans(), st.integers(0, 600)), max_size=12)  # steps, back, new length


@settings(deadline=None, max_examples=60)
@given(steps=SIZES, start=st.integers(0, 400), stage=st.integers(0, 300), moves=MOVES)
def test_the_bar_never_runs_backwards(steps: int, start: int, stage: int, moves: list[tuple[int, bool, int]]) -> None:
    """With any length, resumed anywhere, in a further stage, with replans, and back after a non-finite loss."""
    stages = (Stage(stage, "--steps 9"),) if stage else ()
    plan = Plan(stage + steps, 8, 4, 1, 1, stages=stages)
    step = min(stage + start, plan.last_step)
    bar = ProgressBar()
    bar.on_train_start(plan, step)
    try:
        before = share_of(bar)
        for moved, back, length in moves:
            step = max(stage, step - moved) if back else min(step + moved, plan.last_step)
            bar.on_step_end(step, plan, 0.5)
            assert before <= share_of(bar) <= 100
            before = share_of(bar)
            plan = plan.with_steps(step, stage + length)
            bar.on_replan(plan)
            bar.on_step_end(step, plan, 0.5)
            assert before <= share_of(bar) <= 100
            before = share_of(bar)
    finally:
        bar.close()


class Shares(ProgressBar):
    """A bar that records what it shows."""

    def __init__(self) -> None:
        super().__init__()
        self.shares: list[float] = []

    def on_train_start(self, plan: Plan, step: int) -> None:
        super().on_train_start(plan, step)
        self.shares.append(share_of(self))

    def on_step_end(self, step: int, plan: Plan, loss: float) -> None:
        super().on_step_end(step, plan, loss)
        self.shares.append(share_of(self))


PATIENCE = {"threads": 1, "patience": 1}


@pytest.mark.parametrize("length", [{"time": 0.5}, {"steps": 40}, {"steps": 40, "training": PATIENCE}])
def test_the_bar_of_a_training_never_runs_backwards(length: dict[str, Any], tmp_path: Path) -> None:
    bar = Shares()
    small: dict[str, Any] = {"training": {"threads": 1}, "network": {"width": 8}, "baselines": False, **length}
    deepglass.train(made_up(80), "price", out=tmp_path / "run", callbacks=[bar], **small)
    assert bar.shares == sorted(bar.shares)
    assert bar.shares[0] == 0


def test_a_resumed_training_begins_where_it_stopped(tmp_path: Path) -> None:
    class Stop(Callback):
        def on_evaluation_end(self, record: EvaluationRecord) -> None:
            if record.step >= 20:
                raise KeyboardInterrupt

    made_up(80).write_csv(tmp_path / "houses.csv")
    small: dict[str, Any] = {"training": {"threads": 1}, "network": {"width": 8}, "steps": 40}
    first, second = Shares(), Shares()
    with pytest.raises(KeyboardInterrupt):
        deepglass.train(tmp_path / "houses.csv", "price", out=tmp_path / "run", callbacks=[first, Stop()],
                        baselines=False, **small)  # fmt: skip
    deepglass.resume(tmp_path / "run", callbacks=[second])
    assert 0 < second.shares[0] <= first.shares[-1]
    assert second.shares == sorted(second.shares)


@pytest.mark.parametrize("width", [100, 72, 60, 40])
def test_the_bar_and_its_share_are_whole_in_a_narrow_terminal(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console.err, "_width", width)
    bar = ProgressBar()
    bar.metric = "median_house_value balanced_accuracy 0.9333"
    bar.on_train_start(Plan(100, 8, 4, 1, 1), 0)
    bar.on_step_end(42, bar.plan, 0.1234)
    assert bar.progress is not None
    with console.err.capture() as captured:
        console.err.print(bar.progress.get_renderable())
    bar.close()
    (line,) = captured.get().splitlines()
    assert line.startswith("training ")
    assert " 42%" in line
    assert "loss 0.1234" in line
    assert "…" not in line
    assert ("balanced_accuracy" in line) == (width == 100)
