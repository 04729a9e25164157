"""Normalisation layers against their definitions."""

import pytest
import torch
from torch import Tensor

from deepglass.errors import SpecError
from deepglass.nn.norms import norm, norm2d

NAMES = ["batch", "layer", "instance", "group", "none"]


def standard(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    variance = x.var(axes, unbiased=False, keepdim=True)
    return (x - x.mean(axes, keepdim=True)) / (variance + 1e-5).sqrt()


def rows(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0)) * 3 + 2


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(6, 12), (6, 1, 12), (6, 5, 12)])
def test_keeps_the_shape_of_vectors(name: str, shape: tuple[int, ...]) -> None:
    x = rows(*shape).requires_grad_()
    y = norm(name, 12)(x)
    y.square().sum().backward()
    assert y.shape == x.shape
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_keeps_the_shape_of_images(name: str) -> None:
    x = rows(6, 12, 4, 3)
    assert norm2d(name, 12)(x).shape == x.shape


@pytest.mark.parametrize(("name", "axes"), [("batch", (0, 1)), ("layer", (2,)), ("instance", (1,))])
def test_tokens(name: str, axes: tuple[int, ...]) -> None:
    x = rows(6, 5, 12)
    torch.testing.assert_close(norm(name, 12)(x), standard(x, axes), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("name", "axes"), [("batch", (0, 2, 3)), ("layer", (1,)), ("instance", (2, 3))])
def test_images(name: str, axes: tuple[int, ...]) -> None:
    x = rows(6, 12, 4, 3)
    torch.testing.assert_close(norm2d(name, 12)(x), standard(x, axes), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("dim", "groups"), [(12, 3), (256, 32), (7, 1), (2, 1)])
def test_groups(dim: int, groups: int) -> None:
    x = rows(6, dim)
    expected = standard(x.view(6, groups, -1), (2,)).view(6, dim)
    torch.testing.assert_close(norm("group", dim)(x), expected, atol=1e-4, rtol=1e-4)


def test_batch_norm_evaluates_with_its_running_averages() -> None:
    layer = norm("batch", 12)
    for _ in range(200):
        layer(rows(64, 12))
    layer.eval()
    torch.testing.assert_close(layer(rows(64, 12)), standard(rows(64, 12), (0,)), atol=0.05, rtol=0.05)


def test_rows_are_normalised_independently() -> None:
    x = rows(6, 5, 12)
    for name in ("layer", "instance", "group"):
        torch.testing.assert_close(norm(name, 12)(x)[:1], norm(name, 12)(x[:1]))


@pytest.mark.parametrize("make", [norm, norm2d])
def test_unknown_name_gets_the_near_miss(make) -> None:
    with pytest.raises(SpecError, match=r"\[unknown-name\] no norm 'bacth'; did you mean 'batch'\?"):
        make("bacth", 4)
