"""Attention against torch, masks, causality; the vision transformer with any image size and other inputs."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch
from torch.nn import functional as F

from deepglass.data.batches import Dataset
from deepglass.errors import SpecError
from deepglass.features.base import Feature
from deepglass.features.image import Image
from deepglass.features.number import Number
from deepglass.features.outputs.category import CategoryOutput
from deepglass.features.text import Text
from deepglass.features.video import Video
from deepglass.networks.network import Network
from deepglass.nn.attention import Attention, AttentionBlock

SMALL = {"width": 16, "depth": 1, "heads": 2}


def pictures(rows: int, size: tuple[int, int], channels: int = 1) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (rows, *size, channels)).astype(np.uint8)


def network(inputs: list[Feature], **settings: object) -> Network:
    torch.manual_seed(0)
    label = CategoryOutput(name="label").fit([pl.Series(["a", "b", "c"])])
    return Network(inputs, [label], "vit", {**SMALL, **settings})


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("causal", [False, True])
def test_attention_is_the_scaled_dot_product(fused: bool, causal: bool):
    torch.manual_seed(0)
    attention = Attention(8, 2, fused=fused)
    x = torch.randn(3, 5, 8, requires_grad=True)
    query = attention.query(x).view(3, 5, 2, 4).transpose(1, 2)
    key, value = (part.view(3, 5, 2, 4).transpose(1, 2) for part in attention.key_value(x).chunk(2, -1))
    wanted = F.scaled_dot_product_attention(query, key, value, is_causal=causal).transpose(1, 2).reshape(3, 5, 8)
    got = attention(x, causal=causal)
    torch.testing.assert_close(got, attention.out(wanted))
    ours, theirs = (
        torch.autograd.grad(y.square().sum(), x, retain_graph=True)[0] for y in (got, attention.out(wanted))
    )
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("fused", [False, True])
def test_absent_tokens_are_not_attended(fused: bool):
    torch.manual_seed(0)
    attention = Attention(8, 2, fused=fused, memory_dim=6).eval()
    x, memory = torch.randn(2, 3, 8), torch.randn(2, 4, 6)
    mask = torch.tensor([[True, True, False, True], [True, False, False, False]])
    other = torch.where(mask.unsqueeze(-1), memory, 99.0)
    torch.testing.assert_close(attention(x, mask, memory), attention(x, mask, other))
    each = mask[:, None].expand(2, 3, 4)  # the same mask for each query
    torch.testing.assert_close(attention(x, each, memory), attention(x, mask, memory))


def test_causal_attention_ignores_later_tokens():
    torch.manual_seed(0)
    block = AttentionBlock(8, 2).eval()
    x = torch.randn(2, 6, 8)
    later = torch.cat([x[:, :4], torch.randn(2, 2, 8)], 1)
    mask = torch.ones(2, 6, dtype=torch.bool)
    torch.testing.assert_close(block(x, causal=True)[:, :4], block(later, causal=True)[:, :4])
    torch.testing.assert_close(block(x, mask, causal=True), block(x, causal=True))
    assert not torch.allclose(block(x)[:, :4], block(later)[:, :4])


def test_cross_attention_uses_the_memory():
    torch.manual_seed(0)
    block = AttentionBlock(8, 2, memory_dim=6).eval()
    x, memory = torch.randn(2, 1, 8), torch.randn(2, 4, 6)
    assert block(x, None, memory).shape == (2, 1, 8)
    assert not torch.allclose(block(x, None, memory), block(x, None, memory.flip(0)))


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match="divides the width 10, got 4"):
        Attention(10, 4)
    with pytest.raises(SpecError, match=r"\[bad-value\] network.heads: .*divides the width 16, got 3"):
        network([Image(name="image").fit([pictures(4, (8, 8))])], heads=3)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 50), (28, 28), (33, 47), (96, 128)])
def test_any_size(size: tuple[int, int]):
    image = Image(name="image").fit([pictures(4, size, 3)])
    net = network([image])
    tokens = net.embed(Dataset({"image": image.encode(pictures(4, size, 3))}, {}).batch(torch.arange(4)).inputs)
    assert tokens.values.isfinite().all()
    assert max(tokens.grid) <= 8
    assert tokens.values.shape == (4, tokens.grid[0] * tokens.grid[1], 16)
    assert [m.shape for m in tokens.pyramid] == [(4, net.trunk.pyramid[0], *tokens.grid)]


@pytest.mark.parametrize("norm", ["batch", "layer", "instance", "group", "none"])
def test_every_norm(norm: str):
    image = Image(name="image").fit([pictures(4, (12, 12))])
    batch = Dataset({"image": image.encode(pictures(4, (12, 12)))}, {}).batch(torch.arange(4))
    assert network([image], norm=norm)(batch.inputs)["label"].isfinite().all()


def test_several_images_numbers_and_texts_are_used_and_padding_is_not():
    left, right = (Image(name=n).fit([pictures(4, size)]) for n, size in (("l", (12, 12)), ("r", (9, 20))))
    speed = Number(name="speed").fit([pl.Series([1.0, 2.0, 3.0])])
    text = Text(name="text").fit([pl.Series(["a dog runs", "a cat sleeps", "birds fly far away"] * 4)])
    net = network([speed, text, left, right]).eval()
    words = pl.Series(["a dog", "a cat sleeps", "birds", "far away runs a dog"])
    rows = {
        "speed": speed.encode(pl.Series([1.0, 2.0, 3.0, 1.5])),
        "text": text.encode(words),
        "l": left.encode(pictures(4, (12, 12))),
        "r": right.encode(pictures(4, (9, 20))),
    }
    data = Dataset(rows, {})
    inputs = data.batch(torch.arange(4)).inputs
    once = net(inputs)["label"]
    torch.testing.assert_close(net(data.batch(torch.arange(1)).inputs)["label"], once[:1], rtol=1e-4, atol=1e-5)
    for name, field in inputs.items():
        rolled = type(field)(*(None if part is None else part.roll(1, 0) for part in field))
        assert not torch.allclose(net(inputs | {name: rolled})["label"], once), name
    maps = net.embed(inputs).pyramid
    torch.testing.assert_close(maps[0].shape, torch.Size([4, 16, 6, 6]))


def test_frames_become_patches_too():
    frames = np.random.default_rng(0).integers(0, 256, (4, 3, 30, 40, 1)).astype(np.uint8)
    video = Video(name="video", frames=3).fit([frames])
    tokens = network([video]).embed(Dataset({"video": video.encode(frames)}, {}).batch(torch.arange(4)).inputs)
    assert tokens.grid == (6, 8), "attention over each of 30 x 40 places would not fit into memory"
    assert tokens.values.isfinite().all()


def test_patch_positions_matter():
    image = Image(name="image").fit([pictures(4, (16, 16))])
    net = network([image]).eval()
    blank = np.zeros((2, 16, 16), np.uint8)
    blank[0, 2:4, 2:4] = blank[1, 10:12, 10:12] = 255
    inputs = Dataset({"image": image.encode(blank)}, {}).batch(torch.arange(2)).inputs
    top, bottom = net(inputs)["label"]
    assert not torch.allclose(top, bottom, atol=1e-3)


def test_unsuitable_inputs_are_rejected():
    image = Image(name="image").fit([pictures(4, (8, 8))])
    with pytest.raises(SpecError, match=r"\[bad-value\] network.patch: expected 1 to 8 pixels, got 9"):
        network([image], patch=9)
    with pytest.raises(SpecError, match="rows and columns"):
        network([Number(name="speed").fit([pl.Series([1.0, 2.0])])])


def test_it_learns_which_of_two_marks_is_higher():
    rng = np.random.default_rng(0)
    values = rng.integers(0, 100, (128, 16, 16)).astype(np.uint8)
    answers = []
    for picture in values:
        bright, dark = rng.permutation(4)[:2] * 4
        picture[bright : bright + 3, rng.integers(0, 13) :][:, :3] = 255
        picture[dark : dark + 3, rng.integers(0, 13) :][:, :3] = 0
        answers.append("bright" if bright < dark else "dark")
    image, label = Image(name="image").fit([values]), CategoryOutput(name="label").fit([pl.Series(answers)])
    data = Dataset({"image": image.encode(values)}, {"label": label.encode(pl.Series(answers))})
    torch.manual_seed(0)
    net = Network([image], [label], "vit", {"width": 32, "depth": 2, "heads": 2})
    optimizer, batch = torch.optim.AdamW(net.parameters(), 0.003), data.batch(torch.arange(128))
    for _ in range(60):
        loss = label.prediction(net(batch.inputs)["label"]).loss(batch.targets["label"]).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.2  # 0.69 is chance
