"""Folders of annotated images: detects the annotation format."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from deepglass.data.sources.access import OWN_FOLDER, Access, check_inside
from deepglass.data.sources.base import ReadLog, SourceOptions
from deepglass.data.sources.boxes import AnnotatedImage, table_of_boxes
from deepglass.data.sources.boxlist import is_boxlist, read_boxlists
from deepglass.data.sources.coco import is_coco, read_coco
from deepglass.data.sources.file_tree import FileTree, ending
from deepglass.data.sources.label_studio import is_label_studio, read_label_studio, read_tasks, table_with_files
from deepglass.data.sources.labelling_tools import read_labelling_tools
from deepglass.data.sources.mask_pairs import mask_files
from deepglass.data.sources.masks import look_like_masks, read_masks
from deepglass.data.sources.voc import read_voc
from deepglass.data.sources.yolo import read_yolo
from deepglass.data.table import Note, Table
from deepglass.errors import SourceError

_ANNOTATION_ENDINGS = (".xml", ".json", ".txt", ".csv", ".tsv")  # of files that may hold boxes
_MASK_FOLDER = re.compile(r"masks?|labels?|annotations?|annot|segmentation_?class|gt|ground_?truth", re.IGNORECASE)


def read_annotated(folder: Path, source: str, options: SourceOptions, access: Access = OWN_FOLDER) -> Table | None:
    """A table of images with boxes or masks; None if the folder holds something else.

    Boxes come before masks. A folder of masks alone stands for the images beside it with these masks.

    Raises:
        SourceError: `unsafe-path` for links that lead out of the folder.
    """
    tree = FileTree.of(folder)
    if not tree.images:
        return None
    others = tree.without(tree.images).files
    elsewhere = check_inside([folder / file for file in tree.images], tree.images, folder, access, source)
    check_inside([folder / file for file in others], others, folder, access, source)
    table = _of_tree(tree, source, options)
    if table is None or elsewhere is None:
        return table
    note = Note("links", str(elsewhere), f"all {len(tree.images):,} images are links into this folder")
    return replace(table, notes=(*table.notes, note))


def _of_tree(tree: FileTree, source: str, options: SourceOptions) -> Table | None:
    folder = tree.folder
    exports = [file for file in tree.ending_in(".json") if is_label_studio(folder / file)]
    if exports and (tasks := read_label_studio(tree, exports, source)) is not None:
        return tasks
    has_annotations = bool(tree.ending_in(*_ANNOTATION_ENDINGS))
    masks = mask_files(tree)
    if _MASK_FOLDER.fullmatch(folder.name) and not has_annotations and not 0 < len(masks) < len(tree.images):
        beside = FileTree.of(folder.parent).below(folder.name) if look_like_masks(tree) else tree
        return read_masks(beside, mask_files(beside), source)
    log, unmasked = ReadLog(), tree.without(masks)
    annotated = None
    if has_annotations and len(masks) < len(tree.images):
        annotated = _boxes(unmasked, log, options)
    if annotated is None:
        return read_masks(tree, masks, source)
    if masks:
        inside, slash, _ = masks[0].partition("/")
        advice = f"give {source}/{inside}" if slash else "keep them without the boxes"
        log.note("masks", f"{len(masks)} such as {masks[0]}", f"boxes come first; for the masks {advice}")
    return table_of_boxes(unmasked, annotated, source, log)


def _boxes(tree: FileTree, log: ReadLog, options: SourceOptions) -> list[AnnotatedImage] | None:
    """The annotations of the first format that the folder has."""
    unique_stems = _without_equal_stems(tree, same_stem := ReadLog())
    formats: tuple[tuple[FileTree, Callable[[FileTree, ReadLog], list[AnnotatedImage] | None]], ...] = (
        (tree, read_coco),
        (tree, read_labelling_tools),
        (unique_stems, read_voc),
        (unique_stems, read_yolo),
        (tree, lambda tree, format_log: read_boxlists(tree, format_log, options)),
    )
    for images, read in formats:
        format_log = ReadLog()
        if (annotated := read(images, format_log)) is not None:
            log.notes += format_log.notes
            log.skipped += format_log.skipped + (same_stem.skipped if images is unique_stems else [])
            return annotated
    return None


def _without_equal_stems(tree: FileTree, log: ReadLog) -> FileTree:
    """The files without images that differ from another only in their ending: an annotation file cannot name one."""
    first: dict[str, str] = {}
    for image in tree.images:
        if (other := first.setdefault(image.rpartition(".")[0], image)) != image:
            log.skip(image, f"it has the name of {other}, and an annotation file cannot tell them apart")
    return tree.without(item.name for item in log.skipped) if log.skipped else tree


def read_annotation_file(path: Path, source: str, options: SourceOptions, access: Access = OWN_FOLDER) -> Table | None:
    """A COCO file, an export of Label Studio or a table of boxes, with the images beside it; None for another file.

    Raises:
        SourceError: `mismatched-files` where COCO's images are neither beside the file nor one folder above.
    """
    if is_label_studio(path):
        return _exported_tasks(path, source, access)
    coco = ending(path.name) == ".json" and is_coco(path)
    if not coco and not is_boxlist(FileTree(path.parent, (path.name,)), path.name):
        return None
    parents = [path.parent.parent] if coco or _MASK_FOLDER.fullmatch(path.parent.name) else []
    parents = [] if access.closed else parents
    for folder in (path.parent, *parents):
        whole = FileTree.of(folder)
        images = whole.without(mask_files(whole)).images
        check_inside([folder / file for file in images], images, folder, access, source)
        tree = FileTree(folder, (*images, str(path.relative_to(folder))))
        log = ReadLog()
        annotated = read_coco(tree, log) if coco else read_boxlists(tree, log, options)
        if listed := [item for item in annotated or () if item.boxes is not None]:  # the file is about these alone
            return replace(table_of_boxes(tree, listed, source, log), name=source)
    if coco:
        first = f" ({log.skipped[0].reason})" if log.skipped else ""
        text = f"{source}: none of its images is in {path.parent} or the folder above{first}"
        raise SourceError("mismatched-files", text)
    return None


def _exported_tasks(path: Path, source: str, access: Access) -> Table | None:
    """An export of Label Studio with the files beside it or one folder above; None without them."""
    content = read_tasks(path, path.name)
    for folder in (path.parent,) if access.closed else (path.parent, path.parent.parent):
        table = table_with_files(content, source, FileTree.of(folder))
        if table is not None:
            files = [
                item for raw in table.columns.values() if isinstance(raw, list) for item in raw if item is not None
            ]
            check_inside([item.path for item in files], [item.name for item in files], folder, access, source)
            return table
    return None
