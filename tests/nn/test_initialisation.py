"""Initialisations against the standard deviations of their papers."""

import math

import pytest
import torch
from torch import nn

from deepglass.errors import SpecError
from deepglass.nn.initialisation import INITIALISATIONS, initialise

IN, OUT = 300, 500
SPREAD = {
    "xavier_uniform": math.sqrt(2 / (IN + OUT)),
    "xavier_normal": math.sqrt(2 / (IN + OUT)),
    "he_uniform": math.sqrt(2 / IN),
    "he_normal": math.sqrt(2 / IN),
    "lecun_normal": math.sqrt(1 / IN),
    "orthogonal": 1 / math.sqrt(OUT),
    "normal": 0.02,
}


@pytest.mark.parametrize("name", SPREAD)
def test_standard_deviation_of_the_initial_weights(name: str) -> None:
    torch.manual_seed(0)
    layer = initialise(nn.Linear(IN, OUT), name)
    assert layer.weight.std().item() == pytest.approx(SPREAD[name], rel=0.02)
    assert not layer.bias.any()


def test_fan_in_of_a_convolution_includes_its_kernel() -> None:
    torch.manual_seed(0)
    layer = initialise(nn.Conv2d(32, 64, 3), "lecun_normal")
    assert layer.weight.std().item() == pytest.approx(1 / math.sqrt(32 * 9), rel=0.02)


def test_orthogonal_keeps_lengths() -> None:
    weight = initialise(nn.Linear(8, 8), "orthogonal").weight
    torch.testing.assert_close(weight @ weight.T, torch.eye(8), atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", INITIALISATIONS)
def test_norms_and_embeddings_are_not_initialised(name: str) -> None:
    table = nn.Embedding(5, 4)
    before = table.weight.detach().clone()
    module = initialise(nn.Sequential(table, nn.LayerNorm(4), nn.LSTM(4, 4), nn.MultiheadAttention(4, 2)), name)
    assert torch.equal(module[0].weight, before)
    assert (module[1].weight == 1).all()


def test_default_changes_nothing() -> None:
    layer = nn.Linear(3, 2)
    before = layer.weight.detach().clone()
    assert torch.equal(initialise(layer, "default").weight, before)


def test_takes_a_function() -> None:
    assert (initialise(nn.Linear(3, 2), nn.init.ones_).weight == 1).all()


def test_unknown_name_gets_the_near_miss() -> None:
    with pytest.raises(SpecError, match=r"no initialisation 'he_norm'; did you mean 'he_normal'"):
        initialise(nn.Linear(3, 2), "he_norm")
