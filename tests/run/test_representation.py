"""Kinds of learning that learn a space without answers: what a probe reads, what is drawn, what is refused."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from conftest import Command

import deepglass
from deepglass.errors import SpecError
from deepglass.objectives.contrastive import nt_xent, vicreg

QUICK = {"baselines": False, "network": {"width": 8}}


@pytest.fixture(scope="module")
def autoencoder(tmp_path_factory: pytest.TempPathFactory) -> deepglass.Run:
    return _trained(tmp_path_factory.mktemp("runs") / "a", {"name": "autoencoder", "code": 8, "noise": 0.2}, 120)


def _trained(out: Path, objective: dict[str, object], steps: int) -> deepglass.Run:
    return deepglass.train("sklearn:digits", objective=objective, steps=steps, out=out, seed=1, **QUICK)


def test_an_autoencoder_learns_to_draw_and_a_probe_reads_its_code(autoencoder: deepglass.Run, tmp_path: Path) -> None:
    """Eight numbers a digit; an untrained network of the same kind draws and is read clearly worse."""
    found, untrained = autoencoder.metrics["test"], _trained(tmp_path / "u", {"name": "autoencoder", "code": 8}, 1)
    assert found["autoencoder"]["mse"] < 0.6 * untrained.metrics["test"]["autoencoder"]["mse"]
    assert found["label"]["accuracy"] > 0.7
    assert found["label"]["accuracy"] > untrained.metrics["test"]["label"]["accuracy"]


def test_contrastive_learning_beats_the_untrained_network(tmp_path: Path) -> None:
    """Seen after 120 steps: 0.98 beside 0.84 after one."""
    learned, untrained = (_trained(tmp_path / str(n), {"name": "contrastive"}, n).metrics["test"] for n in (120, 1))
    assert learned["label"]["accuracy"] > 0.93
    assert learned["label"]["accuracy"] > untrained["label"]["accuracy"]
    assert learned["contrastive"]["spread"] > 0.2  # the rows have not become one point


def test_a_variational_autoencoder_gains_elbo_and_draws_like_the_data(tmp_path: Path) -> None:
    learned, untrained = (_trained(tmp_path / str(n), {"name": "variational"}, n) for n in (120, 1))
    elbo = learned.metrics["test"]["variational"]["elbo"]
    assert elbo > untrained.metrics["test"]["variational"]["elbo"] + 5  # nats
    drawn = deepglass.sample(learned, 64, seed=3)
    again = deepglass.sample(learned, 64, seed=3)
    assert drawn == again
    assert len({row["image"]["value"]["png"] for row in drawn}) > 50


def test_the_losses_are_those_of_their_papers() -> None:
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


def test_tables_and_texts_can_be_learned_from_too(table: pl.DataFrame, tmp_path: Path) -> None:
    run = deepglass.train(table, "sold", objective="contrastive", steps=20, out=tmp_path / "t", baselines=False)
    assert run.metrics["test"]["sold"]["accuracy"] > 0.5
    texts = pl.DataFrame({"text": [f"{'good' if i % 2 else 'bad'} film number {i}" for i in range(60)]})
    run = deepglass.train(texts, objective="contrastive", steps=5, out=tmp_path / "x", baselines=False)
    assert np.isfinite(run.metrics["test"]["contrastive"]["loss"])


def test_what_cannot_be_drawn_or_varied_is_refused(tmp_path: Path) -> None:
    texts = pl.DataFrame({"text": [f"some words and {i}" for i in range(40)]})
    with pytest.raises(SpecError, match=r"\[bad-value\] inputs.text: autoencoder draws its inputs again"):
        deepglass.train(texts, objective="autoencoder", steps=1, out=tmp_path / "a")
    one = pl.DataFrame({"x": np.arange(40.0)})
    with pytest.raises(SpecError, match="contrastive needs inputs that can be changed"):
        deepglass.train(one, objective="contrastive", steps=1, out=tmp_path / "b")
    assert not (tmp_path / "a").exists()


def test_vectors_go_to_files_that_others_read(autoencoder: deepglass.Run, command: Command, tmp_path: Path) -> None:
    vectors, about = deepglass.embed(autoencoder)
    assert vectors.shape == (1797, 8)
    assert about["label"].n_unique() == 10
    run = autoencoder.path
    assert command("embed", run, "--out", tmp_path / "v.parquet").code == 0
    stored = pl.read_parquet(tmp_path / "v.parquet")
    np.testing.assert_allclose(stored["vector"].to_numpy(), vectors, rtol=1e-4, atol=1e-4)
    assert stored["label"].to_list() == about["label"].to_list()
    assert command("embed", run, "--out", tmp_path / "v.tsv").code == 0
    assert np.loadtxt(tmp_path / "v.tsv").shape == vectors.shape
    assert len((tmp_path / "metadata.tsv").read_text().splitlines()) == 1 + len(vectors)
    assert command("embed", run, "--out", tmp_path / "v.bin").code == 0
    head, _, rest = (tmp_path / "v.bin").read_bytes().partition(b"\n")
    assert head == b"1797 8"
    name, _, rest = rest.partition(b" ")
    assert name == b"row_0"
    np.testing.assert_allclose(struct.unpack("<8f", rest[:32]), vectors[0], rtol=1e-4, atol=1e-4)
    assert command("embed", run, "--out", tmp_path / "v.npy").code == 2
    assert command("embed", run, "--out", tmp_path / "v.bin").code == 2  # it exists


def test_the_report_shows_the_space_and_what_is_drawn_again(autoencoder: deepglass.Run) -> None:
    page = deepglass.report(autoencoder).read_text()
    assert "The learned space" in page
    assert "Drawn again" in page
    assert "The learned space" not in deepglass.report(autoencoder, samples=False).read_text()
