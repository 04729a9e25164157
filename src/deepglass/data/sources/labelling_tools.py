"""JSON of labelling tools: LabelMe (a file an image), VGG Image Annotator, and CreateML.

A polygon or circle is replaced by its bounding box; points and lines without an area are left out.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from deepglass.data.sources.base import ReadLog
from deepglass.data.sources.boxes import AnnotatedBox, AnnotatedImage
from deepglass.data.sources.coco import holds_keys
from deepglass.data.sources.file_tree import FileMatcher, FileTree
from deepglass.data.sources.outlines import Sides, box_of_points
from deepglass.documents import read_json
from deepglass.errors import SourceError
from deepglass.features.boxes import DEFAULT_LABEL


class ImageLabels(NamedTuple):
    """The objects of one image as a tool writes them: class (None without one), sides (None if unusable), and place."""

    name: str
    objects: list[tuple[str | None, Sides | None, str]]
    stated: tuple[int, int] | None = None


class Tool(NamedTuple):
    """The JSON of a labelling tool: the keys that its files have, their first character, and their reader."""

    name: str
    keys: tuple[str, ...]
    start: bytes
    read: Callable[[Any, str], Iterator[ImageLabels]]


def read_labelling_tools(tree: FileTree, log: ReadLog) -> list[AnnotatedImage] | None:
    """Each image with its boxes; None without files of these tools."""
    matcher = FileMatcher(tree.images)
    annotated: dict[str, AnnotatedImage] = {}
    files_of: dict[str, list[str]] = {}
    for file in tree.ending_in(".json"):
        path = tree.folder / file
        tool = next((tool for tool in _TOOLS if holds_keys(path, *tool.keys, start=tool.start)), None)
        if tool is None:
            continue
        files_of.setdefault(tool.name, []).append(file)
        try:
            labels = list(tool.read(read_json(path, file), file))
        except SourceError as error:
            log.skip(file, str(error))
            continue
        for entry in labels:
            image = matcher.named(entry.name, file) or (matcher.find(file) if len(labels) == 1 else None)
            if image is None:
                log.skip(file, f"there is no image {entry.name!r}")
            elif image in annotated:
                log.skip(file, f"a second annotation of {image}")
            else:
                annotated[image] = _with_boxes(image, entry, log)
    for name, files in files_of.items():
        log.note("annotations", f"{len(files)} files, such as {files[0]}", f"JSON of {name}")
    if not annotated:
        return None
    return [annotated.get(image) or AnnotatedImage(image, None) for image in tree.images]


def _with_boxes(image: str, entry: ImageLabels, log: ReadLog) -> AnnotatedImage:
    boxes: list[AnnotatedBox] = []
    for label, sides, where in entry.objects:
        if sides is None:
            log.skip(where, f"an object {label!r} without an area" if label else "an object without an area")
        else:
            boxes.append(AnnotatedBox(label or DEFAULT_LABEL, sides, where))
    return AnnotatedImage(image, boxes, entry.stated, faults=len(entry.objects) - len(boxes))


def _labelme(content: Any, file: str) -> Iterator[ImageLabels]:
    """One image: `shapes` with label, shape_type and points; a circle has its centre and a point of its edge."""
    if not isinstance(content, dict) or not isinstance(content.get("shapes"), list):
        raise SourceError("bad-value", f"{file}: expected a list of shapes")
    objects = []
    for i, shape in enumerate(_dicts(content["shapes"])):
        points = shape.get("points")
        sides = box_of_points(points) if isinstance(points, list) else None
        if shape.get("shape_type") == "circle" and isinstance(points, list):
            sides = _circle(points)
        objects.append((_text(shape.get("label")), sides, f"{file}, shapes[{i}]"))
    yield ImageLabels(str(content.get("imagePath") or ""), objects, _size(content, "imageHeight", "imageWidth"))


def _circle(points: list[Any]) -> Sides | None:
    try:
        (x, y), (edge_x, edge_y) = ((float(point[0]), float(point[1])) for point in points)
    except (TypeError, ValueError, IndexError, KeyError, OverflowError):
        return None
    radius = ((edge_x - x) ** 2 + (edge_y - y) ** 2) ** 0.5
    return box_of_points([(x - radius, y - radius), (x + radius, y + radius)])


def _via(content: Any, file: str) -> Iterator[ImageLabels]:
    """Of each image a `filename` and `regions` with shape_attributes and region_attributes."""
    images = content.get("_via_img_metadata", content) if isinstance(content, dict) else content
    entries = list(images.values()) if isinstance(images, dict) else images
    for entry in _dicts(entries):
        regions = entry.get("regions")
        regions = list(regions.values()) if isinstance(regions, dict) else regions
        name = str(entry.get("filename"))
        objects = []
        for i, region in enumerate(_dicts(regions)):
            shape, attributes = region.get("shape_attributes"), region.get("region_attributes")
            label = next(iter(attributes.values()), None) if isinstance(attributes, dict) else None
            label = next(iter(label), None) if isinstance(label, dict) else label  # chosen check boxes
            objects.append((_text(label), _via_sides(shape), f"{file}, {name}, regions[{i}]"))
        yield ImageLabels(name, objects)


def _via_sides(shape: Any) -> Sides | None:
    if not isinstance(shape, dict):
        return None
    xs, ys = shape.get("all_points_x"), shape.get("all_points_y")
    if isinstance(xs, list) and isinstance(ys, list) and len(xs) == len(ys):
        return box_of_points(list(zip(xs, ys, strict=True)))
    x, y, width, height = (shape.get(key) for key in ("x", "y", "width", "height"))
    if width is None:  # a circle or an ellipse
        x, y = shape.get("cx"), shape.get("cy")
        width, height = (
            2 * r if isinstance(r, int | float) else None for r in (shape.get(k, shape.get("r")) for k in ("rx", "ry"))
        )
        return _sized(x, y, width, height, centred=True)
    return _sized(x, y, width, height)


def _create_ml(content: Any, file: str) -> Iterator[ImageLabels]:
    """A list of images with `annotations`; `coordinates` have the centre of a box and its size in pixels."""
    for entry in _dicts(content):
        objects = []
        for i, annotation in enumerate(_dicts(entry.get("annotations"))):
            box = annotation.get("coordinates")
            x, y, width, height = map((box if isinstance(box, dict) else {}).get, ("x", "y", "width", "height"))
            where = f"{file}, {entry.get('image')}, annotations[{i}]"
            objects.append((_text(annotation.get("label")), _sized(x, y, width, height, centred=True), where))
        yield ImageLabels(str(entry.get("image") or entry.get("imagefilename")), objects)


def _sized(x: Any, y: Any, width: Any, height: Any, centred: bool = False) -> Sides | None:
    """A box from its top left corner, or its centre, and its size."""
    if not all(isinstance(value, int | float) for value in (x, y, width, height)):
        return None
    left, top = (x - width / 2, y - height / 2) if centred else (x, y)
    return box_of_points([(left, top), (left + width, top + height)])


def _dicts(values: Any) -> list[Mapping[str, Any]]:
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []


def _text(value: Any) -> str | None:
    return str(value) if isinstance(value, str | int) and str(value) else None


def _size(content: Mapping[str, Any], rows: str, columns: str) -> tuple[int, int] | None:
    sides = content.get(rows), content.get(columns)
    return (sides[0], sides[1]) if isinstance(sides[0], int) and isinstance(sides[1], int) else None


_TOOLS = (
    Tool("LabelMe", ("shapes", "imagePath"), b"{", _labelme),
    Tool("VGG Image Annotator", ("filename", "regions", "shape_attributes"), b"{", _via),
    Tool("CreateML", ("annotations", "coordinates"), b"[", _create_ml),
)
