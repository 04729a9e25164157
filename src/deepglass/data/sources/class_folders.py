"""The class and the split of media files by the folders that hold them."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import takewhile

import numpy as np
import polars as pl

from deepglass.data.sources.base import ReadLog
from deepglass.data.sources.file_tree import folders as folders_of
from deepglass.data.sources.file_tree import stem
from deepglass.data.sources.listing import natural_key
from deepglass.data.sources.mask_pairs import is_image_folder, is_mask_folder
from deepglass.data.sources.split_names import split_folders, split_in
from deepglass.data.table import Table
from deepglass.errors import SourceError
from deepglass.features.base import Media

_UNLABELLED = frozenset(["unlabelled", "unlabeled", "unsup", "unknown_class"])
_NUMBERED_PART = re.compile(r"(fold|part|batch|chunk|split|subset|session)[-_ ]?\d+", re.IGNORECASE)
_ANNOTATIONS = (".xml", ".json", ".txt", ".csv", ".tsv")
_ANNOTATION_FOLDER = re.compile(
    r"(.*[-_ ])?(annot|annotation|mask|label|calib|box|bbox|xml)(s|es)?[-_ ]?\d*", re.IGNORECASE
)


def table_of_folders(names: Sequence[str], media: Sequence[Media], kind: str, source: str, log: ReadLog) -> Table:
    """A table of media files with the class and the split that their folders name.

    Args:
        names: of all files below the folder, in natural order.
        media: those of `kind`.

    Raises:
        SourceError: `bad-value` where a folder holds masks or boxes that were not recognised.
    """
    folders = [[unicodedata.normalize("NFC", folder) for folder in folders_of(m.name)] for m in media]
    _note_unicode(media, folders, log)
    shared = _shared(folders)
    folders = [path[shared:] for path in folders]
    media, folders, split = _in_splits(media, folders, log)
    labels = _labels(folders)
    column = pl.Series("label", labels, dtype=pl.String)
    classes = sorted(column.drop_nulls().unique(), key=natural_key)
    _refuse_annotations(names, media, classes, source)
    columns: dict[str, pl.Series | list[Media]] = {kind: list(media)}
    kinds = {kind: kind}
    if classes:
        columns["label"], kinds["label"] = column, "category"
        listed = ", ".join(classes[:6]) + (", ..." if len(classes) > 6 else "")
        log.note("label", f"{len(classes)} classes: {listed}", "the folders that hold the files")
        if column.null_count():
            log.note("unlabelled", f"{column.null_count()} files", "not in a class folder")
    else:
        log.note("files", f"{len(media)} of kind {kind}", "no class folders: there is no label")
    return Table(columns, source, *log.entries, split, "label" if classes else None, kinds)


def _note_unicode(media: Sequence[Media], folders: Sequence[list[str]], log: ReadLog) -> None:
    """Note names of folders that differ only in how their accents are encoded."""
    writings: dict[str, set[str]] = defaultdict(set)
    for item, path in zip(media, folders, strict=True):
        for raw, name in zip(folders_of(item.name), path, strict=True):
            writings[name].add(raw)
    if several := [name for name, raws in writings.items() if len(raws) > 1]:
        log.note("accents", ", ".join(several[:6]), "folders whose names differ only in their Unicode form are one")


def _shared(folders: Sequence[list[str]]) -> int:
    """The number of folders above all files; files beside the first of them do not count if there are classes below."""
    inside = [path for path in folders if path]
    if not inside:
        return 0
    first, last = min(inside), max(inside)
    shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False)))
    return shared if len(inside) == len(folders) or any(len(path) > shared for path in inside) else 0


def _in_splits(
    media: Sequence[Media], folders: list[list[str]], log: ReadLog
) -> tuple[Sequence[Media], list[list[str]], np.ndarray | None]:
    """The files with their folders and their split; files in no split are left out where the others have one."""
    named = split_folders(folders)
    if named is None:
        return media, _without_numbered_parts(_without_training_folder(folders), log), None
    outside = Counter("/".join(path) or "." for path, split in zip(folders, named.splits, strict=True) if not split)
    for folder, count in outside.items():
        reason = f"{count:,} files in no split; the splits are given by the folders {', '.join(named.names)}"
        log.skip(f"{folder}/", reason)
    rows = [i for i, split in enumerate(named.splits) if split]
    splits = [named.splits[i] for i in rows]
    log.note_split(splits, f"given by the folders {', '.join(named.names)}")
    folders = [named.folders[i] for i in rows]
    shared = _shared(folders)  # such as images in train/images/cats and test/images/cats
    folders = [path[shared:] for path in folders] if all(len(path) > shared for path in folders) else folders
    return [media[i] for i in rows], folders, np.array(splits, "U5")


def _without_training_folder(folders: list[list[str]]) -> list[list[str]]:
    """Of class folders in `train` and unlabelled files in folders beside it: the class folders, and no others."""
    tops = {path[0] for path in folders if path and split_in(path[0])}
    if len(tops) != 1:
        return folders
    top = tops.pop()
    others = [path for path in folders if path[:1] != [top]]
    classes = {path[1] for path in folders if path[:1] == [top] and len(path) > 1}
    if len(classes) < 2 or any(len(path) > 1 for path in others):
        return folders
    return [path[1:] if path[:1] == [top] else [] for path in folders]


def _without_numbered_parts(folders: list[list[str]], log: ReadLog) -> list[list[str]]:
    """Without folders such as fold1 and fold2 that hold the same class folders."""
    inside: dict[str, set[str]] = defaultdict(set)
    for path in folders:
        if len(path) < 2 or not _NUMBERED_PART.fullmatch(path[0]):
            return folders
        inside[path[0]].add(path[1])
    same = set.intersection(*inside.values()) if len(inside) > 1 else set()
    if len(same) < 2 or any(classes != same for classes in inside.values()):
        return folders
    why = "numbered parts that hold the same folders: no classes"
    log.note("parts", ", ".join(sorted(inside, key=natural_key)[:6]), why)
    return [path[1:] for path in folders]


def _labels(folders: Sequence[list[str]]) -> list[str | None]:
    return [path[0] if path and path[0].lower() not in _UNLABELLED else None for path in folders]


def _refuse_annotations(names: Sequence[str], media: Sequence[Media], classes: Sequence[str], source: str) -> None:
    """Raise an error for folders of masks or boxes that no reader recognised; a class may have such a name, too."""
    stems: dict[str, set[str]] = defaultdict(set)  # folder -> names of the media files below it
    texts: set[str] = set()  # folders of annotations
    files = {item.name for item in media}
    for name in names:
        path = name.split("/")
        for depth in range(1, len(path)):
            folder = "/".join(path[:depth])
            if name in files:
                stems[folder].add(stem(name))
            elif name.lower().endswith(_ANNOTATIONS):
                texts.add(folder)
    for folder in sorted(texts | set(stems)):
        parent, _, last = folder.rpartition("/")
        beside = [other for other in stems if other.rpartition("/")[0] == parent and other != folder]
        images = set().union(*(stems[other] for other in beside if is_image_folder(other.rpartition("/")[2])))
        own = stems.get(folder, set())
        are_texts = not own and _ANNOTATION_FOLDER.fullmatch(last)
        of_images = 2 * len(own & images) >= len(own) or is_mask_folder(last, "train")
        if are_texts or (own and is_mask_folder(last) and (not classes or of_images)):
            text = f"{source}: its folder {last!r} looks like a folder of masks or boxes, not like a class"
            raise SourceError("bad-value", f"{text}, but none of them could be read")
