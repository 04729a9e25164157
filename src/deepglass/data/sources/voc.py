"""Pascal VOC's XML files: a file a picture, an `object` with a `name` and a `bndbox` a box.

Source: Everingham et al., The Pascal Visual Object Classes Challenge, 2010. The corners are taken as they are written,
xmax and ymax as the first column and row behind the box: tools differ by a pixel, and no file says which it was.
Files with a document type are refused, so that no entity is ever expanded or fetched.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from xml.parsers import expat

from deepglass.data.sources.base import Findings
from deepglass.data.sources.boxes import Box, Labelled
from deepglass.data.sources.file_tree import Places, Tree

_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_MOST_BYTES = 2**24  # of one annotation
_DEEPEST = 50
_FEW = 10  # files that are looked at before XML is taken for something else


@dataclass
class Node:
    """An element of an XML file, and the line that it begins in."""

    tag: str
    line: int
    text: str = ""
    children: list[Node] = field(default_factory=list)

    def find(self, tag: str) -> Node | None:
        return next((child for child in self.children if child.tag == tag), None)

    def value(self, tag: str) -> str:
        node = self.find(tag)
        return "" if node is None else node.text.strip()


def read_voc(tree: Tree, findings: Findings) -> list[Labelled] | None:
    """Each picture with its boxes; None where there are no such files."""
    files = tree.ending_in(".xml")
    if not any(_is_voc(tree, file) for file in files[:_FEW]):
        return None
    places = Places(tree.pictures)
    boxes: dict[str, Labelled] = {}
    by: dict[str, str] = {}
    for file in files:
        root = _parsed(tree, file, findings)
        if root is None:
            continue
        if root.tag != "annotation":
            findings.skip(file, f"expected an XML file of <annotation>, got <{root.tag}>")
            continue
        named = root.value("filename").replace("\\", "/").rpartition("/")[2]
        picture = places.find(file) or (places.named(named) if named else None)
        if picture is None:
            findings.skip(file, f"there is no picture of its name{f', nor {named!r}' if named else ''}")
        elif picture in boxes:
            findings.skip(file, f"a second annotation of {picture}, after {by[picture]}")
        else:
            by[picture] = file
            boxes[picture] = Labelled(picture, _boxes(root, file, findings), _stated(root))
    findings.note("annotations", f"{len(boxes)} Pascal VOC files", "XML with an object a box")
    return [boxes.get(picture) or Labelled(picture, None) for picture in tree.pictures]


def _is_voc(tree: Tree, file: str) -> bool:
    with (tree.folder / file).open("rb") as opened:
        return b"<annotation>" in opened.read(4096)


def _boxes(root: Node, file: str, findings: Findings) -> list[Box]:
    boxes = []
    for node in root.children:
        if node.tag != "object":
            continue
        where = f"{file}, line {node.line}"
        corners = node.find("bndbox")
        label = node.value("name")
        if corners is None or not label:
            findings.skip(where, "an object without a name" if corners else "an object without a bndbox")
            continue
        texts = [corners.value(tag) for tag in _CORNERS]
        try:
            left, top, right, bottom = map(float, texts)
        except ValueError:
            got = ", ".join(f"{tag} {text!r}" for tag, text in zip(_CORNERS, texts, strict=True))
            findings.skip(where, f"expected four numbers in the bndbox of {label!r}, got {got}")
            continue
        boxes.append(Box(label, (left, top, right, bottom), where))
    return boxes


def _stated(root: Node) -> tuple[int, int] | None:
    size = root.find("size")
    try:
        return None if size is None else (int(size.value("height")), int(size.value("width")))
    except ValueError:
        return None


class _Refused(ValueError):
    """An XML file that is not parsed on."""


def _parsed(tree: Tree, file: str, findings: Findings) -> Node | None:
    """The root of an XML file; None, and the file is named, where it is none."""
    path = tree.folder / file
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise _Refused(f"larger than {_MOST_BYTES >> 20} MiB")
        return parse(path.read_bytes())
    except expat.ExpatError as error:
        findings.skip(f"{file}, line {error.lineno}", f"not XML ({expat.ErrorString(error.code)})")
    except (_Refused, OSError, LookupError, ValueError) as error:
        findings.skip(file, str(error))
    return None


def parse(data: bytes) -> Node:
    """The root of an XML text.

    Raises:
        expat.ExpatError: where it is not well formed.
        ValueError: for a document type and for elements nested deeper than any annotation.
    """
    parser = expat.ParserCreate()
    root = Node("", 0)
    stack = [root]

    def start(tag: str, attributes: dict[str, str]) -> None:
        node = Node(tag, parser.CurrentLineNumber)
        stack[-1].children.append(node)
        stack.append(node)
        if len(stack) > _DEEPEST:
            raise _Refused(f"elements nested more than {_DEEPEST} deep")

    def end(tag: str) -> None:
        stack.pop()

    def text(piece: str) -> None:
        stack[-1].text += piece

    def refuse(*_: object) -> None:
        raise _Refused("a document type (<!DOCTYPE>), which could expand without end or fetch files")

    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, text
    parser.StartDoctypeDeclHandler = refuse
    parser.Parse(data, True)
    return root.children[0]
