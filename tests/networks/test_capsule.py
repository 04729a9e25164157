"""Capsules: squash, routing by agreement against a plain implementation, losses, invalid settings."""

from __future__ import annotations

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
from deepglass.features.video import Video
from deepglass.networks.network import Network
from deepglass.networks.trunks.capsule import CapsuleNet as Trunk
from deepglass.nn.capsule import Routing, evidence, lengths, margin_loss, squash
from deepglass.nn.tokens import TokenShape
from deepglass.objectives.capsule import Capsule


def bars(rows: int) -> tuple[np.ndarray, pl.Series]:
    """Vertical and horizontal bright bars on noise."""
    pictures = np.random.default_rng(0).integers(0, 100, (rows, 16, 16)).astype(np.uint8)
    for i, picture in enumerate(pictures):
        picture[(slice(None), i % 16) if i % 2 else (i % 16, slice(None))] = 255
    return pictures, pl.Series(["upright" if i % 2 else "level" for i in range(rows)])


def prepared(rows: int = 64) -> tuple[Image, CategoryOutput, Dataset]:
    pictures, labels = bars(rows)
    image, label = Image(name="image").fit([pictures]), CategoryOutput(name="label").fit([labels])
    return image, label, Dataset({"image": image.encode(pictures)}, {"label": label.encode(labels)})


def built(image: Feature, label: Feature, trunk: str = "capsule", **settings: float) -> Capsule:
    torch.manual_seed(0)
    objective = Capsule(**settings)
    objective.build([image], [label], lambda inputs, outputs, *_: Network(inputs, outputs, trunk, {"width": 8}))
    return objective


def test_squash_keeps_the_direction_with_norm_below_one():
    x = torch.randn(5, 7, 4) * torch.logspace(-3, 3, 7)[:, None]
    y = squash(x)
    squared = x.square().sum(-1)
    torch.testing.assert_close(lengths(y), squared / (1 + squared), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(torch.cosine_similarity(x[:, 2:], y[:, 2:], -1), torch.ones(5, 5))
    assert squash(torch.zeros(2, 3)).abs().max() == 0


def test_squash_has_finite_gradients_at_zero():
    x = torch.zeros(2, 3, requires_grad=True)
    evidence(squash(x)).sum().backward()
    assert x.grad.isfinite().all()


def test_logits_are_the_log_odds_of_the_length():
    capsules = squash(torch.randn(6, 3, 8))
    torch.testing.assert_close(evidence(capsules).sigmoid(), lengths(capsules), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("iterations", [1, 2, 3])
def test_routing_agrees_with_the_algorithm_of_the_paper(iterations: int):
    torch.manual_seed(0)
    B, N, E, K, D = 3, 20, 4, 5, 6
    routing = Routing(N, E, K, D, iterations)
    u = squash(torch.randn(B, N, E))
    predictions = torch.einsum("bne,kned->bknd", u, routing.weight.view(K, N, E, D))
    logits = torch.zeros(B, K, N)
    for _ in range(iterations):
        above = squash(torch.einsum("bkn,bknd->bkd", logits.softmax(1), predictions))
        logits = logits + torch.einsum("bknd,bkd->bkn", predictions, above)
    torch.testing.assert_close(routing(u), above, rtol=1e-4, atol=1e-5)


def test_routing_increases_coupling_with_agreement():
    routing = Routing(6, 2, 2, 2, iterations=3)
    with torch.no_grad():  # all parts say the same to the first whole, and opposite things to the second
        together = torch.eye(2).repeat(6, 1)
        apart = torch.cat([sign * torch.eye(2) for sign in (1, -1) * 3])
        routing.weight.copy_(torch.stack([together, apart]))
    length = lengths(routing(torch.tensor([[[0.9, 0.0]] * 6])))[0]
    assert length[0] > 0.9
    assert length[1] < 0.1


def test_the_margin_loss_is_zero_outside_its_margins():
    label = torch.tensor([0])
    assert margin_loss(torch.tensor([[0.95, 0.05]]), label).item() == 0
    torch.testing.assert_close(margin_loss(torch.tensor([[0.4, 0.3]]), label), torch.tensor([0.25 + 0.5 * 0.04]))


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (28, 28), (33, 47)])
@pytest.mark.parametrize("norm", ["batch", "layer", "instance", "group", "none"])
def test_any_size_and_every_norm(size: tuple[int, int], norm: str):
    image = Image(name="image").fit([np.random.default_rng(0).integers(0, 256, (8, *size, 3)).astype(np.uint8)])
    label = CategoryOutput(name="label").fit([pl.Series(["a", "b", "c"])])
    network = Network([image], [label], "capsule", {"width": 4, "capsules": 3, "norm": norm})
    field = Dataset({"image": image.encode(np.zeros((4, *size, 3), np.uint8))}, {}).batch(torch.arange(4)).inputs
    tokens = network.embed(field)
    assert tokens.values.shape == (4, 1, 3 * 16)
    assert tokens.values.isfinite().all()
    assert lengths(tokens.values.view(4, 3, 16)).max() < 1
    assert network(field)["label"].shape == (4, 3)


