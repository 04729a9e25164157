"""Representation learning: linear probes, reconstructions, samples, unsupported inputs."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from conftest import Command
from PIL import Image as Pillow
from sklearn.datasets import load_digits

import deepglass
from deepglass.errors import SpecError
from deepglass.objectives.contrastive import nt_xent, vicreg
from deepglass.run.embedding import RowEmbeddings, write_vectors

QUICK = {"baselines": False, "network": {"width": 8}}


@pytest.fixture(scope="module")
def autoencoder(tmp_path_factory: pytest.TempPathFactory) -> deepglass.Run:
    return _trained(
        tmp_path_factory.mktemp("runs") / "a", {"name": "autoencoder", "latent_dim": 8, "mask_ratio": 0.2}, 120
    )


def _trained(out: Path, objective: dict[str, object], steps: int) -> deepglass.Run:
    return deepglass.train("sklearn:digits", objective=objective, steps=steps, out=out, seed=1, **QUICK)


def test_an_autoencoder_reconstructs_and_its_probe_classifies(autoencoder: deepglass.Run, tmp_path: Path) -> None:
    """Eight latent values per digit; an untrained network has a higher error and a lower probe accuracy."""
    found, untrained = (
        autoencoder.metrics["test"],
        _trained(tmp_path / "u", {"name": "autoencoder", "latent_dim": 8}, 1),
    )
    assert found["autoencoder"]["mse"] < 0.6 * untrained.metrics["test"]["autoencoder"]["mse"]
    assert found["label"]["accuracy"] > 0.7
    assert found["label"]["accuracy"] > untrained.metrics["test"]["label"]["accuracy"]


def test_contrastive_learning_beats_the_untrained_network(tmp_path: Path) -> None:
    """Measured: 0.98 after 120 steps, 0.84 after one."""
    learned, untrained = (_trained(tmp_path / str(n), {"name": "contrastive"}, n).metrics["test"] for n in (120, 1))
    assert learned["label"]["accuracy"] > 0.93
    assert learned["label"]["accuracy"] > untrained["label"]["accuracy"]
    assert learned["contrastive"]["embedding_std"] > 0.2  # the rows have not become one point


def test_a_vae_improves_the_elbo_and_samples_resemble_the_data(tmp_path: Path) -> None:
    learned, untrained = (_trained(tmp_path / str(n), {"name": "variational"}, n) for n in (120, 1))
    elbo = learned.metrics["test"]["variational"]["elbo"]
    assert elbo > untrained.metrics["test"]["variational"]["elbo"] + 5  # nats
    drawn = deepglass.sample(learned, 64, seed=3)
    again = deepglass.sample(learned, 64, seed=3)
    assert drawn == again
    assert len({row["image"]["value"]["png"] for row in drawn}) > 50


def test_vae_samples_of_tables_have_the_variance_and_correlation_of_the_data(
    tmp_path: Path,
) -> None:
    """Two correlated numbers, an independent third, a rare class; the ELBO beats independent normals.

    Measured: deviations 0.98 to 1.02 of the real ones, correlation 0.92 of 0.95, -3.14 nats of the numbers, where -3.07
    is the optimum and independent normals have -4.26.
    """
    random = np.random.default_rng(0)
    weight = random.normal(70, 12, 1_000)
    height = 170 + 0.8 * (weight - 70) + random.normal(0, 3, 1_000)
    numbers = pl.DataFrame({"weight": weight, "height": height, "income": random.normal(3e4, 5e3, 1_000)})
    real = numbers.with_columns(member=pl.Series(random.random(1_000) < 0.25))
    settings = {"steps": 500, "seed": 1, "kinds": dict.fromkeys(numbers.columns, "number"), "baselines": False}
    run = deepglass.train(real, objective={"name": "variational", "latent_dim": 3}, out=tmp_path / "v", **settings)
    rows = [{name: answer["value"] for name, answer in row.items()} for row in deepglass.sample(run, 2_000, seed=0)]
    drawn, given = (frame.select(numbers.columns).to_numpy() for frame in (pl.DataFrame(rows), real))
    assert drawn.std(0) / given.std(0) == pytest.approx(1, abs=0.15)
    assert (drawn.mean(0) - given.mean(0)) / given.std(0) == pytest.approx(0, abs=0.15)
    assert np.corrcoef(drawn.T) == pytest.approx(np.corrcoef(given.T), abs=0.12)
    assert np.mean([str(row["member"]).lower() == "true" for row in rows]) == pytest.approx(0.25, abs=0.08)
    lone = -1.5 * np.log(2 * np.pi * np.e) - 2 * 0.562  # the class by itself: two shares of 0.562 nats each
    assert run.metrics["test"]["variational"]["elbo"] > lone + 0.5


def test_losses_agree_with_the_papers() -> None:
    a, b = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(0)).unbind()
    z = torch.nn.functional.normalize(torch.cat([a, b]))
    total = 0.0
    for i in range(12):
        j = (i + 6) % 12
        others = sum(torch.exp(z[i] @ z[k] / 0.5) for k in range(12) if k != i)
        total += -torch.log(torch.exp(z[i] @ z[j] / 0.5) / others)
    assert nt_xent(a, b, 0.5) == pytest.approx(float(total / 12), rel=1e-5)
    assert vicreg(a, a) < vicreg(a, b)
    point = torch.ones(6, 4)
    assert float(vicreg(point, point)) == pytest.approx(25 * 0.99, rel=1e-3)  # a collapse costs the variance


def test_contrastive_learning_supports_tables_and_texts(table: pl.DataFrame, tmp_path: Path) -> None:
    run = deepglass.train(table, "sold", objective="contrastive", steps=20, out=tmp_path / "t", baselines=False)
    assert run.metrics["test"]["sold"]["accuracy"] > 0.5
    texts = pl.DataFrame({"text": [f"{'good' if i % 2 else 'bad'} film number {i}" for i in range(60)]})
    run = deepglass.train(texts, objective="contrastive", steps=5, out=tmp_path / "x", baselines=False)
    assert np.isfinite(run.metrics["test"]["contrastive"]["loss"])


def test_inputs_without_decoder_or_augmentation_are_rejected(tmp_path: Path) -> None:
    texts = pl.DataFrame({"text": [f"some words and {i}" for i in range(40)]})
    with pytest.raises(SpecError, match=r"\[bad-value\] inputs.text: autoencoder takes no input of the kind text"):
        deepglass.train(texts, objective="autoencoder", steps=1, out=tmp_path / "a")
    one = pl.DataFrame({"x": np.arange(40.0)})
    with pytest.raises(SpecError, match="contrastive needs inputs that can be augmented"):
        deepglass.train(one, objective="contrastive", steps=1, out=tmp_path / "b")
    assert not (tmp_path / "a").exists()


def test_embeddings_are_written_in_common_formats(autoencoder: deepglass.Run, command: Command, tmp_path: Path) -> None:
    vectors, about = deepglass.embed(autoencoder)
    assert vectors.shape == (1797, 8)
    assert about["label"].n_unique() == 10
    for ending in ("parquet", "tsv", "txt", "bin"):
        assert command("embed", autoencoder.path, "--out", tmp_path / f"v.{ending}").code == 0
    stored = pl.read_parquet(tmp_path / "v.parquet")
    np.testing.assert_allclose(stored["vector"].to_numpy(), vectors, rtol=1e-4, atol=1e-4)
    assert stored["label"].to_list() == about["label"].to_list()
    np.testing.assert_allclose(np.loadtxt(tmp_path / "v.tsv", delimiter="\t"), vectors, rtol=1e-4, atol=1e-4)
    head, *metadata = (tmp_path / "metadata.tsv").read_text().splitlines()
    assert head.split("\t") == about.columns
    assert metadata == ["\t".join(map(str, row)) for row in about.iter_rows()]
    config = (tmp_path / "projector_config.pbtxt").read_text()
    assert re.findall(r'_path: "(.*?)"', config) == ["v.tsv", "metadata.tsv", "sprite.png"]
    assert re.findall(r"single_image_dim: (\d+)", config) == ["8", "8"]
    with Pillow.open(tmp_path / "sprite.png") as sheet:  # 43 in a row, as square as the projector wants it
        assert (sheet.size, sheet.mode) == ((43 * 8, 43 * 8), "L")
        tile = np.asarray(sheet)[8:16, 8:16]
    picture = load_digits().images[44]
    assert np.abs(tile.astype(float) - picture * 255 / 16).max() <= 0.5
    for read, path in ((_text, tmp_path / "v.txt"), (_binary, tmp_path / "v.bin")):
        names, found = read(path.read_bytes())
        assert names == [f"row_{i}" for i in range(1797)]
        np.testing.assert_allclose(found, vectors, rtol=1e-4, atol=1e-4)


def _text(content: bytes) -> tuple[list[str], np.ndarray]:
    """word2vec's text, as gensim describes it: a head "rows width", then a line a word."""
    head, *lines = content.decode().splitlines()
    rows, width = map(int, head.split())
    cells = [line.split(" ") for line in lines]
    assert (len(cells), {len(c) for c in cells}) == (rows, {width + 1})
    return [c[0] for c in cells], np.array([[float(v) for v in c[1:]] for c in cells])


