"""Stages: a resumed run goes on from the first that is missing, and has all that an unbroken run has."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from conftest import made_up

import deepglass
from deepglass import training_runs
from deepglass.run import fit
from deepglass.training.callbacks import Callback, EvaluationRecord
from deepglass.training.loop import TrainingLoop


class Kill(Callback):
    """Ends the run as a crash would, at a step, at a record with some event."""

    def __init__(self, step: int, event: str = "") -> None:
        self.step, self.event = step, event

    def on_evaluation_end(self, record: EvaluationRecord) -> None:
        if record.step >= self.step and record.event.startswith(self.event):
            raise RuntimeError("killed")


class Texts(Callback):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def on_diagnostic(self, text: str, step: int) -> None:
        self.texts.append(text)


def _train(out: Path, **more: Any) -> deepglass.Run:
    small = {"network.width": 8, "network.ensemble_size": 1, "training.threads": 1}
    frame = made_up(120).with_row_index("n")
    return deepglass.train(frame, "price", steps=160, out=out, settings=small, ignore=["n"], **more)


def _resume(run: Path, **more: Any) -> deepglass.Run:
    return deepglass.resume(run, source=made_up(120).with_row_index("n"), **more)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> deepglass.Run:
    return _train(tmp_path_factory.mktemp("stages") / "run", baselines=False)


def _moments(run: Path) -> list[str]:
    return sorted(str(p.relative_to(run)) for p in run.rglob("*.safetensors") if p.parent != run)


@pytest.mark.parametrize("step", [60, 150])
def test_a_killed_run_has_all_facts_of_an_unbroken_one(whole: deepglass.Run, tmp_path: Path, step: int) -> None:
    with pytest.raises(RuntimeError, match="killed"):
        _train(tmp_path / "run", baselines=False, callbacks=[Kill(step)])
    run = _resume(tmp_path / "run")
    for key in ("train", "test", "valid", "weights_sha256", "notes", "step", "stop_reason"):
        assert run.metrics[key] == whole.metrics[key], key
    assert _moments(run.path) == _moments(whole.path)
    assert [r["step"] for r in run.history] == [r["step"] for r in whole.history]
    assert not (run.path / "report.html").exists()  # it was not wanted


def _with_plan(run: Path, **more: int) -> None:
    """Change the plan of a run that was killed before its first checkpoint."""
    path = run / "plan.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **more}))


def _contents(run: Path) -> dict[str, Any]:
    """Lines of the record files without what depends on the clock, and the names of the snapshots."""
    lines = {p.name: [json.loads(line) for line in p.read_text().splitlines()] for p in run.glob("*.jsonl")}
    records = {name: [{k: v for k, v in r.items() if k != "seconds"} for r in rs] for name, rs in lines.items()}
    return {**records, "moments": _moments(run)}


def test_records_are_the_same_where_checkpoints_fall_between_them(tmp_path: Path) -> None:
    """As in the plan of a time budget."""
    with pytest.raises(RuntimeError, match="killed"):
        _train(tmp_path / "whole", baselines=False, callbacks=[Kill(1)])
    _with_plan(tmp_path / "whole", evaluate_every=25, checkpoint_every=15)
    shutil.copytree(tmp_path / "whole", tmp_path / "run")
    whole = _resume(tmp_path / "whole")
    for step in (50, 100):
        with pytest.raises(RuntimeError, match="killed"):
            _resume(tmp_path / "run", callbacks=[Kill(step)])
    run = _resume(tmp_path / "run")
    assert _contents(run.path) == _contents(whole.path)
    assert run.metrics["weights_sha256"] == whole.metrics["weights_sha256"]


def test_a_recovery_is_recorded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finite = TrainingLoop._losses_are_finite

    def fails_once(loop: TrainingLoop) -> bool:
        return finite(loop) and not (loop.step == 60 and loop.lr_scale == 1)

    monkeypatch.setattr(TrainingLoop, "_losses_are_finite", fails_once)
    whole = _train(tmp_path / "whole", baselines=False)
    assert sum("non-finite" in record["event"] for record in whole.history) == 1
    with pytest.raises(RuntimeError, match="killed"):
        _train(tmp_path / "run", baselines=False, callbacks=[Kill(0, "non-finite")])
    run = _resume(tmp_path / "run")
    assert _contents(run.path) == _contents(whole.path)
    assert run.metrics["weights_sha256"] == whole.metrics["weights_sha256"]


def test_a_run_that_stopped_after_its_end_of_training_keeps_its_loss(whole: deepglass.Run, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(whole.path, tmp_path / "run"))
    (copy / "manifest.json").unlink()
    assert _resume(copy).metrics["train"] == whole.metrics["train"] != {"loss": {}}


@pytest.mark.parametrize("stage", ["add_baselines", "add_report"])
def test_a_run_that_stopped_in_a_later_stage_gets_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    def fail(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(training_runs, stage, fail)
        with pytest.raises(KeyboardInterrupt):
            _train(tmp_path / "run")
    run = deepglass.Run(tmp_path / "run")
    done = json.loads((run.path / "stages.json").read_text())["done"]
    assert done[-1] == ("tested" if stage == "add_baselines" else "baselines")
    before = run.metrics["weights_sha256"]
    monkeypatch.setattr(fit, "resume", fail)  # nothing is trained again
    run = _resume(run.path)
    assert run.metrics["weights_sha256"] == before
    assert run.metrics["baselines"]["price"]
    assert (run.path / "report.html").exists()
    assert deepglass.check(run.path) == []
    assert run.folder.is_complete()


def test_a_damaged_checkpoint_is_said(whole: deepglass.Run, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(whole.path, tmp_path / "run"))
    newest = max((copy / "checkpoint").glob("*.sha256"), key=lambda p: int(p.read_text().split()[1]))
    newest.with_suffix(".safetensors").write_bytes(b"damaged")
    (copy / "manifest.json").unlink()
    texts = Texts()
    assert _resume(copy, callbacks=[texts]).metrics["weights_sha256"] == whole.metrics["weights_sha256"]
    assert any("is damaged and was skipped" in text for text in texts.texts)


def test_gradients_of_groups_that_a_step_leaves_out_are_not_recorded(tmp_path: Path) -> None:
    """They would be those of an earlier step, which a resumed run does not have."""
    layers = {"objective.layers": [8, 8], "training.threads": 1}
    run = deepglass.train(
        "sklearn:iris", out=tmp_path / "run", objective="dbn", steps=12, baselines=False, settings=layers
    )
    records = [json.loads(line) for line in (run.path / "diagnostics.jsonl").read_text().splitlines()]
    assert set(records[0]["gradient"]).isdisjoint(records[-1]["gradient"]), "pretraining, then fine-tuning"


def test_the_run_that_train_returns_is_trained_further_without_its_source(tmp_path: Path) -> None:
    small = {"network.width": 8, "network.ensemble_size": 1, "training.threads": 1}
    run = deepglass.train(made_up(60), "price", steps=4, out=tmp_path / "run", settings=small, baselines=False)
    longer = deepglass.resume(run, steps=3)
    assert (longer.path, longer.history[-1]["step"]) == (run.path, 7)
    assert deepglass.resume(longer, steps=1).history[-1]["step"] == 8
