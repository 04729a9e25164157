"""Style transfer: features of another run become part of the run, images of any size are painted, no grid patterns."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import Command
from PIL import Image as Pillow

import deepglass
from deepglass.data.style_images import STYLE_IMAGES, read_style_image
from deepglass.nn.style_transfer import TransformationNetwork, gram_matrix, smooth
from deepglass.objectives.style import Style
from deepglass.run.storage.plain_features import plain_layers

SMALL = {"width": 4, "style_size": 32}
QUICK = {"training": {"threads": 1, "batch_size": 4}, "baselines": False}


def _photos(folder: Path, count: int = 24) -> Path:
    random = np.random.default_rng(0)
    for label in ("day", "night"):
        (folder / label).mkdir(parents=True)
        for i in range(count // 2):
            pixels = random.integers(0, 256, (4, 4, 3)).astype(np.uint8)
            image = Pillow.fromarray(pixels).resize((24, 16), Pillow.Resampling.BICUBIC)
            image.save(folder / label / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos, `plain`: an AlexNet of them, and `styled`: a run compared by its features."""
    folder = tmp_path_factory.mktemp("style")
    photos = str(_photos(folder / "photos"))
    network = {"trunk": "alexnet", "width": 6, "fc_width": 8}
    deepglass.train(photos, network=network, steps=3, out=folder / "plain", **QUICK)
    settings = {"name": "style", "features": str(folder / "plain"), **SMALL}
    deepglass.train(photos, objective=settings, steps=3, out=folder / "styled", **QUICK)
    return folder


def test_folded_layers_are_the_layers_of_the_classifier(folder: Path) -> None:
    run = deepglass.Run(folder / "plain")
    objective = deepglass.Run(folder / "styled").objective
    assert isinstance(objective, Style)
    images = torch.randint(0, 256, (2, 3, 16, 24), dtype=torch.uint8)
    encoder, body = run.objective.network.encoders[0], run.objective.network.trunk.body
    with torch.inference_mode():
        maps = objective.features(images / 255)
        expected = encoder.stem.conv(encoder.normalizer(images))
        for module in body.stages[0]:
            expected = module(expected) if not isinstance(module, torch.nn.MaxPool2d) else expected
    assert torch.allclose(maps[0], expected, atol=1e-4)
    assert len(maps) == len(plain_layers(folder / "plain")[0]) == 5


def test_a_run_is_loaded_and_paints_without_the_run_of_its_features(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "styled", tmp_path / "copied")
    text = (tmp_path / "copied" / "spec.yaml").read_text()
    assert str(folder / "plain") in text
    (folder / "plain").rename(tmp_path / "away")
    try:
        run = deepglass.Run(tmp_path / "copied")
        assert len(run.objective.features.convolutions) == 5
        painted = deepglass.paint(run, np.zeros((33, 50, 3), np.uint8))
    finally:
        (tmp_path / "away").rename(folder / "plain")
    assert painted.size == (50, 33)


def test_the_target_of_a_folder_of_classes_is_left_out_and_named(folder: Path) -> None:
    run = deepglass.Run(folder / "styled")
    assert {c.name: c.why for c in run.state.column_roles if c.role == "ignored"} == {
        "label": "the objective 'style' has no target"
    }
    assert set(run.metrics["test"]["style"]) == {"total_loss", "style_loss", "content_loss", "total_variation"}


def test_the_report_shows_style_image_and_painted_images(folder: Path) -> None:
    page = (deepglass.report(folder / "styled")).read_text()
    assert "Painted images" in page
    assert "the style image" in page
    assert "Generated samples" not in page


def test_the_command_line_paints_files_of_any_size(folder: Path, tmp_path: Path, command: Command) -> None:
    Pillow.new("RGB", (61, 47), (200, 90, 10)).save(tmp_path / "photo.jpg")
    for name in ("painted.png", "painted.jpg"):
        done = command("predict", folder / "styled", tmp_path / "photo.jpg", "--out", tmp_path / name)
        assert done.code == 0, done.err
        with Pillow.open(tmp_path / name) as painted:
            assert painted.size == (61, 47)
    done = command("predict", folder / "styled", folder / "photos", "--out", tmp_path / "all")
    assert done.code == 0, done.err
    assert len(list((tmp_path / "all").rglob("*.png"))) == 24


