"""Pairs of images and masks, matched by file name and by folder names without words such as "masks" or "annot"."""

import re
from collections.abc import Sequence
from itertools import takewhile
from typing import NamedTuple

from deepglass.data.sources.base import ReadLog
from deepglass.data.sources.file_tree import FileTree, bare_folders, folders, stem

_MASK_WORDS = (
    "annots?|annotations?|annotated|masks?|labels?|gts?|ground[-_ ]?truths?|segs?|segmentations?"
    "|segmentation_?(?:class|object)|semantic|targets?|gtfine|label_?ids"
)
_IMAGE_WORDS = "images?|imgs?|jpegimages|pictures?|photos?|inputs?|rgb|frames|leftimg8bit|original|data"
_MASK_FOLDER = re.compile(rf"(.*?)[-_ ]?(?:{_MASK_WORDS})", re.IGNORECASE)
_IMAGE_FOLDER = re.compile(rf"(.*?)[-_ ]?(?:{_IMAGE_WORDS})", re.IGNORECASE)
_ROLE = re.compile(rf"(.*?)[-_ ]?(?:{_MASK_WORDS}|{_IMAGE_WORDS})", re.IGNORECASE)
_MASK_STEM = re.compile(
    r"(?:mask|label|seg|gt)[-_ ]?(?P<behind>\d.*)|(?P<before>.+?)[-_ ](?:masks?|l|labels?|segs?|segmentation|gt|annot"
    r"|gtfine[-_]label(?:train)?ids)",
    re.IGNORECASE,
)
_IMAGE_STEM = re.compile(
    r"(?:image|img|picture)[-_ ]?(?P<behind>\d.*)|(?P<before>.+?)[-_ ](?:images?|img|leftimg8bit)", re.IGNORECASE
)


class ImageMaskPair(NamedTuple):
    """The file names of an image and its mask."""

    image: str
    mask: str


def is_mask_folder(name: str, images: str | None = None) -> bool:
    """Whether a folder has the name of one with masks, as `masks` and `trainannot`.

    Args:
        images: the name of the folder with their images, as `train`; None for any.
    """
    match = _MASK_FOLDER.fullmatch(name)
    return match is not None and images in (None, match[1].lower())


def is_image_folder(name: str) -> bool:
    """Whether a folder has the name of one with the images of masks, as `images`."""
    return _IMAGE_FOLDER.fullmatch(name) is not None


def mask_files(tree: FileTree) -> list[str]:
    """Image files that are masks: in a folder of masks, or named as the mask of another image.

    A folder that holds all images says nothing of them, as `masks` above `images` and `masks`.
    """
    parents = {tuple(folders(name)) for name in tree.images}
    first, last = min(parents, default=()), max(parents, default=())
    above = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False)))
    mask_folders = {parent for parent in parents if any(map(is_mask_folder, parent[above:]))}
    stems = {(*folders(name), stem(name).lower()) for name in tree.images}

    def is_mask(name: str) -> bool:
        bare = _bare(stem(name).lower(), _MASK_STEM)
        return tuple(folders(name)) in mask_folders or (bare is not None and (*folders(name), bare) in stems)

    return list(filter(is_mask, tree.images))


def pair_masks(images: Sequence[str], masks: Sequence[str], log: ReadLog) -> list[ImageMaskPair]:
    """Each image with the mask of its name in the corresponding folder, or the only mask of its name."""
    by_folder: dict[tuple[str, ...], str] = {}
    by_stem: dict[str, list[str]] = {}
    for name in masks:
        bare = _bare(stem(name).lower(), _MASK_STEM)
        for word in {stem(name).lower(), bare} - {None}:
            by_stem.setdefault(str(word), []).append(name)
            by_folder.setdefault((*bare_folders(name, _ROLE), str(word)), name)
    pairs: list[ImageMaskPair] = []
    image_of: dict[str, str] = {}
    for name in images:
        mask = _mask_of(name, by_folder, by_stem)
        if mask is None:
            log.skip(name, "there is no mask of its name")
        elif mask in image_of:
            log.skip(name, f"it has the name of {image_of[mask]}, and both would have the mask {mask}")
        else:
            image_of[mask] = name
            pairs.append(ImageMaskPair(name, mask))
    for name in masks:
        if name not in image_of:
            log.skip(name, "a mask without an image, or a second one")
    return pairs


def corresponds(pair: ImageMaskPair) -> bool:
    """Whether a mask lies beside its image, or in the folder of masks that corresponds to the image's."""
    beside = folders(pair.image) == folders(pair.mask)
    return beside or bare_folders(pair.image, _ROLE) == bare_folders(pair.mask, _ROLE)


def _mask_of(name: str, by_folder: dict[tuple[str, ...], str], by_stem: dict[str, list[str]]) -> str | None:
    words = [stem(name).lower(), _bare(stem(name).lower(), _IMAGE_STEM)]
    for word in filter(None, words):
        for folder in (tuple(folders(name)), bare_folders(name, _ROLE)):
            if mask := by_folder.get((*folder, word)):
                return mask
    for word in filter(None, words):
        if len(same := by_stem.get(word, [])) == 1:
            return same[0]
    return None


def _bare(word: str, pattern: re.Pattern[str]) -> str | None:
    match = pattern.fullmatch(word)
    return None if match is None else match["behind"] or match["before"]
