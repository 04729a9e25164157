"""Tables of bounding boxes: one row per box, with the name of its image, its class and four numbers."""

import re
from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

from deepglass.data.sources.base import SPLIT_WORDS, ReadLog, SourceOptions
from deepglass.data.sources.boxes import AnnotatedBox, AnnotatedImage
from deepglass.data.sources.file_tree import FileMatcher, FileTree, ending, split_of, stem
from deepglass.data.sources.tables import read_table_file
from deepglass.data.table import Table
from deepglass.errors import SourceError
from deepglass.features.boxes import DEFAULT_LABEL

_TABLES = (".csv", ".tsv")
# Column names in small letters and digits alone, the likeliest first.
_IMAGE = (
    "filename file image imagename imagepath imagefile imageid imgid img imgname imgpath path filepath picture photo "
    "frame imagefilename"
)
_LABEL = "label class classname category object labelname name classid classlabel labels type categoryname"
_CORNERS = (
    "xmin ymin xmax ymax, x1 y1 x2 y2, x0 y0 x1 y1, left top right bottom, bboxxmin bboxymin bboxxmax bboxymax, "
    "bboxx1 bboxy1 bboxx2 bboxy2, xtl ytl xbr ybr"
)
_SIZED = (
    "left top width height, xmin ymin width height, x y width height, x y w h, bboxx bboxy bboxwidth bboxheight, "
    "bboxx bboxy bboxw bboxh, bboxleft bboxtop bboxwidth bboxheight, bbox"
)
_HEAD = 65_536  # bytes in which column names are searched


class BoxColumns(NamedTuple):
    """The roles of the columns of a table of boxes."""

    image: str
    label: str | None
    sides: tuple[str, ...]  # four columns, or one of lists
    sized: bool  # the last two numbers are width and height
    stated: tuple[str, str] | None  # rows and columns of the image


def find_box_columns(names: Sequence[str]) -> BoxColumns | None:
    """The roles of the columns by their names; None if it is not a table of boxes."""
    by = {re.sub(r"[^a-z0-9]", "", name.lower()): name for name in reversed(names)}
    image = next((by[word] for word in _IMAGE.split() if word in by), None)
    if image is None:
        return None
    label = next((by[word] for word in _LABEL.split() if word in by and by[word] != image), None)
    image_size = (by["height"], by["width"]) if "height" in by and "width" in by else None
    for layouts, sized in ((_CORNERS, False), (_SIZED, True)):
        for words in map(str.split, layouts.split(",")):
            if all(word in by for word in words):
                stated = image_size if not sized or words == ["bbox"] else None
                return BoxColumns(image, label, tuple(by[word] for word in words), sized, stated)
    return None


def is_boxlist(tree: FileTree, file: str) -> bool:
    """Whether a table has the column names of boxes."""
    if ending(file) not in _TABLES:
        return False
    try:
        first, *_ = tree.head(file, _HEAD).decode("utf-8-sig", errors="replace").splitlines() or [""]
    except SourceError:
        return False
    return find_box_columns([cell.strip().strip('"') for cell in re.split(r"[,;\t|]", first)]) is not None


def read_boxlists(tree: FileTree, log: ReadLog, options: SourceOptions) -> list[AnnotatedImage] | None:
    """Each image with its boxes; None if there is no table of boxes for these images."""
    files = [file for file in tree.files if is_boxlist(tree, file)]
    matcher = FileMatcher(tree.images)
    annotated: dict[str, AnnotatedImage] = {}
    missing: dict[str, list[str]] = {}  # name of an image that is not there -> its rows
    for file in files:
        table = read_table_file(tree.folder / file, file, None, options)
        if (columns := find_box_columns(table.names)) is not None:
            _add_rows(table, columns, file, matcher, annotated, missing, log)
    if not annotated:
        return None
    for name, wheres in missing.items():
        log.skip(wheres[0], f"there is no image {name!r}, to which {len(wheres)} rows belong")
    log.note("annotations", ", ".join(files), "one row per box")
    return [annotated.get(image) or AnnotatedImage(image, None) for image in tree.images]


