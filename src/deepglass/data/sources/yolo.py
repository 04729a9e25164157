"""YOLO: one text file per image, one line per box, "class centre_x centre_y width height" relative to the image.

Source: the format of Darknet (Redmon, 2016) and of Ultralytics; a line with more numbers is a polygon, which is
replaced by its bounding box. An image without a file has no objects, provided that most images have a file.
"""

import math

from deepglass.data.sources.base import ReadLog
from deepglass.data.sources.boxes import AnnotatedBox, AnnotatedImage
from deepglass.data.sources.class_names import class_names, is_name_file
from deepglass.data.sources.file_tree import FileMatcher, FileTree

_NUM_CHECKED = 20  # files that are checked for the format
_MAX_RELATIVE = 2.0  # larger numbers are not relative to the image's side


def read_yolo(tree: FileTree, log: ReadLog) -> list[AnnotatedImage] | None:
    """Each image with its boxes; None if the text files have another format."""
    matcher = FileMatcher(tree.images)
    files: dict[str, str] = {}
    unmatched = []
    for file in tree.ending_in(".txt"):
        if is_name_file(file):
            continue
        image = matcher.find(file)
        if image is None:
            unmatched.append(file)
        elif image in files:
            log.skip(file, f"a second label file of {image}, after {files[image]}")
        else:
            files[image] = file
    if not _are_boxes(tree, list(files.values())):
        return None
    for file in unmatched:
        if _are_boxes(tree, [file]):
            log.skip(file, "there is no image of its name")
    names, names_file = class_names(tree, "box", log)
    nameless: dict[str, list[str]] = {}
    most_have_files = 2 * len(files) >= len(tree.images)
    boxes = {image: _read(tree, files[image], names, nameless, log) for image in tree.images if image in files}
    log.note("annotations", f"{len(files)} YOLO text files", "lines of a class and four numbers relative to the image")
    if missing := [image for image in tree.images if image not in files]:
        labelled = "labelled as without objects: YOLO writes no file where there is nothing"
        why = labelled if most_have_files else "most have none, so they are unlabelled"
        log.note("no label file", f"{len(missing)} images, such as {missing[0]}", why)
    for label, wheres in nameless.items() if names else ():
        log.note("nameless class", f"{label}: {len(wheres)} boxes, {wheres[0]}", f"it has no name in {names_file}")
    boxes_without_file: list[AnnotatedBox] | None = [] if most_have_files else None
    return [AnnotatedImage(image, boxes.get(image, boxes_without_file), relative=True) for image in tree.images]


def _are_boxes(tree: FileTree, files: list[str]) -> bool:
    """Whether the lines of most files of a sample are boxes; empty files do not count."""
    good = bad = 0
    for file in files:
        lines = [line for line in tree.text(file).splitlines() if line.strip()]
        if lines:
            fits = sum(not isinstance(_line(line), str) for line in lines)
            good += 2 * fits >= len(lines)
            bad += 2 * fits < len(lines)
        if good + bad >= _NUM_CHECKED:
            break
    return good > bad


def _read(
    tree: FileTree, file: str, names: dict[int, str], nameless: dict[str, list[str]], log: ReadLog
) -> list[AnnotatedBox]:
    boxes = []
    for i, text in enumerate(tree.text(file).splitlines(), 1):
        if not text.strip():
            continue
        where = f"{file}, line {i}"
        line = _line(text)
        if isinstance(line, str):
            log.skip(where, line)
            continue
        index, sides = line
        label = names.get(index, f"class {index}" if names else str(index))
        if index not in names:
            nameless.setdefault(label, []).append(where)
        boxes.append(AnnotatedBox(label, sides, where))
    return boxes


def _line(text: str) -> tuple[int, tuple[float, float, float, float]] | str:
    """Class index and sides of a line, or what is wrong with it."""
    short = text.strip() if len(text) < 60 else text.strip()[:57] + "..."
    try:
        numbers = [float(word) for word in text.split()]
    except ValueError:
        return f"expected a class and numbers, got {short!r}"
    polygon = len(numbers) >= 7 and len(numbers) % 2 == 1
    if len(numbers) != 5 and not polygon:
        return f"expected a class and four numbers, got {short!r}"
    if not all(map(math.isfinite, numbers)) or numbers[0] != int(numbers[0]) or numbers[0] < 0:
        return f"expected a class from 0 and finite numbers, got {short!r}"
    if max(map(abs, numbers[1:])) > _MAX_RELATIVE:
        return f"expected numbers from 0 to 1, relative to the image, got {short!r}"
    if polygon:
        x, y = numbers[1::2], numbers[2::2]
        return int(numbers[0]), (min(x), min(y), max(x), max(y))
    x_centre, y_centre, width, height = numbers[1:]
    sides = (x_centre - width / 2, y_centre - height / 2, x_centre + width / 2, y_centre + height / 2)
    return int(numbers[0]), sides
