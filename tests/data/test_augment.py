"""Augmentation of images, masks and videos: affine maps, colours, mixup, settings."""

from __future__ import annotations

import pytest
import torch

from deepglass.config import construct
from deepglass.data.augment import Augment, Warp, is_angle, is_directional, uniform_draws, warp, words
from deepglass.data.augment_pixels import color_jitter, random_erasing
from deepglass.data.batches import Batch
from deepglass.data.mixup import beta, mixup
from deepglass.errors import SpecError
from deepglass.nn.tokens import Field


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(channels: int = 3, size: tuple[int, int] = (12, 10), dtype: torch.dtype = torch.uint8) -> torch.Tensor:
    return torch.randint(0, 256, (6, channels, *size), generator=generator()).to(dtype)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.float32])
def test_whole_pixel_shifts_and_flips_keep_the_codes(dtype: torch.dtype) -> None:
    x = pictures(dtype=dtype)
    y = Augment(shift=0.2, flip=True)(x, generator())
    assert y.dtype == dtype
    assert y.shape == x.shape
    for before, after in zip(x.float(), y.float(), strict=True):
        assert set(after.flatten().tolist()) <= set(before.flatten().tolist())


def test_without_augmentations_nothing_changes() -> None:
    x = pictures()
    assert torch.equal(Augment()(x, generator()), x)
    identity = Warp(torch.eye(2, 3).repeat(6, 1, 1), whole=False)
    torch.testing.assert_close(warp(x, identity), x.float(), rtol=0, atol=1e-3)


def test_indexed_pixels_equal_resampled_ones_in_the_interior() -> None:
    x = pictures(size=(16, 16))
    drawn = Augment(shift=0.2, flip=True).draw(6, (16, 16), generator(3))
    assert drawn.whole
    assert drawn.affine[:, 0, 0].unique().tolist() == [-1.0, 1.0]
    picked, resampled = warp(x, drawn), warp(x, drawn._replace(whole=False))
    torch.testing.assert_close(picked[..., 3:-3, 3:-3].float(), resampled[..., 3:-3, 3:-3], rtol=0, atol=1e-2)


def test_rotation_keeps_shapes_on_images_that_are_not_square() -> None:
    x = torch.zeros(1, 1, 20, 60)
    x[..., 10, 30:40] = 1  # ten pixels to the right of the middle
    quarter = Augment(rotate=90)
    turned = warp(x, quarter.draw(1, (20, 60), generator())._replace(affine=_turn(90, 20, 60)))
    rows, columns = (turned[0, 0] > 0.5).nonzero().unbind(1)
    assert rows.max() - rows.min() >= 8
    assert columns.max() - columns.min() <= 1


def test_masks_are_transformed_with_their_images() -> None:
    x = pictures(channels=1, size=(16, 16))
    drawn = Augment(rotate=20, scale=0.2, shift=0.1).draw(6, (16, 16), generator())
    mask = (x > 128).to(torch.uint8)
    warped = warp(mask, drawn, nearest=True)
    assert warped.dtype == torch.uint8
    assert set(warped.unique().tolist()) <= {0, 1}
    near = warp(x, drawn, nearest=True) > 128
    assert torch.equal(near, warped.bool())


def test_the_same_generator_gives_the_same_images() -> None:
    augment = Augment.of(1, (12, 10))
    x = pictures(channels=1)
    assert torch.equal(augment(x, generator(5)), augment(x, generator(5)))
    assert not torch.equal(augment(x, generator(5)), augment(x, generator(6)))


def test_random_erasing_masks_a_square_of_about_the_share() -> None:
    x = torch.zeros(200, 1, 20, 20)
    x[::2] = 2.0
    blank = (random_erasing(x, 0.5, generator()) == 1.0).float().mean((1, 2, 3))
    assert blank.max() == pytest.approx(0.25, abs=0.03)
    assert blank.min() > 0


def test_noise_has_the_requested_standard_deviation() -> None:
    x = pictures()
    y = Augment(noise=0.1)(x, generator())
    assert (y - x.float()).std() == pytest.approx(0.1 * float(x.float().std()), rel=0.1)


def test_crop_enlarges_a_part_of_the_image() -> None:
    ramp = torch.arange(32.0)
    x = torch.stack([ramp.view(32, 1).expand(32, 32), ramp.view(1, 32).expand(32, 32)])[None].repeat(400, 1, 1, 1)
    y = Augment(crop=0.75)(x, generator())
    sides = torch.stack([y[:, 0, -1, 16] - y[:, 0, 0, 16], y[:, 1, 16, -1] - y[:, 1, 16, 0]], 1) / 31  # (400, 2)
    area = sides.prod(1)
    assert area.min() == pytest.approx(0.25, abs=0.02)  # three quarters are cut away at most
    assert area.max() > 0.95
    assert sides.max() <= 1.001  # never beyond the border
    assert (sides[:, 0] / sides[:, 1]).max() == pytest.approx(4 / 3, rel=0.03)
    assert y[:, 0, 0, 0].std() > 1  # anywhere


def test_images_of_a_row_share_one_affine_map() -> None:
    augment = Augment(flip=True, rotate=20, crop=0.5)
    drawn = uniform_draws(50, generator())
    small, large = augment.map(drawn, (16, 16)), augment.map(drawn, (64, 64))
    torch.testing.assert_close(small.affine, large.affine)
    assert 10 < int(small.mirrored.sum()) < 40
    assert not Augment(rotate=170).map(drawn, (16, 16)).mirrored.any()  # upside down is no mirror


