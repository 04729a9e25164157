"""Explanations find the cause of a prediction on synthetic data with one causal column, patch, word, band or step.

The test accuracy of each run is asserted first, so that a wrong explanation is not due to the network.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from conftest import Command

import deepglass
from deepglass.explain.explainer import Explainer
from deepglass.run.run import Run

WORDS = ("river", "stone", "green", "walks", "under", "seven", "light", "paper", "house", "quick")


def learned(folder: Path, source: Any, target: str, least: float, steps: int, **settings: Any) -> Run:
    """A run with a test accuracy of at least `least`."""
    settings = {"steps": steps, "training.threads": 1, "training.precision": "float32", **settings}
    run = deepglass.train(source, target, out=folder / "run", baselines=False, settings=settings)
    assert run.metrics["test"][target]["accuracy"] >= least
    return run


def true_checks(why: dict[str, Any], shuffled: float = 0.6) -> None:
    """The faithfulness checks of an explanation pass."""
    checks = why["checks"]
    assert checks["completeness_gap"] < 0.05
    assert abs(checks["weight_randomization"]) < shuffled
    assert checks["deletion"] < checks["deletion_random"]
    assert checks["insertion"] > checks["insertion_random"]


def test_explanations_find_the_causal_columns(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(600, 5))
    place = random.choice(["north", "south"], 600)
    y = np.where(3 * x[:, 0] - 2 * x[:, 1] + 2 * (place == "north") > 1, "yes", "no")
    table = pl.DataFrame({f"x{i}": x[:, i] for i in range(5)}).with_columns(place=pl.Series(place), y=pl.Series(y))
    settings = {"network": "mlp", "network.width": 48, "network.depth": 2, "network.ensemble_size": 1}
    run = learned(tmp_path, table, "y", 0.9, 150, **settings)
    rows = table.filter(pl.col("x0") > 1.5).drop("y").head(3)
    for row in deepglass.explain(run, rows, source=table):
        parts = {p["part"]: p["weight"] for p in row["y"]["attributions"]}
        assert parts["x0"] > 0  # a large x0 makes "yes" more probable
        assert [p["part"] for p in row["y"]["attributions"][:3]] == ["x0", "x1", "place"]
        noise = max(abs(parts[n]) for n in ("x2", "x3", "x4"))
        assert noise < 0.35 * parts["x0"]


def patches(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Noise images, half of them with a bright patch; images, labels, top and left of the patch."""
    random = np.random.default_rng(seed)
    pictures = random.integers(0, 120, (count, 24, 24), dtype=np.uint8)
    corners = random.integers(1, 17, (count, 2))
    labels = random.choice(["patch", "nothing"], count)
    for i in np.flatnonzero(labels == "patch"):
        top, left = corners[i]
        pictures[i, top : top + 6, left : left + 6] = random.integers(190, 255, (6, 6))
    return pictures, labels, corners


@pytest.fixture(scope="module")
def patch_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    pictures, labels, _ = patches(500)
    folder = tmp_path_factory.mktemp("patches")
    np.savez(folder / "patches.npz", image=pictures, label=labels)
    return learned(folder, folder / "patches.npz", "label", 0.95, 60, **{"training.augment": False})


def test_explanations_find_the_causal_patch(patch_run: Run) -> None:
    pictures, labels, corners = patches(40, seed=1)
    which = np.flatnonzero(labels == "patch")[:4].tolist()
    for row, i in zip(deepglass.explain(patch_run, {"image": pictures}, which), which, strict=True):
        why = row["label"]
        assert why["value"] == "patch"
        left, top, right, bottom = why["attributions"][0]["box"]
        centre = (top + bottom) / 2, (left + right) / 2
        assert np.abs(np.array(centre) - (corners[i] + 3)).max() <= 3  # the middle of what is shown lies in the patch
        true_checks(why)


def test_the_class_activation_map_covers_the_patch(patch_run: Run) -> None:
    pictures, labels, corners = patches(40, seed=1)
    which = np.flatnonzero(labels == "patch")[:4].tolist()
    explainer = Explainer(patch_run.predictor, max_steps=32, checks=False)
    for (reason,), i in zip(explainer.explain({"image": pictures}, which), which, strict=True):
        (places,) = reason.activation_maps["image"]
        top, left = corners[i]
        inside = places[top - 1 : top + 7, left - 1 : left + 7].sum() / places.sum()
        assert inside > 0.3  # of 64 of 576 places