def _add_rows(
    table: Table,
    columns: BoxColumns,
    file: str,
    matcher: FileMatcher,
    annotated: dict[str, AnnotatedImage],
    missing: dict[str, list[str]],
    log: ReadLog,
) -> None:
    """Add the boxes of a table to their images."""
    log.skipped += table.skipped
    texts = {name: _texts(table, name) for name in {columns.image, *columns.sides, *filter(None, [columns.label])}}
    cells = list(zip(*(texts[side] for side in columns.sides), strict=True))
    boxes = [_numbers(row, columns.sized) for row in cells]
    relative = _are_relative(boxes)
    stated = _stated(table, columns)
    for i, (row, box) in enumerate(zip(cells, boxes, strict=True)):
        where = f"{file}, row {i + 1}"
        name = texts[columns.image][i]
        if name is None:
            log.skip(where, f"no image in {columns.image!r}")
            continue
        image = matcher.named(name, file)
        if image is None:
            missing.setdefault(name, []).append(where)
            continue
        split = str(table.split[i]) if table.split is not None else _split_of_file(file)
        item = annotated.setdefault(image, AnnotatedImage(image, [], stated[i], relative, split))
        label = DEFAULT_LABEL if columns.label is None else texts[columns.label][i]
        if not any(row):
            continue  # labelled, without objects
        if box is None:
            got = ", ".join(f"{side} {text!r}" for side, text in zip(columns.sides, row, strict=True))
            log.skip(where, f"expected four numbers, got {got}")
            item.faults += 1
        elif label is None:
            log.skip(where, f"no class in {columns.label!r}")
            item.faults += 1
        elif item.boxes is not None:
            item.boxes.append(AnnotatedBox(label, box, where))
    if relative:
        log.note("shares", ", ".join(columns.sides), f"no number in {file} is above 1: relative to the image's sides")


def _texts(table: Table, name: str) -> list[str | None]:
    """The cells of a column as texts; None for an empty one."""
    raw = table[name]
    if not isinstance(raw, pl.Series):
        return [" ".join(map(str, row)) for row in raw]
    if isinstance(raw.dtype, pl.List):
        return [None if cell is None else " ".join(map(str, cell)) for cell in raw.to_list()]
    return [None if cell is None else str(cell).strip() or None for cell in raw.to_list()]


def _numbers(cells: Sequence[str | None], sized: bool) -> tuple[float, float, float, float] | None:
    """Left, top, right and bottom of a row; None if they are not numbers."""
    words = re.findall(r"[^\s,;\[\]()]+", cells[0] or "") if len(cells) == 1 else cells
    try:
        first, second, third, fourth = (float(word or "") for word in words)
    except ValueError:
        return None
    return (first, second, first + third, second + fourth) if sized else (first, second, third, fourth)


def _are_relative(boxes: Sequence[tuple[float, ...] | None]) -> bool:
    """Whether no number is above 1 and not all are whole."""
    sides = [side for box in boxes if box is not None for side in box]
    return max(sides, default=2.0) <= 1.001 and any(side != int(side) for side in sides)


def _stated(table: Table, columns: BoxColumns) -> list[tuple[int, int] | None]:
    """Rows and columns of the image of each row, where the table states them as numbers."""
    sides = [table[name] for name in columns.stated or ()]
    if not sides or not all(isinstance(raw, pl.Series) and raw.dtype.is_numeric() for raw in sides):
        return [None] * len(table)
    return [None if None in pair else (int(pair[0]), int(pair[1])) for pair in zip(*sides, strict=True)]


def _split_of_file(file: str) -> str | None:
    """The split that a word in the name of a file or of its folder means."""
    words = re.split(r"[-_. ]+", stem(file).lower())
    return next((SPLIT_WORDS[word] for word in words if word in SPLIT_WORDS), None) or split_of(file)
