"""Contract of every objective: training, exact resume, loading, prediction or generation, unsuitable data.

A new objective is tested here without further code; settings that it needs are in `SETTINGS`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

import deepglass
from deepglass.metrics.table import METRICS
from deepglass.objectives.base import OBJECTIVES
from deepglass.objectives.style import Style
from deepglass.training.callbacks import Callback, EvaluationRecord

STEPS, KILLED = 8, 5
SMALL = {"trunk": "mlp", "ensemble_size": 1, "depth": 1, "width": 16}
FEW = {"num_labels": {"per_class": 5}}

SETTINGS: dict[str, dict[str, Any]] = {  # beside the default: sklearn:digits by a small network
    "capsule": {"network": {"trunk": "capsule"}},
    "dbn": {"objective": {"name": "dbn", "layers": [32, 32], "gibbs_steps": 2}},
    "fixmatch": {"data": FEW},
    "gan": {"objective": {"name": "gan", "latent_dim": 8, "width": 16}},
    "pseudo_label": {"data": FEW},
    "rbm": {"objective": {"name": "rbm", "hidden": 32, "gibbs_steps": 2}},
    "style": {"objective": {"name": "style", "width": 4, "style_size": 16}},
}

SOURCES = {"adaline": "synthetic:clouds", "perceptron": "synthetic:clouds"}  # two classes

LINES = [f"line {i} tells of {i * i} things that happened on day {i % 7}" for i in range(60)]
TEXTS = pl.DataFrame({"text": LINES, "label": ["yes", "no", "no"] * 20})
OF_TEXTS = ("masked", "replaced_token")  # objectives whose rows are TEXTS
SETTINGS |= {name: {"network": {"width": 16, "depth": 1, "heads": 2}, "target": "label"} for name in OF_TEXTS}
NUMBER = pl.DataFrame({"x": np.arange(60.0), "y": np.sin(np.arange(60.0))})

UNFIT: dict[str, tuple[pl.DataFrame, str | None, str]] = {  # rows, target, what the error must say
    "adaline": (NUMBER, "y", "expects one output of two classes, got y"),
    "autoencoder": (TEXTS, None, "text"),
    "capsule": (TEXTS, "label", "picture|capsule"),
    "contrastive": (NUMBER, "y", "pictures|texts|columns"),
    "dbn": (TEXTS, None, "text"),
    "fixmatch": (TEXTS, "label", "data.unlabelled"),
    "gan": (TEXTS, None, "text"),
    "masked": (NUMBER, "y", r"masked expects one text column, got x \(number\)"),
    "perceptron": (TEXTS, "label", "perceptron takes no input of the kind text"),
    "pseudo_label": (TEXTS, "label", "data.unlabelled"),
    "rbm": (TEXTS, None, "text"),
    "replaced_token": (NUMBER, "y", "replaced_token expects one text column"),
    "style": (NUMBER, None, r"style expects one image column, got x \(number\)"),
    "supervised": (TEXTS, None, "--target"),
    "variational": (TEXTS, None, "text"),
}


def kinds() -> list[str]:
    """Objectives for tables and images: no agents, no language models."""
    return [name for name, kind in OBJECTIVES if kind.learns_from == "rows"]


class Kill(Callback):
    """Ends training without cleanup."""

    def on_evaluation_end(self, record: EvaluationRecord) -> None:
        if record.step >= KILLED:
            raise RuntimeError("killed")


def train(name: str, out: Path, *callbacks: Callback) -> deepglass.Run:
    network = {} if OBJECTIVES.get(name).builds_network else SMALL
    said = {
        "network": network,
        "training": {"threads": 1, "batch_size": 32},
        "objective": name,
        **SETTINGS.get(name, {}),
    }
    source = SOURCES.get(name, "sklearn:digits")
    if name in OF_TEXTS:
        source = str(out.parent / "texts.csv")
        TEXTS.write_csv(source)
    return deepglass.train(source, steps=STEPS, out=out, baselines=False, callbacks=callbacks, **said)


def new_rows(name: str) -> list[dict[str, Any]]:
    """Three rows as an objective's own."""
    if name in OF_TEXTS:
        return TEXTS.head(3).to_dicts()
    if name in SOURCES:
        return [{"x": i, "y": -i} for i in range(3)]
    return [{"image": np.full((8, 8), i * 40, np.uint8)} for i in range(3)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, deepglass.Run]:
    """One run of each objective, trained at first use."""
    folder = tmp_path_factory.mktemp("whole")

    class Made(dict[str, deepglass.Run]):
        def __missing__(self, name: str) -> deepglass.Run:
            self[name] = train(name, folder / name)
            return self[name]

    return Made()


