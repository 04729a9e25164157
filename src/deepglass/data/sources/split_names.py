"""Splits that the names of folders state: train, Train Data, training_set, seg_train, train2017."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from deepglass.data.sources.base import SPLIT_WORDS

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_]+")  # TrainData is two words
_GENERIC = r"(?:data(?:set)?s?|sets?|imag(?:e|es)|imgs?|img|pictures?|photos?|files?|folder|split|samples?|subset|dir)"
_JOINED = re.compile(rf"({'|'.join(sorted(SPLIT_WORDS, key=len, reverse=True))}){_GENERIC}?")
_MAX_LEVEL = 3  # folders below the first that may name a split


class SplitName(NamedTuple):
    """A folder's name that states a split.

    Args:
        split: "train", "valid" or "test".
        rest: its other words that say something, such as ("seg",) of seg_train.
    """

    split: str
    rest: tuple[str, ...]


class SplitFolders(NamedTuple):
    """The split of each file from the names of its folders.

    Args:
        splits: "" for a file in no split.
        folders: the folders of each file without those that name the split.
        names: of the folders that name the splits.
    """

    splits: list[str]
    folders: list[list[str]]
    names: list[str]


def split_in(name: str) -> SplitName | None:
    """The split that a folder's name states; None for a name without exactly one word for a split."""
    if (lower := name.strip().lower()) in SPLIT_WORDS:
        return SplitName(SPLIT_WORDS[lower], ())
    words = [word.lower() for word in _WORDS.findall(name)]
    matches = [_JOINED.fullmatch(word) for word in words]
    splits = {SPLIT_WORDS[match[1]] for match in matches if match}
    if len(splits) != 1:
        return None
    others = (word for word, match in zip(words, matches, strict=True) if match is None)
    return SplitName(splits.pop(), tuple(w for w in others if not w.isdigit() and not re.fullmatch(_GENERIC, w)))


def split_folders(folders: Sequence[list[str]]) -> SplitFolders | None:
    """The splits that folders of one level name; None where they name none.

    Folders beside them that name no split are in none, provided that the others differ in their split alone and hold
    most of the files. Where the names hold a class too, as in cats_train and cats_test, the class replaces the folder.

    Args:
        folders: of each file.
    """
    for level in range(_MAX_LEVEL):
        names = [path[level] if len(path) > level else "" for path in folders]
        stated = {name: split_in(name) for name in set(names)}
        matches = [stated[name] for name in names]
        present = [match for match in matches if match is not None]
        rests = {match.rest for match in present}
        if len({match.split for match in present}) < 2 or "train" not in {match.split for match in present}:
            continue
        complete = len(present) == len(names)
        if not complete and (len(rests) > 1 or 2 * len(present) < len(names)):
            continue
        inner = any(len(path) > level + 1 for path, match in zip(folders, matches, strict=True) if match)
        class_names = _class_names(stated) if len(rests) > 1 and level == 0 and not inner else {}
        inside = _folders_inside(folders)
        splits, shorter = [], []
        for path, name, match in zip(folders, names, matches, strict=True):
            splits.append(match.split if match else "")
            below = path[level + 1 :]
            while match and below and (repeated := split_in(below[0])) and repeated.split == match.split:
                if len(inside[tuple(path[: len(path) - len(below)])]) > 1:
                    break  # a class: train/train beside train/bus
                below = below[1:]  # training_set/training_set/cats
            shorter.append([*path[:level], *([class_names[name]] if name in class_names else []), *below])
        return SplitFolders(splits, shorter, sorted(name for name, match in stated.items() if match))
    return None


def _folders_inside(folders: Sequence[list[str]]) -> dict[tuple[str, ...], set[str]]:
    """The names of the folders in each folder."""
    inside: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for path in folders:
        for depth, name in enumerate(path):
            inside[tuple(path[:depth])].add(name)
    return inside


def _class_names(stated: dict[str, SplitName | None]) -> dict[str, str]:
    """The class in each name such as cats_train; empty unless each class has several splits."""
    rests = Counter(match.rest for match in stated.values() if match)
    if min(rests.values()) < 2 or () in rests:
        return {}
    return {name: " ".join(match.rest) for name, match in stated.items() if match}
