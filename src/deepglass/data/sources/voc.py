"""Pascal VOC: one XML file per image, one `object` with `name` and `bndbox` per box.

Source: Everingham et al., The Pascal Visual Object Classes Challenge, 2010. Corners are used as written, with
xmax and ymax exclusive: tools differ by a pixel, and files do not say which convention they follow.
Files with a document type are refused, so that no entity is expanded or fetched.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from xml.parsers import expat

from deepglass.data.sources.base import ReadLog
from deepglass.data.sources.boxes import AnnotatedBox, AnnotatedImage
from deepglass.data.sources.file_tree import FileMatcher, FileTree
from deepglass.errors import SourceError
from deepglass.files import read_file

_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_MAX_BYTES = 2**24  # of one annotation
_MAX_DEPTH = 50
_HEAD = 2**16  # bytes in which the root has to begin


@dataclass
class XmlNode:
    """An element of an XML file and its line number."""

    tag: str
    line: int
    text: str = ""
    children: list[XmlNode] = field(default_factory=list)

    def find(self, tag: str) -> XmlNode | None:
        return next((child for child in self.children if child.tag == tag), None)

    def value(self, tag: str) -> str:
        node = self.find(tag)
        return "" if node is None else node.text.strip()


def read_voc(tree: FileTree, log: ReadLog) -> list[AnnotatedImage] | None:
    """Each image with its boxes; None without VOC files."""
    files = tree.ending_in(".xml")
    if not any(_is_voc(tree, file) for file in files):
        return None
    matcher = FileMatcher(tree.images)
    annotated: dict[str, AnnotatedImage] = {}
    annotated_by: dict[str, str] = {}
    for file in files:
        if (root := _parsed(tree, file, log)) is None:
            continue
        if root.tag != "annotation":
            log.skip(file, f"expected an XML file of <annotation>, got <{root.tag}>")
            continue
        filename = root.value("filename").replace("\\", "/").rpartition("/")[2]
        image = matcher.find(file) or matcher.named(filename)
        if image is None:
            log.skip(file, f"there is no image of its name{f', nor {filename!r}' if filename else ''}")
        elif image in annotated:
            log.skip(file, f"a second annotation of {image}, after {annotated_by[image]}")
        else:
            annotated_by[image] = file
            objects = sum(node.tag == "object" for node in root.children)
            boxes = _boxes(root, file, log)
            annotated[image] = AnnotatedImage(image, boxes, _stated(root), faults=objects - len(boxes))
    log.note("annotations", f"{len(annotated)} Pascal VOC files", "XML with one object per box")
    return [annotated.get(image) or AnnotatedImage(image, None) for image in tree.images]


def _is_voc(tree: FileTree, file: str) -> bool:
    """Whether the root of an XML file is called annotation, whatever stands before it and in it."""
    parser = expat.ParserCreate()
    tags: list[str] = []
    parser.StartElementHandler = lambda tag, _: tags.append(tag)
    with suppress(expat.ExpatError, SourceError, ValueError, LookupError):  # it is reported where the file is parsed
        parser.Parse(tree.head(file, _HEAD), False)
    return bool(tags) and _local(tags[0]) == "annotation"


def _local(tag: str) -> str:
    """A tag in small letters, without the prefix of its namespace."""
    return tag.rpartition(":")[2].lower()


def _boxes(root: XmlNode, file: str, log: ReadLog) -> list[AnnotatedBox]:
    boxes = []
    for node in root.children:
        if node.tag != "object":
            continue
        where = f"{file}, line {node.line}"
        corners, polygon = node.find("bndbox"), node.find("polygon")
        label = node.value("name")
        if label and corners is None and polygon is not None and (sides := _around(polygon)):
            boxes.append(AnnotatedBox(label, sides, where))
            continue
        if corners is None or not label:
            log.skip(where, "an object without a name" if corners else "an object without a bndbox")
            continue
        texts = [corners.value(tag) for tag in _CORNERS]
        try:
            left, top, right, bottom = map(float, texts)
        except ValueError:
            got = ", ".join(f"{tag} {text!r}" for tag, text in zip(_CORNERS, texts, strict=True))
            log.skip(where, f"expected four numbers in the bndbox of {label!r}, got {got}")
            continue
        boxes.append(AnnotatedBox(label, (left, top, right, bottom), where))
    return boxes


def _around(polygon: XmlNode) -> tuple[float, float, float, float] | None:
    """The bounding box of a polygon: its elements x1, y1, x2, ..., or pt with x and y; None if they are no numbers."""
    leaves = [leaf for node in polygon.children for leaf in (node.children or [node])]
    try:
        x, y = ([float(leaf.text) for leaf in leaves if re.fullmatch(rf"{axis}\d*", leaf.tag)] for axis in "xy")
    except ValueError:
        return None
    return (min(x), min(y), max(x), max(y)) if len(x) == len(y) > 2 else None


def _stated(root: XmlNode) -> tuple[int, int] | None:
    size = root.find("size")
    try:
        return None if size is None else (int(size.value("height")), int(size.value("width")))
    except ValueError:
        return None


def _parsed(tree: FileTree, file: str, log: ReadLog) -> XmlNode | None:
    """The root of an XML file; None for a file that is not XML, which is logged as skipped."""
    try:
        if tree.size(file) > _MAX_BYTES:
            raise ValueError(f"larger than {_MAX_BYTES >> 20} MiB")
        return _parse(read_file(tree.folder / file, file))
    except expat.ExpatError as error:
        log.skip(f"{file}, line {error.lineno}", f"not XML ({expat.ErrorString(error.code)})")
    except (SourceError, LookupError, ValueError) as error:
        log.skip(file, str(error))
    return None


def _parse(data: bytes) -> XmlNode:
    """The root of an XML text.

    Raises:
        expat.ExpatError: where it is not well formed.
        ValueError: for a document type, and for elements nested deeper than in any annotation.
    """
    parser = expat.ParserCreate()
    root = XmlNode("", 0)
    stack = [root]

    def start(tag: str, attributes: dict[str, str]) -> None:
        node = XmlNode(_local(tag), parser.CurrentLineNumber)
        stack[-1].children.append(node)
        stack.append(node)
        if len(stack) > _MAX_DEPTH:
            raise ValueError(f"elements nested more than {_MAX_DEPTH} deep")

    def text(piece: str) -> None:
        stack[-1].text += piece

    def refuse(*_: object) -> None:
        raise ValueError("a document type (<!DOCTYPE>), which could expand without end or fetch files")

    parser.buffer_text = True
    parser.StartElementHandler, parser.CharacterDataHandler = start, text
    parser.EndElementHandler = lambda tag: stack.pop()
    parser.StartDoctypeDeclHandler = refuse
    parser.Parse(data, True)
    return root.children[0]
