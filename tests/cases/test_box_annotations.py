"""Boxes as labelling tools and detectors write them: key points, polygons, confidences, attributes, JSON of tools."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deepglass.data.sources import read
from deepglass.data.sources.outlines import box_around
from deepglass.data.table import Table
from deepglass.errors import SourceError

COLUMNS, ROWS = 100, 80


def images(folder: Path, count: int = 6) -> Path:
    (folder / "images").mkdir(parents=True)
    for i in range(count):
        Image.fromarray(np.full((ROWS, COLUMNS, 3), 40 * i, np.uint8)).save(folder / "images" / f"{i}.png")
    return folder


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def boxes(table: Table) -> list[list[tuple[object, ...]] | None]:
    """The boxes of each image, in whole pixels."""
    cells = table["boxes"].to_list()
    return [None if c is None else [(b["label"], *(round(b[s]) for s in SIDES)) for b in c] for c in cells]


SIDES = ("left", "top", "right", "bottom")


def told(table: Table) -> str:
    return "\n".join([*map(str, table.notes), *map(str, table.skipped)])


# -- YOLO --------------------------------------------------------------------------------------------------------


def centre(line: str) -> tuple[int, ...]:
    x, y, width, height = (float(word) for word in line.split()[1:5])
    return tuple(
        round(n)
        for n in (
            *(COLUMNS * (x - width / 2), ROWS * (y - height / 2)),
            *(COLUMNS * (x + width / 2), ROWS * (y + height / 2)),
        )
    )


@pytest.mark.parametrize("name", ["pose5x3", "pose12x2"])
@pytest.mark.parametrize("stated", [True, False])
def test_key_points_are_no_polygons(cases: Path, tmp_path: Path, name: str, stated: bool) -> None:
    source = cases / "14-yolo-pose" / name
    for file in source.rglob("*"):
        if file.is_file() and (stated or file.name != "data.yaml"):
            (tmp_path / file.relative_to(source)).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / file.relative_to(source)).write_bytes(file.read_bytes())
    lines = [(source / "labels" / f"{i:03}.txt").read_text().splitlines() for i in range(12)]
    table = read(tmp_path)
    assert [[box[1:] for box in cell or ()] for cell in boxes(table)] == [list(map(centre, own)) for own in lines]
    assert "key points" in told(table)


def test_polygons_confidences_and_commas(cases: Path) -> None:
    table = read(cases / "15-yolo-mixed" / "set")
    cells = boxes(table)
    assert [len(cell or ()) for cell in cells] == [3, 3, 3, 4, 3, 4, 0, 3, 3, 3, 3, 3]
    assert cells[0] == [("red", 68, 22, 95, 41), ("green", 7, 8, 25, 33), ("red", 5, 0, 33, 28)]
    assert cells[6] == []
    assert cells[7][0] == ("red", 57, 23, 73, 43)  # between commas


def test_polygons_of_equal_length_stay_polygons(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    angles = np.linspace(0, 2 * np.pi, 9)[:-1]
    for i in range(6):
        x, y, radius = random.uniform(0.3, 0.7), random.uniform(0.3, 0.7), random.uniform(0.1, 0.25)
        points = np.stack([x + radius * np.cos(angles), y + radius * np.sin(angles)], 1).round(4)
        write(tmp_path / "labels" / f"{i}.txt", f"0 {' '.join(map(str, points.ravel()))}\n")
    table = read(images(tmp_path))
    assert "polygons" in told(table)
    assert "key points" not in told(table)


def test_polygon_with_a_confidence_and_track_numbers(tmp_path: Path) -> None:
    write(tmp_path / "labels" / "0.txt", "0 0.1 0.1 0.3 0.1 0.3 0.5 0.91\n")
    write(tmp_path / "labels" / "1.txt", "0 0.5 0.5 0.2 0.5 17\n")
    table = read(images(tmp_path, 2))
    assert boxes(table) == [[("0", 10, 8, 30, 40)], [("0", 40, 20, 60, 60)]]


def test_images_whose_labels_all_failed_are_unlabelled(tmp_path: Path) -> None:
    texts = ["0 0.5 0.5 0.2 0.5\n", "0 0.5 0.5\nnonsense\n", "\n", "0 9 9 0.1 0.1", "0 0.5 0.5 0 0", "0 0.5 0.5 1 1"]
    for i, text in enumerate(texts):
        write(tmp_path / "labels" / f"{i}.txt", text)
    table = read(images(tmp_path, 6))
    assert boxes(table) == [[("0", 40, 20, 60, 60)], None, [], None, None, [("0", 0, 0, 100, 80)]]
    assert "3 images" in told(table)


# -- COCO --------------------------------------------------------------------------------------------------------


def test_boxes_around_polygons(cases: Path) -> None:
    for name in ("poly", "nobox"):
        cells = boxes(read(cases / "16-coco" / name))
        assert [len(cell or ()) for cell in cells] == [2] * 12
    assert cells[0] == [("red", 28, 8, 45, 27), ("green", 24, 39, 41, 63)]


@pytest.mark.parametrize(
    ("segmentation", "expected"),
    [
        ([[3, 14, 20, 14, 20, 38, 3, 38]], (3, 14, 20, 38)), ([3, 14, 20, 14, 20, 38], (3, 14, 20, 38)),
        ([[1, 1, 4, 1, 4, 4], [6, 2, 9, 2, 9, 8]], (1, 1, 9, 8)), ([], None), (None, None), ([[1, 1]], None),
        ([["a", 1, 2, 3]], None), ({"size": [5, 4], "counts": [6, 2, 3, 2, 7]}, (1, 1, 3, 3)),
        ({"size": [5, 4], "counts": [3, 4, 13]}, (0, 0, 2, 5)), ({"size": [5, 4], "counts": [99]}, None),
        ({"size": [5, 4], "counts": "\x00"}, None), ({"size": [10, 10], "counts": [10**30]}, None),
    ],
)  # fmt: skip
def test_outlines(segmentation: object, expected: object) -> None:
    assert box_around(segmentation) == expected


def test_compressed_outlines() -> None:
    """The encoding of COCO's API, written again: 5 bits a character, differences from the fourth run on."""
    mask = np.zeros((7, 9), int)
    mask[2:5, 3:7] = 1
    flat = mask.T.ravel()
    edges = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff([0, *edges, flat.size]).tolist()
    text = ""
    for i, run in enumerate(runs):
        value, more = run - (runs[i - 2] if i > 2 else 0), True
        while more:
            bits, value = value & 0x1F, value >> 5
            more = value != (-1 if bits & 0x10 else 0)
            text += chr(bits + 0x20 * more + 48)
    assert box_around({"size": [7, 9], "counts": text}) == (3, 2, 7, 5)


