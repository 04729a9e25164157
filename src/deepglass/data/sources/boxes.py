"""Bounding boxes as a table, from any annotation format: converted to pixels and checked against the image."""

from __future__ import annotations

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
from deepglass.features.base import Media
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
        shares: the sides are relative to the image, 0 to 1.
        part: the split of the annotation file, if it has one.
    """

    image: str
    boxes: list[AnnotatedBox] | None = field(default_factory=list)
    stated: tuple[int, int] | None = None
    shares: bool = False
    part: str | None = None


def table_of_boxes(tree: FileTree, labelled: Sequence[AnnotatedImage], source: str, log: ReadLog) -> Table:
    """A table with columns `image` and `boxes`.

    Raises:
        SourceError: `mismatched-files` where no image is left.
    """
    check = _Check(log)
    headers = HeaderReader(log)
    readable: list[AnnotatedImage] = []
    images: list[Media] = []
    cells: list[list[dict[str, str | float]] | None] = []
    for item in labelled:
        media = tree.media(item.image)
        if (header := headers.read(media)) is None:
            continue
        readable.append(item)
        images.append(media)
        cells.append(None if item.boxes is None else check.in_pixels(item, header))
    if not readable:
        first = f", such as {log.skipped[0].name}: {log.skipped[0].reason}" if log.skipped else ""
        raise SourceError("mismatched-files", f"{source}: none of its annotations has an image that can be read{first}")
    check.add_notes()
    headers.add_notes()
    for folder in tree.empty:
        log.skip(f"{folder}/", "an empty folder")
    table = Table(
        {"image": images, "boxes": pl.Series("boxes", cells, dtype=BOXES)},
        source,
        target="boxes",
        kinds={"image": "image", "boxes": "boxes"},
    )
    _note_boxes(cells, log)
    parts = [item.part for item in readable]
    return with_split(table, tree, [item.image for item in readable], "main", log, parts)


def _note_boxes(cells: Sequence[Sequence[dict[str, str | float]] | None], log: ReadLog) -> None:
    counts = Counter(str(box["label"]) for cell in cells for box in cell or ())
    names = [name for name, _ in counts.most_common()]
    log.note(
        "boxes", f"{counts.total()} on {len(cells)} images", f"classes, the most frequent first: {list_names(names)}"
    )
    if unknown := sum(cell is None for cell in cells):
        log.note("unlabelled", f"{unknown} images", "nothing says what is on them")


class _Check:
    """Boxes in pixels of the upright image, clipped to its border; changes are counted."""

    def __init__(self, log: ReadLog) -> None:
        self.log = log
        self.changed: dict[str, list[str]] = {}

    def in_pixels(self, item: AnnotatedImage, header: ImageHeader) -> list[dict[str, str | float]]:
        cells: list[dict[str, str | float]] = []
        scale, turn = self._way(item, header)
        for box in item.boxes or ():
            sides = tuple(side * by for side, by in zip(box.sides, scale, strict=True))
            sides = turned(sides, turn, header.stored)
            if not all(map(math.isfinite, sides)):
                self.log.skip(box.where, f"expected four numbers as a box, got {box.sides}")
            elif (cut := self._cut(box, sides, header)) is not None:
                cells.append({"label": box.label, **dict(zip(SIDES, cut, strict=True))})
        return cells

    def _way(self, item: AnnotatedImage, header: ImageHeader) -> tuple[tuple[float, float, float, float], int]:
        """The factors of the sides, and the EXIF orientation to apply to the box."""
        if item.shares:
            return (header.columns, header.rows, header.columns, header.rows), 1
        if item.stated is None or min(item.stated) <= 0 or item.stated == header.size:
            return (1, 1, 1, 1), 1
        if header.orientation >= 5 and item.stated == header.stored:
            self._count("turned boxes", item.image)
            return (1, 1, 1, 1), header.orientation
        down, across = header.rows / item.stated[0], header.columns / item.stated[1]
        if abs(down / across - 1) <= _ASPECT_TOLERANCE:
            self._count("scaled boxes", item.image)
            return (across, down, across, down), 1
        self._count("another size", item.image)
        return (1, 1, 1, 1), 1

    def _cut(self, box: AnnotatedBox, sides: Sequence[float], header: ImageHeader) -> tuple[float, ...] | None:
        left, top, right, bottom = sides
        label = f"a box of {box.label!r}"
        if right <= left or bottom <= top:
            self.log.skip(box.where, f"{label} without an area: {_shown(sides)}")
            return None
        cut = (max(left, 0.0), max(top, 0.0), min(right, float(header.columns)), min(bottom, float(header.rows)))
        if cut[2] <= cut[0] or cut[3] <= cut[1]:
            size = f"{header.columns} x {header.rows}"
            self.log.skip(box.where, f"{label} outside its image of {size} pixels: {_shown(sides)}")
            return None
        if max(abs(a - b) for a, b in zip(cut, sides, strict=True)) > _MAX_OVERHANG:
            self._count("cut boxes", box.where)
        return cut

    def _count(self, what: str, where: str) -> None:
        self.changed.setdefault(what, []).append(where)

    def add_notes(self) -> None:
        texts = {
            "cut boxes": ("boxes", "they leave their image and end at its border"),
            "turned boxes": ("images", "their boxes are turned with them, as the EXIF entry says"),
            "scaled boxes": ("images", "they have another size than the annotation says, and their boxes follow"),
            "another size": ("images", "the annotation states another shape; its boxes are taken as they are"),
        }
        for what, wheres in self.changed.items():
            name, why = texts[what]
            more = ", ..." if len(wheres) > 3 else ""
            self.log.note(what, f"{len(wheres)} {name}: {', '.join(wheres[:3])}{more}", why)


def _shown(sides: Sequence[float]) -> str:
    return ", ".join(f"{name} {side:g}" for name, side in zip(SIDES, sides, strict=True))


def turned(sides: Sequence[float], turn: int, stored: tuple[int, int]) -> tuple[float, ...]:
    """A box of a stored image in the image the right way up.

    Args:
        turn: the EXIF orientation.
        stored: (rows, columns) in the file.
    """
    left, top, right, bottom = sides
    Y, X = stored
    across, down = (left, right), (top, bottom)
    if turn in (2, 3, 7, 8):
        across = (X - right, X - left)
    if turn in (3, 4, 6, 7):
        down = (Y - bottom, Y - top)
    if turn >= 5:
        across, down = down, across
    return across[0], down[0], across[1], down[1]
