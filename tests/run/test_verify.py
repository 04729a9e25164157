"""`verify`: two images or rows of unseen identities."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml
from conftest import Command
from PIL import Image

import deepglass
from deepglass.errors import SourceError, SpecError

HIDDEN = 3  # of the columns tell who it is


def _rows(people: int, each: int, seed: int) -> pl.DataFrame:
    """Three of eight columns hold the identity; the others are larger noise."""
    random = np.random.default_rng(seed)
    who = np.repeat(np.arange(people), each)
    x = np.concatenate([3 * random.normal(size=(people, HIDDEN))[who], 4 * random.normal(size=(len(who), 5))], 1)
    x[:, :HIDDEN] += 0.2 * random.normal(size=(len(who), HIDDEN))
    columns = {f"x{i}": x[:, i] for i in range(x.shape[1])}
    return pl.DataFrame({**columns, "who": [f"person {i}" for i in who]})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> deepglass.Run:
    spec = {
        "data": {"source": _rows(50, 6, 0), "split": {"test": 0.2}},
        "outputs": [{"name": "who", "kind": "identity", "embedding_dim": 8}],
        "training": {"steps": 150, "threads": 1, "batch_size": 64},
    }
    return deepglass.train(spec, out=tmp_path_factory.mktemp("runs") / "who")


def test_test_identities_do_not_occur_in_training(run: deepglass.Run) -> None:
    split = run.folder.split()
    who = _rows(50, 6, 0)["who"]
    people = {part: set(who[rows["row"].to_list()]) for (part,), rows in split.group_by("split")}
    assert not people["train"] & people["test"]
    assert not people["train"] & people["valid"]
    assert len(people["test"]) == 10


def test_a_written_spec_splits_by_identity() -> None:
    text = deepglass.new(_rows(10, 3, 0), "who", kinds={"who": "identity"})
    assert yaml.safe_load(text)["data"]["split"]["by"] == "group:who"


def test_unseen_identities_are_separated(run: deepglass.Run) -> None:
    """ROC AUC of at least 0.9; the cosine of the raw columns has 0.6."""
    figures = run.metrics["test"]["who"]
    assert figures["roc_auc"] > 0.9
    assert figures["equal_error_rate"] < 0.2
    assert figures["balanced_accuracy"] > 0.8
    assert (run.path / "report.html").exists()


def test_verdicts_are_accurate_and_calibrated(run: deepglass.Run) -> None:
    frame = _rows(12, 2, 7)
    rows = frame.drop("who").to_dicts()
    same = [run.verify(rows[2 * i], rows[2 * i + 1]) for i in range(12)]
    different = [run.verify(rows[2 * i], rows[2 * i - 2]) for i in range(12)]
    right = [v.same for v in same] + [not v.same for v in different]
    assert np.mean(right) > 0.75
    assert all(0.5 <= v.confidence <= 1 for v in same + different)
    assert run.verify(rows[0], rows[0]).similarity == pytest.approx(1, abs=1e-5)


def test_from_the_command_line(run: deepglass.Run, command: Command, tmp_path: Path) -> None:
    row = _rows(3, 1, 5).drop("who")
    row[:1].write_csv(tmp_path / "a.csv")
    a, b = (json.dumps(r) for r in row[:2].to_dicts())
    said = command("verify", run.path, a, tmp_path / "a.csv")
    assert said.code == 0
    assert said.out.startswith("same (")
    assert "similarity 1.000" in said.out
    found = json.loads(command("verify", run.path, a, b, "--json").out)
    assert set(found) == {"same", "confidence", "similarity", "threshold"}
    row.write_csv(tmp_path / "three.csv")
    said = command("verify", run.path, a, tmp_path / "three.csv")
    assert (said.code, "B: " in said.err, "expected one row, got 3" in said.err) == (2, True, True)
    said = command("verify", run.path, "{x0: 1}", b)
    assert (said.code, "A: expected a row as JSON" in said.err) == (2, True)


def test_other_runs_cannot_verify(tmp_path: Path) -> None:
    run = deepglass.train("sklearn:iris", steps=2, baselines=False, out=tmp_path / "iris")
    with pytest.raises(SpecError, match=r"bad-value.*predicts 'target' \(category\).*--kind target=identity"):
        deepglass.verify(run, {}, {})


def test_images_by_path(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for person in range(8):
        folder = tmp_path / "faces" / f"p{person}"
        folder.mkdir(parents=True)
        face = random.integers(0, 255, (8, 8))
        for i in range(4):
            noisy = np.clip(face + random.normal(0, 20, (8, 8)), 0, 255).astype(np.uint8)
            Image.fromarray(noisy).save(folder / f"{i}.pgm")
    run = deepglass.train(
        tmp_path / "faces", kinds={"label": "identity"}, steps=30, baselines=False, out=tmp_path / "run"
    )
    p0, p1 = (tmp_path / "faces" / name / "0.pgm" for name in ("p0", "p1"))
    assert run.verify(p0, str(p0)).same
    assert run.verify(Image.open(p0), Image.open(p0)).similarity == pytest.approx(1, abs=1e-5)
    assert run.verify(p0, p1).similarity < 1
    with pytest.raises(SourceError, match=r"not-found.*B: .*gone.pgm"):
        run.verify(p0, tmp_path / "gone.pgm")
    (tmp_path / "bad.pgm").write_bytes(b"no picture")
    with pytest.raises(SourceError, match=r"unreadable-image.*bad.pgm"):
        run.verify(p0, tmp_path / "bad.pgm")
