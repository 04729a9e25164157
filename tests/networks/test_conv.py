"""Convolutional trunks: image sizes, several images, other inputs, norms."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from deepglass.errors import SpecError
from deepglass.networks.trunks.alexnet import Alexnet
from deepglass.networks.trunks.base import Trunk
from deepglass.networks.trunks.conv import Conv
from deepglass.networks.trunks.lenet5 import Lenet5
from deepglass.networks.trunks.resnet import Resnet
from deepglass.nn.conv import ImageEncoder, ImageNormalizer, ResidualBlock
from deepglass.nn.tokens import Field, Tokens, TokenShape

TRUNKS = [Alexnet, Conv, Lenet5, Resnet]


def picture(size: tuple[int, int], dim: int, rows: int = 4, channels: int = 3) -> tuple[ImageEncoder, Tokens]:
    encoder = ImageEncoder(ImageNormalizer([127.0] * channels, [64.0] * channels), channels, dim, size)
    encoder = encoder.to(memory_format=torch.channels_last)
    values = torch.randint(0, 256, (rows, channels, *size), dtype=torch.uint8)
    return encoder, encoder(Field(values, torch.ones(rows, dtype=torch.bool)))


def numbers(dim: int, rows: int = 4) -> Tokens:
    return Tokens(torch.randn(rows, 1, dim, requires_grad=True), torch.ones(rows, 1, dtype=torch.bool))


def shape_of(size: tuple[int, int]) -> TokenShape:
    return picture(size, 4, rows=1)[0].shape


@pytest.mark.parametrize("cls", TRUNKS)
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 50), (8, 8), (28, 28), (33, 47), (64, 64), (96, 128)])
def test_any_size(cls: type[Trunk], size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    trunk = cls([shape_of(size)], width=8).to(memory_format=torch.channels_last)
    out = trunk([picture(size, trunk.dim)[1]])
    assert out.values.shape == (4, 1, trunk.out_dim)
    assert out.mask.all()
    assert out.grid is None
    assert torch.isfinite(out.values).all()
    sides = [m.shape[2] for m in out.pyramid]
    assert sides == sorted(sides, reverse=True)


@pytest.mark.parametrize("cls", TRUNKS)
def test_images_of_different_aspect_ratios(cls: type[Trunk]) -> None:
    sizes = [(28, 12), (16, 16)]
    trunk = cls([shape_of(size) for size in sizes], width=8).to(memory_format=torch.channels_last)
    assert trunk([picture(size, trunk.dim)[1] for size in sizes]).values.shape == (4, 1, trunk.out_dim)


@pytest.mark.parametrize("cls", TRUNKS)
def test_several_images_and_numbers_are_all_used(cls: type[Trunk]) -> None:
    torch.manual_seed(0)
    sizes = [(28, 28), (16, 20)]
    shapes = [shape_of(sizes[0]), TokenShape(1), shape_of(sizes[1])]
    trunk = cls(shapes, width=8).to(memory_format=torch.channels_last)
    tokens = [picture(sizes[0], 8)[1], numbers(8), picture(sizes[1], 8)[1]]
    for one in tokens:
        one.values.retain_grad()
    out = trunk(tokens)
    out.values.square().sum().backward()
    assert out.values.shape == (4, 1, trunk.out_dim)
    assert all(one.values.grad.abs().sum() > 0 for one in tokens)
    assert all(p.grad is not None for p in trunk.parameters())


@pytest.mark.parametrize("cls", TRUNKS)
@pytest.mark.parametrize("norm", ["batch", "layer", "instance", "group", "none"])
def test_every_norm(cls: type[Trunk], norm: str) -> None:
    torch.manual_seed(0)
    depth = {"depth": 2} if cls in (Conv, Resnet) else {}
    trunk = cls([shape_of((28, 28))], width=8, norm=norm, activation="gelu", dropout=0.1, **depth)
    out = trunk([picture((28, 28), 8)[1]])
    assert torch.isfinite(out.values).all()


@pytest.mark.parametrize("cls", TRUNKS)
def test_rows_are_independent_in_evaluation(cls: type[Trunk]) -> None:
    torch.manual_seed(0)
    trunk = cls([shape_of((28, 28))], width=8).eval()
    tokens = picture((28, 28), 8)[1]
    alone = Tokens(tokens.values[:1], tokens.mask[:1], tokens.grid)
    torch.testing.assert_close(trunk([tokens]).values[:1], trunk([alone]).values, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("cls", TRUNKS)
def test_a_missing_image_input_is_an_error(cls: type[Trunk]) -> None:
    with pytest.raises(SpecError, match="rows and columns"):
        cls([TokenShape(1), TokenShape(12, (12,))])


def test_a_residual_block_starts_as_its_skip_connection() -> None:
    block = ResidualBlock(8, 8)
    x = torch.rand(2, 8, 5, 5)
    torch.testing.assert_close(block(x), x)
    without = ResidualBlock(8, 8, norm="none")
    torch.testing.assert_close(without(x), x)


@pytest.mark.parametrize("cls", TRUNKS)
def test_it_learns_the_position_of_a_bright_bar(cls: type[Trunk]) -> None:
    torch.manual_seed(0)
    rows = 64
    upright = torch.arange(rows) % 2 == 0
    values = torch.randint(0, 100, (rows, 1, 16, 16))
    for i, up in enumerate(upright):
        values[(i, 0, slice(None), i % 16) if up else (i, 0, i % 16)] = 255
    encoder, _ = picture((16, 16), 8, channels=1)
    trunk = cls([encoder.shape], width=8)
    head = nn.Linear(trunk.out_dim, 1)
    modules = nn.ModuleList([encoder, trunk, head]).to(memory_format=torch.channels_last)
    saturating = cls is Lenet5  # averages and tanh take their time, and a high rate drives tanh to its ends
    optimizer = torch.optim.AdamW(modules.parameters(), 0.002 if saturating else 0.01)
    field = Field(values.to(torch.uint8), torch.ones(rows, dtype=torch.bool))
    for _ in range(200 if saturating else 40):
        logits = head(trunk([encoder(field)]).values[:, 0])[:, 0]
        loss = nn.functional.binary_cross_entropy_with_logits(logits, upright.float())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1  # 0.69 is chance; seeds 0 to 4 end below 0.02


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (33, 47), (96, 128)])
def test_a_resnet_with_downsampling_stem(size: tuple[int, int]) -> None:
    whole, half = (
        Resnet([shape_of(size)], width=8, downsample_stem=downsample_stem) for downsample_stem in (False, True)
    )
    maps = [t.to(memory_format=torch.channels_last)([picture(size, 8)[1]]).pyramid for t in (whole, half)]
    assert tuple(m.shape[1] for m in maps[1]) == half.pyramid
    assert maps[1][0].shape == maps[0][0].shape, "the stem's map stays"
    assert maps[1][1].shape[2] == -(-maps[0][1].shape[2] // 2)


def test_the_width_follows_the_time_budget() -> None:
    shape = shape_of((28, 28))
    widths = [Conv.size_for_budget([shape], 54_000, work)["width"] for work in (1e9, 1e12, 1e13, 1e15)]
    assert widths == sorted(widths)
    assert widths[0] == 8
    assert widths[-1] == 48
    assert Conv.size_for_budget([shape, shape], 54_000, 1e12)["width"] <= widths[1]
    with pytest.raises(SpecError, match=r"\[bad-value\] network.trunk: 'conv' needs an input with rows and columns"):
        Conv.size_for_budget([TokenShape(1)], 54_000, 1e12)


def test_the_width_of_a_resnet_follows_the_time_budget() -> None:
    shape = shape_of((32, 32))
    sizes = [Resnet.size_for_budget([shape], 10_000, work) for work in (1e9, 4e12, 1e14)]
    assert sizes[0] == {"width": 16, "depth": 1}
    assert sizes[0]["width"] <= sizes[1]["width"] <= sizes[2]["width"]
    assert sizes[-1] == {"width": 48, "depth": 2}