def test_colour_jitter_differs_by_row_and_stays_in_range() -> None:
    x = pictures(size=(16, 16))
    y = color_jitter(x, 0.5, generator())
    assert y.shape == x.shape
    assert x.min() <= y.min()
    assert y.max() <= x.max()
    assert len({round(float(row.mean())) for row in y}) == 6  # each row its own brightness
    grey = torch.full((50, 3, 4, 4), 100.0)
    grey[0, :, 0, 0], grey[0, :, 0, 1] = 0.0, 255.0
    painted = color_jitter(grey, 0.3, generator())
    torch.testing.assert_close(painted[:, 0], painted[:, 2], rtol=0, atol=1e-3)  # a grey has no hue to turn
    assert painted[:, 0, 2, 2].min() >= 70 - 1e-3
    assert painted[:, 0, 2, 2].max() <= 130 + 1e-3


def test_hue_shift_keeps_the_brightness() -> None:
    red = torch.zeros(40, 3, 2, 2)
    red[:, 0] = 200.0
    red[0, :, 0, 0] = 255.0
    turned = color_jitter(red, 0.2, generator())[1:]
    assert turned[:, 1].max() > 20  # towards yellow in some rows
    assert turned[:, 2].max() > 20  # towards magenta in others


def test_frames_of_a_video_get_the_same_augmentation() -> None:
    still = pictures(size=(16, 16))[:, None].expand(6, 5, 3, 16, 16)
    augment = Augment(shift=0.2, flip=True, rotate=10, crop=0.3, color_jitter=0.4, random_erasing=0.3)
    y = augment(still, generator())
    assert y.shape == still.shape
    torch.testing.assert_close(y, y[:, :1].expand_as(y))


@pytest.mark.parametrize("alpha", [0.1, 0.4, 1.0])
def test_weights_of_mixed_pairs_follow_the_beta_distribution(alpha: float) -> None:
    drawn = beta(20_000, alpha, generator())
    assert drawn.mean() == pytest.approx(0.5, abs=0.01)
    assert drawn.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.03)


def test_mixup_mixes_rows_that_have_all_inputs() -> None:
    x = torch.arange(40.0).view(40, 1, 1, 1).expand(40, 1, 2, 2)
    speed = torch.arange(40.0)
    known = torch.arange(40) != 7
    targets = {"y": Field(speed, torch.ones(40, dtype=torch.bool))}  # tells which row is whose partner
    inputs = {"image": Field(x, torch.ones(40, dtype=torch.bool)), "speed": Field(speed, known)}
    mixed = mixup(Batch(inputs, targets, torch.arange(40)), 1.0, generator())
    partner, weight = mixed.mix.targets["y"].values.long(), mixed.mix.weight
    expected = weight * speed + (1 - weight) * speed[partner]
    torch.testing.assert_close(mixed.inputs["image"].values[:, 0, 0, 0], expected)
    torch.testing.assert_close(mixed.inputs["speed"].values, expected)
    assert mixed.targets is targets
    assert weight[7] == 1
    assert weight[partner == 7] == 1
    assert (weight < 0.99).sum() > 30


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"flipp": True}, r"unknown-key.*training.augment: no setting 'flipp'; did you mean 'flip'\?"),
        ({"colour_jitter": 0.2}, r"unknown-key.*did you mean 'color_jitter'\?"),
        ({"color_jitter": 3}, r"bad-value.*training.augment.color_jitter: expected a number from 0 to 1, got 3"),
        ({"rotate": "much"}, r"bad-value.*training.augment.rotate: expected a number from 0 to 180, got 'much'"),
        ({"mixup": -1}, r"mixup: expected a number from 0 to 1, got -1"),
    ],
)
def test_wrong_settings_are_named(settings: dict, error: str) -> None:
    with pytest.raises(SpecError, match=error):
        construct(Augment, settings, "training.augment")


def test_names_are_split_into_words() -> None:
    assert words("front_left") == words("frontLeft") == words("Front left") == ["front", "left"]
    assert is_angle("steering_angle")
    assert is_angle("x")
    assert not is_angle("price")
    assert not is_angle("taxes")


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        (["cat", "dog"], False),
        (list("0123456789"), True),
        (["a", "b", "c"], True),
        (["turn left", "turn right"], True),
        (["left_shoe", "other"], True),
        (["brightness", "dark"], False),
        (["cat", "dog", "7"], False),
    ],
)
def test_class_names_with_left_and_right_prevent_flips(classes: list[str], expected: bool) -> None:
    assert is_directional(classes) is expected


def test_grey_images_are_not_flipped() -> None:
    assert not Augment.of(1, (28, 28)).flip
    assert Augment.of(3, (32, 32), classes=["cat", "dog"]).flip
    assert not Augment.of(3, (32, 32), classes=["3", "8"]).flip


def _turn(degrees: float, rows: int, columns: int) -> torch.Tensor:
    cos, sin = torch.tensor(degrees).deg2rad().cos(), torch.tensor(degrees).deg2rad().sin()
    stretch = rows / columns
    return torch.tensor([[[cos, -sin * stretch, 0.0], [sin / stretch, cos, 0.0]]])
