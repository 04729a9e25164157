"""A table of boxes: a row a box, with the picture's name, the class and four numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import polars as pl

from deepglass.data.sources.base import SPLITS, Findings, SourceOptions
from deepglass.data.sources.boxes import Box, Labelled
from deepglass.data.sources.file_tree import Places, Tree, ending, part_of, stem
from deepglass.data.sources.tables import read_table_file
from deepglass.data.table import Table
from deepglass.features.boxes import UNNAMED

_TABLES = (".csv", ".tsv")
# fmt: off
_PICTURE = ("filename", "file", "image", "imagename", "imagepath", "imagefile", "imageid", "imgid", "img", "imgname",
            "imgpath", "path", "filepath", "picture", "photo", "frame", "imagefilename")
_LABEL = ("label", "class", "classname", "category", "object", "labelname", "name", "classid", "classlabel", "labels",
          "type", "categoryname")
# fmt: on
_CORNERS = (
    ("xmin", "ymin", "xmax", "ymax"),
    ("x1", "y1", "x2", "y2"),
    ("x0", "y0", "x1", "y1"),
    ("left", "top", "right", "bottom"),
    ("bboxxmin", "bboxymin", "bboxxmax", "bboxymax"),
    ("bboxx1", "bboxy1", "bboxx2", "bboxy2"),
    ("xtl", "ytl", "xbr", "ybr"),
)
_SIZED = (
    ("left", "top", "width", "height"),
    ("xmin", "ymin", "width", "height"),
    ("x", "y", "width", "height"),
    ("x", "y", "w", "h"),
    ("bboxx", "bboxy", "bboxwidth", "bboxheight"),
    ("bboxx", "bboxy", "bboxw", "bboxh"),
    ("bboxleft", "bboxtop", "bboxwidth", "bboxheight"),
)
_HEAD = 65_536  # bytes that the names of columns are looked for in


class Layout(NamedTuple):
    """Which columns of a table hold what."""

    picture: str
    label: str | None
    sides: tuple[str, ...]  # four columns, or one of lists
    sized: bool  # the last two are width and height
    stated: tuple[str, str] | None  # rows and columns of the picture


def layout_of(names: Sequence[str]) -> Layout | None:
    """What the columns of a table of boxes hold; None where it is none."""
    by = {re.sub(r"[^a-z0-9]", "", name.lower()): name for name in reversed(names)}
    picture = next((by[word] for word in _PICTURE if word in by), None)
    if picture is None:
        return None
    label = next((by[word] for word in _LABEL if word in by and by[word] != picture), None)
    for corners in _CORNERS:
        if all(word in by for word in corners):
            stated = (by["height"], by["width"]) if "height" in by and "width" in by else None
            return Layout(picture, label, tuple(by[word] for word in corners), False, stated)
    for sides in _SIZED:
        if all(word in by for word in sides):
            return Layout(picture, label, tuple(by[word] for word in sides), True, None)
    if "bbox" in by:
        stated = (by["height"], by["width"]) if "height" in by and "width" in by else None
        return Layout(picture, label, (by["bbox"],), True, stated)
    return None


def is_boxlist(tree: Tree, file: str) -> bool:
    """Whether the names at a table's head are those of boxes."""
    if ending(file) not in _TABLES:
        return False
    try:
        with (tree.folder / file).open("rb") as opened:
            first = opened.read(_HEAD).decode("utf-8-sig", errors="replace").splitlines()
    except OSError:
        return False
    names = [cell.strip().strip('"') for cell in re.split(r"[,;\t|]", first[0])] if first else []
    return layout_of(names) is not None


def read_boxlists(tree: Tree, findings: Findings, options: SourceOptions) -> list[Labelled] | None:
    """Each picture with its boxes; None where no table is one of boxes, or none of its pictures is there."""
    files = [file for file in tree.files if is_boxlist(tree, file)]
    if not files:
        return None
    places = Places(tree.pictures)
    found: dict[str, Labelled] = {}
    missing: dict[str, list[str]] = {}
    for file in files:
        _read(tree, file, places, found, missing, findings, options)
    if not found:
        return None
    for name, wheres in missing.items():
        findings.skip(wheres[0], f"there is no picture {name!r}, which {len(wheres)} rows are about")
    findings.note("annotations", ", ".join(files), "a row a box")
    return [found.get(picture) or Labelled(picture, None) for picture in tree.pictures]