def test_coco_annotations_without_any_outline_leave_images_unlabelled(tmp_path: Path) -> None:
    content = {
        "images": [{"id": i, "file_name": f"{i}.png"} for i in range(3)],
        "annotations": [
            {"image_id": 0, "category_id": 1, "bbox": [10, 20, -5, 5], "segmentation": [[1, 2, 3, 2, 3, 9]]},
            {"image_id": 1, "category_id": 1, "bbox": None},
        ],
        "categories": [{"id": 1, "name": "cat"}],
    }
    write(tmp_path / "annotations.json", json.dumps(content))
    assert boxes(read(images(tmp_path, 3))) == [[("cat", 1, 2, 3, 9)], None, []]


@pytest.mark.parametrize("as_written", [str, float])
def test_coco_ids_in_other_writings(tmp_path: Path, as_written: Callable[[int], object]) -> None:
    content = {
        "images": [{"id": i, "file_name": f"{i}.png"} for i in range(3)],
        "annotations": [
            {"image_id": as_written(i), "category_id": as_written(1), "bbox": [1, 2, 3, 4]} for i in (0, 1)
        ],
        "categories": [{"id": 1, "name": "cat"}],
    }
    write(tmp_path / "annotations.json", json.dumps(content))
    assert boxes(read(images(tmp_path, 3))) == [[("cat", 1, 2, 4, 6)]] * 2 + [[]]


def test_coco_annotations_of_other_images_are_refused(tmp_path: Path) -> None:
    content = {
        "images": [{"id": i, "file_name": f"{i}.png"} for i in range(3)],
        "annotations": [{"image_id": 70 + i, "category_id": 1, "bbox": [1, 2, 3, 4]} for i in range(3)],
        "categories": [{"id": 1, "name": "cat"}],
    }
    write(tmp_path / "annotations.json", json.dumps(content))
    with pytest.raises(SourceError, match=r"\[mismatched-files\] .* none of its 3 annotations"):
        read(images(tmp_path, 3))


# -- Pascal VOC --------------------------------------------------------------------------------------------------


def test_swapped_corners_leave_an_image_unlabelled(cases: Path) -> None:
    cells = boxes(read(cases / "18-voc"))
    assert [None if cell is None else len(cell) for cell in cells] == [2, 2, None, *[2] * 7]


def test_roots_with_attributes(cases: Path) -> None:
    cells = boxes(read(cases / "41-voc-verified"))
    assert [[box[0] for box in cell or ()] for cell in cells] == [["jar"]] * 24


