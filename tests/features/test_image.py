"""Images: formats, layouts, bit depths, letterbox, and errors that name the file."""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image as Pillow

from deepglass.config import construct
from deepglass.errors import SourceError, SpecError
from deepglass.features._images import decode_sized
from deepglass.features.base import Media, from_state
from deepglass.features.image import Image
from deepglass.nn.tokens import Field

RNG = np.random.default_rng(0)


def grey(rows: int = 12, columns: int = 10) -> np.ndarray:
    return RNG.integers(0, 256, (rows, columns), dtype=np.uint8)


def colour(rows: int = 12, columns: int = 10) -> np.ndarray:
    return RNG.integers(0, 256, (rows, columns, 3), dtype=np.uint8)


def save(folder: Path, name: str, image: Pillow.Image, **options: object) -> Media:
    image.save(folder / name, **options)
    return Media(name, folder / name)


def bomb(path: Path) -> Media:
    """A PNG of 20,000 x 20,000 pixels with truncated data: only the header is readable."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99)))
    return Media(path.name, path)


@pytest.mark.parametrize(
    ("array", "channels"),
    [
        (np.stack([grey() for _ in range(4)]), 1),
        (np.stack([colour() for _ in range(4)]), 3),
        (np.stack([colour().transpose(2, 0, 1) for _ in range(4)]), 3),
        (np.stack([grey()[..., None] for _ in range(4)]), 1),
    ],
)
def test_byte_arrays_of_every_layout_are_kept_as_they_are(array: np.ndarray, channels: int) -> None:
    feature = Image(name="x").fit([array])
    column = feature.encode(array)
    assert column.values.shape == (4, channels, 12, 10)
    assert column.values.dtype == np.uint8
    assert column.mask.all()
    assert (feature.size_, feature.channels_) == ((12, 10), channels)
    assert np.array_equal(np.sort(column.values.ravel()), np.sort(array.ravel()))


def test_channel_layouts_of_arrays() -> None:
    array = np.stack([colour() for _ in range(2)])
    column = Image(name="x").fit([array]).encode(array)
    assert np.array_equal(column.values[1, 2], array[1, :, :, 2])


@pytest.mark.parametrize(
    ("values", "levels", "dtype"),
    [
        (np.arange(17.0).repeat(4), 16, np.uint8),
        (np.linspace(0, 1, 256), 255, np.uint8),
        (np.linspace(0, 255, 256), 255, np.uint8),
        (np.linspace(-3, 7, 1000), 65535, np.uint16),
    ],
)
def test_float_arrays_keep_their_levels(values: np.ndarray, levels: int, dtype: type) -> None:
    array = np.resize(values, (20, 8, 8))
    feature = Image(name="x").fit([array])
    column = feature.encode(array)
    assert feature.levels_ == levels
    assert column.values.dtype == dtype
    back = column.values[:, 0] / feature.levels_ * (feature.high_ - feature.low_) + feature.low_
    np.testing.assert_allclose(back, array, atol=1e-3)


def test_every_file_format_gives_the_same_image(tmp_path: Path) -> None:
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[:, 8:] = (250, 30, 30)
    image = Pillow.fromarray(pixels)
    lossless = {"quality": 100, "subsampling": 0}
    files = [
        save(tmp_path, "plain.png", image),
        save(tmp_path, "photo.jpg", image, **lossless),
        save(tmp_path, "print.jpg", image.convert("CMYK"), **lossless),
        save(tmp_path, "palette.png", image.convert("P", palette=Pillow.Palette.ADAPTIVE)),
        save(tmp_path, "picture.bmp", image),
        save(tmp_path, "picture.webp", image, lossless=True),
        save(tmp_path, "picture.tif", image),
        save(tmp_path, "moving.gif", image, save_all=True, append_images=[image.rotate(180)]),
        save(tmp_path, "alpha.png", image.convert("RGBA")),
    ]
    feature = Image(name="x").fit([files])
    values = feature.encode(files).values.astype(int)
    assert values.shape == (9, 3, 16, 16)
    assert np.abs(values - values[0]).max() <= 12
    assert feature.count_anomalies(files) == {"animated image, only its first frame is used": 1}


def test_sixteen_bit_images_are_kept_and_mix_with_eight_bit(tmp_path: Path) -> None:
    deep = RNG.integers(0, 65536, (8, 8), dtype=np.uint16)
    files = [
        save(tmp_path, "deep.png", Pillow.fromarray(deep)),
        save(tmp_path, "flat.png", Pillow.fromarray(np.full((8, 8), 255, np.uint8))),
    ]
    feature = Image(name="x").fit([files])
    column = feature.encode(files)
    assert column.values.dtype == np.uint16
    assert np.array_equal(column.values[0, 0], deep)
    assert (column.values[1] == 65535).all()


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    pixels = np.zeros((10, 20), np.uint8)
    pixels[:, 10:] = 200
    exif = Pillow.Exif()
    exif[0x0112] = 6  # rotated by 90 degrees
    turned = save(tmp_path, "turned.jpg", Pillow.fromarray(pixels), exif=exif, quality=95)
    assert decode_sized(turned)[1] == (20, 10)
    column = (feature := Image(name="x").fit([[turned]])).encode([turned])
    assert feature.size_ == (20, 10)
    assert column.values[0, 0, 15:].mean() > 190
    assert column.values[0, 0, :5].mean() < 10


def test_transparent_images_are_composited() -> None:
    for ink in (0, 255):
        pixels = np.zeros((8, 8, 4), np.uint8)
        pixels[..., :3] = ink
        pixels[2:6, 2:6, 3] = 255
        column = Image(name="x").fit([[Pillow.fromarray(pixels)]]).encode([Pillow.fromarray(pixels)])
        assert column.values.shape[1] == 1
        assert abs(int(column.values[0, 0, 4, 4]) - int(column.values[0, 0, 0, 0])) == 255


def test_other_aspect_ratios_are_letterboxed_in_the_mean_colour() -> None:
    wide, square = np.full((10, 30), 200, np.uint8), np.full((20, 20), 200, np.uint8)
    feature = Image(name="x", size=(20, 20)).fit([[Pillow.fromarray(square), Pillow.fromarray(square // 2)]])
    values = feature.encode([Pillow.fromarray(wide)]).values[0, 0]
    assert (values[8:13] == 200).all()
    assert (values[0] == round(feature.mean_[0])).all()


def test_large_images_are_downscaled() -> None:
    feature = Image(name="x").fit([[Pillow.new("L", (800, 400)), Pillow.new("L", (400, 200))]])
    assert feature.size_ == (64, 128)


def test_grey_images_stored_in_colour_are_grey() -> None:
    files = [Pillow.fromarray(grey()).convert("RGB") for _ in range(3)]
    assert Image(name="x").fit([files]).channels_ == 1
    assert Image(name="x", mode="rgb").fit([files]).channels_ == 3


def test_a_fourth_band_that_is_no_alpha_is_kept() -> None:
    bands = RNG.integers(10, 200, (5, 8, 8, 4), dtype=np.uint8)
    assert Image(name="x").fit([bands]).encode(bands).values.shape == (5, 4, 8, 8)
    bands[..., 3] = 255
    assert Image(name="x").fit([bands]).encode(bands).values.shape == (5, 3, 8, 8)


def test_an_alpha_channel_is_not_a_band() -> None:
    faint = Pillow.fromarray(colour()).convert("RGBA")
    faint.putalpha(200)
    files = [Pillow.fromarray(colour()), faint]
    assert Image(name="x").fit([files]).encode(files).values.shape == (2, 3, 12, 10)


def test_an_image_with_other_bands_is_named(tmp_path: Path) -> None:
    feature = Image(name="x").fit([RNG.integers(10, 200, (5, 12, 10, 4), dtype=np.uint8)])
    with pytest.raises(SourceError, match=r"plain.png: expected 4 channels.*got 3.*mode: rgb"):
        feature.encode([save(tmp_path, "plain.png", Pillow.fromarray(colour()))])


def test_missing_images() -> None:
    files = [Pillow.fromarray(grey()), None]
    feature = Image(name="x").fit([files])
    column = feature.encode(files)
    assert column.mask.tolist() == [True, False]
    assert not feature.encode([None, None]).mask.any()
    floats = np.stack([grey() / 255, np.full((12, 10), np.nan)])
    assert feature.encode(floats).mask.tolist() == [True, False]


def test_paths_in_a_table_and_files_in_a_zip(tmp_path: Path) -> None:
    pixels = grey()
    media = save(tmp_path, "one.png", Pillow.fromarray(pixels))
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.write(media.path, "inside/one.png")
    column = pl.Series("photo", [str(media.path), None])
    assert Image.infer_type(column, "photo").score == 0.9
    feature = Image(name="photo").fit([column])
    encoded = feature.encode(column)
    assert np.array_equal(encoded.values[0, 0], pixels)
    assert encoded.mask.tolist() == [True, False]
    zipped = Media("one.png", tmp_path / "all.zip", "inside/one.png")
    assert np.array_equal(feature.encode([zipped]).values[0, 0], pixels)


def test_kind_inference_of_images() -> None:
    files = [Media("a", Path("a.JPG")), Media("b", Path("z.zip"), "b.png")]
    assert Image.infer_type(files, "x").score == 1.0
    assert Image.infer_type([*files, Media("c", Path("c.wav"))], "x") is None
    assert Image.infer_type(np.zeros((4, 8, 8), np.uint8), "x").score == 0.95
    assert Image.infer_type(np.zeros((4, 8, 8)), "x").score == 0.5
    assert Image.infer_type(np.zeros((4, 8, 8), int), "x") is None
    assert Image.infer_type(np.zeros((4, 8), np.uint8), "x") is None
    assert Image.infer_type(pl.Series(["nowhere.png"]), "x") is None
    assert Image.infer_type(pl.Series([1.0]), "x") is None


def test_broken_files_are_named(tmp_path: Path) -> None:
    good = save(tmp_path, "good.png", Pillow.fromarray(colour(40, 40)))
    cut, empty, gone = (Media(n, tmp_path / n) for n in ("cut.png", "empty.png", "gone.png"))
    cut.path.write_bytes(good.path.read_bytes()[:900])
    empty.path.touch()
    text = Media("text.png", tmp_path / "text.png")
    text.path.write_text("not a picture")
    huge = bomb(tmp_path / "bomb.png")
    files = [good, cut, empty, gone, text, huge]
    feature = Image(name="x").fit([files])
    reasons = feature.unreadable(files)
    assert list(reasons) == [1, 2, 3, 4, 5]
    codes = ["unreadable-image", "unreadable-image", "not-found", "unreadable-image", "too-large"]
    for (i, reason), code in zip(reasons.items(), codes, strict=True):
        assert reason.startswith(f"[{code}]")
        assert files[i].name in reason
        with pytest.raises(SourceError) as raised:
            feature.encode([files[i]])
        assert raised.value.code == code
    with pytest.raises(SourceError, match="no-rows"):
        Image(name="x").fit([[cut, empty]])


def test_invalid_settings() -> None:
    for setting, value, text in (
        ("mode", "grayscal", r"inputs\.x\.mode: expected one of auto, grayscale, rgb.*did you mean 'grayscale'\?"),
        ("size", (0, 5), r"inputs\.x\.size\[0\]: expected a whole number from 1 to 4096, got 0"),
        ("size", 5, r"inputs\.x\.size: expected a list of 2, each a whole number from 1 to 4096, got 5"),
        ("max_side", 5000, r"inputs\.x\.max_side: expected a whole number from 1 to 4096, got 5000"),
    ):
        with pytest.raises(SpecError, match=text):
            construct(Image, {"name": "x", setting: value}, "inputs.x")


def test_state_round_trip() -> None:
    feature = Image(name="x", size=(6, 7)).fit([np.stack([colour() for _ in range(3)])])
    again = from_state(feature.state())
    assert again == feature
    assert again.fitted


def test_prepare_scales() -> None:
    array = np.stack([grey() for _ in range(50)])
    feature = Image(name="x").fit([array])
    codes = torch.from_numpy(feature.encode(array).values)
    standard = feature.normalizer()(codes)
    assert abs(float(standard.mean())) < 1e-3
    assert float(standard.std()) == pytest.approx(1, abs=1e-3)
    unit, signed = feature.normalizer("unit")(codes), feature.normalizer("signed")(codes)
    assert (float(unit.min()), float(unit.max())) == (0, 1)
    assert (float(signed.min()), float(signed.max())) == (-1, 1)


def test_encoder_gives_tokens_on_a_grid_and_a_learned_missing_image() -> None:
    array = np.stack([colour() for _ in range(5)])
    feature = Image(name="x").fit([array])
    encoder = feature.encoder(16).to(memory_format=torch.channels_last)
    mask = torch.tensor([True, True, False, True, False])
    field = Field(torch.from_numpy(feature.encode(array).values), mask)
    tokens = encoder(field)
    assert tokens.values.shape == (5, encoder.shape.count, 16)
    assert tokens.grid == encoder.shape.grid == (12, 10)
    assert tokens.mask.all()
    assert torch.equal(tokens.values[2], tokens.values[4])
    assert tokens.image().is_contiguous(memory_format=torch.channels_last)
    tokens.values.sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in encoder.parameters())