def _read(
    tree: Tree,
    file: str,
    places: Places,
    found: dict[str, Labelled],
    missing: dict[str, list[str]],
    findings: Findings,
    options: SourceOptions,
) -> None:
    table = read_table_file(tree.folder / file, file, None, options)
    layout = layout_of(table.names)
    if layout is None:
        return
    findings.skipped += table.skipped
    texts = {name: _texts(table, name) for name in {layout.picture, *layout.sides, *filter(None, [layout.label])}}
    rows = [_numbers(texts, layout, i) for i in range(len(table))]
    shares = _are_shares(rows)
    stated = _stated(table, layout)
    for i, sides in enumerate(rows):
        where = f"{file}, row {i + 1}"
        name = texts[layout.picture][i]
        if name is None:
            findings.skip(where, f"no picture in {layout.picture!r}")
            continue
        picture = places.named(name, file)
        if picture is None:
            missing.setdefault(name, []).append(where)
            continue
        part = _part(table, i, file)
        labelled = found.setdefault(picture, Labelled(picture, [], stated[i], shares, part))
        label = UNNAMED if layout.label is None else texts[layout.label][i]
        given = [texts[side][i] for side in layout.sides]
        if not any(given):
            continue  # the picture is known to hold nothing
        if sides is None:
            got = ", ".join(f"{side} {text!r}" for side, text in zip(layout.sides, given, strict=True))
            findings.skip(where, f"expected four numbers, got {got}")
        elif label is None:
            findings.skip(where, f"no class in {layout.label!r}")
        elif labelled.boxes is not None:
            labelled.boxes.append(Box(label, sides, where))
    if shares:
        findings.note("shares", ", ".join(layout.sides), f"no number in {file} is above 1: shares of the picture")


def _texts(table: Table, name: str) -> list[str | None]:
    raw = table[name]
    if not isinstance(raw, pl.Series):
        return [" ".join(map(str, row)) for row in raw]
    if isinstance(raw.dtype, pl.List):
        return [None if cell is None else " ".join(map(str, cell)) for cell in raw.to_list()]
    return [None if cell is None or not str(cell).strip() else str(cell).strip() for cell in raw.to_list()]


def _numbers(
    texts: Mapping[str, list[str | None]], layout: Layout, row: int
) -> tuple[float, float, float, float] | None:
    """Left, top, right and bottom of a row; None where they are no numbers."""
    cells = [texts[side][row] for side in layout.sides]
    words = re.findall(r"[^\s,;\[\]()]+", cells[0] or "") if len(cells) == 1 else cells
    try:
        first, second, third, fourth = (float(word or "") for word in words)
    except ValueError:
        return None
    return (first, second, first + third, second + fourth) if layout.sized else (first, second, third, fourth)


def _are_shares(rows: Sequence[tuple[float, ...] | None]) -> bool:
    highest = max((max(row) for row in rows if row is not None), default=2.0)
    return highest <= 1.001 and any(side != int(side) for row in rows if row is not None for side in row)


def _stated(table: Table, layout: Layout) -> list[tuple[int, int] | None]:
    if layout.stated is None:
        return [None] * len(table)
    sides = [table[name] for name in layout.stated]
    if not all(isinstance(raw, pl.Series) and raw.dtype.is_numeric() for raw in sides):
        return [None] * len(table)
    return [None if None in pair else (int(pair[0]), int(pair[1])) for pair in zip(*sides, strict=True)]


def _part(table: Table, row: int, file: str) -> str | None:
    """Of the split: by a column called so, else by a word in the file's name or folder."""
    if table.split is not None:
        return str(table.split[row])
    words = re.split(r"[-_. ]+", stem(file).lower())
    return next((SPLITS[word] for word in words if word in SPLITS), None) or part_of(file)
