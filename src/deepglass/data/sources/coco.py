"""COCO's JSON: `images`, `annotations` with a `bbox` of left, top, width and height, and `categories`.

Source: Lin et al., Microsoft COCO, arXiv 1405.0312. Boxes of crowds (`iscrowd`) are skipped, as in its own evaluation.
An annotation without a bbox has the bounding box of its `segmentation`.
"""

import math
from pathlib import Path
from typing import Any

from deepglass.data.sources.base import SPLIT_WORDS, ReadLog
from deepglass.data.sources.boxes import AnnotatedBox, AnnotatedImage
from deepglass.data.sources.file_tree import FileMatcher, FileTree, split_of, stem
from deepglass.data.sources.outlines import box_around
from deepglass.documents import read_json
from deepglass.errors import SourceError
from deepglass.files import open_file

_PIECE = 2**20


def _coco_files(tree: FileTree) -> list[str]:
    """The COCO files; if some are named instances, only these, as the others repeat the images."""
    files = [file for file in tree.ending_in(".json") if is_coco(tree.folder / file)]
    return [file for file in files if "instances" in stem(file).lower()] or files


def is_coco(path: Path) -> bool:
    """Whether a JSON file has COCO's keys: images, annotations, and bbox or segmentation."""
    return holds_keys(path, "images", "annotations") and (holds_keys(path, "bbox") or holds_keys(path, "segmentation"))


def holds_keys(path: Path, *keys: str, start: bytes = b"{") -> bool:
    """Whether a JSON file that begins with `start` has these keys somewhere; it is searched, not parsed."""
    missing = {f'"{key}"'.encode() for key in keys}
    try:
        with open_file(path) as file:
            if file.read(64).lstrip(b"\xef\xbb\xbf \r\n\t")[:1] != start:
                return False
            file.seek(0)
            end = b""
            while missing and (piece := file.read(_PIECE)):
                missing -= {key for key in missing if key in end + piece}
                end = piece[-16:]
    except (OSError, SourceError):
        return False
    return not missing


def read_coco(tree: FileTree, log: ReadLog) -> list[AnnotatedImage] | None:
    """Each image with its boxes; None without COCO files.

    Raises:
        SourceError: `unreadable-file` for JSON that is broken, `bad-value` where a list is missing.
    """
    files = _coco_files(tree)
    if not files:
        return None
    matcher = FileMatcher(tree.images)
    annotated: dict[str, AnnotatedImage] = {}
    for file in files:
        content = _parse(tree, file)
        by_id = _add_images(content["images"], file, matcher, annotated, log)
        names = _category_names(content.get("categories", []), file, log)
        _add_boxes(content["annotations"], file, by_id, names, log)
    log.note("annotations", ", ".join(files), "COCO's JSON: images, annotations and categories")
    return [annotated.get(image) or AnnotatedImage(image, None) for image in tree.images]


def _parse(tree: FileTree, file: str) -> dict[str, Any]:
    content = read_json(tree.folder / file, file)
    if not isinstance(content, dict):
        raise SourceError(
            "bad-value", f"{file}: expected an object of images and annotations, got {type(content).__name__}"
        )
    for key in ("images", "annotations"):
        if not isinstance(content.get(key), list):
            raise SourceError("bad-value", f"{file}: expected a list of {key}, got {type(content.get(key)).__name__}")
    return dict(content)


