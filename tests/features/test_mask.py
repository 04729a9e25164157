"""Masks: files, letterbox, augmentation, metrics, decoding, and errors."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from deepglass import metrics
from deepglass.config import construct
from deepglass.errors import SourceError, SpecError
from deepglass.features.base import Column, Media
from deepglass.features.image import Image
from deepglass.features.outputs._dense import decode_png, decode_runs, encode_runs
from deepglass.features.outputs.image import ImageOutput
from deepglass.features.outputs.mask import MaskOutput
from deepglass.nn.tokens import Field
from deepglass.nn.warp import Warp, warp

NAMES = ("road", "sky", "car")


def squares(rows: int = 4, size: tuple[int, int] = (12, 16)) -> np.ndarray:
    """Sky above road, with a car that is further right in each row."""
    masks = np.zeros((rows, *size), np.uint8)
    masks[:, : size[0] // 2] = 1
    for i in range(rows):
        masks[i, 7:10, i : i + 4] = 2
    return masks


def saved(path: Path, numbers: np.ndarray, palette: bool = False) -> Media:
    image = Pillow.fromarray(numbers)
    if palette:
        image.putpalette([200, 10, 10, 10, 200, 10, 10, 10, 200] + [0] * 759)
    image.save(path)
    return Media(path.name, path)


def test_palette_masks_use_their_indices(tmp_path: Path) -> None:
    masks = squares()
    plain = [saved(tmp_path / f"{i}.png", m) for i, m in enumerate(masks)]
    coloured = [saved(tmp_path / f"p{i}.png", m, palette=True) for i, m in enumerate(masks)]
    bilevel = saved(tmp_path / "two.png", masks[0] > 0)
    feature = MaskOutput(name="mask", names=NAMES).fit([coloured])
    assert feature.class_names == NAMES
    np.testing.assert_array_equal(feature.encode(coloured).values, masks + 1)
    np.testing.assert_array_equal(feature.encode(plain).values, masks + 1)
    np.testing.assert_array_equal(feature.encode([bilevel]).values[0], (masks[0] > 0) + 1)


def test_size_classes_and_names_are_learned() -> None:
    masks = squares(size=(300, 400))
    masks[0, 0, 0] = 255
    feature = MaskOutput(name="mask", ignore=1).fit([masks])
    assert feature.size_ == (192, 256)
    assert feature.class_names == ("class 0", "class 2")  # 1 and, by custom, 255 are unlabelled
    assert feature.encode(masks).values.dtype == np.uint8
    assert set(np.unique(feature.encode(masks).values)) == {0, 1, 2}
    assert MaskOutput(name="mask", size=(30, 40)).fit([masks]).encode(masks).values.shape == (4, 30, 40)


def test_a_mask_without_labelled_pixels_is_missing() -> None:
    masks = squares()
    masks[2] = 255
    assert MaskOutput(name="mask").fit([masks]).encode(masks).mask.tolist() == [True, True, False, True]


def test_invalid_masks_are_named(tmp_path: Path) -> None:
    masks = squares()
    masks[1, 0, 0] = 7
    files = [saved(tmp_path / f"{i}.png", m) for i, m in enumerate(masks)]
    colours = np.random.default_rng(0).integers(0, 255, (12, 16, 3), dtype=np.uint8)
    files.append(saved(tmp_path / "photo.png", colours))
    (tmp_path / "torn.png").write_bytes((tmp_path / "0.png").read_bytes()[:40])
    files.append(Media("torn.png", tmp_path / "torn.png"))
    reasons = MaskOutput(name="mask", names=NAMES).unreadable(files)
    assert sorted(reasons) == [1, 4, 5]
    assert "1.png: class 7 has no name; the names go from 0 to 2" in reasons[1]
    assert "photo.png: expected a mask whose pixels are class numbers, got colours" in reasons[4]
    assert reasons[5].startswith("[unreadable-image] torn.png")
    with pytest.raises(SpecError, match=r"outputs.mask.class_weights: expected a number from 0 to 1, got 2"):
        construct(MaskOutput, {"name": "mask", "class_weights": 2}, "outputs.mask")
    one = MaskOutput(name="mask").fit([np.zeros((3, 4, 4), np.uint8)])
    with pytest.raises(SourceError, match=r"\[one-class\] roads: .* got only 'class 0'"):
        one.check_target(one.encode(np.zeros((3, 4, 4), np.uint8)), "roads")


@pytest.mark.parametrize("sizes", [((32, 32), (64, 64)), ((24, 48), (64, 64)), ((64, 64), (30, 60))])
@pytest.mark.parametrize("shape", [(40, 40), (20, 60), (70, 30)])
def test_a_mask_has_the_letterbox_of_its_image(sizes: tuple[tuple[int, int], ...], shape: tuple[int, int]) -> None:
    masks = np.zeros((1, *shape), np.uint8)
    masks[:, shape[0] // 2 :, shape[1] // 3 :] = 1
    image = Image(name="image", size=sizes[0], mode="grayscale").fit([masks * 255])
    feature = MaskOutput(name="mask", size=sizes[1]).fit([masks])
    picture = image.encode(masks * 255)
    column = feature.to_input_frame(feature.encode(masks), {"image": picture})
    Y, X = sizes[0]
    seen = column.values[0][(np.arange(Y) + 0.5).astype(int) * sizes[1][0] // Y][:, np.arange(X) * sizes[1][1] // X]
    bright = np.where(picture.values[0, 0] > 127, 2, 1)
    assert (seen == bright)[seen > 0].mean() > 0.93  # except pixels on the border
    best = {"classes": column.values, "confidence": np.full_like(column.values, 255)}
    answer = feature.decode({**best, **feature.context({"image": picture})})[0]
    assert (decode_runs(answer["value"]) == masks[0]).mean() > 0.93
    assert answer["value"]["size"] == list(shape)


def test_a_mask_is_augmented_with_its_image() -> None:
    masks = squares(2)
    feature = MaskOutput(name="mask").fit([masks])
    field = Field(torch.from_numpy(feature.encode(masks).values), torch.ones(2, dtype=torch.bool))
    mirror = Warp(torch.tensor([[[-1.0, 0, 0], [0, 1, 0]]] * 2), True)
    assert torch.equal(feature.warp(field, mirror).values, field.values.flip(2))
    smaller = Warp(torch.tensor([[[2.0, 0, 0], [0, 2, 0]]] * 2), False)  # half the size
    values = feature.warp(field, smaller).values
    assert values.dtype == torch.uint8
    assert (values[:, :3] == 0).all()  # nothing is known of what lay outside
    assert (values[:, 3:9, 4:12] > 0).all()
    picture = warp(field.values[:, None].float(), smaller, nearest=True)[:, 0]
    assert torch.equal(values[:, 3:9, 4:12], picture[:, 3:9, 4:12].byte())


def test_unlabelled_pixels_have_no_loss_and_class_weights_apply() -> None:
    torch.manual_seed(0)
    masks = squares()
    logits = torch.randn(4, 3, 12, 16)
    plain, balanced = MaskOutput(name="mask").fit([masks]), MaskOutput(name="mask", class_weights=1.0).fit([masks])
    field = Field(torch.from_numpy(plain.encode(masks).values), torch.ones(4, dtype=torch.bool))
    labels = torch.from_numpy(masks).long()
    expected = torch.nn.functional.cross_entropy(logits, labels, reduction="none").mean((1, 2))
    torch.testing.assert_close(plain.prediction(logits).loss(field), expected)
    weight = 1 / torch.tensor(balanced.counts_).float()
    expected = torch.stack(
        [torch.nn.functional.cross_entropy(g[None], m[None], weight) for g, m in zip(logits, labels)]
    )
    torch.testing.assert_close(balanced.prediction(logits).loss(field), expected)
    hidden = field._replace(values=torch.where(field.values == 1, 0, field.values))
    where = labels > 0
    each = torch.nn.functional.cross_entropy(logits, labels, reduction="none") * where
    torch.testing.assert_close(plain.prediction(logits).loss(hidden), each.sum((1, 2)) / where.sum((1, 2)))


def test_metrics_agree_with_counts() -> None:
    random = np.random.default_rng(0)
    masks = random.integers(0, 3, (5, 9, 7)).astype(np.uint8)
    masks[0, 0] = 255
    feature = MaskOutput(name="mask", names=NAMES).fit([masks])
    truth = feature.encode(masks)
    said = random.integers(1, 4, (5, 9, 7)).astype(np.uint8)
    best = {"classes": said, "confidence": np.full_like(said, 128)}
    known = masks != 255
    ious = [((masks == k) & (said == k + 1)).sum() / (((masks == k) | (said == k + 1)) & known).sum() for k in range(3)]
    figures = feature.score(best, truth)
    assert figures["miou"] == pytest.approx(np.mean(ious))
    assert figures["pixel_accuracy"] == pytest.approx((masks + 1 == said)[known].mean())
    assert [v["iou"] for v in feature.per_class(best, truth).values()] == pytest.approx(ious)
    assert feature.score(*feature.for_scoring(best, truth)) == pytest.approx(figures)
    again = np.array([3, 3, 0])
    condensed, columns = feature.for_scoring(best, truth)
    drawn = feature.score({"counts": condensed["counts"][again]}, columns.take(again))
    assert drawn == pytest.approx(feature.score({k: v[again] for k, v in best.items()}, truth.take(again)))
    assert metrics.segmentation(np.zeros((3, 3), int)) == {}


def test_decoded_masks_have_calibrated_confidence() -> None:
    masks = squares()
    feature = MaskOutput(name="mask", names=NAMES).fit([masks])
    truth = feature.encode(masks)
    wrong = truth.values.copy()
    wrong[:, :, :8] = wrong[:, :, :8] % 3 + 1  # half of the pixels
    best = {"classes": wrong, "confidence": np.full_like(wrong, 250)}
    plain = feature.decode(best)[0]
    assert plain["confidence"] == pytest.approx(250 / 255)
    calibrated = feature.decode(best, json.loads(json.dumps(feature.calibrate(best, truth))))[0]
    assert calibrated["confidence"] == pytest.approx(0.5, abs=0.02)
    assert sum(plain["shares"].values()) == pytest.approx(1)
    assert list(plain["shares"].values()) == sorted(plain["shares"].values(), reverse=True)
    assert json.loads(json.dumps(plain)) == plain
    np.testing.assert_array_equal(decode_runs(plain["value"]), wrong[0] - 1)


def test_run_length_codes_round_trip() -> None:
    numbers = np.random.default_rng(0).integers(0, 2, (13, 7)) * 40_000
    np.testing.assert_array_equal(decode_runs(encode_runs(numbers)), numbers)
    np.testing.assert_array_equal(decode_runs(encode_runs(numbers[:1, :1])), numbers[:1, :1])


# -- image outputs -----------------------------------------------------------------------------------------------


def test_psnr_agrees_with_its_definition() -> None:
    random = np.random.default_rng(0)
    pictures = random.integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
    feature = ImageOutput(name="image").fit([pictures])
    truth = feature.encode(pictures)
    said = np.clip(truth.values.astype(int) + random.integers(-20, 20, truth.values.shape), 0, 255).astype(np.uint8)
    errors = ((said / 255 - truth.values / 255) ** 2).mean((1, 2, 3))
    figures = feature.score({"codes": said}, truth)
    assert figures["mse"] == pytest.approx(errors.mean(), rel=1e-5)
    assert figures["psnr"] == pytest.approx(np.mean(10 * np.log10(1 / errors)), rel=1e-5)
    assert feature.score(*feature.for_scoring({"codes": said}, truth)) == pytest.approx(figures)
    assert feature.score({"codes": truth.values}, truth)["psnr"] == 100


def test_a_predicted_image_is_a_png_without_letterbox() -> None:
    wide = np.random.default_rng(0).integers(0, 256, (2, 10, 30, 3), dtype=np.uint8)
    feature = ImageOutput(name="image", size=(32, 32)).fit([wide])
    column = feature.encode(wide)
    answer = json.loads(json.dumps(feature.decode({"codes": column.values, **feature.context({"image": column})})))[0]
    pixels = decode_png(answer["value"])
    assert pixels.shape == (11, 32, 3)
    top = int(column.letterbox[0, 0])
    np.testing.assert_array_equal(pixels, column.values[0, :, top : top + 11].transpose(1, 2, 0))


def test_noise_is_reproducible_for_each_image() -> None:
    pictures = np.full((2, 40, 40), 100, np.uint8)
    pictures[1] += 50
    clean = Image(name="clean").fit([pictures])
    noisy = Image(name="noisy", input_noise_std=0.1).fit([pictures])
    values = noisy.encode(pictures).values
    np.testing.assert_array_equal(values, noisy.encode(pictures).values)
    np.testing.assert_array_equal(values[1:], noisy.encode(pictures[1:]).values)
    difference = values.astype(float) - clean.encode(pictures).values
    assert difference.std() == pytest.approx(25.5, rel=0.1)
    assert abs(np.corrcoef(difference.reshape(2, -1))[0, 1]) < 0.1
    with pytest.raises(SpecError, match=r"inputs.noisy.input_noise_std: expected a number from 0 to 1, got 20"):
        construct(Image, {"name": "noisy", "input_noise_std": 20}, "inputs.noisy")


def test_the_constant_prediction_is_the_mean_image() -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (20, 6, 6), dtype=np.uint8)
    feature = ImageOutput(name="image").fit([pictures])
    truth = feature.encode(pictures)
    codes = feature.baseline(truth)["codes"]
    np.testing.assert_array_equal(codes[0, 0], np.round(pictures.mean(0)))
    assert isinstance(truth, Column)
    assert feature.baseline_loss(truth) < 1


def test_exif_orientation_of_masks_is_applied(tmp_path: Path) -> None:
    masks = squares(1)
    image = Pillow.fromarray(masks[0])
    exif = image.getexif()
    exif[0x0112] = 6
    file = io.BytesIO()
    image.save(file, "PNG", exif=exif)
    (tmp_path / "turned.png").write_bytes(file.getvalue())
    feature = MaskOutput(name="mask").fit([masks])
    turned = MaskOutput(name="mask").fit([[Media("turned.png", tmp_path / "turned.png")]])
    assert turned.size_ == feature.size_[::-1]