@pytest.mark.parametrize(
    ("settings", "code", "message"),
    [
        ({"features": "runs/nowhere"}, "not-found", "objective.features: RUN: runs/nowhere does not exist"),
        ({"features": "STYLED"}, "bad-value", "expected a run with network.trunk=alexnet"),
        ({"style_image": "synthetic:wave"}, "unknown-name", "did you mean 'waves'"),
        ({"style_image": "nowhere.png"}, "not-found", "objective.style_image: there is no file nowhere.png"),
        ({"norm": "layer"}, "bad-value", "objective.norm"),
    ],
)
def test_wrong_settings_are_errors_before_there_is_a_run_folder(
    folder: Path, tmp_path: Path, settings: dict[str, str], code: str, message: str
) -> None:
    settings = {k: str(folder / "styled") if v == "STYLED" else v for k, v in settings.items()}
    with pytest.raises(deepglass.UserError, match=message) as error:
        deepglass.train(
            str(folder / "photos"), objective={"name": "style", **settings}, steps=2, out=tmp_path / "run", **QUICK
        )
    assert error.value.code == code
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("out", ["", "painted.csv"])
def test_a_painted_file_needs_the_ending_of_an_image(folder: Path, tmp_path: Path, command: Command, out: str) -> None:
    Pillow.new("RGB", (16, 16)).save(tmp_path / "photo.png")
    words = ["--out", str(tmp_path / out)] if out else []
    done = command("predict", folder / "styled", tmp_path / "photo.png", *words)
    assert done.code == 2
    assert "--out" in done.err


def test_other_runs_paint_nothing(folder: Path) -> None:
    with pytest.raises(deepglass.UserError, match="expected a run of objective style, got supervised"):
        deepglass.paint(folder / "plain", np.zeros((16, 16, 3), np.uint8))
    with pytest.raises(deepglass.UserError, match=r"--out painted\.png"):
        deepglass.Run(folder / "styled").objective.predict(None)  # type: ignore[arg-type]


def test_smoothing_has_mean_one_and_the_gram_matrix_its_closed_form() -> None:
    activations = torch.randn(2, 3, 4, 5)
    assert torch.allclose(smooth(activations).mean((1, 2, 3)), torch.ones(2))
    expected = torch.einsum("bcyx,bdyx->bcd", activations, activations) / 20
    assert torch.allclose(gram_matrix(activations), expected, atol=1e-5)


def test_upsampling_paints_no_grid_on_a_uniform_image() -> None:
    """Away from the border an untrained network with a uniform input gives a uniform image, at each position."""
    torch.manual_seed(0)
    network = TransformationNetwork(3, 4, 1, "none").eval()
    with torch.inference_mode():
        painted = network(torch.full((1, 3, 64, 64), 0.3))
    assert painted.std((2, 3)).max() < 1e-5


@pytest.mark.parametrize("name", list(STYLE_IMAGES))
def test_style_images_are_deterministic_and_have_several_colours(name: str) -> None:
    image = read_style_image(f"synthetic:{name}", 48)
    assert image.shape == (48, 48, 3)
    assert np.array_equal(image, read_style_image(f"synthetic:{name}", 48))
    assert len(np.unique(image.reshape(-1, 3) // 64, axis=0)) >= 5


def test_a_relative_path_in_a_spec_file_starts_from_its_folder(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text("data: x.csv\nobjective: {name: style, features: runs/plain}\n")
    spec = deepglass.Spec.read(tmp_path / "spec.yaml")
    assert spec.objective.settings["features"] == str(tmp_path / "runs" / "plain")
    assert spec.with_names()[0].objective.settings["features"] == "plain"
