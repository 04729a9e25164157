"""Which mask is whose: by name, in the folder that is called the same but for a word such as "masks" or "annot"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from deepglass.data.sources.base import ReadLog
from deepglass.data.sources.file_tree import FileTree, folders, stem

_MASK_WORDS = (
    "annots?|annotations?|annotated|masks?|labels?|gts?|ground[-_ ]?truths?|segs?|segmentations?"
    "|segmentation_?(?:class|object)|semantic|targets?|gtfine|label_?ids"
)
_PICTURE_WORDS = "images?|imgs?|jpegimages|pictures?|photos?|inputs?|rgb|frames|leftimg8bit|original|data"
_MASK_FOLDER = re.compile(rf"(.*?)[-_ ]?(?:{_MASK_WORDS})", re.IGNORECASE)
_ROLE = re.compile(rf"(.*?)[-_ ]?(?:{_MASK_WORDS}|{_PICTURE_WORDS})", re.IGNORECASE)
_MASK_STEM = re.compile(
    r"(?:mask|label|seg|gt)[-_ ]?(?P<behind>\d.*)|(?P<before>.+?)[-_ ](?:masks?|l|labels?|segs?|segmentation|gt|annot"
    r"|gtfine[-_]label(?:train)?ids)",
    re.IGNORECASE,
)
_PICTURE_STEM = re.compile(
    r"(?:image|img|picture)[-_ ]?(?P<behind>\d.*)|(?P<before>.+?)[-_ ](?:images?|img|leftimg8bit)", re.IGNORECASE
)


class ImageMaskPair(NamedTuple):
    """An image and its mask, by their names."""

    image: str
    mask: str


def mask_files(tree: FileTree) -> list[str]:
    """The images that lie in a folder of masks or are called one of another image."""
    inside = {above: any(map(_MASK_FOLDER.fullmatch, above)) for above in {tuple(folders(n)) for n in tree.images}}
    plain = {(*folders(name), stem(name).lower()) for name in tree.images}
    return [name for name in tree.images if inside[tuple(folders(name))] or _beside(name, plain)]


def _beside(name: str, plain: set[tuple[str, ...]]) -> bool:
    """Whether the image that this is the mask of lies in the same folder."""
    bare = _bare(stem(name).lower(), _MASK_STEM)
    return bare is not None and (*folders(name), bare) in plain


def pair_masks(images: Sequence[str], masks: Sequence[str], log: ReadLog) -> list[ImageMaskPair]:
    """Each image with the mask of its name in the folder that answers to its own; else the only one of its name."""
    by_place: dict[tuple[str, ...], str] = {}
    by_stem: dict[str, list[str]] = {}
    for name in masks:
        bare = _bare(stem(name).lower(), _MASK_STEM)
        for word in {stem(name).lower(), bare} - {None}:
            by_stem.setdefault(str(word), []).append(name)
            key = (*_place(name), str(word))
            by_place.setdefault(key, name)
    pairs: list[ImageMaskPair] = []
    taken: dict[str, str] = {}
    for name in images:
        mask = _mask_of(name, by_place, by_stem)
        if mask is None:
            log.skip(name, "there is no mask of its name")
        elif mask in taken:
            log.skip(name, f"it has the name of {taken[mask]}, and both would have the mask {mask}")
        else:
            taken[mask] = name
            pairs.append(ImageMaskPair(name, mask))
    for name in masks:
        if name not in taken:
            log.skip(name, "a mask without an image, or a second one")
    return pairs


def _mask_of(name: str, by_place: dict[tuple[str, ...], str], by_stem: dict[str, list[str]]) -> str | None:
    words = [stem(name).lower(), _bare(stem(name).lower(), _PICTURE_STEM)]
    for word in filter(None, words):
        for place in (tuple(folders(name)), _place(name)):
            if found := by_place.get((*place, word)):
                return found
    for word in filter(None, words):
        if len(found_all := by_stem.get(word, [])) == 1:
            return found_all[0]
    return None


def _place(name: str) -> tuple[str, ...]:
    """The folders above a file without the words for what it is: ("train",) of images/train/1.jpg."""
    bare = [match[1] if (match := _ROLE.fullmatch(folder)) else folder for folder in folders(name)]
    return tuple(folder for folder in bare if folder)


def _bare(word: str, pattern: re.Pattern[str]) -> str | None:
    match = pattern.fullmatch(word)
    return None if match is None else match["behind"] or match["before"]
