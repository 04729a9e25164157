"""Masks as people have them: soft edges, JPEG, grey levels or colours instead of class indices, an alpha channel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from deepglass.data.sources import read
from deepglass.data.sources.grey_levels import count_greys, find_levels
from deepglass.data.table import Table
from deepglass.errors import UserError
from deepglass.features._images import decode_indices
from deepglass.features.mask import Mask


def discs(*values: int, seed: int = 0, size: int = 64) -> np.ndarray:
    """A mask of the first value with a disc of each of the others."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:size, :size]
    mask = np.full((size, size), values[0], np.uint8)
    for i, value in enumerate(values[1:]):
        y, x = random.uniform(10, size - 10), (i + 0.5) * size / (len(values) - 1)
        mask[(rows - y) ** 2 + (columns - x) ** 2 < random.uniform(6, 9) ** 2] = value
    return mask


def set_of(
    folder: Path, *values: int, ending: str = "png", mode: str = "L", soft: bool = False, **settings: int
) -> Path:
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    random = np.random.default_rng(1)
    for i in range(6):
        mask = Image.fromarray(discs(*values, seed=i, size=192 if soft else 64)).convert(mode)
        mask = mask.resize((64, 64), Image.Resampling.BILINEAR) if soft else mask
        mask.save(folder / "masks" / f"{i}.{ending}", **settings)
        Image.fromarray(random.integers(0, 255, (64, 64, 3), np.uint8)).save(folder / "images" / f"{i}.jpg")
    return folder


def contents(table: Table) -> list[int]:
    return sorted({int(v) for mask in table["mask"] for v in np.unique(decode_indices(mask))})


def fitted(table: Table) -> Mask:
    return Mask(name="mask", **table.hints["mask"]).fit([table["mask"]])


def test_soft_edges_are_two_classes(cases: Path) -> None:
    for name in ("kvasir_png", "kvasir_jpg"):
        table = read(cases / "19-masks" / name)
        assert (len(table), contents(table)) == (10, [0, 255])
        assert fitted(table).class_names == ("background", "object")


def test_grey_masks_with_alpha(cases: Path) -> None:
    table = read(cases / "19-masks" / "la")
    assert (len(table), contents(table), fitted(table).values_) == (10, [0, 1, 2], (0, 1, 2))


@pytest.mark.parametrize("ending", ["png", "jpg"])
@pytest.mark.parametrize("values", [(0, 255), (0, 128, 255), (0, 85, 170, 255)])
def test_levels_are_recognised(tmp_path: Path, values: tuple[int, ...], ending: str) -> None:
    exact = read(set_of(tmp_path / "exact", *values, ending=ending, quality=80))
    soft = read(set_of(tmp_path / "soft", *values, ending=ending, soft=True, quality=90))
    for table in (exact, soft):
        assert contents(table) == list(values)
        assert fitted(table).values_ == values  # 255 is a class, not the ignored border
        assert "ignore" not in table.hints["mask"]


@pytest.mark.parametrize("mode", ["L", "RGB", "LA"])
@pytest.mark.parametrize("radius", [0.6, 1.0, 1.5])
def test_blurred_edges_are_no_classes(tmp_path: Path, mode: str, radius: float) -> None:
    folder = set_of(tmp_path, 0, 255)
    for path in (folder / "masks").iterdir():
        Image.open(path).resize((96, 96)).filter(ImageFilter.GaussianBlur(radius)).convert(mode).save(path)
        Image.new("RGB", (96, 96)).save(folder / "images" / f"{path.stem}.jpg")
    table = read(folder)
    assert (contents(table), "ignore" in table.hints["mask"]) == ([0, 255], False)


def test_jpeg_masks_in_rgb(tmp_path: Path) -> None:
    table = read(set_of(tmp_path, 0, 255, ending="jpg", mode="RGB"))
    assert contents(table) == [0, 255]


def test_class_indices_keep_their_numbers(tmp_path: Path) -> None:
    for name, values in (
        ("voc", (0, 3, 15, 20, 255)),
        ("few", (0, 1, 2)),
        ("many", tuple(range(30))),
        ("sparse", (0, 33, 35, 90, 92)),
    ):
        table = read(set_of(tmp_path / name, *values))
        assert contents(table) == list(values)
        assert 255 not in fitted(table).values_