@pytest.mark.parametrize("name", kinds())
def test_each_objective_trains_and_has_metrics(name: str, whole: dict[str, deepglass.Run]) -> None:
    run = whole[name]
    assert run.metrics["step"] == STEPS
    assert run.metrics["parameters"] > 0
    assert all(np.isfinite(v) for v in run.metrics["train"]["loss"].values())
    figures = run.metrics["test"]
    assert figures, "test figures, its own or its outputs'"
    assert all(np.isfinite(v) for output in figures.values() for v in output.values())
    assert {m for output in figures.values() for m in output} <= set(METRICS), "each stands in the table of metrics"


@pytest.mark.parametrize("name", kinds())
def test_a_killed_run_resumes_to_identical_weights(name: str, whole: dict[str, deepglass.Run], tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="killed"):
        train(name, tmp_path / "run", Kill())
    assert not (tmp_path / "run" / "metrics.json").exists()
    resumed = deepglass.resume(tmp_path / "run")
    assert resumed.metrics["weights_sha256"] == whole[name].metrics["weights_sha256"]
    ends = [run.folder.checkpoints.load() for run in (whole[name], resumed)]
    assert ends[0] is not None
    assert ends[1] is not None
    assert ends[0].tensors.keys() == ends[1].tensors.keys()
    different = [n for n, t in ends[0].tensors.items() if not torch.equal(t, ends[1].tensors[n])]
    assert not different, "the last state, too, is the same"


@pytest.mark.parametrize("name", kinds())
def test_a_saved_run_predicts_or_generates(name: str, whole: dict[str, deepglass.Run]) -> None:
    run = deepglass.Run(whole[name].path)
    answered = set(run.metrics["test"]) & {f.name for f in run.predictor.outputs}
    if answered:
        answers = run.predict(new_rows(name))
        assert len(answers) == 3
        assert all("value" in row[output] for row in answers for output in answered)
    if run.objective.generative:
        rows = deepglass.sample(run, 3, seed=1)
        again = deepglass.sample(run, 3, seed=1)
        assert len(rows) == 3
        assert str(rows) == str(again), "the same seed draws the same"
    if isinstance(run.objective, Style):
        assert deepglass.paint(run, new_rows(name)[0]["image"]).size == (8, 8)
        return
    assert answered or run.objective.generative


@pytest.mark.parametrize("name", [name for name in kinds() if name in UNFIT])
def test_unsupported_data_are_rejected_before_the_folder_is_created(name: str, tmp_path: Path) -> None:
    rows, target, said = UNFIT[name]
    ignored = [] if target or "label" not in rows.columns else ["label"]
    with pytest.raises(deepglass.UserError, match=said) as error:
        deepglass.train(rows, target, objective=name, steps=2, out=tmp_path / "run", baselines=False, ignore=ignored)
    assert str(error.value).startswith("["), "a stable code"
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", [name for name, kind in OBJECTIVES if kind.learns_from == "environment"])
def test_agents_are_rejected_without_an_environment(name: str, tmp_path: Path) -> None:
    with pytest.raises(deepglass.UserError, match=r"needs an environment.*choose one of:.*supervised"):
        deepglass.train("sklearn:iris", objective=name, steps=2, out=tmp_path / "run")


def test_a_misspelt_objective_gets_the_near_miss() -> None:
    with pytest.raises(deepglass.UserError, match="did you mean 'fixmatch'"):
        deepglass.train("sklearn:iris", objective="fixmach", steps=2)
