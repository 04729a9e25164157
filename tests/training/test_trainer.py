"""The trainer on objectives of a few lines: plans, clocks, recovery, early stopping."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from torch import nn

import deepglass
from deepglass.data.batches import Batch, Dataset
from deepglass.errors import TrainingError
from deepglass.features.base import Column
from deepglass.objectives.base import Evaluation, Loss, Objective
from deepglass.training.callbacks import Callback, EvaluationRecord
from deepglass.training.checkpoint import Checkpoints, weights_sha256
from deepglass.training.clock import Clock
from deepglass.training.plan import Plan, Replan, StepCosts, fit_to_budget
from deepglass.training.trainer import Trainer


class Line(Objective):
    """y = w x by squared error; `breaks_at` makes the loss of some calls non-finite."""

    def __init__(self, breaks_at: frozenset[int] = frozenset(), forever: bool = False) -> None:
        super().__init__()
        self.line = nn.Linear(1, 1)
        self.breaks_at, self.forever, self.calls = breaks_at, forever, 0

    def build(self, inputs, outputs, make_network) -> None: ...

    def parameter_groups(self) -> dict[str, nn.Module]:
        return {"line": self.line}

    def losses(self, batch: Batch, progress: float) -> Iterator[Loss]:
        self.calls += 1
        x = batch.inputs["x"].values[:, None]
        error = (self.line(x)[:, 0] - 3 * x[:, 0]) ** 2
        broken = self.forever or self.calls in self.breaks_at
        yield Loss(error.mean() * (float("nan") if broken else 1.0), group="line")

    def evaluate(self, data: Dataset, batch_size: int, search: bool = True) -> Evaluation:
        error = float((self.line.weight.detach() - 3).abs())
        return Evaluation({"line": {"error": error}}, error)


def _data(rows: int = 64) -> Dataset:
    values = np.linspace(-1, 1, rows).astype(np.float32)
    return Dataset({"x": Column(values, np.ones(rows, bool))}, {})


PLAN = Plan(
    steps=60, batch_size=8, batches_per_epoch=8, evaluate_every=10, checkpoint_every=10, threads=1,
    optimizer="sgd", learning_rate=0.1, weight_decay=0.0, schedule="constant", warmup=0.0,
)  # fmt: skip


def _fit(objective: Line, plan: Plan = PLAN, **settings):
    torch.manual_seed(0)
    objective.line.reset_parameters()
    data = _data()
    return Trainer(**settings).fit(objective, objective.make_loader(data, plan.batch_size, plan.seed), plan, data)


def test_learns_and_keeps_the_best_weights() -> None:
    objective = Line()
    history = _fit(objective)
    assert history.stop_reason == "done"
    error = float((objective.line.weight.detach() - 3).abs())
    assert error == pytest.approx(min(r.monitor for r in history.records), abs=1e-6)
    assert history.records[-1].monitor < 0.3 * history.records[0].monitor


def test_evaluations_during_training_use_a_sample_and_the_last_one_all_validation_rows() -> None:
    class Counted(Line):
        def evaluate(self, data: Dataset, batch_size: int, search: bool = True) -> Evaluation:
            samples.append(data.columns["x"].values)
            return super().evaluate(data, batch_size, search)

    samples: list[np.ndarray] = []
    history = _fit(Counted(), replace(PLAN, evaluation_rows=12, patience=2))
    *sampled, last = samples
    assert len(sampled) == len(history.records)
    assert {len(s) for s in sampled} == {12}
    assert all((s == sampled[0]).all() for s in sampled)
    assert len(last) == 64
    assert history.evaluation is not None
    plain = _fit(Line())
    assert [r.monitor for r in history.records] == [r.monitor for r in plain.records]  # steps have the same bits


def test_equal_plans_give_identical_weights() -> None:
    a, b = Line(), Line()
    _fit(a), _fit(b)
    assert weights_sha256(a.state_dict()) == weights_sha256(b.state_dict())


def test_a_stored_state_resumes_to_identical_weights(tmp_path) -> None:
    whole, part = Line(), Line()
    _fit(whole)
    _fit(part, replace(PLAN, steps=30), checkpoints=Checkpoints(tmp_path))
    again = Line()
    state = Checkpoints(tmp_path).load()
    assert state.values["step"] == 30
    data = _data()
    Trainer().fit(again, again.make_loader(data, PLAN.batch_size, PLAN.seed), PLAN, data, state=state)
    assert weights_sha256(again.state_dict()) == weights_sha256(whole.state_dict())


def test_a_damaged_checkpoint_falls_back_to_the_previous_one(tmp_path) -> None:
    checkpoints = Checkpoints(tmp_path)
    _fit(Line(), checkpoints=checkpoints)
    newest = max(tmp_path.glob("*.safetensors"), key=lambda p: int(p.with_suffix(".sha256").read_text().split()[1]))
    newest.write_bytes(newest.read_bytes()[:-20])
    assert Checkpoints(tmp_path).load().values["step"] == 50


def test_a_non_finite_loss_is_recovered_from_at_half_the_rate() -> None:
    objective = Line(breaks_at=frozenset({25}))
    history = _fit(objective)
    events = [r.event for r in history.records if r.event]
    assert len(events) == 1
    assert "back to step 20" in events[0]
    assert history.records[-1].learning_rate == pytest.approx(0.05)
    assert history.step == 60


def test_a_persistently_non_finite_loss_is_an_error() -> None:
    with pytest.raises(TrainingError, match="diverged"):
        _fit(Line(forever=True))


def test_stops_when_nothing_improves() -> None:
    plan = replace(PLAN, steps=1000, learning_rate=1e-9, patience=3)
    history = _fit(Line(), plan)
    assert history.stop_reason == "early"
    assert history.step <= 50


def test_a_callback_gets_each_evaluation() -> None:
    class Steps(Callback):
        def __init__(self) -> None:
            self.steps: list[int] = []

        def on_evaluation_end(self, record: EvaluationRecord) -> None:
            self.steps.append(record.step)

    callback = Steps()
    _fit(Line(), callbacks=[callback])
    assert callback.steps == [10, 20, 30, 40, 50, 60]


def test_progress_is_continuous_over_replans() -> None:
    plan = replace(PLAN, steps=100).with_steps(50, 80).with_steps(70, 200)
    assert plan.progress(0) == 0
    assert plan.progress(50) == pytest.approx(0.5)
    assert plan.progress(70) == pytest.approx(0.5 + 0.5 * 20 / 30)
    assert plan.progress(200) == 1
    steps = [plan.progress(s) for s in range(201)]
    assert all(b > a for a, b in pairwise(steps))
    assert Plan.from_json(plan.to_json()) == plan


def test_a_time_budget_covers_steps_and_evaluations() -> None:
    costs = StepCosts(step=0.01, evaluation=0.2)
    plan = fit_to_budget(PLAN, 10.0, costs, max_steps=10**9)
    evaluations = -(-plan.steps // plan.evaluate_every)
    assert 0.8 * 10 < plan.steps * costs.step + evaluations * costs.evaluation < 10
    assert fit_to_budget(PLAN, 10.0, costs, max_steps=70).steps == 70


def test_the_clock_shortens_a_run_that_is_too_slow(monkeypatch) -> None:
    now = [0.0]
    monkeypatch.setattr("deepglass.training.clock.time.perf_counter", lambda: now[0])
    clock = Clock(10.0)
    clock.begin(0, StepCosts(0.01, 0.0), 10**6)
    plan = replace(PLAN, steps=900, evaluate_every=900, budget=10.0)
    now[0] = 2.0  # twice as slow as was measured
    length = clock.new_length(plan, 100)
    assert length == pytest.approx(100 + (10 - 0.25 - 2) / 0.02, rel=0.02)
    now[0] = 9.99
    assert clock.new_length(plan, 450) == 450, "at the end of the budget a run ends at once"


def test_slower_steps_do_not_exceed_the_budget(monkeypatch) -> None:
    now = [0.0]
    monkeypatch.setattr("deepglass.training.clock.time.perf_counter", lambda: now[0])

    class Slow(Line):
        def losses(self, batch: Batch, progress: float) -> Iterator[Loss]:
            now[0] += 3.0  # where 0.3 was measured
            yield from super().losses(batch, progress)

    clock = Clock(30.0)
    clock.begin(0, StepCosts(0.3, 0.0), 10**6)
    plan = replace(PLAN, steps=100, evaluate_every=100, checkpoint_every=100, budget=30.0)
    history = Trainer().fit(Slow(), Line().make_loader(_data(), 8, 0), plan, _data(), clock)
    assert now[0] <= 33
    assert 5 <= history.step <= 10
    assert history.plan.progress(history.step) == 1, "the schedule still came to its end"


def test_one_slow_step_does_not_end_a_run_early(monkeypatch) -> None:
    now = [0.0]
    monkeypatch.setattr("deepglass.training.clock.time.perf_counter", lambda: now[0])

    class Stalled(Line):
        done = 0

        def losses(self, batch: Batch, progress: float) -> Iterator[Loss]:
            self.done += 1
            now[0] += 4.0 if self.done == 2 else 0.05  # the machine looked elsewhere
            yield from super().losses(batch, progress)

    clock = Clock(30.0)
    clock.begin(0, StepCosts(0.05, 0.0), 10**6)
    plan = replace(PLAN, steps=560, evaluate_every=560, checkpoint_every=560, budget=30.0)
    history = Trainer().fit(Stalled(), Line().make_loader(_data(), 8, 0), plan, _data(), clock)
    assert history.step > 450
    assert now[0] <= 31


def test_a_replanned_run_is_reproduced_with_identical_weights() -> None:
    plan = PLAN.with_steps(20, 45)
    assert plan.replans == (Replan(20, 45),)
    a, b = Line(), Line()
    _fit(a, plan), _fit(b, Plan.from_json(plan.to_json()))
    assert weights_sha256(a.state_dict()) == weights_sha256(b.state_dict())


def test_the_probe_does_not_change_the_state() -> None:
    objective, data = Line(), _data()
    loader = objective.make_loader(data, 8, 0)
    before = {n: t.clone() for n, t in objective.state_dict().items()}
    random = torch.get_rng_state()
    costs = Trainer().probe(objective, loader, PLAN, data, 0.05)
    assert costs.step > 0
    assert loader.state_dict() == {"epoch": 0, "position": 0}
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(before[n], t) for n, t in objective.state_dict().items())


class Memory(Callback):
    """The resident memory of the process at each evaluation, in bytes."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def on_evaluation_end(self, record: EvaluationRecord) -> None:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        self.sizes.append(pages * resource.getpagesize())


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the system does not tell the resident memory")
@pytest.mark.slow
def test_two_thousand_steps_take_no_more_memory(tmp_path: Path) -> None:
    memory = Memory()
    table = pl.DataFrame({"x": np.linspace(-1, 1, 64), "y": np.linspace(0, 3, 64)})
    settings = {"network.width": 8, "network.ensemble_size": 1, "training.threads": 1, "training.batch_size": 8}
    deepglass.train(
        table, "y", steps=2_000, out=tmp_path / "run", baselines=False, settings=settings, callbacks=[memory]
    )
    assert len(memory.sizes) == 40
    assert memory.sizes[-1] - memory.sizes[9] < 10 * 2**20, "after the first 500 steps"


@pytest.mark.parametrize(
    ("steps", "says"),
    [(1, "holds 1 step, fewer than 10: the network has hardly learned"), (40, "holds 40 steps, less than an epoch: "
     "training sees 40 % of its rows"), (100, None)],
)  # fmt: skip
def test_a_budget_of_too_few_steps_is_said(steps: int, says: str | None) -> None:
    plan = replace(PLAN, steps=steps, batches_per_epoch=100)
    assert plan.budget_warning is None  # its length was chosen in steps
    warning = replace(plan, budget=5.0).budget_warning
    assert (says is None) == (warning is None)
    assert (says or "") in (warning or "")
