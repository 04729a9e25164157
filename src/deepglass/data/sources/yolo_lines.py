"""Lines of YOLO's label files: boxes, polygons, and boxes with key points or a confidence."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from deepglass.data.sources.file_tree import FileTree
from deepglass.documents import parse_yaml
from deepglass.errors import UserError

_MAX_RELATIVE = 2.0  # larger numbers are not relative to the image's side
_BOX = 5  # numbers of a class and a box
_MIN_LINES, _MIN_KEY_POINTS = 5, 3  # to recognise key points that no file states; two are a quadrilateral
_MIN_INSIDE, _MIN_EXTENT = 0.95, 0.3  # share of lines whose points lie in their box; of the box that the points span
_MAX_BYTES = 2**20  # of a data.yaml

Sides = tuple[float, float, float, float]


class KeyPoints(NamedTuple):
    """Key points behind the box of each line.

    Args:
        points: of each object.
        numbers: of each point: 2, or 3 with its visibility.
        why: where this is from.
    """

    points: int
    numbers: int
    why: str


class LabelLine(NamedTuple):
    """Class and box of a line; `left_out` says what else it has: "polygon", "key points", "confidence" or ""."""

    label: int
    sides: Sides
    left_out: str = ""


@dataclass(frozen=True)
class LineFormat:
    """The format of the lines of a set of label files."""

    key_points: KeyPoints | None

    def parse(self, text: str) -> LabelLine | str:
        """Class index and sides of a line, or what is wrong with it."""
        short = text.strip() if len(text) < 60 else text.strip()[:57] + "..."
        numbers = _numbers(text)
        if numbers is None:
            return f"expected a class and numbers, got {short!r}"
        what = self._content(numbers)
        if what is None:
            return f"expected a class and four numbers, got {short!r}"
        if not all(map(math.isfinite, numbers)) or numbers[0] != int(numbers[0]) or numbers[0] < 0:
            return f"expected a class from 0 and finite numbers, got {short!r}"
        points = numbers[1 : len(numbers) - (len(numbers) % 2 == 0)] if what == "polygon" else numbers[1:_BOX]
        if max(map(abs, points)) > _MAX_RELATIVE:
            return f"expected numbers from 0 to 1, relative to the image, got {short!r}"
        if what == "polygon":
            x, y = points[0::2], points[1::2]
            return LabelLine(int(numbers[0]), (min(x), min(y), max(x), max(y)), what)
        return LabelLine(int(numbers[0]), _sides(points), what)

    def _content(self, numbers: Sequence[float]) -> str | None:
        """What a line has behind the box: "", "confidence", "key points", or "polygon"; None for something else."""
        count = len(numbers)
        if count in (_BOX, _BOX + 1):
            return "confidence" if count > _BOX else ""
        if self.key_points is not None:
            behind = count - _BOX - self.key_points.points * self.key_points.numbers
            return "key points" if behind in (0, 1) else None  # one more is a confidence
        if count >= 7 and count % 2 == 1:
            return "polygon"
        return "polygon" if count >= 8 and 0 <= numbers[-1] <= 1 else None  # with a confidence


def find_key_points(tree: FileTree, files: Sequence[str]) -> KeyPoints | None:
    """Number and size of the key points, by `kpt_shape` of a data.yaml, or by the numbers of some label files."""
    for file in tree.ending_in(".yaml", ".yml"):
        shape = _shape(tree, file)
        if shape is not None:
            return KeyPoints(*shape, f"as kpt_shape of {file} says")
    lines = [numbers for file in files for line in tree.text(file).splitlines() if (numbers := _numbers(line))]
    lengths = Counter(map(len, lines))
    length, count = lengths.most_common(1)[0] if lengths else (0, 0)
    if count < max(_MIN_LINES, _MIN_INSIDE * len(lines)):
        return None
    for size in (3, 2):
        number, rest = divmod(length - _BOX, size)
        equal = [line for line in lines if len(line) == length]
        inside = sum(_are_key_points(line, size) for line in equal)
        if not rest and number >= _MIN_KEY_POINTS and inside >= _MIN_INSIDE * len(equal):
            return KeyPoints(number, size, f"as all lines have {length} numbers, with points in the box of the first")
    return None


def _shape(tree: FileTree, file: str) -> tuple[int, int] | None:
    try:
        content = parse_yaml(tree.text(file), file) if tree.size(file) <= _MAX_BYTES else None
    except UserError:  # the reader of class names logs it
        return None
    shape = content.get("kpt_shape") if isinstance(content, dict) else None
    if not isinstance(shape, list) or len(shape) != 2 or not all(isinstance(n, int) and n > 0 for n in shape):
        return None
    return shape[0], shape[1]


def _are_key_points(numbers: Sequence[float], size: int) -> bool:
    """Whether the numbers behind a box are points that lie in it and span a part of it."""
    left, top, right, bottom = _sides(numbers[1:_BOX])
    points = [numbers[i : i + size] for i in range(_BOX, len(numbers), size)]
    if size == 3 and not all(point[2] in (0, 1, 2) for point in points):
        return False
    visible = [point for point in points if any(point[:2]) and (size < 3 or point[2] > 0)]
    if right <= left or bottom <= top or not all(map(math.isfinite, (left, top, right, bottom))):
        return False
    if not visible:
        return size == 3
    x, y = [point[0] for point in visible], [point[1] for point in visible]
    slack_x, slack_y = 0.1 * (right - left), 0.1 * (bottom - top)
    inside = min(x) >= left - slack_x and max(x) <= right + slack_x
    inside = inside and min(y) >= top - slack_y and max(y) <= bottom + slack_y
    extent = max((max(x) - min(x)) / (right - left), (max(y) - min(y)) / (bottom - top))
    return inside and (extent >= _MIN_EXTENT or len(visible) == 1)


def _numbers(text: str) -> list[float] | None:
    """The numbers of a line, between blanks or commas; None if there are other words."""
    try:
        return [float(word) for word in re.split(r"[\s,;]+", text.strip(" \t,;"))]
    except ValueError:
        return None


def _sides(box: Sequence[float]) -> Sides:
    x_centre, y_centre, width, height = box
    return x_centre - width / 2, y_centre - height / 2, x_centre + width / 2, y_centre + height / 2
