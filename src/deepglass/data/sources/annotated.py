"""Folders of pictures with annotations beside them: which kind of annotation it is."""

from __future__ import annotations

from pathlib import Path

from deepglass.data.sources.masks import read_masks
from deepglass.data.sources.tree import Tree
from deepglass.data.table import Table


def read_annotated(folder: Path, source: str) -> Table | None:
    """Pictures with boxes or masks as a table; None where a folder holds something else."""
    tree = Tree.of(folder)
    if not tree.pictures:
        return None
    return read_masks(tree, source)
