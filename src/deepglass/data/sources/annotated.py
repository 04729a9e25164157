"""Folders of pictures with annotations beside them: which kind of annotation it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from deepglass.data.sources.base import Findings
from deepglass.data.sources.boxes import Labelled, box_table
from deepglass.data.sources.masks import mask_files, read_masks
from deepglass.data.sources.tree import Tree
from deepglass.data.sources.voc import read_voc
from deepglass.data.sources.yolo import read_yolo
from deepglass.data.table import Table

_BOXES: tuple[Callable[[Tree, Findings], list[Labelled] | None], ...] = (read_voc, read_yolo)


def read_annotated(folder: Path, source: str) -> Table | None:
    """Pictures with boxes or masks as a table; None where a folder holds something else."""
    tree = Tree.of(folder)
    if not tree.pictures:
        return None
    masks = mask_files(tree)
    bare = tree.without(masks)
    for reader in _BOXES:
        findings = Findings()
        if (labelled := reader(bare, findings)) is not None:
            if masks:
                where = masks[0].split("/")[0]
                findings.note(
                    "masks", f"{len(masks)} in {where}/", f"boxes come first; for the masks give {source}/{where}"
                )
            return box_table(bare, labelled, source, findings)
    return read_masks(tree, source)