def _add_images(
    entries: list[Any], file: str, matcher: FileMatcher, annotated: dict[str, AnnotatedImage], log: ReadLog
) -> dict[str, AnnotatedImage | None]:
    """Add the images of a file; returns them by id, None for an image that is left out."""
    words = stem(file).lower().lstrip("_")
    split = SPLIT_WORDS.get(words) or split_of(stem(file).replace("_", "/") + "/") or split_of(file)
    by_id: dict[str, AnnotatedImage | None] = {}
    for i, entry in enumerate(entries):
        where = f"{file}, images[{i}]"
        if not isinstance(entry, dict) or "id" not in entry or not isinstance(entry.get("file_name"), str):
            log.skip(where, "expected an id and a file_name")
            continue
        name, rows, columns = entry["file_name"], entry.get("height"), entry.get("width")
        image = matcher.named(name, file)
        key = _key(entry["id"])
        by_id[key] = None
        if image is None:
            log.skip(where, f"there is no image {name!r}")
        elif image in annotated:
            log.skip(where, f"the image {image} was there before")
        else:
            stated = (rows, columns) if isinstance(rows, int) and isinstance(columns, int) else None
            annotated[image] = by_id[key] = AnnotatedImage(image, [], stated, split=split)
    return by_id


def _key(value: Any) -> str:
    """An id as text: some programs write 7, some "7" and some 7.0."""
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value) if whole else value)


def _add_boxes(
    annotations: list[Any], file: str, by_id: dict[str, AnnotatedImage | None], names: dict[str, str], log: ReadLog
) -> None:
    crowds = outlines = strangers = 0
    nameless: dict[str, list[str]] = {}
    for i, annotation in enumerate(annotations):
        where = f"{file}, annotations[{i}]"
        if not isinstance(annotation, dict):
            log.skip(where, "expected an object with image_id, category_id and bbox")
            continue
        image_id, category, bbox = (annotation.get(key) for key in ("image_id", "category_id", "bbox"))
        if _key(image_id) not in by_id:
            log.skip(where, f"there is no image with the id {image_id!r}")
            strangers += 1
            continue
        item = by_id[_key(image_id)]
        if item is None or item.boxes is None:
            continue  # its image is missing, which is logged already
        if annotation.get("iscrowd"):
            crowds += 1
            continue
        sides = _sides(bbox)
        if (sides is None or sides[2] <= sides[0] or sides[3] <= sides[1]) and (
            outline := box_around(annotation.get("segmentation"))
        ):
            sides, outlines = outline, outlines + 1
        if sides is None:
            log.skip(where, f"expected a bbox of four numbers, got {bbox!s:.80}")
            item.faults += 1
        else:
            label = names.get(_key(category))
            if label is None:
                label = f"class {category}"
                nameless.setdefault(label, []).append(where)
            item.boxes.append(AnnotatedBox(label, sides, where))
    if strangers and strangers == len(annotations):
        text = f"{file}: none of its {strangers:,} annotations has the id of an image, such as {image_id!r}"
        raise SourceError("mismatched-files", text)
    if outlines:
        log.note("polygons", f"{outlines:,} in {file}", "replaced by their bounding boxes, as they have no bbox")
    if crowds:
        log.note("crowds", f"{crowds} boxes in {file}", "left out: each surrounds many objects (iscrowd)")
    for label, wheres in nameless.items():
        log.note("nameless class", f"{label}: {len(wheres)} boxes, {wheres[0]}", "no category has this id")


def _category_names(categories: Any, file: str, log: ReadLog) -> dict[str, str]:
    """The names of the classes by id."""
    names: dict[str, str] = {}
    for i, category in enumerate(categories if isinstance(categories, list) else []):
        if isinstance(category, dict) and category.get("id") is not None and category.get("name"):
            names[_key(category["id"])] = str(category["name"])
        else:
            log.skip(f"{file}, categories[{i}]", "expected an id and a name")
    return names


def _sides(bbox: Any) -> tuple[float, float, float, float] | None:
    """Left, top, right and bottom of a box; None if it is not four finite numbers."""
    if not isinstance(bbox, list) or len(bbox) != 4 or not all(isinstance(v, int | float) for v in bbox):
        return None
    try:
        left, top, width, height = map(float, bbox)
    except OverflowError:  # an integer of hundreds of digits
        return None
    sides = left, top, left + width, top + height
    return sides if all(map(math.isfinite, sides)) else None