def test_explanations_are_written_to_a_folder_with_images(patch_run: Run, tmp_path: Path, command: Command) -> None:
    pictures, _, _ = patches(6, seed=2)
    np.savez(tmp_path / "new.npz", image=pictures)
    said = command("explain", patch_run.path, tmp_path / "new.npz", "--rows", "0,2", "--out", tmp_path / "why")
    assert said.code == 0
    assert {"explanations.json", "label-0-attributions.png", "label-2-activation.png"} <= {
        p.name for p in (tmp_path / "why").iterdir()
    }
    said = command("explain", patch_run.path, tmp_path / "new.npz", "--fast")
    assert said.code == 0
    assert "row 0, label:" in said.out
    assert "gradient at the middle of the path" in said.out


@pytest.mark.parametrize("trunk", ["bag", "gru", "transformer"])
def test_explanations_find_the_causal_word(tmp_path: Path, trunk: str) -> None:
    random = np.random.default_rng(0)
    texts, labels = [], []
    for _ in range(500):
        words = random.choice(WORDS, 9).tolist()
        key = random.choice(["wonderful", "terrible"])
        words[random.integers(9)] = key
        texts.append(" ".join(words))
        labels.append("good" if key == "wonderful" else "bad")
    source = pl.DataFrame({"text": texts, "label": labels})
    run = learned(tmp_path, source, "label", 0.95, 60, network=trunk, kinds={"text": "text"})
    for row, text in zip(deepglass.explain(run, source, range(4)), texts, strict=False):
        why = row["label"]
        best = why["attributions"][0]
        assert best["part"] in ("wonderful", "terrible")
        assert text.split()[best["position"]] == best["part"]
        assert best["weight"] > 0
        true_checks(why, shuffled=1.01)  # ten words are too few for a rank correlation


