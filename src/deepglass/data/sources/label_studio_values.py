"""The values of Label Studio's controls: regions of images, spans of texts, choices and numbers; and files of tasks."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from deepglass.data.sources.base import ReadLog
from deepglass.data.sources.boxes import AnnotatedBox
from deepglass.data.sources.file_tree import FileMatcher, FileTree
from deepglass.data.sources.outlines import Sides, box_of_points
from deepglass.features._reading import media_kind
from deepglass.features.boxes import DEFAULT_LABEL

_ANSWERS = ("choices", "taxonomy", "text", "rating", "number", "datetime")
_SIZES = ("x", "y", "width", "height", "radiusX", "radiusY", "original_width", "original_height")
_EAST_ASIAN = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"  # written without blanks: each character is a word
_WORD = re.compile(rf"[{_EAST_ASIAN}]|[^\W{_EAST_ASIAN}]+(?:['’][^\W{_EAST_ASIAN}]+)*|[^\w\s]")
_UPLOAD = re.compile(r"^[0-9a-f]{8}-")  # before the name of an uploaded file


# -- regions -----------------------------------------------------------------------------------------------------


def is_region(value: Any) -> bool:
    """Whether a value is a region of an image."""
    if not isinstance(value, dict) or "choices" in value:
        return False
    return ("x" in value and "y" in value) or "points" in value or "rle" in value


def box_of(value: Mapping[str, Any], where: str) -> AnnotatedBox | None:
    """The box around a rectangle, polygon or ellipse, relative to its image; None without an area."""
    sides = _sides(value)
    if sides is None:
        return None
    left, top, right, bottom = (side / 100 for side in sides)
    return AnnotatedBox(_label_of(value) or DEFAULT_LABEL, (left, top, right, bottom), where)


def _label_of(value: Mapping[str, Any]) -> str:
    names = next((names for key, names in value.items() if key.endswith("labels") and names), None)
    return str(names[0] if isinstance(names, list) else names or "")


def _sides(value: Mapping[str, Any]) -> Sides | None:
    """Left, top, right and bottom in percent of the image."""
    if isinstance(value.get("points"), list):
        return box_of_points(value["points"])
    x, y, width, height, across, along, wide, high = (_number(value.get(key)) for key in _SIZES)
    if x is None or y is None:
        return None
    if across is not None and along is not None:  # an ellipse, by its centre
        half = max(across, along) if value.get("rotation") else 0
        across, along = max(across, half), max(along, half)
        return box_of_points([(x - across, y - along), (x + across, y + along)])
    if width is None or height is None:
        return None
    turn = math.radians(_number(value.get("rotation")) or 0.0)
    aspect = wide / high if wide is not None and high is not None and wide > 0 < high else 1.0
    corners = [(0.0, 0.0), (width, 0.0), (width, height), (0.0, height)]
    return box_of_points(
        [
            (x + a * math.cos(turn) - b * math.sin(turn) / aspect, y + a * math.sin(turn) * aspect + b * math.cos(turn))
            for a, b in corners  # turned around the first corner
        ]
    )


def _number(value: Any) -> float | None:
    """A number that may be a place in an image; None for anything else."""
    return value if isinstance(value, int | float) and abs(value) < 1e9 else None


# -- spans -------------------------------------------------------------------------------------------------------


class WordTags(NamedTuple):
    """A tag for each word, and how many spans have none."""

    tags: list[str]
    lost: int


def is_span(value: Any) -> bool:
    """Whether a value is a span of a text."""
    return isinstance(value, dict) and isinstance(value.get("start"), int) and isinstance(value.get("end"), int)


def words_of(text: str) -> list[str]:
    """The words and signs of a text."""
    return _WORD.findall(text)


def tags_of(text: str, spans: Sequence[Any]) -> WordTags:
    """The tag of each word by the spans that it is in: B-LABEL for the first, I-LABEL for the others, O elsewhere."""
    words = [match.span() for match in _WORD.finditer(text)]
    tags, lost = ["O"] * len(words), 0
    for span in sorted((s for s in spans if is_span(s)), key=lambda s: (s["start"], -s["end"])):
        start, end = _characters(text, span)
        inside = [i for i, (first, last) in enumerate(words) if first < end and start < last]
        if not inside or any(tags[i] != "O" for i in inside):
            lost += 1
            continue
        label = _label_of(span) or DEFAULT_LABEL
        for i in inside:
            tags[i] = f"{'B' if i == inside[0] else 'I'}-{label}"
    return WordTags(tags, lost)


def _characters(text: str, span: Mapping[str, Any]) -> tuple[int, int]:
    """Start and end of a span in characters; browsers count those beyond 16 bits, such as emoji, twice."""
    start, end = span["start"], span["end"]
    if text[start:end] == span.get("text", text[start:end]):
        return start, end
    encoded = text.encode("utf-16-le", "surrogatepass")
    before, inside = encoded[: 2 * start], encoded[2 * start : 2 * end]
    first = len(before.decode("utf-16-le", "replace"))
    return first, first + len(inside.decode("utf-16-le", "replace"))


# -- answers -----------------------------------------------------------------------------------------------------


def is_answer(value: Any) -> bool:
    """Whether a value is what an annotator chose or wrote."""
    return isinstance(value, dict) and any(key in value for key in _ANSWERS)


def answers_of(values: Sequence[Any]) -> list[str | float]:
    """The choices, texts or numbers of a control; a choice in a taxonomy as its path."""
    answers: list[str | float] = []
    for value in values:
        answer = next((value[key] for key in _ANSWERS if key in value), None) if isinstance(value, dict) else value
        for item in answer if isinstance(answer, list) else [answer]:
            if isinstance(item, list):
                answers.append("/".join(map(str, item)))
            elif item is not None:
                answers.append(item if isinstance(item, str | int | float) else str(item))
    return answers


# -- files -------------------------------------------------------------------------------------------------------


class TaskFiles(NamedTuple):
    """The file of each task, None where it is not there, and their kind."""

    media: list[Any]
    kind: str


def task_files(cells: Sequence[Any], tree: FileTree | None, log: ReadLog) -> TaskFiles | None:
    """The files that the data of tasks name, as paths or addresses; None for other data, and where none is there."""
    names = [_path_of(cell) if isinstance(cell, str) else "" for cell in cells]
    kinds = {media_kind(name) for name in names if name}
    kind = next(iter(kinds), None)
    if tree is None or kind is None or len(kinds) > 1:
        return None
    matcher = FileMatcher([file for file in tree.files if media_kind(file) == kind])
    matches = [matcher.named(name) or matcher.named(_without_upload(name)) if name else None for name in names]
    if not any(matches):
        return None
    for name, file in zip(names, matches, strict=True):
        if file is None:
            log.skip(name or "a task", f"there is no {kind} of this name: its task is left out")
    return TaskFiles([None if file is None else tree.media(file) for file in matches], kind)


def _path_of(address: str) -> str:
    """The path in an address such as s3://store/a.jpg or /data/local-files/?d=a.jpg."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return address
    local = parse_qs(parts.query).get("d")
    return local[0] if local else unquote(parts.path) if parts.scheme in ("http", "https", "s3", "gs") else address


def _without_upload(name: str) -> str:
    folder, slash, last = name.rpartition("/")
    return f"{folder}{slash}{_UPLOAD.sub('', last)}"
