"""Image files as people have them: many modes and endings in one folder, broken files, floating-point TIFF."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deepglass.data.sources import read
from deepglass.features._images import FORMATS, decode
from deepglass.features.base import Media
from deepglass.features.image import Image as ImageFeature

BROKEN = {"b/cut.jpg", "b/html.png", "b/zero.jpg"}


def test_each_file_is_read_or_named(cases: Path) -> None:
    table = read(cases / "13-odd-pictures" / "pics")
    assert (len(table), table.skipped) == (34, ())  # .jfif, .avif and .jp2 are images
    feature = ImageFeature(name="image").fit([table["image"]])
    assert {table["image"][row].name for row in feature.unreadable(table["image"])} == BROKEN


def test_a_float_file_scales_nobody_else(cases: Path) -> None:
    media = read(cases / "13-odd-pictures" / "pics")["image"]
    usual = [m for m in media if m.name not in BROKEN and "float" not in m.name and "g16" not in m.name]
    floating = next(m for m in media if "float" in m.name)
    alone, mixed = (ImageFeature(name="image").fit([files]) for files in (usual, [*usual, floating]))
    assert (mixed.levels_, mixed.low_, mixed.high_) == (255, 0, 255)
    assert (alone.encode(usual).values == mixed.encode(usual).values).all()
    codes = mixed.encode([floating]).values
    assert abs(codes.mean() - 255 * decode(floating).mean()) < 1
    assert (
        mixed.count_anomalies([floating, usual[0]])["image of fractions among whole numbers, scaled to their range"]
        == 1
    )


def test_eight_among_sixteen_bits(cases: Path) -> None:
    media = read(cases / "13-odd-pictures" / "sixteen")["image"]
    feature = ImageFeature(name="image").fit([media])
    assert feature.levels_ == 65535
    eight = next(m for m in media if "eight" in m.name)
    assert abs(feature.encode([eight]).values.mean() / 257 - decode(eight).mean()) < 2


@pytest.mark.parametrize("scale", [1 / 255, 1.0, 40.0])
def test_floats_among_bytes(tmp_path: Path, scale: float) -> None:
    random = np.random.default_rng(0)
    grey = random.integers(0, 256, (8, 16, 16)).astype(np.uint8)
    for i, pixels in enumerate(grey):
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
    Image.fromarray(grey[0] * np.float32(scale)).save(tmp_path / "9.tif")
    media = read(tmp_path)["image"]
    codes = ImageFeature(name="image").fit([media]).encode(media).values
    assert np.abs(codes[0].astype(int) - codes[-1]).max() <= 1


@pytest.mark.parametrize("name", ["a.jfif", "a.jpe", "a.AVIF", "a.jp2", "a.webp"])
def test_endings(tmp_path: Path, name: str) -> None:
    kind = {"jfif": "JPEG", "jpe": "JPEG", "avif": "AVIF", "jp2": "JPEG2000", "webp": "WEBP"}[name[2:].lower()]
    if kind not in FORMATS:
        pytest.skip(f"this Pillow reads no {kind}")
    Image.new("RGB", (16, 16), (200, 30, 30)).save(tmp_path / name, kind)
    pixels = decode(read(tmp_path)["image"][0])
    assert np.abs(pixels.astype(int) - (200, 30, 30)).max() < 12


@pytest.mark.parametrize("mode", ["CMYK", "P", "LA", "RGBA", "1", "L", "I;16"])
def test_modes_show_the_same_image(tmp_path: Path, mode: str) -> None:
    grey = Image.fromarray((np.indices((8, 8)).sum(0) % 2 * 255).astype(np.uint8))
    image = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257) if mode == "I;16" else grey.convert(mode)
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    image.save(path)
    feature = ImageFeature(name="image", mode="grayscale").fit([[Media("a", path)]])
    codes = feature.encode([Media("a", path)]).values[0, 0].astype(int)
    assert np.abs(codes * (255 // feature.levels_ or 1) / max(feature.levels_ // 255, 1) - np.asarray(grey)).max() <= 3