def test_explanations_find_the_causal_frequency_band(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    time = np.arange(1000) / 8000
    waves = random.normal(0, 0.02, (200, 3200)).astype(np.float32)
    starts, labels = random.integers(0, 2200, 200), random.choice(["low", "high"], 200)
    for i, start in enumerate(starts):
        waves[i, start : start + 1000] += np.sin(2 * np.pi * (400 if labels[i] == "low" else 2600) * time) * 0.4
    source = {"sound": waves, "label": pl.Series(labels)}
    settings = {"network": "tcn", "network.width": 32, "network.depth": 2, "training.batch_size": 20}
    run = learned(tmp_path, source, "label", 0.9, 60, kinds={"sound": "audio"}, **settings)
    hits = 0
    for row, i in zip(deepglass.explain(run, {"sound": waves[:4]}), range(4), strict=True):
        best = row["label"]["attributions"][0]["part"]
        seconds, hertz = (tuple(map(float, part.split()[0].split("-"))) for part in best.split(", "))
        in_time = seconds[0] < (starts[i] + 1000) / 8000 and seconds[1] > starts[i] / 8000
        wanted = 400 if labels[i] == "low" else 2600
        hits += in_time and hertz[0] * 0.7 <= wanted <= hertz[1] * 1.4
        assert row["label"]["checks"]["completeness_gap"] < 0.05
    assert hits >= 3


def test_explanations_find_the_causal_time_step(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(400, 16, 1)).astype(np.float32)
    labels, places = random.choice(["up", "down"], 400), random.integers(0, 16, 400)
    x[np.arange(400), places, 0] = np.where(labels == "up", 6, -6)
    settings = {"network": "gru", "network.width": 32, "kinds": {"walk": "sequence"}}
    run = learned(tmp_path, {"walk": x, "label": pl.Series(labels)}, "label", 0.9, 80, **settings)
    for row, place in zip(deepglass.explain(run, {"walk": x[:4]}), places, strict=False):
        assert row["label"]["attributions"][0]["part"] == f"walk, step {place}"


def test_each_tag_is_attributed_to_its_word(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    words = [random.choice(WORDS, random.integers(3, 7)).tolist() for _ in range(300)]
    tags = [["A" if w < "m" else "B" for w in sentence] for sentence in words]
    source = pl.DataFrame({"words": words, "tags": tags})
    settings = {"network": "transformer", "kinds": {"words": "text", "tags": "tags"}}
    run = learned(tmp_path, source, "tags", 0.95, 60, **settings)
    (row,) = deepglass.explain(run, source, [0])
    assert [q["target"] for q in row["tags"]["targets"]] == row["tags"]["value"]
    for place, question in enumerate(row["tags"]["targets"]):
        assert question["attributions"][0]["position"] == place


def test_each_translated_word_is_attributed_to_its_source_word(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    french = dict(
        zip(WORDS, ("fleuve", "pierre", "vert", "marche", "sous", "sept", "jour", "papier", "maison", "vite"))
    )
    given = [random.choice(WORDS, 3, replace=False).tolist() for _ in range(800)]
    source = pl.DataFrame({"en": [" ".join(g) for g in given], "fr": [" ".join(french[w] for w in g) for g in given]})
    spec = {
        "data": {"source": source},
        "inputs": [{"name": "en", "kind": "text", "tokenization": "pieces"}],
        "outputs": [{"name": "fr", "kind": "text", "num_beams": 1}],
        "network": {"trunk": "transformer", "width": 48, "depth": 1, "heads": 2, "dropout": 0},
        "training": {"steps": 250, "threads": 1, "learning_rate": 0.003},
    }
    run = deepglass.train(spec, out=tmp_path / "run", baselines=False)
    assert run.metrics["test"]["fr"]["accuracy"] > 0.9
    (row,) = deepglass.explain(run, pl.DataFrame({"en": ["river stone house"]}))
    assert [q["target"] for q in row["fr"]["targets"]] == ["fleuve", "pierre", "maison"]
    found = [q["attributions"][0]["part"] for q in row["fr"]["targets"]]
    assert sum(a == b for a, b in zip(found, ["river", "stone", "house"], strict=True)) >= 2


def test_a_mask_class_is_attributed_to_its_region(tmp_path: Path) -> None:
    pictures, _, corners = patches(160, seed=3)
    random = np.random.default_rng(0)
    masks = np.zeros(pictures.shape, np.uint8)
    for i, (top, left) in enumerate(corners):
        pictures[i, top : top + 6, left : left + 6] = random.integers(190, 255, (6, 6))
        masks[i, top : top + 6, left : left + 6] = 1
    spec = {
        "data": {"source": {"image": pictures, "mask": masks}},
        "inputs": ["image"],
        "outputs": [{"name": "mask", "kind": "mask", "names": ["ground", "square"]}],
        "network": {"trunk": "unet", "width": 8},
        "training": {"steps": 60, "batch_size": 16, "threads": 1, "augment": False},
    }
    run = deepglass.train(spec, out=tmp_path / "run", baselines=False)
    assert run.metrics["test"]["mask"]["miou"] > 0.8
    (row,) = deepglass.explain(run, {"image": pictures[:1]})
    square = next(q for q in row["mask"]["targets"] if q["target"] == "square")
    left, top, right, bottom = square["attributions"][0]["box"]
    centre = np.array([(top + bottom) / 2, (left + right) / 2])
    assert np.abs(centre - (corners[0] + 3)).max() <= 3


def test_each_object_is_attributed_to_its_region(tmp_path: Path) -> None:
    pictures, _, corners = patches(120, seed=4)
    big = np.kron(pictures, np.ones((1, 2, 2), np.uint8))
    boxes = []
    for i, (top, left) in enumerate(2 * corners):
        big[i, top : top + 12, left : left + 12] = 250
        sides = {"left": float(left), "top": float(top), "right": float(left + 12), "bottom": float(top + 12)}
        boxes.append([{"label": "square", **sides}])
    spec = {
        "data": {"source": {"image": big, "boxes": boxes}},
        "inputs": ["image"],
        "outputs": [{"name": "boxes", "kind": "boxes"}],
        "network": {"trunk": "conv", "width": 8},
        "training": {"steps": 10, "threads": 1, "batch_size": 8, "augment": False},
    }
    run = deepglass.train(spec, out=tmp_path / "run", baselines=False)
    ((reason,),) = Explainer(run.predictor, max_steps=32, checks=False).explain({"image": big[:1]})
    why = reason.to_json()
    total = sum(p["weight"] for p in why["attributions"])
    assert why["baseline"] + total + why["completeness_gap"] == pytest.approx(why["score"], abs=1e-3)
    assert why["unit"] == "log-odds"
    left, top, right, bottom = (why["targets"][0] if "targets" in why else why)["attributions"][0]["box"]
    assert 0 <= left < right <= 48
    assert 0 <= top < bottom <= 48
