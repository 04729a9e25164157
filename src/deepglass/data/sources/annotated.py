"""Pictures with annotations beside them: which kind of annotation it is."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from deepglass.data.sources.base import Findings, SourceOptions
from deepglass.data.sources.boxes import Labelled, box_table
from deepglass.data.sources.boxlist import is_boxlist, read_boxlists
from deepglass.data.sources.coco import is_coco, read_coco
from deepglass.data.sources.file_tree import Tree, ending
from deepglass.data.sources.mask_pairs import mask_files
from deepglass.data.sources.masks import look_like_masks, read_masks
from deepglass.data.sources.voc import read_voc
from deepglass.data.sources.yolo import read_yolo
from deepglass.data.table import Table
from deepglass.errors import SourceError

Reader = Callable[[Tree, Findings], list[Labelled] | None]

_WRITTEN = (".xml", ".json", ".txt", ".csv", ".tsv")  # files that may hold boxes
_OF_MASKS = re.compile(r"masks?|labels?|annotations?|annot|segmentation_?class|gt|ground_?truth", re.IGNORECASE)


def read_annotated(folder: Path, source: str, options: SourceOptions) -> Table | None:
    """A folder of pictures with boxes or masks as a table; None where it holds something else.

    Boxes come before masks. A folder of masks alone stands for the pictures beside it with these masks.
    """
    tree = Tree.of(folder)
    if not tree.pictures:
        return None
    if _OF_MASKS.fullmatch(folder.name) and not tree.ending_in(*_WRITTEN):
        beside = Tree.of(folder.parent).below(folder.name) if look_like_masks(tree) else tree
        return read_masks(beside, mask_files(beside), source)
    masks = mask_files(tree)
    findings, labelled = Findings(), None
    if tree.ending_in(*_WRITTEN) and len(masks) < len(tree.pictures):
        bare = tree.without(masks)
        labelled = _boxes(bare, findings, options)
    if labelled is None:
        return read_masks(tree, masks, source)
    if masks:
        inside = masks[0].split("/")[0]
        how = (
            f"for the masks give {source}/{inside}" if "/" in masks[0] else "for the masks keep them without the boxes"
        )
        findings.note("masks", f"{len(masks)} such as {masks[0]}", f"boxes come first; {how}")
    return box_table(bare, labelled, source, findings)


def _boxes(tree: Tree, findings: Findings, options: SourceOptions) -> list[Labelled] | None:
    """What the first kind of annotation that is there says."""
    by_stem = _without_twins(tree, twins := Findings())
    ways: tuple[tuple[Tree, Reader], ...] = (
        (tree, read_coco),
        (by_stem, read_voc),
        (by_stem, read_yolo),
        (tree, lambda tree, found: read_boxlists(tree, found, options)),
    )
    for pictures, read in ways:
        found = Findings()
        if (labelled := read(pictures, found)) is not None:
            findings.notes += found.notes
            findings.skipped += found.skipped + (twins.skipped if pictures is by_stem else [])
            return labelled
    return None


def _without_twins(tree: Tree, findings: Findings) -> Tree:
    """The files without pictures that differ from another in their ending alone, as an annotation file names none."""
    first: dict[str, str] = {}
    twins = []
    for picture in tree.pictures:
        if (other := first.setdefault(picture.rpartition(".")[0], picture)) != picture:
            findings.skip(picture, f"it has the name of {other}, and an annotation file cannot tell them apart")
            twins.append(picture)
    return tree.without(twins) if twins else tree


def read_annotation_file(path: Path, source: str, options: SourceOptions) -> Table | None:
    """COCO's JSON or a table of boxes given as a file, over the pictures beside it; None for another file.

    Raises:
        SourceError: `mismatched-files` where COCO's pictures are neither beside the file nor one folder above.
    """
    alone = Tree(path.parent, (path.name,))
    coco = ending(path.name) == ".json" and is_coco(path)
    if not coco and not is_boxlist(alone, path.name):
        return None
    above = [path.parent.parent] if coco or _OF_MASKS.fullmatch(path.parent.name) else []
    for folder in (path.parent, *above):
        whole = Tree.of(folder)
        pictures = whole.without(mask_files(whole)).pictures
        tree = Tree(folder, (*pictures, str(path.relative_to(folder))))
        findings = Findings()
        labelled = read_coco(tree, findings) if coco else read_boxlists(tree, findings, options)
        if labelled and any(item.boxes is not None for item in labelled):
            said = [item for item in labelled if item.boxes is not None]  # the file is about these pictures alone
            return replace(box_table(tree, said, source, findings), name=source)
    if coco:
        first = f" ({findings.skipped[0].reason})" if findings.skipped else ""
        text = f"{source}: none of its pictures is in {path.parent} or the folder above{first}"
        raise SourceError("mismatched-files", text)
    return None
