"""Tables of bounding boxes: one row per box with image name, class and four numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import polars as pl

from deepglass.data.sources.base import SPLIT_WORDS, ReadLog, SourceOptions
from deepglass.data.sources.boxes import AnnotatedBox, AnnotatedImage
from deepglass.data.sources.file_tree import FileMatcher, FileTree, ending, split_of, stem
from deepglass.data.sources.tables import read_table_file
from deepglass.data.table import Table
from deepglass.features.boxes import DEFAULT_LABEL

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
_HEAD = 65_536  # bytes in which column names are searched


class BoxColumns(NamedTuple):
    """The roles of the columns of a table of boxes."""

    image: str
    label: str | None
    sides: tuple[str, ...]  # four columns, or one of lists
    sized: bool  # the last two are width and height
    stated: tuple[str, str] | None  # rows and columns of the image


def find_box_columns(names: Sequence[str]) -> BoxColumns | None:
    """The roles of the columns by their names; None if it is not a table of boxes."""
    by = {re.sub(r"[^a-z0-9]", "", name.lower()): name for name in reversed(names)}
    image = next((by[word] for word in _PICTURE if word in by), None)
    if image is None:
        return None
    label = next((by[word] for word in _LABEL if word in by and by[word] != image), None)
    for corners in _CORNERS:
        if all(word in by for word in corners):
            stated = (by["height"], by["width"]) if "height" in by and "width" in by else None
            return BoxColumns(image, label, tuple(by[word] for word in corners), False, stated)
    for sides in _SIZED:
        if all(word in by for word in sides):
            return BoxColumns(image, label, tuple(by[word] for word in sides), True, None)
    if "bbox" in by:
        stated = (by["height"], by["width"]) if "height" in by and "width" in by else None
        return BoxColumns(image, label, (by["bbox"],), True, stated)
    return None


def is_boxlist(tree: FileTree, file: str) -> bool:
    """Whether a table has the column names of boxes."""
    if ending(file) not in _TABLES:
        return False
    try:
        with (tree.folder / file).open("rb") as opened:
            first = opened.read(_HEAD).decode("utf-8-sig", errors="replace").splitlines()
    except OSError:
        return False
    names = [cell.strip().strip('"') for cell in re.split(r"[,;\t|]", first[0])] if first else []
    return find_box_columns(names) is not None


def read_boxlists(tree: FileTree, log: ReadLog, options: SourceOptions) -> list[AnnotatedImage] | None:
    """Each image with its boxes; None if there is no table of boxes for these images."""
    files = [file for file in tree.files if is_boxlist(tree, file)]
    if not files:
        return None
    matcher = FileMatcher(tree.images)
    annotated: dict[str, AnnotatedImage] = {}
    missing: dict[str, list[str]] = {}
    for file in files:
        _read(tree, file, matcher, annotated, missing, log, options)
    if not annotated:
        return None
    for name, wheres in missing.items():
        log.skip(wheres[0], f"there is no image {name!r}, which {len(wheres)} rows are about")
    log.note("annotations", ", ".join(files), "a row a box")
    return [annotated.get(image) or AnnotatedImage(image, None) for image in tree.images]


def _read(
    tree: FileTree,
    file: str,
    matcher: FileMatcher,
    annotated: dict[str, AnnotatedImage],
    missing: dict[str, list[str]],
    log: ReadLog,
    options: SourceOptions,
) -> None:
    table = read_table_file(tree.folder / file, file, None, options)
    columns = find_box_columns(table.names)
    if columns is None:
        return
    log.skipped += table.skipped
    texts = {name: _texts(table, name) for name in {columns.image, *columns.sides, *filter(None, [columns.label])}}
    rows = [_numbers(texts, columns, i) for i in range(len(table))]
    shares = _are_shares(rows)
    stated = _stated(table, columns)
    for i, sides in enumerate(rows):
        where = f"{file}, row {i + 1}"
        name = texts[columns.image][i]
        if name is None:
            log.skip(where, f"no image in {columns.image!r}")
            continue
        image = matcher.named(name, file)
        if image is None:
            missing.setdefault(name, []).append(where)
            continue
        part = _part(table, i, file)
        labelled = annotated.setdefault(image, AnnotatedImage(image, [], stated[i], shares, part))
        label = DEFAULT_LABEL if columns.label is None else texts[columns.label][i]
        given = [texts[side][i] for side in columns.sides]
        if not any(given):
            continue  # labelled, without objects
        if sides is None:
            got = ", ".join(f"{side} {text!r}" for side, text in zip(columns.sides, given, strict=True))
            log.skip(where, f"expected four numbers, got {got}")
        elif label is None:
            log.skip(where, f"no class in {columns.label!r}")
        elif labelled.boxes is not None:
            labelled.boxes.append(AnnotatedBox(label, sides, where))
    if shares:
        log.note("shares", ", ".join(columns.sides), f"no number in {file} is above 1: shares of the image")


def _texts(table: Table, name: str) -> list[str | None]:
    raw = table[name]
    if not isinstance(raw, pl.Series):
        return [" ".join(map(str, row)) for row in raw]
    if isinstance(raw.dtype, pl.List):
        return [None if cell is None else " ".join(map(str, cell)) for cell in raw.to_list()]
    return [None if cell is None or not str(cell).strip() else str(cell).strip() for cell in raw.to_list()]


def _numbers(
    texts: Mapping[str, list[str | None]], columns: BoxColumns, row: int
) -> tuple[float, float, float, float] | None:
    """Left, top, right and bottom of a row; None if they are not numbers."""
    cells = [texts[side][row] for side in columns.sides]
    words = re.findall(r"[^\s,;\[\]()]+", cells[0] or "") if len(cells) == 1 else cells
    try:
        first, second, third, fourth = (float(word or "") for word in words)
    except ValueError:
        return None
    return (first, second, first + third, second + fourth) if columns.sized else (first, second, third, fourth)


def _are_shares(rows: Sequence[tuple[float, ...] | None]) -> bool:
    highest = max((max(row) for row in rows if row is not None), default=2.0)
    return highest <= 1.001 and any(side != int(side) for row in rows if row is not None for side in row)


def _stated(table: Table, columns: BoxColumns) -> list[tuple[int, int] | None]:
    if columns.stated is None:
        return [None] * len(table)
    sides = [table[name] for name in columns.stated]
    if not all(isinstance(raw, pl.Series) and raw.dtype.is_numeric() for raw in sides):
        return [None] * len(table)
    return [None if None in pair else (int(pair[0]), int(pair[1])) for pair in zip(*sides, strict=True)]


def _part(table: Table, row: int, file: str) -> str | None:
    """The split of a row: by a split column, or by a word in the name of the file or folder."""
    if table.split is not None:
        return str(table.split[row])
    words = re.split(r"[-_. ]+", stem(file).lower())
    return next((SPLIT_WORDS[word] for word in words if word in SPLIT_WORDS), None) or split_of(file)
