"""Pascal VOC: one XML file per image, one `object` with `name` and `bndbox` per box.

Source: Everingham et al., The Pascal Visual Object Classes Challenge, 2010. Corners are used as written, with
xmax and ymax exclusive: tools differ by a pixel, and files do not say which convention they follow.
Files with a document type are refused, so that no entity is expanded or fetched.
"""

from __future__ import annotations

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
_NUM_CHECKED = 10  # files that are checked for the format


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
    if not any(_is_voc(tree, file) for file in files[:_NUM_CHECKED]):
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
            annotated[image] = AnnotatedImage(image, _boxes(root, file, log), _stated(root))
    log.note("annotations", f"{len(annotated)} Pascal VOC files", "XML with one object per box")
    return [annotated.get(image) or AnnotatedImage(image, None) for image in tree.images]


def _is_voc(tree: FileTree, file: str) -> bool:
    return b"<annotation>" in tree.head(file, 4096)


def _boxes(root: XmlNode, file: str, log: ReadLog) -> list[AnnotatedBox]:
    boxes = []
    for node in root.children:
        if node.tag != "object":
            continue
        where = f"{file}, line {node.line}"
        corners = node.find("bndbox")
        label = node.value("name")
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
        node = XmlNode(tag, parser.CurrentLineNumber)
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
