"""The embedding map: projections, neighbours, page contents, --no-samples."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from sklearn.decomposition import PCA

import deepglass
from deepglass.errors import MissingExtra, SpecError
from deepglass.nn.pca import fit_pca
from deepglass.projection.projection import nearest_points
from deepglass.run.callbacks.embedding_recorder import read_embeddings
from deepglass.run.run import Run


def frame(rows: int = 240) -> pl.DataFrame:
    random = np.random.default_rng(0)
    a, b = random.standard_normal((2, rows))
    word = np.where(a > 0.5, "high", "low")
    return pl.DataFrame({"a": a, "secretive": b, "word": word, "kind": np.where(a + b > 0, "yes-sir", "no-sir")})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("map") / "run"
    return deepglass.train(frame(), "kind", out=out, steps=30, baselines=False, seed=0)


def told(run: Run, **settings: Any) -> tuple[str, dict[str, Any]]:
    """The report's html and the map's data in it."""
    html = Path(deepglass.report(run, source=frame(), **settings)).read_text("utf-8")
    found = re.search(r'<script type="application/json">(.*?)</script>', html, re.S)
    assert found is not None
    return html, json.loads(found[1])


def unpacked(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), "<u2").astype(float)


@pytest.fixture(scope="module")
def page(run: Run) -> tuple[str, dict[str, Any]]:
    return told(run)


@pytest.mark.parametrize(("rows", "dim"), [(200, 3), (300, 60), (300, 700), (30, 900)])
def test_pca_agrees_with_scikit_learn(rows: int, dim: int) -> None:
    random = np.random.default_rng(1)
    turned = np.linalg.qr(random.standard_normal((dim, dim)))[0]
    points = (random.standard_normal((rows, dim)) * 0.7 ** np.arange(dim)) @ turned + 3
    axes, known = fit_pca(points, 2), PCA(2).fit(points)
    assert np.abs((axes.directions * known.components_).sum(1)) == pytest.approx(1, abs=1e-3)
    assert axes.explained == pytest.approx(known.explained_variance_ratio_.sum(), abs=1e-3)
    assert np.abs(axes(points)) == pytest.approx(np.abs(known.transform(points)), abs=0.01)


def test_pca_of_identical_points() -> None:
    axes = fit_pca(np.ones((5, 4)))
    assert np.abs(axes(np.ones((5, 4)))).max() == 0
    assert axes.explained == 1


def test_points_have_their_pca_coordinates(run: Run, page: tuple[str, dict[str, Any]]) -> None:
    data = page[1]
    rows = data["items"]["rows"]
    points = deepglass.embed(run, frame()).vectors[rows]
    expected = PCA(2).fit_transform(points)
    places = unpacked(data["layouts"][0]["positions"]).reshape(-1, 2)[unpacked(data["item_points"]).astype(int)]
    for axis in (0, 1):
        assert abs(np.corrcoef(expected[:, axis], places[:, axis])[0, 1]) > 0.999
    spread = expected.std(0) / places.std(0)
    assert spread[0] == pytest.approx(spread[1], rel=0.02)  # one scale for both axes


def test_neighbours_are_nearest_in_the_full_embedding() -> None:
    points = np.random.default_rng(0).standard_normal((50, 7)).astype(np.float32)
    kept = np.arange(10, 40)
    found = nearest_points(points, kept, 4)
    for i in range(50):
        away = np.linalg.norm(points[kept] - points[i], axis=1)
        away[kept == i] = np.inf
        assert found[i].tolist() == np.argsort(away)[:4].tolist()


def test_the_page_contains_points_and_colours_and_no_external_url(page: tuple[str, dict[str, Any]]) -> None:
    html, data = page
    assert "Embedding map" in html
    assert len(unpacked(data["layouts"][0]["positions"])) == 2 * data["count"]
    names = [c["name"] for c in data["colourings"]]
    assert names == ["kind", "kind: prediction", "kind: error", "split", "a", "secretive", "word"]
    assert data["count"] == len(data["items"]["predictions"])
    assert not re.findall(r"(?:src|href)=[\"'](?!data:|#)|https?://(?!www\.w3\.org)", html)


def test_row_labels_come_from_the_source(page: tuple[str, dict[str, Any]]) -> None:
    data, table = page[1], frame()
    kind = data["colourings"][0]
    codes = unpacked(kind["codes"]).astype(int)
    for point, row in zip(unpacked(data["item_points"]).astype(int), data["items"]["rows"], strict=True):
        assert kind["names"][codes[point]] == table["kind"][row]


def test_the_trajectory_ends_at_the_final_map(run: Run, page: tuple[str, dict[str, Any]]) -> None:
    data = page[1]
    steps = data["trajectories"]["steps"]
    assert steps[0] == 0
    assert len(steps) == len(read_embeddings(run.folder)) >= 2
    which = unpacked(data["trajectories"]["points"]).astype(int)
    course = unpacked(data["trajectories"]["positions"]).reshape(len(steps), len(which), 2)
    places = unpacked(data["layouts"][0]["positions"]).reshape(-1, 2)[which]
    best = min(np.abs(moment - places).max() for moment in course[1:])  # the best weights were kept
    assert best < 0.01 * 65535
    assert np.abs(course[0] - places).max() > 0.01 * 65535


def test_without_samples_no_row_is_in_the_page(run: Run, page: tuple[str, dict[str, Any]]) -> None:
    data = told(run, samples=False)[1]
    assert "items" not in data
    assert "sprites" not in data
    assert [c["name"] for c in data["colourings"]] == ["kind", "kind: prediction", "kind: error", "split"]
    assert data["layouts"][0]["positions"] == page[1]["layouts"][0]["positions"]


def test_tsne_shows_the_same_rows(run: Run) -> None:
    data = told(run, map="tsne")[1]
    assert [p["name"] for p in data["layouts"]] == ["PCA", "t-SNE"]
    assert len(unpacked(data["layouts"][1]["points"])) == data["count"]


def test_the_map_of_another_layer(run: Run) -> None:
    html, data = told(run, layer="encoders.0")
    assert "the space of layer encoders.0" in html
    assert "trajectories" not in data
    with pytest.raises(SpecError, match="no layer 'trunc'; did you mean 'trunk'"):
        deepglass.report(run, source=frame(), layer="trunc")
    with pytest.raises(SpecError) as error:
        deepglass.report(run, source=frame(), layer="NAME")
    assert str(error.value).count("trunk,") == 1  # each name once, without the prefix "network."


def test_unknown_projections_are_rejected(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SpecError, match="no layout 'tsme'; did you mean 'tsne'"):
        deepglass.report(run, source=frame(), map="tsme")
    monkeypatch.setitem(__import__("sys").modules, "umap", None)
    with pytest.raises(MissingExtra, match=r"pip install 'deepglass\[umap\]'"):
        deepglass.report(run, source=frame(), map="umap")


def test_recording_embeddings_does_not_change_weights(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = torch.get_rng_state()
    monkeypatch.setattr("deepglass.run.callbacks.embedding_recorder.EmbeddingRecorder._record", lambda *_: None)
    again = deepglass.train(frame(), "kind", out=tmp_path / "run", steps=30, baselines=False, seed=0)
    torch.set_rng_state(before)
    assert not read_embeddings(again.folder)
    assert again.metrics["weights_sha256"] == run.metrics["weights_sha256"]