def test_names_of_levels(tmp_path: Path) -> None:
    folder = set_of(tmp_path, 0, 128, 255, ending="jpg", quality=85)
    (folder / "classes.txt").write_text("sky\nroad\ncar\n")
    table = read(folder)
    assert contents(table) == [0, 1, 2]
    assert fitted(table).class_names == ("sky", "road", "car")


@pytest.mark.parametrize("seed", range(5))
def test_photographs_have_no_levels(seed: int) -> None:
    random = np.random.default_rng(seed)
    smooth = np.asarray(Image.fromarray(random.integers(0, 255, (6, 6), np.uint8)).resize((64, 64)))
    for pixels in (
        smooth,
        random.integers(0, 255, (64, 64)),
        random.normal(120, 40, (64, 64)).clip(0, 255).astype(int),
    ):
        assert find_levels(count_greys(pixels.astype(np.uint8))) is None


def test_a_mask_in_the_alpha_channel(tmp_path: Path) -> None:
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[2:5, 2:5, 3] = 255
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert np.unique(decode_indices(str(tmp_path / "a.png"))).tolist() == [0, 255]
    Image.fromarray(discs(0, 1, 2)).convert("RGBA").save(tmp_path / "b.png")
    assert np.unique(decode_indices(str(tmp_path / "b.png"))).tolist() == [0, 1, 2]


COLOURS = np.array([(0, 0, 0), (128, 0, 0), (0, 128, 0)], np.uint8)


def coloured(folder: Path, ending: str, blur: float = 0.0, **settings: int) -> Path:
    set_of(folder, 0, 1, 2)
    for path in list((folder / "masks").iterdir()):
        mask = Image.fromarray(COLOURS[np.asarray(Image.open(path))]).resize((128, 128), Image.Resampling.NEAREST)
        mask.filter(ImageFilter.GaussianBlur(blur)).save(path.with_suffix(f".{ending}"), **settings)
        Image.new("RGB", (128, 128)).save(folder / "images" / f"{path.stem}.jpg")
        if ending != "png":
            path.unlink()
    return folder


@pytest.mark.parametrize(
    ("ending", "blur", "settings"),
    [("jpg", 0.0, {"quality": 75}), ("jpg", 0.0, {"quality": 95}), ("png", 1.0, {}), ("jpg", 0.8, {"quality": 90})],
)
def test_coloured_masks_around_a_palette(tmp_path: Path, ending: str, blur: float, settings: dict[str, int]) -> None:
    table = read(coloured(tmp_path, ending, blur, **settings))
    assert table.hints["mask"]["names"] == ("#000000", "#008000", "#800000")
    note = next(note for note in table.notes if note.what == "soft masks")
    assert "pixels" in note.why
    assert "far" in note.why
    truth = np.asarray(Image.fromarray(discs(0, 2, 1, seed=0)).resize((128, 128), Image.Resampling.NEAREST))
    assert (decode_indices(table["mask"][0]).reshape(truth.shape) == truth).mean() > 0.97


def test_photographs_beside_photographs_are_no_masks(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    for i in range(6):
        rough = Image.fromarray(random.integers(0, 255, (6, 6, 3), np.uint8))
        for folder in ("images", "masks"):
            rough.resize((128, 128), Image.Resampling.BICUBIC).save(tmp_path / folder / f"{i}.jpg")
    with pytest.raises(UserError, match="looks like a folder of masks"):
        read(tmp_path)


@pytest.mark.parametrize("above", ["masks", "labels", "masks/train", "annotations/masks"])
def test_a_folder_above_images_and_masks_may_have_the_name_of_either(tmp_path: Path, above: str) -> None:
    folder = set_of(tmp_path / above, 0, 1, 2)
    for source in (folder, folder.parent, tmp_path):
        table = read(source)
        assert (len(table), table.kinds["mask"], contents(table)) == (6, "mask", [0, 1, 2])
