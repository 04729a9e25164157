"""Margins of training rows over training: label errors, and no effect on weights."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import deepglass
from deepglass.data.sources import read
from deepglass.run import fit
from deepglass.run.callbacks.margins import FILE, margins_for_table, read_margins
from deepglass.run.run import Run
from deepglass.training.callbacks import Callback, EvaluationRecord

WRONG = np.arange(0, 300, 20)


class Stop(Callback):
    """Ends a run at its third evaluation like a kill: nothing is written after it."""

    def __init__(self) -> None:
        self.left = 3

    def on_evaluation_end(self, record: EvaluationRecord) -> None:
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


def table() -> pl.DataFrame:
    """Two distant clusters; the labels of `WRONG` are changed, the last ten rows have none."""
    random = np.random.default_rng(0)
    label = np.arange(300) % 2
    points = 4.0 * label[:, None] + random.normal(0, 0.7, (300, 2))
    label[WRONG] = 1 - label[WRONG]
    names = [*np.array(["a", "b"])[label[:290]].tolist(), *[None] * 10]
    return pl.DataFrame({"x": points[:, 0], "y": points[:, 1], "label": names})


def train(out: Path, **settings: object) -> Run:
    settings = {"steps": 60, "network": {"width": 16, "ensemble_size": 2}, "training": {"threads": 1}, **settings}
    return deepglass.train(out.parent / "table.csv", "label", out=out, baselines=False, **settings)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("margins")
    table().write_csv(folder / "table.csv")
    return train(folder / "run")


def test_wrong_labels_have_low_margins_and_only_training_rows_have_any(run: Run) -> None:
    margins = margins_for_table(run.folder, read(run.path.parent / "table.csv"), run.state)["label"]
    split = run.folder.split()
    assert set(np.flatnonzero(np.isfinite(margins))) == set(split.filter(split="train")["row"])
    learned = np.isfinite(margins)
    wrong = np.isin(np.arange(300), WRONG)
    assert margins[learned & wrong].max() < np.quantile(margins[learned & ~wrong], 0.05)


def test_rows_outside_the_run_have_no_margins(run: Run) -> None:
    assert margins_for_table(run.folder, read(table().head(200)), run.state) == {}


def test_recording_margins_does_not_change_weights(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit, "record_margins", lambda stream, *_: nullcontext(stream))
    bare = train(run.path.parent / "bare")
    assert bare.metrics["weights_sha256"] == run.metrics["weights_sha256"]
    assert read_margins(bare.folder, 300) == {}


def test_a_resumed_run_has_the_same_margins(run: Run) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(run.path.parent / "broken", callbacks=[Stop()])
    again = deepglass.resume(run.path.parent / "broken")
    assert again.metrics["weights_sha256"] == run.metrics["weights_sha256"]
    assert (again.path / FILE).read_bytes() == (run.path / FILE).read_bytes()


def test_outputs_without_classes_have_no_margins(tmp_path: Path) -> None:
    out = tmp_path / "run"
    run = deepglass.train(table().drop("label"), "y", out=out, steps=5, baselines=False, training={"threads": 1})
    assert not (run.path / FILE).exists()
