"""Augmentation: pictures move as drawn, bytes stay bytes, and masks stay in step."""

from __future__ import annotations

import pytest
import torch

from deepglass.data.augment import Augment, Warp, erase, sided, warp


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(channels: int = 3, size: tuple[int, int] = (12, 10), dtype: torch.dtype = torch.uint8) -> torch.Tensor:
    return torch.randint(0, 256, (6, channels, *size), generator=generator()).to(dtype)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.float32])
def test_whole_steps_and_mirrors_keep_the_codes(dtype: torch.dtype) -> None:
    x = pictures(dtype=dtype)
    y = Augment(shift=0.2, flip=True)(x, generator())
    assert y.dtype == dtype
    assert y.shape == x.shape
    for before, after in zip(x.float(), y.float(), strict=True):
        assert set(after.flatten().tolist()) <= set(before.flatten().tolist())


def test_nothing_asked_changes_nothing() -> None:
    x = pictures()
    assert torch.equal(Augment()(x, generator()), x)
    identity = Warp(torch.eye(2, 3).repeat(6, 1, 1), whole=False)
    torch.testing.assert_close(warp(x, identity), x.float(), rtol=0, atol=1e-3)


def test_picked_pixels_equal_resampled_ones_inside() -> None:
    x = pictures(size=(16, 16))
    drawn = Augment(shift=0.2, flip=True).draw(6, (16, 16), generator(3))
    assert drawn.whole
    assert drawn.affine[:, 0, 0].unique().tolist() == [-1.0, 1.0]
    picked, resampled = warp(x, drawn), warp(x, drawn._replace(whole=False))
    torch.testing.assert_close(picked[..., 3:-3, 3:-3].float(), resampled[..., 3:-3, 3:-3], rtol=0, atol=1e-2)


def test_turning_keeps_shapes_on_pictures_that_are_not_square() -> None:
    x = torch.zeros(1, 1, 20, 60)
    x[..., 10, 30:40] = 1  # ten pixels to the right of the middle
    quarter = Augment(rotate=90)
    turned = warp(x, quarter.draw(1, (20, 60), generator())._replace(affine=_turn(90, 20, 60)))
    rows, columns = (turned[0, 0] > 0.5).nonzero().unbind(1)
    assert rows.max() - rows.min() >= 8
    assert columns.max() - columns.min() <= 1


def test_masks_stay_in_step() -> None:
    x = pictures(channels=1, size=(16, 16))
    drawn = Augment(rotate=20, scale=0.2, shift=0.1).draw(6, (16, 16), generator())
    mask = (x > 128).to(torch.uint8)
    warped = warp(mask, drawn, nearest=True)
    assert warped.dtype == torch.uint8
    assert set(warped.unique().tolist()) <= {0, 1}
    near = warp(x, drawn, nearest=True) > 128
    assert torch.equal(near, warped.bool())


def test_same_generator_same_pictures() -> None:
    augment = Augment.of(1, (12, 10))
    x = pictures(channels=1)
    assert torch.equal(augment(x, generator(5)), augment(x, generator(5)))
    assert not torch.equal(augment(x, generator(5)), augment(x, generator(6)))


def test_erase_blanks_a_square_of_about_the_share() -> None:
    x = torch.zeros(200, 1, 20, 20)
    x[::2] = 2.0
    blank = (erase(x, 0.5, generator()) == 1.0).float().mean((1, 2, 3))
    assert blank.max() == pytest.approx(0.25, abs=0.03)
    assert blank.min() > 0


def test_noise_gives_floats_of_the_asked_spread() -> None:
    x = pictures()
    y = Augment(noise=0.1)(x, generator())
    assert (y - x.float()).std() == pytest.approx(0.1 * float(x.float().std()), rel=0.1)


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
def test_classes_with_a_side(classes: list[str], expected: bool) -> None:
    assert sided(classes) is expected


def test_grey_pictures_are_never_mirrored() -> None:
    assert not Augment.of(1, (28, 28)).flip
    assert Augment.of(3, (32, 32), classes=["cat", "dog"]).flip
    assert not Augment.of(3, (32, 32), classes=["3", "8"]).flip


def _turn(degrees: float, rows: int, columns: int) -> torch.Tensor:
    cos, sin = torch.tensor(degrees).deg2rad().cos(), torch.tensor(degrees).deg2rad().sin()
    stretch = rows / columns
    return torch.tensor([[[cos, -sin * stretch, 0.0], [sin / stretch, cos, 0.0]]])