@pytest.mark.parametrize(
    "start",
    [
        '<annotation verified="yes">', "<!-- a tool -->\n<annotation >", "<annotation\n  verified='no'\n>",
        '<?xml version="1.0"?>\n<!-- <other> -->\n<annotation xmlns="http://a.b/c">', '<v:annotation xmlns:v="u">',
        "\ufeff<annotation>", "<Annotation>", f"<!-- {'x' * 9000} --><annotation>",
        '<?xml version="1.0" encoding="utf-16"?><annotation>',
    ],
)  # fmt: skip
def test_any_root_called_annotation(tmp_path: Path, start: str) -> None:
    tag = "v:annotation" if "<v:" in start else "Annotation" if "<A" in start else "annotation"
    corners = "<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>30</xmax><ymax>40</ymax></bndbox>"
    text = f"{start}<object><name>jar</name>{corners}</object></{tag}>"
    for i in range(3):
        (tmp_path / f"{i}.xml").write_bytes(text.encode("utf-16" if "utf-16" in start else "utf-8"))
    assert boxes(read(images(tmp_path, 3))) == [[("jar", 1, 2, 30, 40)]] * 3


def test_voc_polygons(tmp_path: Path) -> None:
    numbered = "<x1>1</x1><y1>2</y1><x2>30</x2><y2>2</y2><x3>9</x3><y3>40</y3>"
    points = "<pt><x>1</x><y>2</y></pt><pt><x>30</x><y>2</y></pt><pt><x>9</x><y>40</y></pt>"
    for i, polygon in enumerate((numbered, points, "<x1>1</x1>")):
        text = f"<annotation><object><name>jar</name><polygon>{polygon}</polygon></object></annotation>"
        write(tmp_path / f"{i}.xml", text)
    assert boxes(read(images(tmp_path, 3))) == [[("jar", 1, 2, 30, 40)]] * 2 + [None]


# -- JSON of labelling tools -------------------------------------------------------------------------------------


def labelme(i: int) -> dict[str, object]:
    shapes = [{"label": "jar", "points": [[30, 40], [1, 2]], "shape_type": "rectangle"}]
    return {"version": "5", "flags": {}, "shapes": shapes, "imagePath": f"..\\images\\{i}.png", "imageData": None}


def test_labelme(cases: Path, tmp_path: Path) -> None:
    assert boxes(read(cases / "29-layouts" / "labelme"))[0] == [("box", 3, 3, 14, 15)]
    for i in range(3):
        write(tmp_path / "annotations" / f"{i}.json", json.dumps(labelme(i)))
    circle = {"label": "lid", "points": [[50, 40], [50, 50]], "shape_type": "circle"}
    outline = {"label": "jar", "points": [[1, 2], [30, 2], [9, 40]], "shape_type": "polygon"}
    dot = {"label": "dot", "points": [[5, 5]], "shape_type": "point"}
    write(tmp_path / "annotations" / "3.json", json.dumps(labelme(3) | {"shapes": [circle, outline, dot]}))
    write(tmp_path / "annotations" / "4.json", json.dumps(labelme(4) | {"shapes": []}))
    table = read(images(tmp_path, 6))
    expected = [[("jar", 1, 2, 30, 40)]] * 3 + [[("lid", 40, 30, 60, 50), ("jar", 1, 2, 30, 40)], [], None]
    assert boxes(table) == expected
    assert "'dot'" in told(table)


def via(folder: Path) -> None:
    shape = {"name": "rect", "x": 1, "y": 2, "width": 29, "height": 38}
    outline = {"name": "polygon", "all_points_x": [1, 30, 9], "all_points_y": [2, 2, 40]}
    regions = [[{"shape_attributes": s, "region_attributes": {"kind": "jar"}}] for s in (shape, outline)]
    content = {f"{i}.png123": {"filename": f"{i}.png", "size": 1, "regions": own} for i, own in enumerate(regions)}
    write(folder / "via_region_data.json", json.dumps(content))


def create_ml(folder: Path) -> None:
    box = {"label": "jar", "coordinates": {"x": 15.5, "y": 21, "width": 29, "height": 38}}
    write(
        folder / "_annotations.createml.json", json.dumps([{"image": f"{i}.png", "annotations": [box]} for i in (0, 1)])
    )


@pytest.mark.parametrize("tool", [via, create_ml])
def test_other_tools(tmp_path: Path, tool: Callable[[Path], None]) -> None:
    tool(tmp_path)
    assert boxes(read(images(tmp_path, 3))) == [[("jar", 1, 2, 30, 40)]] * 2 + [None]
