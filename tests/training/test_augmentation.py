"""Augmentation in training: flips, left and right cameras, mixup."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from deepglass.data.augment import Augment
from deepglass.data.batches import Batch, Dataset, Mix
from deepglass.errors import SpecError
from deepglass.features.base import Feature
from deepglass.features.image import Image
from deepglass.features.outputs.category import CategoryOutput
from deepglass.features.outputs.number import NumberOutput
from deepglass.features.outputs.vector import VectorOutput
from deepglass.features.video import Video
from deepglass.hyperparameters import IMAGE_DEFAULTS
from deepglass.nn.tokens import Field
from deepglass.objectives.supervised import Supervised
from deepglass.training.augmentation import Augmentation, augmentation_for
from deepglass.training.settings import TrainingSettings

ROWS = 64


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def images(channels: int = 3, seed: int = 0, size: tuple[int, int] = (10, 16)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (ROWS, *size, channels), dtype=np.uint8)


def numbers(seed: int = 0) -> pl.Series:
    return pl.Series(np.random.default_rng(seed).normal(0.1, 0.3, ROWS))


def camera(name: str, **more: Any) -> Image:
    return Image(name=name).fit([images(**more)])


STEERING = NumberOutput(name="steering", negate_on_flip=True).fit([numbers()])
SPEED = NumberOutput(name="speed").fit([numbers(1)])


def change(inputs: list[Feature], outputs: list[Feature], augment: Any = True, epochs: float = 10) -> Augmentation:
    made = augmentation_for(TrainingSettings(augment=augment), IMAGE_DEFAULTS, inputs, outputs, epochs)
    assert isinstance(made, Augmentation)
    return made


def drive(names: list[str]) -> Batch:
    """Images whose pixels encode their camera and their left side."""
    inputs = {}
    for i, name in enumerate(names):
        values = torch.full((ROWS, 3, 10, 16), 10 * (i + 1), dtype=torch.uint8)
        values[..., 0] += 1  # a mark at the left border
        inputs[name] = Field(values, torch.ones(ROWS, dtype=torch.bool))
    inputs["speed"] = Field(torch.arange(float(ROWS)), torch.ones(ROWS, dtype=torch.bool))
    angle = Field(torch.linspace(-1, 1, ROWS), torch.ones(ROWS, dtype=torch.bool))
    return Batch(inputs, {"steering": angle, "throttle": angle}, torch.arange(ROWS))


def test_flipping_swaps_left_and_right_cameras_and_negates_the_angle() -> None:
    names = ["center", "left", "right"]
    throttle = NumberOutput(name="throttle").fit([numbers(2)])
    cameras = [camera(name) for name in names]
    varied = change([*cameras, SPEED], [STEERING, throttle], {"flip": True})
    before = drive(names)
    after = varied(before, generator())
    assert type(after.inputs["left"]) is Field
    mirrored = after.targets["steering"].values != before.targets["steering"].values
    assert 20 < int(mirrored.sum()) < 44
    torch.testing.assert_close(after.targets["steering"].values[mirrored], -before.targets["steering"].values[mirrored])
    for name, shown in {
        "center": 10,
        "left": 30,
        "right": 20,
    }.items():  # the image of the right camera becomes that of the left
        picture = after.inputs[name].values[mirrored]
        assert torch.equal(picture[..., -1].unique(), torch.tensor([shown + 1], dtype=torch.uint8))
        assert torch.equal(picture[..., 0].unique(), torch.tensor([shown], dtype=torch.uint8))
        assert torch.equal(after.inputs[name].values[~mirrored], before.inputs[name].values[~mirrored])
    assert torch.equal(after.inputs["speed"].values, before.inputs["speed"].values)
    assert torch.equal(after.targets["throttle"].values, before.targets["throttle"].values)


def test_a_number_with_offset_is_negated_in_user_units() -> None:
    feature = NumberOutput(name="x", negate_on_flip=True).fit([pl.Series([1e6, 1e6 + 1, 1e6 + 2])])
    assert feature.offset_ != 0
    column = feature.encode(pl.Series([1e6 + 2]))
    field = Field(torch.from_numpy(column.values), torch.from_numpy(column.mask))
    mirror = Augment(flip=True).map(torch.zeros(11, 1), (4, 4))
    assert bool(mirror.mirrored)
    turned = feature.warp(field, mirror).values.double() + feature.offset_
    assert turned.item() == pytest.approx(-1e6 - 2, abs=0.2)


@pytest.mark.parametrize(
    ("names", "outputs", "flips"),
    [
        (["photo"], [CategoryOutput(name="class").fit([pl.Series(["cat", "dog", "horse"])])], True),
        (["photo"], [SPEED], False),  # a number may be a place: in a mirror another one
        (["photo"], [VectorOutput(name="eye").fit([np.ones((3, 2))])], False),
        (["photo"], [replace(STEERING, negate_on_flip=False)], False),  # it would turn, and nobody says how
        (["photo"], [STEERING], True),
        (["left", "right"], [STEERING], True),
        (["left"], [STEERING], False),  # its flip is an image of a right camera
        (["photo"], [CategoryOutput(name="turn").fit([pl.Series(["left", "right", "none"])])], False),
    ],
)
def test_by_default_flips_are_used_only_where_the_target_is_invariant(
    names: list[str], outputs: list[Feature], flips: bool
) -> None:
    varied = change([camera(name) for name in names], outputs)
    assert all(augment.flip is flips for augment in varied.augmentations.values())


def test_images_with_a_negated_number_are_not_shifted_or_rotated() -> None:
    varied = change([camera("photo")], [STEERING])
    assert varied.augmentations["photo"].shift == varied.augmentations["photo"].rotate == 0
    assert change([camera("photo")], [SPEED]).augmentations["photo"].shift > 0


def test_flipping_needs_both_side_cameras() -> None:
    with pytest.raises(SpecError, match=r"training.augment.flip: 'left' shows one side"):
        change([camera("left"), camera("right", size=(20, 16))], [SPEED], {"flip": True})


def test_mixup_needs_inputs_that_can_be_interpolated() -> None:
    word = CategoryOutput(name="job").fit([pl.Series(["a", "b"] * 9)])
    with pytest.raises(SpecError, match=r"training.augment.mixup: 'job' is of kind category"):
        change([camera("photo"), word], [SPEED], {"mixup": 0.2})
    with pytest.raises(SpecError, match=r"only images, audio and texts can be augmented, the inputs are speed"):
        change([SPEED], [STEERING], {"color_jitter": 0.2})
    assert change([SPEED], [STEERING], {"mixup": 0.2}).mixup == 0.2


def test_objectives_with_one_target_per_row_reject_mixup() -> None:
    spec = TrainingSettings(augment={"mixup": 0.2})
    with pytest.raises(SpecError, match=r"training.augment.mixup: this objective does not support mixup"):
        augmentation_for(spec, IMAGE_DEFAULTS, [camera("photo")], [SPEED], 10, supports_mixup=False)


def test_video_frames_are_augmented() -> None:
    clips = np.repeat(images(1)[:, None, :, :, 0], 4, 1)
    video = Video(name="video", frames=4).fit([clips])
    field = Field(torch.from_numpy(video.encode(clips).values), torch.ones(ROWS, dtype=torch.bool))
    varied = change([video], [SPEED])
    after = varied(Batch({"video": field}, {}, torch.arange(ROWS)), generator()).inputs["video"].values
    assert after.shape == field.values.shape
    assert not torch.equal(after, field.values.float())
    torch.testing.assert_close(after[:, 0], after[:, 3])


@pytest.mark.parametrize("trunk", [("conv", {}), ("mlp", {"ensemble_size": 3})])
def test_the_mixup_loss_weights_both_targets(trunk: tuple[str, dict]) -> None:
    from deepglass.networks.network import Network

    torch.manual_seed(0)
    photo, kind = camera("photo"), CategoryOutput(name="kind").fit([pl.Series(["a", "b", "c", "d"] * 16)])
    objective = Supervised()
    inputs = [photo] if trunk[0] == "conv" else [SPEED]
    objective.build(inputs, [kind, STEERING], lambda i, o: Network(i, o, *trunk))
    objective.eval()
    raw = {"photo": images(), "speed": numbers(1), "kind": pl.Series(["a", "b", "c", None] * 16), "steering": numbers()}
    data = Dataset(
        {f.name: f.encode(raw[f.name]) for f in inputs}, {f.name: f.encode(raw[f.name]) for f in (kind, STEERING)}
    )
    batch = data.batch(torch.arange(ROWS))
    partner = torch.randperm(ROWS, generator=generator())
    swapped = replace(batch, targets={n: f.take(partner) for n, f in batch.targets.items()})
    mix = lambda weight: Mix(swapped.targets, torch.full((ROWS,), weight))  # noqa: E731
    loss = lambda weight: objective.loss(replace(batch, mix=mix(weight))).value  # noqa: E731
    own, other = objective.loss(batch).value, objective.loss(swapped).value
    torch.testing.assert_close(loss(1.0), own)
    torch.testing.assert_close(loss(0.7), 0.7 * own + 0.3 * other)