def _binary(content: bytes) -> tuple[list[str], np.ndarray]:
    """word2vec's binary form: the same head, then each word, a space, little-endian float32, a line end."""
    head, _, rest = content.partition(b"\n")
    rows, width = map(int, head.split())
    names, found = [], []
    for _ in range(rows):
        name, _, rest = rest.lstrip(b"\n").partition(b" ")
        names.append(name.decode())
        found.append(struct.unpack(f"<{width}f", rest[: 4 * width]))
        rest = rest[4 * width :]
    assert rest == b"\n"
    return names, np.array(found)


def test_texts_name_their_embeddings(tmp_path: Path) -> None:
    about = pl.DataFrame({"row": [0, 1], "text": ["New York", "été"], "label": [1, 1]})
    vectors = np.array([[1.5, -2.0], [0.25, 3.0]], np.float32)
    for read, path in ((_text, tmp_path / "v.txt"), (_binary, tmp_path / "v.bin")):
        assert write_vectors(path, RowEmbeddings(vectors, about)) == [path]
        names, found = read(path.read_bytes())
        assert names == ["New_York", "été"]
        np.testing.assert_array_equal(found, vectors)


def test_embed_rejects_unknown_formats(autoencoder: deepglass.Run, command: Command, tmp_path: Path) -> None:
    run, taken = autoencoder.path, tmp_path / "v.txt"
    taken.write_text("mine")
    (tmp_path / "metadata.tsv").write_text("mine")
    for out, said in (
        ("v.npy", "expected one of .parquet, .tsv, .txt, .bin"),
        ("v.txt", "--force"),
        ("v.tsv", "metadata.tsv"),  # what would be written beside it is there
        ("metadata.tsv", "choose another one"),
    ):
        refused = command("embed", run, "--out", tmp_path / out)
        assert refused.code == 2
        assert said in refused.err
    assert command("embed", run).code == 2
    assert taken.read_text() == (tmp_path / "metadata.tsv").read_text() == "mine"
    assert command("embed", run, "--out", taken, "--force").code == 0
    assert taken.read_text().startswith("1797 8\n")


def test_the_report_shows_embeddings_and_reconstructions(autoencoder: deepglass.Run) -> None:
    page = deepglass.report(autoencoder).read_text()
    assert "Embedding map</h2>" in page
    assert "Reconstructions" in page
    assert "Reconstructions" not in deepglass.report(autoencoder, samples=False).read_text()
