"""Annotated images: every layout gives the same table, and each mistake is a note that names it."""

from __future__ import annotations

import io
import json
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from deepglass.data.sources import read
from deepglass.data.sources.boxes import turned
from deepglass.data.split import Split
from deepglass.data.table import Table
from deepglass.errors import SourceError

SIZE = (12, 8)  # columns, rows


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def photo(path: Path, size: tuple[int, int] = SIZE, mode: str = "RGB", **settings: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(len(path.name)).integers(0, 255, (size[1], size[0], 3), np.uint8)
    Image.fromarray(noise).convert(mode).save(path, **settings)
    return path


def mask(path: Path, *values: int, size: tuple[int, int] = SIZE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.resize(np.array(values or (0, 1), np.uint8), (size[1], size[0]))
    Image.fromarray(pixels).save(path)
    return path


def skipped(table: Table) -> dict[str, str]:
    return {s.name: s.reason for s in table.skipped}


def notes(table: Table) -> dict[str, str]:
    return {note.what: f"{note.value}: {note.why}" for note in table.notes}


def boxes(table: Table) -> dict[str, list[tuple[object, ...]] | None]:
    """Image -> its boxes as tuples."""
    cells = table["boxes"].to_list()
    names = [media.name.rpartition("/")[2] for media in table["image"]]
    return {n: None if c is None else [tuple(box.values()) for box in c] for n, c in zip(names, cells, strict=True)}


# -- masks -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("picture", "its_mask"),
    [
        ("{part}/{i}.jpg", "{part}annot/{i}.png"),
        ("{part}/{i}.jpg", "{part}_labels/{i}_L.png"),
        ("images/{part}/{i}.jpg", "masks/{part}/{i}.png"),
        ("{part}/images/{i}.jpg", "{part}/masks/{i}_mask.png"),
        ("{part}/{i}.jpg", "{part}/{i}_label.png"),
        ("data/img/{part}/{i}.jpg", "data/labels/{part}/{i}.png"),
    ],
)
def test_mask_layouts(tmp_path: Path, picture: str, its_mask: str) -> None:
    for part in ("train", "val"):
        for i in range(3):
            photo(tmp_path / picture.format(part=part, i=i))
            mask(tmp_path / its_mask.format(part=part, i=i), 0, 1, 2)
    write(tmp_path / "classes.txt", "0 road\n1 sky\n2 Void\n")
    table = read(tmp_path)
    assert (table.names, table.target, dict(table.kinds)) == (
        ["image", "mask"],
        "mask",
        {"image": "image", "mask": "mask"},
    )
    assert [m.name for m in table["mask"]][:2] == [its_mask.format(part="train", i=i) for i in range(2)]
    assert [m.name for m in table["image"]][:2] == [picture.format(part="train", i=i) for i in range(2)]
    assert table.hints == {"mask": {"names": ("road", "sky", "Void"), "ignore": 2}}
    assert not table.skipped
    assert Counter(table.split.tolist()) == {"train": 3, "test": 3}  # what was held out is judged
    assert "validation rows are drawn from training" in notes(table)["test"]
    parts = Split(valid=0.3).assign(table)
    assert Counter(parts.tolist()) == {"train": 2, "valid": 1, "test": 3}


def test_masks_in_other_formats(tmp_path: Path) -> None:
    for i in range(4):
        photo(tmp_path / "a" / "images" / f"image_{i}.png")
        mask(tmp_path / "a" / "masks" / f"mask_{i}.png", 0, 255)
        photo(tmp_path / "b" / "img" / f"{i}.jpg")
        mask(tmp_path / "b" / "gt" / f"{i}.png", 0, 1, 255)
    binary = read(tmp_path / "a")
    assert (binary.hints["mask"]["names"][0], binary.hints["mask"]["names"][255]) == ("background", "object")
    assert "ignore" not in binary.hints["mask"]
    assert read(tmp_path / "b").hints["mask"] == {"ignore": 255}


@pytest.mark.parametrize(
    "file", ["class_dict.csv", "label_colors.txt", None]
)  # name,r,g,b; r g b name; found in the masks
def test_rgb_masks(tmp_path: Path, file: str | None) -> None:
    colours = {"road": (128, 64, 128), "sky": (0, 0, 255), "void": (0, 0, 0)}
    for i in range(3):
        photo(tmp_path / "train" / f"{i}.png")
        pixels = np.array([*colours.values(), (9, 9, 9)], np.uint8)[None].repeat(2, 0)
        pixels = pixels if file else pixels[:, :3]
        photo(tmp_path / "train" / f"{i}.png", (pixels.shape[1], 2))
        Image.fromarray(pixels).save(photo(tmp_path / "train_labels" / f"{i}_L.png"))
    if file == "class_dict.csv":
        lines = [f"{name},{r},{g},{b}" for name, (r, g, b) in colours.items()]
        write(tmp_path / file, "name,r,g,b\n" + "\n".join(lines))
    elif file:
        write(tmp_path / file, "\n".join(f"{r} {g} {b}\t{name}" for name, (r, g, b) in colours.items()))
    table = read(tmp_path)
    pixels = np.asarray(Image.open(io.BytesIO(table["mask"][0].read())))
    if file is None:
        assert table.hints["mask"]["names"] == ("#000000", "#0000ff", "#804080")
        assert pixels[0].tolist() == [2, 1, 0]
    else:
        assert pixels[0].tolist() == [0, 1, 2, 255]  # a colour without a class is undecided
        assert table.hints["mask"] == {"names": ("road", "sky", "void"), "ignore": 2}


def test_mismatched_masks_and_images_are_reported(tmp_path: Path) -> None:
    for i in range(30):
        photo(tmp_path / "images" / f"{i}.png")
        mask(tmp_path / "masks" / f"{i}.png", 0, 1, 5)
    mask(tmp_path / "masks" / "0.png", size=(3, 4))
    photo(tmp_path / "images" / "1.jpg")  # as 1.png
    photo(tmp_path / "images" / "alone.png")
    mask(tmp_path / "masks" / "orphan.png")
    mask(tmp_path / "masks" / "2.png", 0, 1, 77)
    whole = (tmp_path / "masks" / "3.png").read_bytes()
    (tmp_path / "masks" / "3.png").write_bytes(whole[: len(whole) // 2])
    write(tmp_path / "images" / "4.png", "no picture")
    (tmp_path / "masks" / "5.png").write_bytes((tmp_path / "images" / "5.png").read_bytes())  # a photograph
    write(tmp_path / "classes.txt", "0 road\n1 sky\nwhat\n1 water\n")
    (tmp_path / "masks" / "later").mkdir()
    table = read(tmp_path)
    said = skipped(table)
    assert len(table) == 25
    assert "3 x 4 pixels, its image 12 x 8" in said["masks/0.png"]
    assert "the name of images/1.jpg" in said["images/1.png"]
    assert "no mask" in said["images/alone.png"]
    assert "without an image" in said["masks/orphan.png"]
    assert said["masks/2.png"] == "its value 77 has no name in classes.txt"
    assert "masks/3.png" in said
    assert "cannot be read" in said["images/4.png"]
    assert "colours" in said["masks/5.png"]
    assert "classes.txt, line 3" in said
    assert "second name" in said["classes.txt, line 4"]
    assert said["masks/later/"] == "an empty folder"
    assert "value 5 in" in notes(table)["nameless class"]
    assert table.hints["mask"]["names"] == ("road", "sky", "class 2", "class 3", "class 4", "class 5")


def test_unusable_masks(tmp_path: Path) -> None:
    for i in range(3):
        photo(tmp_path / "images" / f"{i}.png")
        mask(tmp_path / "masks" / f"{i}.png", size=(3, 4))
    with pytest.raises(SourceError, match=r"\[mismatched-files\].*masks/0.png: a mask of 3 x 4") as error:
        read(tmp_path)
    assert error.value.code == "mismatched-files"


def test_masks_at_half_resolution(tmp_path: Path) -> None:
    for i in range(4):
        photo(tmp_path / "images" / f"{i}.png")
        mask(tmp_path / "masks" / f"{i}.png", size=(6, 4))
    mask(tmp_path / "masks" / "3.png", size=(5, 5))
    table = read(tmp_path)
    assert len(table) == 3
    assert "3 masks, such as masks/0.png" in notes(table)["mask size"]
    assert list(skipped(table)) == ["masks/3.png"]


def test_class_folders_named_masks_stay_classes(tmp_path: Path) -> None:
    for name in ("with_mask", "without_mask"):
        for i in range(3):
            photo(tmp_path / name / f"{i}.jpg")
    table = read(tmp_path)
    assert (table.target, table["label"].n_unique(), len(table)) == ("label", 2, 6)


# -- boxes -------------------------------------------------------------------------------------------------------


def voc(path: Path, *objects: tuple[object, ...], size: tuple[int, int] = SIZE) -> None:
    inner = "\n".join(
        f"<object>\n<name>{name}</name><bndbox><xmin>{a}</xmin><ymin>{b}</ymin><xmax>{c}</xmax><ymax>{d}</ymax></bndbox>"
        "</object>"
        for name, a, b, c, d in objects
    )
    head = f"<annotation>\n<size><width>{size[0]}</width><height>{size[1]}</height></size>\n"
    write(path, f"{head}{inner}\n</annotation>\n")


def coco(path: Path, pictures: list[str], found: list[tuple[object, ...]], **extra: object) -> None:
    content = {
        "images": [
            {"id": i, "file_name": name, "width": SIZE[0], "height": SIZE[1]} for i, name in enumerate(pictures)
        ],
        "annotations": [{"id": n, "image_id": i, "category_id": c, "bbox": box} for n, (i, c, box) in enumerate(found)],
        "categories": [{"id": 7, "name": "cat"}, {"id": 9, "name": "dog"}],
        **extra,
    }
    write(path, json.dumps(content))


def test_all_box_formats_give_the_same_boxes(tmp_path: Path) -> None:
    for kind, folder in (("voc", "JPEGImages"), ("yolo", "images"), ("coco", "images"), ("csv", "."), ("sized", ".")):
        for name in ("1.jpg", "2.jpg", "3.jpg"):
            photo(tmp_path / kind / folder / name)
    voc(tmp_path / "voc" / "Annotations" / "1.xml", ("cat", 0, 2, 6, 8), ("dog", 3, 0, 12, 4))
    voc(tmp_path / "voc" / "Annotations" / "2.xml")
    write(tmp_path / "yolo" / "labels" / "1.txt", "0 0.25 0.625 0.5 0.75\n1 0.625 0.25 0.75 0.5\n")
    write(tmp_path / "yolo" / "labels" / "2.txt", "")
    write(tmp_path / "yolo" / "data.yaml", "train: images\nnames: [cat, dog]\n")
    found = [(0, 7, [0, 2, 6, 6]), (0, 9, [3, 0, 9, 4])]
    coco(tmp_path / "coco" / "annotations" / "instances.json", ["1.jpg", "2.jpg"], found)
    rows = "1.jpg,12,8,cat,0,2,6,8\n/home/x/pictures/1.jpg,12,8,dog,3,0,12,4\n2.jpg,12,8,,,,,\n"
    write(tmp_path / "csv" / "labels.csv", "filename,width,height,class,xmin,ymin,xmax,ymax\n" + rows)
    rows = '1,cat,"[0, 2, 6, 6]"\n1,dog,"[3.0, 0, 9, 4]"\n2,,\n'
    write(tmp_path / "sized" / "train.csv", "image_id,label,bbox\n" + rows)
    expected = {"1.jpg": [("cat", 0, 2, 6, 8), ("dog", 3, 0, 12, 4)], "2.jpg": [], "3.jpg": None}
    for kind in ("voc", "yolo", "coco", "csv", "sized"):
        table = read(tmp_path / kind)
        assert (table.names, table.target) == (["image", "boxes"], "boxes"), kind
        assert dict(table.kinds) == {"image": "image", "boxes": "boxes"}
        assert isinstance(table["boxes"].dtype, pl.List)
        held = {**expected, "3.jpg": []} if kind == "yolo" else expected  # there no file means nothing
        assert boxes(table) == held, kind
        assert not table.skipped, kind
    assert boxes(read(tmp_path / "csv" / "labels.csv")) == {n: b for n, b in expected.items() if b is not None}
    assert "1 images, such as images/3.jpg" in notes(read(tmp_path / "yolo"))["no label file"]
    assert "1 images" in notes(read(tmp_path / "voc"))["unlabelled"]


def test_yolo_without_most_label_files_is_unlabelled(tmp_path: Path) -> None:
    for i in range(5):
        photo(tmp_path / f"{i}.jpg")
    write(tmp_path / "0.txt", "3 0.5 0.5 0.5 0.5\n")
    table = read(tmp_path)
    assert boxes(table) == {"0.jpg": [("3", 3, 2, 9, 6)], **dict.fromkeys([f"{i}.jpg" for i in range(1, 5)])}
    assert "unlabelled" in notes(table)["no label file"]


def test_invalid_boxes(tmp_path: Path) -> None:
    for name in ("1.jpg", "2.jpg", "3.jpg", "4.jpg"):
        photo(tmp_path / "images" / name)
    broken = tmp_path / "images" / "4.jpg"
    broken.write_bytes(broken.read_bytes()[:20])
    lines = ["0 0.5 0.5 1.5 0.5", "5 0.5 0.5 0.5 0.5", "0 0.5 0.5 0 0.2", "cat 1 2 3 4", "0 0.5 0.5", "0 9 9 3 3"]
    lines += ["0 1.7 0.5 0.1 0.1", "0 nan 0.5 0.1 0.1", "1 0.1 0.1 0.9 0.1 0.5 0.9"]
    write(tmp_path / "labels" / "1.txt", "\n".join(lines))
    photo(tmp_path / "images" / "3.png")  # as 3.jpg
    write(tmp_path / "labels" / "2.txt", "0 0.5 0.5 0.5 0.5")
    write(tmp_path / "labels" / "3.txt", "1 0.5 0.5 0.5 0.5")
    write(tmp_path / "labels" / "4.txt", "1 0.5 0.5 0.5 0.5")
    write(tmp_path / "labels" / "lost.txt", "1 0.5 0.5 0.5 0.5")
    write(tmp_path / "classes.txt", "cat\ndog\n")
    table = read(tmp_path)
    said = skipped(table)
    outline = pytest.approx((1.2, 0.8, 10.8, 7.2))
    assert boxes(table)["1.jpg"][:2] == [("cat", 0, 2, 12, 6), ("class 5", 3, 2, 9, 6)]
    assert boxes(table)["1.jpg"][2][1:] == outline
    assert len(table) == 3
    reasons = ["without an area", "a class and numbers", "four numbers", "from 0 to 1", "outside", "finite"]
    for line, reason in enumerate(reasons, 3):
        assert reason in said[f"labels/1.txt, line {line}"]
    assert "cannot be read" in said["images/4.jpg"]
    assert "no image" in said["labels/lost.txt"]
    assert "the name of images/3.jpg" in said["images/3.png"]
    assert "labels/1.txt, line 1" in notes(table)["cut boxes"]
    assert "class 5" in notes(table)["nameless class"]


def test_invalid_voc_files(tmp_path: Path) -> None:
    for i in range(6):
        photo(tmp_path / f"{i}.jpg")
    voc(tmp_path / "0.xml", ("cat", 1, 1, 1, 5), ("dog", "left", 1, 2, 2), ("cat", 1, 1, 5, 5))
    write(tmp_path / "1.xml", "<annotation>\n<object>\n</annotation>")
    bomb = '<!DOCTYPE a [<!ENTITY b "&c;&c;"><!ENTITY c SYSTEM "file:///etc/passwd">]>'
    write(tmp_path / "2.xml", f"<?xml version='1.0'?>{bomb}<annotation><filename>&c;</filename></annotation>")
    voc(tmp_path / "other.xml", ("cat", 1, 1, 2, 2))
    voc(tmp_path / "3.xml", ("cat", 2, 2, 10, 10), size=(24, 16))  # twice the size of the image
    write(tmp_path / "4.xml", "<annotation><object><bndbox/></object></annotation>")
    write(tmp_path / "5.xml", "")
    table = read(tmp_path)
    said = skipped(table)
    assert boxes(table)["0.jpg"] == [("cat", 1, 1, 5, 5)]
    assert boxes(table)["1.jpg"] is boxes(table)["2.jpg"] is boxes(table)["5.jpg"] is None
    assert boxes(table)["3.jpg"] == [("cat", 1, 1, 5, 5)]
    assert boxes(table)["4.jpg"] is None  # its only object is unusable
    assert "without an area: left 1" in said["0.xml, line 3"]
    assert "xmin 'left'" in said["0.xml, line 5"]
    assert "not XML" in said["1.xml, line 3"]
    assert "document type" in said["2.xml"]
    assert "no image of its name" in said["other.xml"]
    assert "without a name" in said["4.xml, line 1"]
    assert "3.jpg" in notes(table)["scaled boxes"]


def test_invalid_coco_files(tmp_path: Path) -> None:
    photo(tmp_path / "images" / "1.jpg")
    found = [
        (0, 7, [1, 1, 2, 2]),
        (5, 7, [1, 1, 2, 2]),
        (0, 8, [1, 1, 3, 3]),
        (0, 7, [1, 1, None, 2]),
        (0, 7, [1, 1, 0, 2]),
    ]
    coco(tmp_path / "a.json", ["1.jpg", "gone.jpg", "1.jpg"], found)
    table = read(tmp_path)
    said = skipped(table)
    assert boxes(table) == {"1.jpg": [("cat", 1, 1, 3, 3), ("class 8", 1, 1, 4, 4)]}
    assert "'gone.jpg'" in said["a.json, images[1]"]
    assert "before" in said["a.json, images[2]"]
    assert "id 5" in said["a.json, annotations[1]"]
    assert "four numbers" in said["a.json, annotations[3]"]
    assert "without an area" in said["a.json, annotations[4]"]
    write(tmp_path / "a.json", '{"images": [], "annotations": [{"bbox": [')
    with pytest.raises(SourceError, match=r"\[unreadable-file\] a.json, line 1, column 42: not JSON"):
        read(tmp_path)
    coco(tmp_path / "a.json", ["gone.jpg"], found[:1])
    with pytest.raises(SourceError, match=r"gone\.jpg"):
        read(tmp_path / "a.json")


def test_invalid_box_tables(tmp_path: Path) -> None:
    photo(tmp_path / "pictures" / "1.jpg")
    rows = ["1.jpg,cat,1,1,3,3", "1.jpg,dog,a,1,3,3", "1.jpg,,1,1,3,3", "gone.jpg,cat,1,1,3,3", "gone.jpg,cat,1,1,3,3"]
    write(tmp_path / "boxes.csv", "image,label,x1,y1,x2,y2\n" + "\n".join([*rows, ",cat,1,1,3,3", "1.jpg,cat,3,3,1,1"]))
    table = read(tmp_path)
    said = skipped(table)
    assert boxes(table) == {"1.jpg": [("cat", 1, 1, 3, 3)]}
    assert "x1 'a'" in said["boxes.csv, row 2"]
    assert "no class" in said["boxes.csv, row 3"]
    assert "'gone.jpg', to which 2 rows" in said["boxes.csv, row 4"]
    assert "no image" in said["boxes.csv, row 6"]
    assert "without an area" in said["boxes.csv, row 7"]


def test_splits_of_boxes(tmp_path: Path) -> None:
    for part in ("train", "valid", "test"):
        photo(tmp_path / "roboflow" / part / "images" / "1.jpg")
        write(tmp_path / "roboflow" / part / "labels" / "1.txt", "0 0.5 0.5 0.5 0.5")
        photo(tmp_path / "json" / part / "1.jpg")
        coco(tmp_path / "json" / part / "_annotations.coco.json", ["1.jpg"], [(0, 7, [1, 1, 2, 2])])
        photo(tmp_path / "lists" / f"{part}1.jpg")
        voc(tmp_path / "lists" / f"{part}1.xml", ("cat", 1, 1, 2, 2))
        write(tmp_path / "lists" / "ImageSets" / "Main" / f"{part}.txt", f"{part}1\n")
        photo(tmp_path / "tables" / "images" / f"{part}1.jpg")
        write(tmp_path / "tables" / f"{part}_labels.csv", f"filename,x,y,w,h\n{part}1.jpg,1,1,2,2\n")
    photo(tmp_path / "lists" / "unlisted.jpg")
    for kind in ("roboflow", "json", "lists", "tables"):
        table = read(tmp_path / kind)
        assert sorted(table.split) == ["test", "train", "valid"], kind
        for media, part in zip(table["image"], table.split, strict=True):
            assert part in media.name
        assert [len(cell) for cell in table["boxes"].to_list()] == [1, 1, 1]
    assert "in no split" in skipped(read(tmp_path / "lists"))["unlisted.jpg"]


def test_cmyk_rotated_and_animated_images_are_reported(tmp_path: Path) -> None:
    photo(tmp_path / "cmyk.jpg", mode="CMYK")
    exif = Image.Exif()
    exif[0x0112] = 6
    photo(tmp_path / "turned.jpg", (8, 12), exif=exif)  # displayed as 12 x 8
    photo(tmp_path / "stored.jpg", (8, 12), exif=exif)
    first, second = Image.new("RGB", SIZE, "red"), Image.new("RGB", SIZE, "blue")
    first.save(tmp_path / "moving.gif", save_all=True, append_images=[second])
    voc(tmp_path / "turned.xml", ("cat", 0, 0, 12, 4), size=(12, 8))
    voc(tmp_path / "stored.xml", ("cat", 0, 0, 4, 12), size=(8, 12))
    voc(tmp_path / "cmyk.xml", ("cat", 0, 0, 4, 4))
    table = read(tmp_path)
    said = notes(table)
    assert "cmyk.jpg" in said["CMYK"]
    assert "moving.gif" in said["animated"]
    assert "2 images" in said["turned"]
    assert boxes(table)["turned.jpg"] == [("cat", 0, 0, 12, 4)]
    assert boxes(table)["stored.jpg"] == [("cat", 0, 0, 12, 4)]  # a quarter to the right: left becomes top
    assert "stored.jpg" in said["turned boxes"]


@pytest.mark.parametrize("turn", range(1, 9))
def test_boxes_follow_exif_orientation(tmp_path: Path, turn: int) -> None:
    from PIL import ImageOps

    pixels = np.zeros((5, 7), np.uint8)
    pixels[1:3, 2:6] = 255
    exif = Image.Exif()
    exif[0x0112] = turn
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    upright = np.asarray(ImageOps.exif_transpose(Image.open(tmp_path / "a.png")))
    left, top, right, bottom = map(int, turned((2, 1, 6, 3), turn, (5, 7)))
    assert upright[top:bottom, left:right].all()
    assert upright.sum() == 8 * 255
    assert (right - left) * (bottom - top) == 8


@pytest.mark.parametrize("kind", ["voc", "yolo", "coco", "csv", "mask"])
def test_damaged_annotations_are_reported(tmp_path: Path, kind: str) -> None:
    for i in range(3):
        photo(tmp_path / "images" / f"{i}.jpg")
        if kind == "voc":
            voc(tmp_path / "Annotations" / f"{i}.xml", ("cat", 0, 2, 6, 8), ("dog", 3, 0, 12, 4))
        elif kind == "yolo":
            write(tmp_path / "labels" / f"{i}.txt", "0 0.25 0.625 0.5 0.75\n1 0.625 0.25 0.75 0.5\n")
        elif kind == "mask":
            mask(tmp_path / "masks" / f"{i}.png")
    if kind == "coco":
        coco(tmp_path / "a.json", ["0.jpg", "1.jpg"], [(0, 7, [0, 2, 6, 6]), (1, 9, [3, 0, 9, 4])])
    if kind == "csv":
        write(tmp_path / "a.csv", "filename,class,xmin,ymin,xmax,ymax\n0.jpg,cat,0,2,6,8\n1.jpg,dog,1,1,2,2\n")
    file = next(p for p in sorted(tmp_path.rglob("*")) if p.is_file() and p.parent.name != "images")
    whole = file.read_bytes()
    random = np.random.default_rng(0)
    told = 0
    for _ in range(60):
        data = bytearray(whole)
        for place in random.integers(0, len(data), random.integers(1, 4)):
            data[place] = random.integers(0, 256)
        file.write_bytes(data[: random.integers(len(data) // 2, len(data) + 1)])
        try:
            told += bool(read(tmp_path).skipped)
        except SourceError as error:
            told += file.name in str(error) or str(tmp_path.name) in str(error)
    assert told > 20


# -- paths -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", ["/home/x/IMG/", "C:\\Users\\x\\IMG\\", "D:\\far\\off\\", "IMG/"])
def test_paths_of_another_machine(tmp_path: Path, start: str) -> None:
    for i in range(3):
        photo(tmp_path / "IMG" / f"center_{i}.jpg")
    rows = [f"{start}center_{i}.jpg,{i / 10}" for i in range(4)]
    write(tmp_path / "driving_log.csv", "center,steering\n" + "\n".join(rows))
    table = read(tmp_path)
    assert table.kinds == {"center": "image"}
    assert [m.path for m in table["center"]][:3] == [tmp_path / "IMG" / f"center_{i}.jpg" for i in range(3)]


# -- the real sets -----------------------------------------------------------------------------------------------


def test_camvid(data_root: Path) -> None:
    table = read("data:camvid", data_root=data_root)
    assert Counter(table.split.tolist()) == {"train": 367, "test": 101}
    assert len(table.hints["mask"]["names"]) == 12
    assert table.hints["mask"]["ignore"] == 11
    for picture, its_mask in zip(table["image"], table["mask"], strict=True):
        assert picture.path.stem == its_mask.path.stem
        assert f"{picture.path.parent.name}annot" == its_mask.path.parent.name


def test_bccd(data_root: Path) -> None:
    table = read("data:bccd", data_root=data_root)
    assert Counter(table.split.tolist()) == {"train": 205, "valid": 87, "test": 72}
    flat = table["boxes"].explode().struct.unnest()
    assert len(flat) == 4886
    assert set(flat["label"]) == {"RBC", "WBC", "Platelets"}
    assert (flat["right"] > flat["left"]).all()
    assert [s.name for s in table.skipped] == [
        "Annotations/BloodImage_00338.xml, line 158",
        "Annotations/BloodImage_00343.xml, line 50",
    ]


def test_coco128(data_root: Path) -> None:
    table = read("data:coco128", data_root=data_root)
    counts = table["boxes"].list.len()
    assert (len(table), counts.sum(), (counts == 0).sum()) == (128, 929, 2)
    assert "for the masks give data:coco128/masks" in notes(table)["masks"]
    masks = read("data:coco128/masks", data_root=data_root)
    assert (len(masks), len(masks.skipped), masks.target) == (100, 28, "mask")
    assert masks.hints["mask"]["names"][1] == "person"
    assert masks.hints["mask"]["ignore"] == 0


def test_faces_and_driving(data_root: Path) -> None:
    faces = read("data:orl_faces", data_root=data_root)
    assert (len(faces), faces["label"].n_unique(), faces.target) == (300, 30, "label")
    driving = read("data:driving_steering", data_root=data_root)
    assert dict(driving.kinds) == dict.fromkeys(["center", "left", "right"], "image")
