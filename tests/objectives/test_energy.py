"""Energy-based learning: Boltzmann machines and belief networks."""

from __future__ import annotations

import base64
import io
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

import deepglass
from deepglass.errors import SpecError
from deepglass.nn.rbm import BoltzmannMachine


def _energy(machine: BoltzmannMachine, v: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
    return -(v @ machine.visible_bias) - h @ machine.hidden_bias - h @ machine.weight @ v


def _small() -> BoltzmannMachine:
    torch.manual_seed(0)
    machine = BoltzmannMachine(4, 3)
    for parameter in machine.parameters():
        torch.nn.init.normal_(parameter)
    return machine


def test_the_free_energy_sums_over_all_hidden_states() -> None:
    machine = _small()
    states = [torch.tensor(h, dtype=torch.float32) for h in product([0, 1], repeat=3)]
    for bits in product([0, 1], repeat=4):
        v = torch.tensor(bits, dtype=torch.float32)
        exact = -torch.logsumexp(torch.stack([-_energy(machine, v, h) for h in states]), 0)
        torch.testing.assert_close(machine.free_energy(v[None])[0], exact)


def test_gibbs_sampling_follows_the_boltzmann_distribution() -> None:
    machine = _small()
    states = torch.tensor(list(product([0, 1], repeat=4)), dtype=torch.float32)
    wanted = torch.softmax(-machine.free_energy(states), 0)
    generator = torch.Generator().manual_seed(0)
    v = machine.sample_visible(machine.gibbs(torch.full((20_000, 4), 0.5), 30, generator), generator)
    seen = torch.bincount((v @ torch.tensor([8.0, 4.0, 2.0, 1.0])).long(), minlength=16) / len(v)
    assert float((seen - wanted.detach()).abs().sum()) < 0.05


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> deepglass.Run:
    return _trained(tmp_path_factory.mktemp("runs") / "m", {"name": "rbm", "hidden": 64}, 400)


def _trained(out: Path, objective: dict[str, object], steps: int) -> deepglass.Run:
    return deepglass.train("sklearn:digits", objective=objective, steps=steps, out=out, seed=1, baselines=False)


def test_an_rbm_learns_digits(machine: deepglass.Run, tmp_path: Path) -> None:
    found = machine.metrics["test"]
    untrained = _trained(tmp_path / "u", {"name": "rbm", "hidden": 64}, 1).metrics["test"]
    assert found["rbm"]["mse"] < 0.6 * untrained["rbm"]["mse"]
    assert found["label"]["accuracy"] > 0.9
    assert machine.network is machine.objective  # a plain module, though it is no network with a trunk


def test_rbm_samples_have_the_pixel_distribution_of_digits(machine: deepglass.Run) -> None:
    drawn = np.stack([_pixels(row["image"]["value"]) for row in deepglass.sample(machine, 100)])
    real = load_digits().images / 16 * 255
    together = np.corrcoef(drawn.mean(0).ravel(), real.mean(0).ravel())[0, 1]
    assert together > 0.8
    assert drawn.std(0).mean() > 0.2 * real.std(0).mean()  # not always the same one


def _pixels(value: dict[str, str]) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(value["png"]))).convert("L"), dtype=float)


def test_a_dbn_predicts_and_samples_the_requested_class(tmp_path: Path) -> None:
    run = _trained(tmp_path / "d", {"name": "dbn", "layers": [96, 96], "gibbs_steps": 30}, 600)
    assert run.metrics["test"]["label"]["accuracy"] > 0.7
    stages = [r["valid"]["dbn"]["layer"] for r in run.history if "dbn" in r["valid"]]
    assert stages == sorted(stages)
    assert set(stages) == {1, 2}
    assert all(r["monitor"] is None for r in run.history if "dbn" in r["valid"])
    assert len(deepglass.sample(run, 4, given={"label": 3})) == 4
    with pytest.raises(SpecError, match="bad-value"):
        deepglass.sample(run, 4, given={"label": "no digit"})
    assert deepglass.report(run).exists()


def test_an_objective_with_its_own_network_rejects_a_trunk(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"\[unknown-key\] network.trunk: the objective 'rbm' builds its own network"):
        deepglass.train("sklearn:digits", objective="rbm", network="conv", steps=1, out=tmp_path / "r")
