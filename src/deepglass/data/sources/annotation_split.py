"""The split that annotated images bring: by lists of names, by the annotation files, or by folders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from deepglass.data.sources.base import SPLIT_NAMES, SPLIT_WORDS, ReadLog
from deepglass.data.sources.file_tree import FileMatcher, FileTree, ending, folders, split_of, stem
from deepglass.data.table import Table

Parts = Sequence[str | None]


def with_split(
    table: Table, tree: FileTree, names: Sequence[str], lists: str, log: ReadLog, given: Parts = ()
) -> Table:
    """The table with its own split, if it has one, and with all that was noticed; rows that are in no part go.

    Args:
        names: the image of each row.
        lists: a word in the folder of the lists of names that are meant, where there are several.
        given: the part of each row by the annotation files.
    """
    above = ", ".join(sorted({"/".join(folders(name)) for name in names})[:6])
    ways = [
        _listed(tree, names, lists),
        (given, "the annotation files"),
        ([split_of(name) for name in names], f"the folders {above}"),
    ]
    for parts, why in ways:
        assigned = np.array([part is not None for part in parts], bool)
        if len({part for part in parts if part is not None}) < 2 or 2 * assigned.sum() < len(parts):
            continue
        for i in np.flatnonzero(~assigned).tolist():
            log.skip(names[i], f"it is in no part of the split, which is given by {why}")
        split = np.array([part for part in parts if part is not None], "U5")
        counts = ", ".join(f"{part} {(split == part).sum()}" for part in SPLIT_NAMES if (split == part).any())
        log.note("split", counts, f"given by {why}")
        table = replace(table.take(np.flatnonzero(assigned)), split=_held_out(split, log))
        break
    return replace(table, notes=tuple(log.notes), skipped=tuple(log.skipped))


def _listed(tree: FileTree, names: Sequence[str], prefer: str) -> tuple[Parts, str]:
    """The part of each image by lists such as ImageSets/Main/train.txt; nothing where there are none."""
    lists = [f for f in tree.files if ending(f) in (".txt", ".lst") and stem(f).lower() in SPLIT_WORDS]
    above = sorted(
        {tuple(folders(f)) for f in lists}, key=lambda folder: (prefer not in "/".join(folder).lower(), folder)
    )
    matcher = FileMatcher(names)
    for folder in above:
        part_by: dict[str, str] = {}
        for file in (f for f in lists if tuple(folders(f)) == folder):
            for line in filter(None, map(str.strip, tree.text(file).splitlines())):
                image = matcher.named(line, file) or matcher.named(line.split()[0], file)  # some add the mask's path
                if image is not None:
                    part_by.setdefault(image, SPLIT_WORDS[stem(file).lower()])
        if len(set(part_by.values())) > 1:
            return [part_by.get(name) for name in names], f"the lists in {'/'.join(folder) or 'its folder'}"
    return [], ""


def _held_out(split: np.ndarray, log: ReadLog) -> np.ndarray:
    """Where only training and validation are given, what was held out is the test; validation is cut from training."""
    if set(split) != {"train", "valid"}:
        return split
    log.note("test", "its validation part", "there is no test part; validation rows are drawn from training")
    return np.where(split == "valid", "test", split)
