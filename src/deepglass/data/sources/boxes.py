"""Bounding boxes as a table, from any annotation format: converted to pixels and checked against the image."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl

from deepglass.data.sources.annotation_split import with_split
from deepglass.data.sources.base import ReadLog
from deepglass.data.sources.class_names import list_names
from deepglass.data.sources.file_tree import FileTree
from deepglass.data.sources.image_headers import HeaderReader, ImageHeader
from deepglass.data.table import Table
from deepglass.errors import SourceError
from deepglass.features.boxes import SIDES

BOXES = pl.List(pl.Struct({"label": pl.String, **dict.fromkeys(SIDES, pl.Float64)}))
_MAX_OVERHANG = 1.0  # pixels outside the image that count as rounding
_ASPECT_TOLERANCE = 0.02  # relative difference of two aspect ratios that count as equal


@dataclass(frozen=True, slots=True)
class AnnotatedBox:
    """One box as in its annotation file.

    Args:
        label: the class.
        sides: left, top, right, bottom; in pixels, or relative to the image.
        where: file and line, for messages.
    """

    label: str
    sides: tuple[float, float, float, float]
    where: str


@dataclass
class AnnotatedImage:
    """An image and its annotation.

    Args:
        image: its path in the tree.
        boxes: None = unlabelled; empty = labelled, without objects.
        stated: (rows, columns) of the image according to the annotation, if stated.
        relative: the sides are relative to the image, 0 to 1.
        split: of the annotation file, if it has one.
        faults: boxes that could not be read; an image with no others is unlabelled.
    """

    image: str
    boxes: list[AnnotatedBox] | None = field(default_factory=list)
    stated: tuple[int, int] | None = None
    relative: bool = False
    split: str | None = None
    faults: int = 0


def table_of_boxes(tree: FileTree, annotated: Sequence[AnnotatedImage], source: str, log: ReadLog) -> Table:
    """A table with columns `image` and `boxes`.

    Raises:
        SourceError: `mismatched-files` where no image is left.
    """
    converter, headers = PixelConverter(log), HeaderReader(log)
    readable: list[AnnotatedImage] = []
    cells: list[list[dict[str, str | float]] | None] = []
    failed: list[str] = []
    for item in annotated:
        if (header := headers.read(tree.media(item.image))) is not None:
            readable.append(item)
            cell = None if item.boxes is None else converter.in_pixels(item, header)
            if cell == [] and (item.boxes or item.faults):
                failed.append(item.image)
                cell = None
            cells.append(cell)
    if not readable:
        first = f", such as {log.first_skipped}" if log.skipped else ""
        raise SourceError("mismatched-files", f"{source}: none of its annotations has an image that can be read{first}")
    converter.add_notes()
    headers.add_notes()
    tree.skip_unread(log)
    names = [item.image for item in readable]
    table = Table(
        {"image": [tree.media(name) for name in names], "boxes": pl.Series("boxes", cells, dtype=BOXES)},
        source,
        target="boxes",
        kinds={"image": "image", "boxes": "boxes"},
    )
    counts = Counter(str(box["label"]) for cell in cells for box in cell or ())
    classes = list_names(name for name, _ in counts.most_common())
    log.note("boxes", f"{counts.total()} on {len(cells)} images", f"classes, the most frequent first: {classes}")
    if unlabelled := sum(cell is None for cell in cells) - len(failed):
        log.note("unlabelled", f"{unlabelled} images", "no annotation says what is on them")
    if failed:
        log.note("unlabelled", f"{len(failed)} images, such as {failed[0]}", "none of their boxes could be used")
    return with_split(table, tree, names, "main", log, [item.split for item in readable])


class PixelConverter:
    """Converts boxes to pixels of the upright image, clipped to its border, and counts those that it changed."""

    def __init__(self, log: ReadLog) -> None:
        self.log = log
        self.changes: dict[str, list[str]] = {}

    def in_pixels(self, item: AnnotatedImage, header: ImageHeader) -> list[dict[str, str | float]]:
        cells: list[dict[str, str | float]] = []
        scale, orientation = self._scale(item, header)
        for box in item.boxes or ():
            scaled = [side * factor for side, factor in zip(box.sides, scale * 2, strict=True)]
            sides = turned(scaled, orientation, header.stored)
            if not all(map(math.isfinite, sides)):
                self.log.skip(box.where, f"expected four numbers as a box, got {box.sides}")
            elif (clipped := self._clipped(box, sides, header)) is not None:
                cells.append({"label": box.label, **dict(zip(SIDES, clipped, strict=True))})
        return cells

    def _scale(self, item: AnnotatedImage, header: ImageHeader) -> tuple[tuple[float, float], int]:
        """The factors of x and y, and the EXIF orientation to apply to the box."""
        if item.relative:
            return (header.columns, header.rows), 1
        if item.stated is None or min(item.stated) <= 0 or item.stated == header.size:
            return (1, 1), 1
        if header.orientation >= 5 and item.stated == header.stored:
            self._count("turned boxes", item.image)
            return (1, 1), header.orientation
        y, x = header.rows / item.stated[0], header.columns / item.stated[1]
        same_shape = abs(y / x - 1) <= _ASPECT_TOLERANCE
        self._count("scaled boxes" if same_shape else "another size", item.image)
        return (x, y) if same_shape else (1, 1), 1

    def _clipped(self, box: AnnotatedBox, sides: Sequence[float], header: ImageHeader) -> tuple[float, ...] | None:
        left, top, right, bottom = sides
        clipped = (max(left, 0.0), max(top, 0.0), min(right, float(header.columns)), min(bottom, float(header.rows)))
        fault = ""
        if right <= left or bottom <= top:
            fault = "without an area"
        elif clipped[2] <= clipped[0] or clipped[3] <= clipped[1]:
            fault = f"outside its image of {header.columns} x {header.rows} pixels"
        if fault:
            numbers = ", ".join(f"{name} {side:g}" for name, side in zip(SIDES, sides, strict=True))
            self.log.skip(box.where, f"a box of {box.label!r} {fault}: {numbers}")
            return None
        if max(abs(a - b) for a, b in zip(clipped, sides, strict=True)) > _MAX_OVERHANG:
            self._count("cut boxes", box.where)
        return clipped

    def _count(self, change: str, where: str) -> None:
        self.changes.setdefault(change, []).append(where)

    def add_notes(self) -> None:
        texts = {
            "cut boxes": ("boxes", "they leave their image and are cut at its border"),
            "turned boxes": ("images", "their boxes are turned with them by the EXIF orientation"),
            "scaled boxes": ("images", "the annotation states another size, and their boxes are scaled"),
            "another size": ("images", "the annotation states another aspect ratio; their boxes are used unchanged"),
        }
        for change, wheres in self.changes.items():
            noun, why = texts[change]
            more = ", ..." if len(wheres) > 3 else ""
            self.log.note(change, f"{len(wheres)} {noun}: {', '.join(wheres[:3])}{more}", why)


def turned(sides: Sequence[float], orientation: int, stored: tuple[int, int]) -> tuple[float, ...]:
    """A box of a stored image in the upright image.

    Args:
        sides: left, top, right and bottom.
        orientation: of EXIF, 1 to 8.
        stored: (rows, columns) in the file.
    """
    left, top, right, bottom = sides
    Y, X = stored
    x, y = (left, right), (top, bottom)
    if orientation in (2, 3, 7, 8):
        x = (X - right, X - left)
    if orientation in (3, 4, 6, 7):
        y = (Y - bottom, Y - top)
    if orientation >= 5:
        x, y = y, x
    return x[0], y[0], x[1], y[1]
