"""ConvNeXt: image sizes, several inputs, norms, receptive field."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import polars as pl
import pytest
import torch

from deepglass.data.batches import Dataset
from deepglass.errors import SpecError
from deepglass.features.base import Feature
from deepglass.features.image import Image
from deepglass.features.number import Number
from deepglass.features.outputs.category import CategoryOutput
from deepglass.networks.network import Network
from deepglass.networks.trunks.convnext import Convnext
from deepglass.nn.tokens import TokenShape


def pictures(rows: int, size: tuple[int, int], channels: int = 1) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (rows, *size, channels)).astype(np.uint8)


def network(inputs: list[Feature], **settings: object) -> Network:
    torch.manual_seed(0)
    label = CategoryOutput(name="label").fit([pl.Series(["a", "b", "c"])])
    return Network(inputs, [label], "convnext", {"width": 8, "depth": 1, **settings})


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 50), (28, 28), (33, 47), (96, 128)])
def test_any_image_size_and_its_feature_maps(size: tuple[int, int]):
    image = Image(name="image").fit([pictures(4, size, 3)])
    net = network([image])
    tokens = net.embed(Dataset({"image": image.encode(pictures(4, size, 3))}, {}).batch(torch.arange(4)).inputs)
    assert tokens.values.shape == (4, 1, net.trunk.out_dim)
    assert tokens.values.isfinite().all()
    assert tuple(m.shape[1] for m in tokens.pyramid) == net.trunk.pyramid
    sides = [m.shape[2:] for m in tokens.pyramid]
    assert all((-(-a // 2), -(-b // 2)) == (c, d) for (a, b), (c, d) in pairwise(sides))


@pytest.mark.parametrize("norm", ["batch", "layer", "instance", "group", "none"])
@pytest.mark.parametrize("size", [(8, 8), (28, 28)])
def test_every_norm(norm: str, size: tuple[int, int]):
    image = Image(name="image").fit([pictures(4, size)])
    batch = Dataset({"image": image.encode(pictures(4, size))}, {}).batch(torch.arange(4))
    out = network([image], norm=norm)(batch.inputs)["label"]
    assert out.isfinite().all()
    out.square().sum().backward()


def test_several_images_and_numbers_are_all_used():
    left, right = (Image(name=n).fit([pictures(4, size)]) for n, size in (("l", (12, 12)), ("r", (9, 20))))
    speed = Number(name="speed").fit([pl.Series([1.0, 2.0, 3.0])])
    net = network([left, speed, right]).eval()
    rows = {
        "l": left.encode(pictures(4, (12, 12))),
        "r": right.encode(pictures(4, (9, 20))),
        "speed": speed.encode(pl.Series([1.0, 2.0, 3.0, 1.5])),
    }
    inputs = Dataset(rows, {}).batch(torch.arange(4)).inputs
    once = net(inputs)["label"]
    for name, field in inputs.items():
        changed = inputs | {name: field._replace(values=field.values.roll(1, 0))}
        assert not torch.allclose(net(changed)["label"], once), name


def test_a_block_has_the_receptive_field_of_its_kernel():
    trunk = Convnext([TokenShape(64, (8, 8))], width=4, depth=1, kernel=5, norm="none")
    block = trunk.body.stages[0][1]
    x = torch.zeros(1, 4, 9, 9, requires_grad=True)
    block(x)[0, :, 4, 4].sum().backward()
    rows = x.grad.abs().sum((0, 1)).nonzero()
    assert rows.min() == 2
    assert rows.max() == 6


def test_unsuitable_inputs_are_rejected():
    image = Image(name="image").fit([pictures(4, (8, 8))])
    with pytest.raises(SpecError, match=r"\[bad-value\] network.kernel: expected an odd number, got 4"):
        network([image], kernel=4)
    with pytest.raises(SpecError, match="rows and columns"):
        network([Number(name="speed").fit([pl.Series([1.0, 2.0])])])


def test_it_learns_the_position_of_a_bright_bar():
    values = pictures(64, (16, 16))[..., 0] // 3
    answers = ["upright" if i % 2 else "level" for i in range(64)]
    for i, picture in enumerate(values):
        picture[(slice(None), i % 16) if i % 2 else (i % 16, slice(None))] = 255
    image, label = Image(name="image").fit([values]), CategoryOutput(name="label").fit([pl.Series(answers)])
    data = Dataset({"image": image.encode(values)}, {"label": label.encode(pl.Series(answers))})
    torch.manual_seed(0)
    net = Network([image], [label], "convnext", {"width": 8, "depth": 1})
    optimizer, batch = torch.optim.AdamW(net.parameters(), 0.01), data.batch(torch.arange(64))
    for _ in range(30):
        loss = label.prediction(net(batch.inputs)["label"]).loss(batch.targets["label"]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1  # 0.69 is chance
