"""GANs: samples follow the data and their class; mode collapse gives a warning."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from conftest import Command

import deepglass
from deepglass.errors import SpecError
from deepglass.features.outputs.category import CategoryOutput
from deepglass.objectives._sample_quality import quality_warnings, sample_quality

STEPS = 400
CENTRES = {"east": (2.0, 0.0), "north": (0.0, 2.0), "west": (-2.0, 0.0)}


def _points(rows: list[dict]) -> np.ndarray:
    return np.array([[row["x"]["value"], row["y"]["value"]] for row in rows])


def _clusters(rows: int = 1500) -> pl.DataFrame:
    random = np.random.default_rng(0)
    names = random.choice(list(CENTRES), rows)
    x, y = (np.array([CENTRES[n] for n in names]) + random.normal(0, 0.2, (rows, 2))).T
    return pl.DataFrame({"x": x, "y": y, "side": names})


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> deepglass.Run:
    folder = tmp_path_factory.mktemp("ring")
    settings = {"steps": STEPS, "threads": 1}
    return deepglass.train("synthetic:ring", objective="gan", training=settings, out=folder / "run", baselines=False)


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> deepglass.Run:
    folder = tmp_path_factory.mktemp("sides")
    settings = {"steps": 250, "threads": 1}
    return deepglass.train(_clusters(), "side", objective="gan", training=settings, out=folder / "run", baselines=False)


def test_a_gan_covers_the_whole_ring(ring: deepglass.Run) -> None:
    points = _points(deepglass.sample(ring, 2000))
    radius, angle = np.hypot(*points.T), np.arctan2(points[:, 1], points[:, 0])
    assert abs(radius.mean() - 2) < 0.1
    assert radius.std() < 0.35  # the data's is 0.1, that of points all over the disc 0.5
    shares = np.histogram(angle, 12, (-np.pi, np.pi))[0] / len(angle) * 12
    assert shares.min() > 0.5, "an angle is hardly ever drawn"
    assert shares.max() < 1.7, "an angle is drawn too often"
    found = ring.metrics["valid"]["gan"]
    assert found["sliced_wasserstein"] < 0.2
    assert found["density_coverage"] > 0.7
    assert found["diversity"] > 0.85
    assert not ring.metrics["notes"], "nothing went wrong, and nothing is said"


def test_samples_of_a_requested_class_are_at_its_location(sides: deepglass.Run) -> None:
    for name, centre in CENTRES.items():
        rows = deepglass.sample(sides, 200, given={"side": name})
        assert {row["side"]["value"] for row in rows} == {name}
        points = _points(rows)
        assert np.linalg.norm(points.mean(0) - centre) < 0.35
        assert np.mean(np.linalg.norm(points - centre, axis=1) < 1.0) > 0.9
    assert sides.metrics["valid"]["gan"]["class_agreement"] > 0.9


def test_samples_have_the_class_frequencies_of_the_data(sides: deepglass.Run) -> None:
    drawn = [row["side"]["value"] for row in deepglass.sample(sides, 900)]
    assert all(240 < drawn.count(name) < 360 for name in CENTRES)
    assert drawn == [row["side"]["value"] for row in deepglass.sample(sides, 900)], "the same seed, the same rows"


def test_recorded_samples_are_sorted_by_class(sides: deepglass.Run) -> None:
    sheet = json.loads(sorted((sides.path / "samples").glob("*.json"))[-1].read_text())
    order = list(dict.fromkeys(sheet["side"]))
    assert sheet["side"] == [name for name in order for _ in range(len(sheet["side"]) // 3)]
    assert set(order) == set(CENTRES)


def test_the_report_shows_generator_and_critic(sides: deepglass.Run) -> None:
    page = deepglass.report(sides, source=_clusters()).read_text()
    assert "Generator and critic" in page
    assert "the best weights show no mode collapse" in page


def test_mode_collapse_gives_a_warning(tmp_path: Path) -> None:
    """Without gradient penalties and at a high learning rate the generator collapses to one point."""
    settings = {"steps": 60, "threads": 1, "learning_rate": 0.05}
    objective = {"name": "gan", "gradient_penalty": 0.0}
    run = deepglass.train(
        "synthetic:ring", objective=objective, training=settings, out=tmp_path / "run", baselines=False
    )
    assert run.metrics["valid"]["gan"]["diversity"] < 0.5
    assert any(note.startswith("mode collapse: ") for note in run.metrics["notes"])
    assert any("collapse" in record["event"] for record in run.history)
    assert "The rows that the best weights generate are faulty" in deepglass.report(run).read_text()


def test_sample_quality_warnings() -> None:
    torch.manual_seed(0)
    real = torch.cat([torch.randn(200, 2) * 0.1 - 1, torch.randn(200, 2) * 0.1 + 1])
    codes = torch.cat([torch.full((200, 1), 1), torch.full((200, 1), 2)])
    side = CategoryOutput(name="side").fit([pl.Series(["left", "right"])])
    good = real[torch.cat([torch.randperm(200), 200 + torch.randperm(200)])] + 0.01 * torch.randn(400, 2)
    figures = sample_quality(real, good, codes)
    assert figures["sliced_wasserstein"] < 0.05
    assert figures["density_coverage"] > 0.95
    assert 0.9 < figures["diversity"] < 1.1
    assert not quality_warnings(figures, real, good, codes, [side])
    heaps = torch.tensor([[-1.0, -1.0], [1.0, 1.0]]).repeat_interleave(200, 0)  # each class one point
    assert "collapse" in quality_warnings(sample_quality(real, heaps, codes), real, heaps, codes, [side])[0]
    same = real[:200].repeat(2, 1)  # samples lie at the left for any requested class
    said = quality_warnings(sample_quality(real, same, codes), real, same, codes, [side])
    assert any(sentence == "side: samples of right look like other classes" for sentence in said)


def test_generate_from_the_command_line(sides: deepglass.Run, command: Command, tmp_path: Path) -> None:
    out = tmp_path / "rows.csv"
    said = command("generate", sides.path, "-n", "12", "--given", "side=north", "--out", out)
    assert said.code == 0, said.err
    rows = pl.read_csv(out)
    assert len(rows) == 12
    for wrong, expected in (
        ("side=nrth", "expected a category of the training data, one of "),
        ("sde=north", "no column 'sde'"),
        ("x=1", "expected one of side"),
    ):
        said = command("generate", sides.path, "--given", wrong)
        assert said.code == 2
        assert expected in said.err


def test_images_of_a_class_are_written_as_files(tmp_path: Path, command: Command) -> None:
    settings = {"objective": {"name": "gan", "width": 16}, "training": {"steps": 8, "threads": 1}}
    run = deepglass.train("sklearn:digits", out=tmp_path / "run", baselines=False, **settings)
    given, out = f"{run.predictor.outputs[0].name}=7", tmp_path / "sevens"
    said = command("generate", run.path, "-n", "5", "--given", given, "--out", out)
    assert said.code == 0, said.err
    assert len(list(out.rglob("*.png"))) == 5


def test_a_gan_does_not_predict(sides: deepglass.Run) -> None:
    with pytest.raises(SpecError, match="use deepglass generate"):
        sides.predict({"x": 1.0, "y": 0.0})


@pytest.mark.parametrize(
    ("target", "objective", "expected"),
    [
        (
            None,
            {"name": "gan"},
            "inputs.words: gan takes no input of the kind text; it takes the kinds image",
        ),
        (
            "size",
            {"name": "gan"},
            "outputs.size: a gan is conditioned on a category or a binary column, not on the kind number",
        ),
        (None, {"name": "gan", "gradient_penalty": -1}, "gradient_penalty: expected a number of at least 0, got -1"),
        (None, {"name": "gan", "gradient_penalt": 1}, "did you mean 'gradient_penalty'"),
    ],
)
def test_unsuitable_inputs_are_rejected(target: str | None, objective: dict, expected: str, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    words = [" ".join(random.choice(["sun", "rain", "wind", "snow", "fog"], 6)) for _ in range(60)]
    table = pl.DataFrame({"words": words, "size": random.normal(size=60)})
    kinds = {"words": "text"}
    with pytest.raises(deepglass.UserError, match=expected.replace("(", r"\(")):
        deepglass.train(table, target, objective=objective, kinds=kinds, steps=5, out=tmp_path / "run", baselines=False)
    assert not (tmp_path / "run").exists()
