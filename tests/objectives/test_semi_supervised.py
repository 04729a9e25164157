"""Semi-supervised runs: gain from unlabelled rows, exact resume, unsuitable data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

import deepglass
from deepglass.objectives._semi import SemiSupervised
from deepglass.objectives.fixmatch import AdaptiveThreshold
from deepglass.objectives.pseudo_label import Curriculum
from deepglass.run.callbacks.pseudo_label_recorder import FILE, PseudoLabelRecord
from deepglass.training.callbacks import Callback, EvaluationRecord, read_records

SMALL = {"trunk": "mlp", "ensemble_size": 2, "depth": 2, "width": 96}
FEW = {"num_labels": {"per_class": 5}, "split": {"valid": 0.0, "test": 0.4}}


def read_pseudo_labels(run: Path) -> list[dict[str, Any]]:
    return list(read_records(run / FILE, PseudoLabelRecord))


def digits(objective: str, out: Path, steps: int = 150, **settings: object) -> deepglass.Run:
    said = {"network": SMALL, "data": FEW, "training": {"threads": 1, "batch_size": 128}, **settings}
    return deepglass.train("sklearn:digits", objective=objective, steps=steps, out=out, baselines=False, **said)


def moons(rows: int = 400) -> pl.DataFrame:
    """Two half circles with three labels each."""
    random = np.random.default_rng(0)
    angle = random.uniform(0, np.pi, rows)
    upper = np.arange(rows) % 2 == 0
    x = np.where(upper, np.cos(angle), 1 - np.cos(angle)) + random.normal(0, 0.08, rows)
    y = np.where(upper, np.sin(angle), 0.4 - np.sin(angle)) + random.normal(0, 0.08, rows)
    return pl.DataFrame({"x": x, "y": y, "moon": np.where(upper, "upper", "lower"), "height": 3 * y + x})


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> float:
    """Five labels per class, no unlabelled rows."""
    run = digits("supervised", tmp_path_factory.mktemp("alone") / "run")
    return run.metrics["test"]["label"]["accuracy"]


@pytest.mark.parametrize(("objective", "margin"), [("fixmatch", 0.02), ("pseudo_label", 0.0)])
def test_unlabelled_rows_improve_the_metrics(objective: str, margin: float, alone: float, tmp_path: Path) -> None:
    run = digits(objective, tmp_path / "run")
    accuracy = run.metrics["test"]["label"]["accuracy"]
    assert accuracy > alone + margin, f"{accuracy} with them, {alone} without"
    last = read_pseudo_labels(run.path)[-1]["outputs"]["label"]
    assert last["accuracy_above_threshold"] > 0.8, "most answers that it gave itself are true"
    assert last["accuracy_above_threshold"] >= last["accuracy"], "those that it is sure of are truer"


def test_metrics_and_report_have_the_labelled_only_baseline(tmp_path: Path) -> None:
    moons().write_csv(tmp_path / "moons.csv")
    run = deepglass.train(
        str(tmp_path / "moons.csv"), "moon", objective="pseudo_label", steps=40, out=tmp_path / "run",
        ignore=["height"], network={"ensemble_size": 1, "width": 32}, data={"num_labels": 40}, training={"threads": 1},
    )  # fmt: skip
    alone = run.metrics["baselines"]["moon"]["labelled_rows_alone"]
    assert 0.4 < alone["accuracy"] <= 1
    assert alone["steps"] == 40
    assert alone["rows"] == 36, "of forty labels four are validation rows"
    report = (run.path / "report.html").read_text()
    assert "Pseudo-labels</h2>" in report
    assert "labelled rows alone" in report


def test_pseudo_labels_support_regression(tmp_path: Path) -> None:
    run = deepglass.train(
        moons(), ["height", "moon"], objective="pseudo_label", steps=150, out=tmp_path / "run", baselines=False,
        network={"ensemble_size": 2, "width": 32}, data={"num_labels": 60}, training={"threads": 1},
    )  # fmt: skip
    assert run.metrics["test"]["height"]["r2"] > 0.8
    assert "moon" in read_pseudo_labels(run.path)[-1]["outputs"]


class Stop(Callback):
    """Ends training like a kill."""

    def __init__(self, at: int) -> None:
        self.at = at

    def on_evaluation_end(self, record: EvaluationRecord) -> None:
        if record.step >= self.at:
            raise RuntimeError("killed")


@pytest.mark.parametrize("objective", ["fixmatch", "pseudo_label"])
def test_an_unlabelled_source_is_used_and_a_killed_run_resumes(objective: str, tmp_path: Path) -> None:
    frame = moons()
    frame[:120].drop("height").write_csv(tmp_path / "some.csv")
    frame[120:].drop("height").with_columns(moon=pl.lit(None, pl.String)).write_csv(tmp_path / "more.csv")

    def train(out: str, callbacks: tuple[Callback, ...] = ()) -> deepglass.Run:
        return deepglass.train(
            str(tmp_path / "some.csv"), "moon", objective=objective, steps=60, out=tmp_path / out, baselines=False,
            network={"ensemble_size": 2, "width": 16}, data={"unlabelled": str(tmp_path / "more.csv")},
            training={"threads": 1}, callbacks=callbacks,
        )  # fmt: skip

    whole = train("whole")
    assert any("280 training rows without a label are learned from" in n for n in whole.metrics["notes"])
    with pytest.raises(RuntimeError, match="killed"):
        train("killed", (Stop(20),))
    resumed = deepglass.resume(tmp_path / "killed")
    assert resumed.metrics["weights_sha256"] == whole.metrics["weights_sha256"]
    ends = [run.folder.checkpoints.load() for run in (whole, resumed)]
    assert all(torch.equal(t, ends[1].tensors[n]) for n, t in ends[0].tensors.items())  # type: ignore[union-attr]
    lines = read_pseudo_labels(resumed.path)
    assert [line["step"] for line in lines] == sorted({line["step"] for line in lines})
    assert lines[-1]["outputs"]["moon"]["accuracy_above_threshold"] is None, "no true labels"
    assert deepglass.report(resumed).exists()


def test_hidden_labels_do_not_change_the_weights(tmp_path: Path) -> None:
    """Hidden labels are used in statistics only."""
    frame = moons().drop("height")

    def train(name: str, answers: pl.Series) -> deepglass.Run:
        frame.with_columns(moon=answers).write_csv(tmp_path / f"{name}.csv")
        return deepglass.train(
            str(tmp_path / f"{name}.csv"), "moon", objective="pseudo_label", steps=5, out=tmp_path / name,
            baselines=False, data={"num_labels": 30, "split": {"rows": [300, 40, 60]}}, training={"threads": 1},
            network={"ensemble_size": 2, "width": 16},
        )  # fmt: skip

    run = train("true", frame["moon"])
    split = run.folder.split()
    hidden = set(split["row"].filter(split["hidden"]).to_list())
    assert len(hidden) == 310
    other = train("false", pl.Series(["upper" if i in hidden else v for i, v in enumerate(frame["moon"])]))
    assert other.folder.split().equals(split)
    assert other.metrics["weights_sha256"] == run.metrics["weights_sha256"]
    counted = [read_pseudo_labels(r.path)[-1]["outputs"]["moon"]["accuracy"] for r in (run, other)]
    assert counted[0] != counted[1]


def test_the_averaged_network_predicts_and_is_counted_once(tmp_path: Path) -> None:
    run = digits("fixmatch", tmp_path / "run", steps=12)
    objective = run.objective
    assert isinstance(objective, SemiSupervised)
    weights = [next(n.parameters()) for n in (objective.network, objective.student)]
    assert not torch.equal(*weights), "an average lags behind"
    assert run.metrics["parameters"] == sum(p.numel() for p in objective.student.parameters())
    answers = run.predict({"image": np.zeros((8, 8), np.uint8)})
    assert 0 < answers[0]["label"]["confidence"] <= 1


# -- the thresholds ----------------------------------------------------------------------------------------------


def test_the_curriculum_uses_the_requested_share_of_each_class() -> None:
    random = torch.Generator().manual_seed(0)
    curriculum = Curriculum(2)
    for _ in range(400):
        sure = torch.rand(64, generator=random)
        easy, hard = 0.8 + 0.2 * sure[:32], 0.5 + 0.2 * sure[32:]
        q = torch.cat([torch.stack([easy, 1 - easy], 1), torch.stack([1 - hard, hard], 1)])
        curriculum.update(q, share=0.25)
    assert curriculum.thresholds.tolist() == pytest.approx([0.95, 0.65], abs=0.03)


def test_adaptive_thresholds_follow_confidence_and_class_frequency() -> None:
    adaptive = AdaptiveThreshold(3)
    q = torch.tensor([[0.9, 0.05, 0.05]] * 6 + [[0.1, 0.8, 0.1]] * 2 + [[0.2, 0.2, 0.6]] * 2)
    for _ in range(200):
        adaptive.update(q, 0.9)
    thresholds = adaptive.thresholds()
    assert float(thresholds.max()) == pytest.approx(0.82, abs=1e-3), "the mean confidence"
    assert thresholds[0] > thresholds[1] > thresholds[2]


# -- what is refused ---------------------------------------------------------------------------------------------


def refused(objective: str, target: str, **settings: object) -> str:
    with pytest.raises(deepglass.UserError) as error:
        deepglass.train(moons(), target, objective=objective, steps=3, baselines=False, **settings)
    return str(error.value)


@pytest.mark.parametrize("objective", ["fixmatch", "pseudo_label"])
def test_fully_labelled_data_are_rejected(objective: str, tmp_path: Path) -> None:
    text = refused(objective, "moon", out=tmp_path / "unused")
    assert not (tmp_path / "unused").exists(), "it is found before there is a folder"
    assert text.startswith("[bad-value] objective: " + objective)
    assert "data.unlabelled" in text
    assert "data.num_labels" in text


def test_fixmatch_rejects_outputs_without_classes() -> None:
    text = refused("fixmatch", "height", data={"num_labels": 40})
    assert "category, binary" in text
    assert "height (number)" in text


def test_fixmatch_rejects_inputs_without_augmentation() -> None:
    text = refused("fixmatch", "moon", inputs=["x"], data={"num_labels": 40})
    assert "images, texts, or several columns" in text
    assert "pseudo_label" in text


@pytest.mark.parametrize(
    "settings",
    [
        {"name": "fixmatch", "threshold": 1.5},
        {"name": "fixmatch", "unlabelled_ratio": 0},
        {"name": "pseudo_label", "start_quantile": 0.9},
        {"name": "pseudo_label", "weight": -1},
    ],
)
def test_settings_out_of_range_are_rejected(settings: dict) -> None:
    with pytest.raises(deepglass.UserError, match=r"objective.*expected"):
        deepglass.train(moons(), "moon", objective=settings, steps=3, data={"num_labels": 40})


def test_pseudo_label_statistics_are_plain_json(tmp_path: Path) -> None:
    run = digits("fixmatch", tmp_path / "run", steps=8)
    lines = [json.loads(line) for line in (run.path / "pseudo_labels.jsonl").read_text().splitlines()]
    assert lines[-1]["step"] == 8
    assert set(lines[-1]["outputs"]["label"]) == {"coverage", "accuracy_above_threshold", "accuracy", "thresholds"}
