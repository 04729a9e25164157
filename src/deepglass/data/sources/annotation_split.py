"""Predefined split of annotated images: by lists of names, by the annotation files, or by folders."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from deepglass.data.sources.base import SPLIT_WORDS, ReadLog
from deepglass.data.sources.file_tree import FileMatcher, FileTree, ending, folders, split_of, stem
from deepglass.data.table import Table


def with_split(
    table: Table,
    tree: FileTree,
    names: Sequence[str],
    list_folder: str,
    log: ReadLog,
    annotated_splits: Sequence[str | None] = (),
) -> Table:
    """The table with its predefined split, if it has one, and with the log; rows in no split are left out.

    Args:
        names: the image of each row.
        list_folder: a word in the folder of the lists of names to use, where there are several.
        annotated_splits: the split of each row according to the annotation files.
    """
    parents = ", ".join(sorted({"/".join(folders(name)) for name in names})[:6])
    candidates = [
        _listed_splits(tree, names, list_folder),
        (annotated_splits, "the annotation files"),
        ([split_of(name) for name in names], f"the folders {parents}"),
    ]
    for splits, why in candidates:
        assigned = np.array([split is not None for split in splits], bool)
        if len({split for split in splits if split is not None}) < 2 or 2 * assigned.sum() < len(splits):
            continue
        for i in np.flatnonzero(~assigned).tolist():
            log.skip(names[i], f"it is in no split, and the splits are given by {why}")
        split = np.array([split for split in splits if split is not None], "U5")
        log.note_split(split.tolist(), f"given by {why}")
        table = replace(table.take(np.flatnonzero(assigned)), split=_test_from_valid(split, log))
        break
    notes, skipped = log.entries
    return replace(table, notes=notes, skipped=skipped)


def _listed_splits(tree: FileTree, names: Sequence[str], prefer: str) -> tuple[Sequence[str | None], str]:
    """The split of each image by lists such as ImageSets/Main/train.txt; empty without lists."""
    lists = [f for f in tree.files if ending(f) in (".txt", ".lst") and stem(f).lower() in SPLIT_WORDS]
    parents = {tuple(folders(f)) for f in lists}
    matcher = FileMatcher(names)
    for parent in sorted(parents, key=lambda parent: (prefer not in "/".join(parent).lower(), parent)):
        split_by_image: dict[str, str] = {}
        for file in (f for f in lists if tuple(folders(f)) == parent):
            for line in filter(None, map(str.strip, tree.text(file).splitlines())):
                image = matcher.named(line, file) or matcher.named(line.split()[0], file)  # some add the mask's path
                if image is not None:
                    split_by_image.setdefault(image, SPLIT_WORDS[stem(file).lower()])
        if len(set(split_by_image.values())) > 1:
            return [split_by_image.get(name) for name in names], f"the lists in {'/'.join(parent) or 'its folder'}"
    return [], ""


def _test_from_valid(split: np.ndarray, log: ReadLog) -> np.ndarray:
    """Where only training and validation are given, validation becomes the test; validation is drawn from training."""
    if set(split) != {"train", "valid"}:
        return split
    log.note("test", "its validation split", "it has no test split; validation rows are drawn from training")
    return np.where(split == "valid", "test", split)