def test_several_images_and_numbers_are_all_used():
    rng = np.random.default_rng(0)
    left, right = (
        Image(name=n).fit([rng.integers(0, 256, (8, 12, s)).astype(np.uint8)]) for n, s in (("l", 12), ("r", 9))
    )
    speed = Number(name="speed").fit([pl.Series([1.0, 2.0, 3.0])])
    label = CategoryOutput(name="label").fit([pl.Series(["a", "b"])])
    torch.manual_seed(0)
    network = Network([left, speed, right], [label], "capsule", {"width": 4}).eval()
    rows = {
        "l": left.encode(rng.integers(0, 256, (4, 12, 12)).astype(np.uint8)),
        "r": right.encode(rng.integers(0, 256, (4, 12, 9)).astype(np.uint8)),
        "speed": speed.encode(pl.Series([1.0, 2.0, 3.0, 1.5])),
    }
    inputs = Dataset(rows, {}).batch(torch.arange(4)).inputs
    once = network(inputs)["label"]
    for name, field in inputs.items():
        changed = inputs | {name: field._replace(values=field.values.flip(0))}
        assert not torch.allclose(network(changed)["label"], once), name


def test_a_missing_image_input_is_an_error():
    with pytest.raises(SpecError, match="rows and columns"):
        Trunk([TokenShape(1)])


def test_a_capsule_network_learns_classes_and_reconstructions():
    image, label, data = prepared()
    objective = built(image, label, reconstruction_weight=0.005)
    optimizer = torch.optim.AdamW(objective.parameter_groups()["network"].parameters(), 0.003)
    batch = data.batch(torch.arange(64))
    logs = []
    for _ in range(40):
        loss = objective.loss(batch)
        logs.append({name: float(value) for name, value in loss.logs.items()})
        optimizer.zero_grad()
        loss.value.backward()
        optimizer.step()
    assert objective.evaluate(data, 64).metrics["label"]["accuracy"] > 0.95  # 0.5 is chance
    assert logs[-1]["margin"] < 0.3 * logs[0]["margin"]
    assert logs[-1]["reconstruction"] < 0.7 * logs[0]["reconstruction"]


def test_there_is_one_capsule_per_class():
    image, label, data = prepared()
    objective = built(image, label)
    assert objective.network.trunk.out_dim == 2 * 16
    params = objective.network(data.batch(torch.arange(8)).inputs)["label"]
    capsules = objective.network.embed(data.batch(torch.arange(8)).inputs).values.view(8, 2, 16)
    torch.testing.assert_close(params.sigmoid(), lengths(capsules), rtol=1e-3, atol=1e-4)


def test_unlabelled_rows_have_no_gradient():
    image, label, data = prepared()
    objective = built(image, label, reconstruction_weight=0.0)
    batch = data.batch(torch.arange(8))
    field = batch.targets["label"]
    unknown = field._replace(values=torch.zeros_like(field.values), mask=torch.zeros_like(field.mask))
    batch.targets["label"] = unknown
    assert objective.loss(batch).value.item() == 0


def test_invalid_settings_are_rejected_before_training():
    image, label, _ = prepared()
    with pytest.raises(SpecError, match=r"\[bad-value\] objective: 'capsule' needs .* network.trunk=capsule"):
        built(image, label, trunk="conv")
    with pytest.raises(SpecError, match=r"\[bad-value\] objective: .* kind category, got speed \(number\)"):
        built(image, Number(name="speed").fit([pl.Series([1.0, 2.0])]))
    frames = Video(name="video", frames=2).fit([np.zeros((4, 2, 8, 8, 1), np.uint8)])
    with pytest.raises(SpecError, match=r"\[bad-value\] objective: .* kind image"):
        built(frames, label)
    with pytest.raises(ValueError, match="m_minus: expected less than m_plus"):
        Capsule(m_plus=0.1, m_minus=0.9)
