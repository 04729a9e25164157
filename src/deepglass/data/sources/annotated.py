"""Folders of annotated images: detects the annotation format."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from deepglass.data.sources.base import ReadLog, SourceOptions
from deepglass.data.sources.boxes import AnnotatedImage, table_of_boxes
from deepglass.data.sources.boxlist import is_boxlist, read_boxlists
from deepglass.data.sources.coco import is_coco, read_coco
from deepglass.data.sources.file_tree import FileTree, ending
from deepglass.data.sources.mask_pairs import mask_files
from deepglass.data.sources.masks import look_like_masks, read_masks
from deepglass.data.sources.voc import read_voc
from deepglass.data.sources.yolo import read_yolo
from deepglass.data.table import Table
from deepglass.errors import SourceError

Reader = Callable[[FileTree, ReadLog], list[AnnotatedImage] | None]

_WRITTEN = (".xml", ".json", ".txt", ".csv", ".tsv")  # files that may hold boxes
_OF_MASKS = re.compile(r"masks?|labels?|annotations?|annot|segmentation_?class|gt|ground_?truth", re.IGNORECASE)


def read_annotated(folder: Path, source: str, options: SourceOptions) -> Table | None:
    """A table of images with boxes or masks; None if the folder holds something else.

    Boxes come before masks. A folder of masks alone stands for the images beside it with these masks.
    """
    tree = FileTree.of(folder)
    if not tree.images:
        return None
    if _OF_MASKS.fullmatch(folder.name) and not tree.ending_in(*_WRITTEN):
        beside = FileTree.of(folder.parent).below(folder.name) if look_like_masks(tree) else tree
        return read_masks(beside, mask_files(beside), source)
    masks = mask_files(tree)
    log, labelled = ReadLog(), None
    if tree.ending_in(*_WRITTEN) and len(masks) < len(tree.images):
        bare = tree.without(masks)
        labelled = _boxes(bare, log, options)
    if labelled is None:
        return read_masks(tree, masks, source)
    if masks:
        inside = masks[0].split("/")[0]
        how = (
            f"for the masks give {source}/{inside}" if "/" in masks[0] else "for the masks keep them without the boxes"
        )
        log.note("masks", f"{len(masks)} such as {masks[0]}", f"boxes come first; {how}")
    return table_of_boxes(bare, labelled, source, log)


def _boxes(tree: FileTree, log: ReadLog, options: SourceOptions) -> list[AnnotatedImage] | None:
    """The annotations of the first format that the folder has."""
    by_stem = _without_twins(tree, twins := ReadLog())
    ways: tuple[tuple[FileTree, Reader], ...] = (
        (tree, read_coco),
        (by_stem, read_voc),
        (by_stem, read_yolo),
        (tree, lambda tree, own_log: read_boxlists(tree, own_log, options)),
    )
    for images, read in ways:
        own_log = ReadLog()
        if (labelled := read(images, own_log)) is not None:
            log.notes += own_log.notes
            log.skipped += own_log.skipped + (twins.skipped if images is by_stem else [])
            return labelled
    return None


def _without_twins(tree: FileTree, log: ReadLog) -> FileTree:
    """The files without images that differ from another in their ending alone, as an annotation file names none."""
    first: dict[str, str] = {}
    twins = []
    for image in tree.images:
        if (other := first.setdefault(image.rpartition(".")[0], image)) != image:
            log.skip(image, f"it has the name of {other}, and an annotation file cannot tell them apart")
            twins.append(image)
    return tree.without(twins) if twins else tree


def read_annotation_file(path: Path, source: str, options: SourceOptions) -> Table | None:
    """COCO's JSON or a table of boxes given as a file, over the images beside it; None for another file.

    Raises:
        SourceError: `mismatched-files` where COCO's images are neither beside the file nor one folder above.
    """
    alone = FileTree(path.parent, (path.name,))
    coco = ending(path.name) == ".json" and is_coco(path)
    if not coco and not is_boxlist(alone, path.name):
        return None
    above = [path.parent.parent] if coco or _OF_MASKS.fullmatch(path.parent.name) else []
    for folder in (path.parent, *above):
        whole = FileTree.of(folder)
        images = whole.without(mask_files(whole)).images
        tree = FileTree(folder, (*images, str(path.relative_to(folder))))
        log = ReadLog()
        labelled = read_coco(tree, log) if coco else read_boxlists(tree, log, options)
        if labelled and any(item.boxes is not None for item in labelled):
            annotated = [item for item in labelled if item.boxes is not None]  # the file is about these images alone
            return replace(table_of_boxes(tree, annotated, source, log), name=source)
    if coco:
        first = f" ({log.skipped[0].reason})" if log.skipped else ""
        text = f"{source}: none of its images is in {path.parent} or the folder above{first}"
        raise SourceError("mismatched-files", text)
    return None
