"""Activations against their formulas, and unknown names."""

import pytest
import torch
from torch import nn

from deepglass.errors import SpecError
from deepglass.nn.activations import ACTIVATIONS, activation

X = torch.linspace(-4, 4, 33)
FORMULAS = {
    "sigmoid": lambda x: 1 / (1 + torch.exp(-x)),
    "tanh": lambda x: (torch.exp(2 * x) - 1) / (torch.exp(2 * x) + 1),
    "relu": lambda x: x.clamp_min(0),
    "leaky_relu": lambda x: torch.where(x > 0, x, 0.01 * x),
    "elu": lambda x: torch.where(x > 0, x, torch.exp(x) - 1),
    "selu": lambda x: 1.0507010 * torch.where(x > 0, x, 1.6732632 * (torch.exp(x) - 1)),
    "gelu": lambda x: x * (1 + torch.erf(x / 2**0.5)) / 2,
    "silu": lambda x: x / (1 + torch.exp(-x)),
    "mish": lambda x: x * torch.tanh(torch.log1p(torch.exp(x))),
    "softplus": lambda x: torch.log1p(torch.exp(x)),
    "identity": lambda x: x,
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_formula(name: str) -> None:
    torch.testing.assert_close(activation(name)(X), FORMULAS[name](X), atol=1e-5, rtol=1e-5)


def test_each_call_makes_a_new_module() -> None:
    assert activation("relu") is not activation("relu")


def test_accepts_module_factories() -> None:
    assert activation(lambda: nn.LeakyReLU(0.3)).negative_slope == 0.3


def test_unknown_name_gets_the_near_miss() -> None:
    with pytest.raises(SpecError, match=r"\[unknown-name\] no activation 'rellu'; did you mean 'relu' or 'elu'\?"):
        activation("rellu")
