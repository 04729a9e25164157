"""The trainer's control flow: commands of callbacks, and the reduction over processes."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from test_trainer import PLAN, Line, _data, _fit

from deepglass.errors import SpecError
from deepglass.objectives.base import Loss
from deepglass.training.callbacks import Callback, EvaluationRecord, HistoryFile
from deepglass.training.checkpoint import weights_sha256
from deepglass.training.clock import Clock
from deepglass.training.control import TrainerControl
from deepglass.training.distributed.processes import Processes
from deepglass.training.plan import StepCosts
from deepglass.training.trainer import Trainer


class At(Callback):
    """Calls a function with the control when training starts, or at an evaluation."""

    def __init__(self, command: Callable[[TrainerControl], None], step: int = 0) -> None:
        self.command, self.step = command, step
        self.steps: list[int] = []

    def on_train_start(self, plan, step) -> None:
        if not self.step:
            self.command(self.control)

    def on_step_end(self, step, plan, loss) -> None:
        self.steps.append(step)

    def on_evaluation_end(self, record: EvaluationRecord) -> None:
        if record.step == self.step:
            self.command(self.control)


def _wait_until_paused(control: TrainerControl) -> None:
    for _ in range(1000):
        if control.is_paused:
            return
        threading.Event().wait(0.01)
    raise AssertionError("the trainer never paused")


def test_pause_single_steps_and_resume() -> None:
    control, stepped = TrainerControl(), At(TrainerControl.pause)

    def commands() -> None:
        _wait_until_paused(control)
        assert stepped.steps == []
        control.step(3)
        while stepped.steps != [1, 2, 3]:
            threading.Event().wait(0.005)
        _wait_until_paused(control)
        assert stepped.steps == [1, 2, 3], "each single step is reported, then training waits"
        control.resume()

    thread = threading.Thread(target=commands)
    thread.start()
    objective = Line()
    history = _fit(objective, callbacks=[stepped], control=control)
    thread.join()
    assert history.step == PLAN.steps
    undisturbed = Line()
    _fit(undisturbed)
    assert weights_sha256(objective.state_dict()) == weights_sha256(undisturbed.state_dict()), "a pause changes no bit"


def test_a_pause_does_not_count_for_the_time_budget() -> None:
    control, clock = TrainerControl(), Clock(1000.0)
    clock.begin(0, StepCosts(0.001, 0.0), 10**6)

    def resume() -> None:
        _wait_until_paused(control)
        threading.Event().wait(0.3)
        control.resume()

    thread = threading.Thread(target=resume)
    thread.start()
    before = clock.start
    plan = replace(PLAN, budget=1000.0)
    objective = Line()
    loader = objective.make_loader(_data(), 8, 0)
    Trainer([At(TrainerControl.pause)], control=control).fit(objective, loader, plan, _data(), clock)
    thread.join()
    assert clock.start - before > 0.25


def test_stop_ends_a_run_like_an_interrupt() -> None:
    history = _fit(Line(), callbacks=[At(TrainerControl.stop, 20)])
    assert (history.stop_reason, history.step) == ("interrupted", 20)


def test_a_paused_run_can_be_stopped() -> None:
    def pause_and_stop(control: TrainerControl) -> None:
        control.pause()
        threading.Timer(0.05, control.stop).start()

    history = _fit(Line(), callbacks=[At(pause_and_stop, 30)])
    assert (history.stop_reason, history.step) == ("interrupted", 30)


def test_the_learning_rate_is_set_and_recorded() -> None:
    history = _fit(Line(), callbacks=[At(lambda control: control.set_learning_rate(0.02), 20)])
    rates = [r.learning_rate for r in history.records]
    assert rates == [0.1, 0.1, *[pytest.approx(0.02)] * 4]
    assert [r.event for r in history.records if r.event] == ["peak learning rate set to 0.02 at step 20"]
    with pytest.raises(SpecError, match=r"bad-value.*learning_rate: expected a number above 0, got 0"):
        TrainerControl().set_learning_rate(0)


# -- the reduction over processes ----------------------------------------------------------------------------------


class Reduction(Processes):
    """A reduction that replaces some values, as if other processes had contributed."""

    def __init__(self, **answers: Callable[[float], float]) -> None:
        self.answers = answers
        self.names: set[str] = set()

    def reduce(self, name: str, value: float) -> float:
        self.names.add(name)
        return self.answers[name](value) if name in self.answers else value


def test_early_stopping_and_the_best_weights_follow_the_reduced_monitor() -> None:
    reduction = Reduction(monitor=lambda value: 1.0)  # elsewhere nothing improves
    history = _fit(Line(), replace(PLAN, patience=2), processes=reduction)
    assert (history.stop_reason, history.step) == ("early", 30)
    assert [r.best for r in history.records] == [True, False, False]
    assert {r.monitor for r in history.records} == {1.0}


def test_a_non_finite_loss_of_another_process_is_recovered_from() -> None:
    losses = iter([1.0, float("nan")])
    history = _fit(Line(), processes=Reduction(loss=lambda value: next(losses, value)))
    assert [r.event.partition(":")[0] for r in history.records if r.event] == ["non-finite loss at step 20"]


def test_the_length_of_a_run_with_a_clock_is_the_reduced_one() -> None:
    clock = Clock(1000.0)
    clock.begin(0, StepCosts(0.001, 0.0), 10**6)
    reduction = Reduction(steps=lambda value: 30)
    objective = Line()
    loader = objective.make_loader(_data(), 8, 0)
    history = Trainer(processes=reduction).fit(objective, loader, PLAN, _data(), clock)
    assert (history.step, history.plan.last_step) == (30, 30)
    assert {"clock", "steps"} <= reduction.names


def test_an_interrupt_of_another_process_ends_the_run() -> None:
    calls = iter(range(1000))
    history = _fit(Line(), processes=Reduction(stop=lambda value: float(next(calls) >= 12)))
    assert (history.stop_reason, history.step) == ("interrupted", 12)


def test_the_costs_of_a_probe_are_reduced() -> None:
    reduction = Reduction(step_seconds=lambda value: 7.0, evaluation_seconds=lambda value: 8.0)
    objective = Line()
    costs = Trainer(processes=reduction).probe(objective, objective.make_loader(_data(), 8, 0), PLAN, _data(), 0.01)
    assert costs == StepCosts(7.0, 8.0)


# -- what the history holds ----------------------------------------------------------------------------------------


def test_gradient_norms_are_recorded_before_clipping(tmp_path) -> None:
    def record(clip: float) -> dict:
        path = tmp_path / f"{clip}.jsonl"
        _fit(Line(), replace(PLAN, steps=1, evaluate_every=1, clip=clip), callbacks=[HistoryFile(path)])
        return json.loads(path.read_text().splitlines()[0])

    line = Line()
    torch.manual_seed(0)
    line.line.reset_parameters()
    batch = line.make_loader(_data(), PLAN.batch_size, PLAN.seed).next()
    next(line.losses(batch, 0.0)).value.backward()
    expected = torch.cat([p.grad.flatten() for p in line.parameters()]).norm().item()
    assert record(0.0)["gradient_norm"] == {"line": pytest.approx(expected)}
    assert record(0.01)["gradient_norm"] == {"line": pytest.approx(expected)}, "measured before clipping"


def test_losses_are_averaged_by_their_weights() -> None:
    class Parts(Line):
        def losses(self, batch, progress):
            yield Loss(self.line.weight.sum() * 0 + 1, group="line", logs={"size": 30.0}, weight=30)
            yield Loss(self.line.weight.sum() * 0 + 4, group="line", logs={"size": 10.0}, weight=10)

    history = _fit(Parts(), replace(PLAN, steps=10))
    assert history.records[0].losses == {"line": pytest.approx(1.75), "line/size": pytest.approx(25.0)}
