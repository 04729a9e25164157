"""Devices, seeds, precision and determinism."""

import random

import numpy as np
import pytest
import torch

from deepglass.device import autocast, describe, deterministic, fast_bfloat16, pick, seed_everything
from deepglass.errors import SpecError

CPU = torch.device("cpu")


def test_auto_selects_a_usable_device() -> None:
    assert torch.ones(2, device=pick()).sum().item() == 2
    assert pick("cpu") == CPU


@pytest.mark.parametrize("name", ["gpu", "cpu:1", "cuda:x", "cudaa", ""])
def test_unknown_device(name: str) -> None:
    with pytest.raises(SpecError, match=r"\[unknown-name\] device: no device"):
        pick(name)


def test_unavailable_device() -> None:
    with pytest.raises(SpecError, match=r"\[bad-value\] device: 'cuda:99' is not available: this machine has"):
        pick("cuda:99")


def test_description_has_device_and_threads() -> None:
    assert describe(CPU).startswith(f"cpu, {torch.get_num_threads()} thread")


def test_fast_bfloat16_is_a_bool() -> None:
    assert fast_bfloat16(CPU) in (True, False)


@pytest.mark.parametrize("seed", [0, 2**40])
def test_a_seed_sets_all_random_states(seed: int) -> None:
    drawn = []
    for _ in range(2):
        seed_everything(seed)
        drawn.append((random.random(), np.random.rand(), torch.rand(1).item()))
    assert drawn[0] == drawn[1]


def test_autocast_computes_in_bfloat16_only_inside() -> None:
    layer = torch.nn.Linear(4, 4)
    with autocast(CPU, "bfloat16"):
        assert layer(torch.ones(1, 4)).dtype == torch.bfloat16
    with autocast(CPU, "float32"):
        assert layer(torch.ones(1, 4)).dtype == torch.float32
    assert layer(torch.ones(1, 4)).dtype == torch.float32


def test_autocast_supports_two_precisions() -> None:
    with pytest.raises(SpecError, match=r"\[bad-value\] precision: .* not 'float16'"), autocast(CPU, "float16"):
        pass


def test_deterministic_mode_and_its_reset() -> None:
    x = torch.randn(50, 64, requires_grad=True)
    index, weight = torch.randint(0, 50, (20_000,)), torch.randn(20_000, 64)
    with deterministic():
        assert torch.are_deterministic_algorithms_enabled()
        grads = [torch.autograd.grad((x[index] * weight).sum(), x)[0] for _ in range(3)]
    assert all(torch.equal(grads[0], g) for g in grads)
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.utils.deterministic.fill_uninitialized_memory
