"""U-Net: dense outputs on any grid, several inputs."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from deepglass.errors import SpecError
from deepglass.features.base import Column, Feature
from deepglass.features.image import Image
from deepglass.features.number import Number
from deepglass.features.outputs.image import ImageOutput
from deepglass.features.outputs.mask import MaskOutput
from deepglass.networks.network import Network
from deepglass.networks.trunks.unet import Unet
from deepglass.nn.tokens import Field, Tokens, TokenShape


def dots(rows: int = 24, size: tuple[int, int] = (16, 16), seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Noisy grey images with a bright square, and masks of the square."""
    random = np.random.default_rng(seed)
    pictures = random.integers(0, 120, (rows, *size)).astype(np.uint8)
    masks = np.zeros((rows, *size), np.uint8)
    for picture, mask in zip(pictures, masks, strict=True):
        y, x = random.integers(0, size[0] - 5), random.integers(0, size[1] - 5)
        picture[y : y + 5, x : x + 5] += 60
        mask[y : y + 5, x : x + 5] = 1
    return pictures, masks


def field(column: Column) -> Field:
    return Field(torch.from_numpy(column.values), torch.from_numpy(column.mask))


def learned(
    inputs: list[Feature], output: Feature, raw: dict[str, np.ndarray], steps: int, trunk: str = "unet"
) -> tuple[dict[str, float], dict[str, float]]:
    """Metrics of a network after some steps on all rows, and of the constant prediction."""
    torch.manual_seed(0)
    inputs, output = [f.fit([raw[f.column]]) for f in inputs], output.fit([raw[output.column]])
    network = Network(inputs, [output], trunk, {"width": 8})
    fields = {f.name: field(f.encode(raw[f.column])) for f in inputs}
    truth = output.encode(raw[output.column])
    target = field(truth)
    optimizer = torch.optim.AdamW(network.parameters(), 0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        output.prediction(network(fields)[output.name]).loss(target).mean().backward()
        optimizer.step()
    network.eval()
    with torch.inference_mode():
        best = {k: v.numpy() for k, v in network.predictions(fields)[output.name].mode().items()}
    constant = {k: v.repeat(len(truth), 0) for k, v in output.baseline(truth).items()}
    return output.score(best, truth), output.score(constant, truth)


@pytest.mark.parametrize("trunk", ["unet", "conv", "resnet"])
def test_a_mask_is_learned_on_any_trunk_that_keeps_its_maps(trunk: str) -> None:
    pictures, masks = dots()
    raw = {"image": pictures, "mask": masks}
    found, constant = learned([Image(name="image")], MaskOutput(name="mask"), raw, 40, trunk)
    assert constant["miou"] < 0.5
    assert found["miou"] > 0.75  # seed 0: 0.95 unet, 0.84 conv, 0.90 resnet


def test_a_unet_learns_colourisation_and_super_resolution() -> None:
    random = np.random.default_rng(0)
    bright = random.integers(40, 200, (32, 1, 1))
    pictures = np.stack([bright, 255 - bright, bright // 2], -1) * np.ones((1, 16, 16, 1))
    pictures[:, 4:12, 4:12] *= 0.5
    raw = {"image": pictures.astype(np.uint8)}
    small = Image(name="small", column="image", size=(8, 8), mode="grayscale")
    found, constant = learned([small], ImageOutput(name="large", column="image"), raw, 60)
    assert found["psnr"] > constant["psnr"] + 5


def test_a_number_input_beside_an_image_is_used() -> None:
    random = np.random.default_rng(0)
    side = random.integers(0, 2, 24)
    masks = np.zeros((24, 12, 12), np.uint8)
    masks[side == 1, :, 6:] = 1
    masks[side == 0, :, :6] = 1
    raw = {"image": random.integers(0, 255, (24, 12, 12), dtype=np.uint8), "side": side.astype(np.float64)}
    found, _ = learned([Image(name="image"), Number(name="side")], MaskOutput(name="mask"), {**raw, "mask": masks}, 60)
    assert found["miou"] > 0.9


@pytest.mark.parametrize("grid", [(1, 1), (1, 9), (8, 8), (33, 47)])
@pytest.mark.parametrize("norm", ["batch", "layer", "instance", "group", "none"])
def test_any_grid_and_norm(grid: tuple[int, int], norm: str) -> None:
    if norm == "instance" and 1 in grid:
        pytest.skip("there is nothing to normalise over in a single pixel")
    torch.manual_seed(0)
    shape = TokenShape(grid[0] * grid[1], grid)
    trunk = Unet([shape, TokenShape(1), shape], width=8, norm=norm, dropout=0.1)
    picture = Tokens(torch.randn(3, grid[0] * grid[1], 8), torch.ones(3, grid[0] * grid[1], dtype=torch.bool), grid)
    number = Tokens(torch.randn(3, 1, 8, requires_grad=True), torch.ones(3, 1, dtype=torch.bool))
    other = picture._replace(values=picture.values.clone().requires_grad_())
    out = trunk([picture, number, other])
    assert out.values.shape == (3, 1, trunk.out_dim)
    assert [m.shape[1] for m in out.pyramid] == list(trunk.pyramid)
    assert out.pyramid[0].shape[2:] == grid
    assert all(torch.isfinite(m).all() for m in out.pyramid)
    out.pyramid[0].square().sum().backward()
    assert number.values.grad.abs().sum() > 0
    assert other.values.grad.abs().sum() > 0


def test_an_image_is_required_and_the_width_follows_the_budget() -> None:
    with pytest.raises(SpecError, match="'unet' needs an input with rows and columns"):
        Unet([TokenShape(1)])
    shape = TokenShape(48 * 64, (48, 64))
    widths = [Unet.size_for_budget([shape], 367, work)["width"] for work in (1e9, 1e12, 1e13, 1e15)]
    assert widths == sorted(widths)
    assert widths[0] < widths[-1]
