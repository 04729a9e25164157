"""YOLO: one text file per image, one line per box, "class centre_x centre_y width height" relative to the image.

Source: the format of Darknet (Redmon, 2016) and of Ultralytics. A polygon is replaced by its bounding box; the key
points and the confidence behind a box are left out. An image without a file has no objects, provided that most images
have a file.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from deepglass.data.sources.base import ReadLog
from deepglass.data.sources.boxes import AnnotatedBox, AnnotatedImage
from deepglass.data.sources.class_names import class_names, is_name_file
from deepglass.data.sources.file_tree import FileMatcher, FileTree
from deepglass.data.sources.yolo_lines import KeyPoints, LineFormat, find_key_points

_NUM_CHECKED = 20  # files that are checked for the format


@dataclass
class _Labels:
    """The boxes of the label files, and what was left out of them."""

    names: dict[int, str]
    format: LineFormat
    log: ReadLog
    nameless: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    left_out: Counter[str] = field(default_factory=Counter)

    def read(self, tree: FileTree, file: str, image: str) -> AnnotatedImage:
        item = AnnotatedImage(image, [], relative=True)
        assert item.boxes is not None
        for i, text in enumerate(tree.text(file).splitlines(), 1):
            if not text.strip():
                continue
            where = f"{file}, line {i}"
            line = self.format.parse(text)
            if isinstance(line, str):
                self.log.skip(where, line)
                item.faults += 1
                continue
            label = self.names.get(line.label, f"class {line.label}" if self.names else str(line.label))
            if line.label not in self.names:
                self.nameless[label].append(where)
            self.left_out.update([line.left_out] if line.left_out else [])
            item.boxes.append(AnnotatedBox(label, line.sides, where))
        return item


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
    key_points = find_key_points(tree, list(files.values())[:_NUM_CHECKED])
    line_format = LineFormat(key_points)
    if not _are_boxes(tree, list(files.values()), line_format):
        return None
    for file in unmatched:
        if _are_boxes(tree, [file], line_format):
            log.skip(file, "there is no image of its name")
    names, names_file = class_names(tree, "box", log)
    labels = _Labels(names, line_format, log)
    most_have_files = 2 * len(files) >= len(tree.images)
    annotated = {image: labels.read(tree, files[image], image) for image in tree.images if image in files}
    log.note("annotations", f"{len(files)} YOLO text files", "lines of a class and four numbers relative to the image")
    _add_notes(labels, key_points, log)
    if missing := [image for image in tree.images if image not in files]:
        labelled = "labelled as without objects: YOLO writes no file where there is nothing"
        why = labelled if most_have_files else "most have none, so they are unlabelled"
        log.note("no label file", f"{len(missing)} images, such as {missing[0]}", why)
    for label, wheres in labels.nameless.items() if names else ():
        log.note("nameless class", f"{label}: {len(wheres)} boxes, {wheres[0]}", f"it has no name in {names_file}")
    return [
        annotated.get(image) or AnnotatedImage(image, [] if most_have_files else None, relative=True)
        for image in tree.images
    ]


def _add_notes(labels: _Labels, key_points: KeyPoints | None, log: ReadLog) -> None:
    points = f"{key_points.points} points of {key_points.numbers} numbers, {key_points.why}" if key_points else ""
    texts = {
        "polygon": ("polygons", "replaced by their bounding boxes"),
        "key points": ("key points", f"left out: {points}; the boxes are the first numbers of each line"),
        "confidence": ("confidences", "a number behind the box, left out"),
    }
    for what, count in labels.left_out.items():
        name, why = texts[what]
        log.note(name, f"of {count:,} objects", why)


def _are_boxes(tree: FileTree, files: list[str], line_format: LineFormat) -> bool:
    """Whether the lines of most files of a sample are boxes; empty files do not count."""
    good = bad = 0
    for file in files:
        lines = [line for line in tree.text(file).splitlines() if line.strip()]
        if lines:
            fits = sum(not isinstance(line_format.parse(line), str) for line in lines)
            good += 2 * fits >= len(lines)
            bad += 2 * fits < len(lines)
        if good + bad >= _NUM_CHECKED:
            break
    return good > bad
