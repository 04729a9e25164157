"""Pictures beside masks: `train/` and `trainannot/`, `images/` and `masks/`, `1.jpg` and `1_mask.png`.

A mask is a picture of one number a pixel, the class. It belongs to the picture of its name, in the folder that is
called the same but for a word such as "masks" or "annot".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import Image as Pillow

from deepglass.data.sources.base import Findings
from deepglass.data.sources.look import GREY, Looks, look_at
from deepglass.data.sources.tree import Tree, class_names, folders, part_of, shown, split_by, stem
from deepglass.data.table import Table
from deepglass.errors import SourceError
from deepglass.features._pictures import BROKEN
from deepglass.features.base import Media

_MASK_WORDS = (
    "annots?|annotations?|annotated|masks?|labels?|gts?|ground[-_ ]?truths?|segs?|segmentations?|segmentation_?class"
    "|semantic|targets?|gtfine|label_?ids"
)
_PICTURE_WORDS = "images?|imgs?|jpegimages|pictures?|photos?|inputs?|rgb|frames|leftimg8bit|original|data"
_MASK_FOLDER = re.compile(rf"(.*?)[-_ ]?(?:{_MASK_WORDS})", re.IGNORECASE)
_PICTURE_FOLDER = re.compile(rf"(.*?)[-_ ]?(?:{_PICTURE_WORDS})", re.IGNORECASE)
_MASK_STEM = re.compile(
    r"(?:mask|label|seg|gt)[-_ ]?(?P<behind>\d.*)|(?P<before>.+?)[-_ ](?:masks?|l|labels?|segs?|segmentation|gt|annot"
    r"|gtfine[-_]label(?:train)?ids)",
    re.IGNORECASE,
)
_PICTURE_STEM = re.compile(
    r"(?:image|img|picture)[-_ ]?(?P<behind>\d.*)|(?P<before>.+?)[-_ ](?:images?|img|leftimg8bit)", re.IGNORECASE
)
_VOID = re.compile(r"(unlabell?ed|unlabel|void|ignored?|don'?t[-_ ]?care|unassigned|unannotated)", re.IGNORECASE)
_BORDER = 255  # the value of pixels that nobody decided upon, by the custom of VOC and Cityscapes
_SAMPLE = 200  # masks whose values are looked at, spread over all


class Pair(NamedTuple):
    """A picture and its mask, by their names."""

    picture: str
    mask: str


def mask_files(tree: Tree) -> list[str]:
    """The pictures that lie in a folder of masks or are called one of another picture."""
    plain = {(*folders(name), stem(name).lower()) for name in tree.pictures}
    return [name for name in tree.pictures if _in_masks(name) or _beside(name, plain)]


def _in_masks(name: str) -> bool:
    return any(_MASK_FOLDER.fullmatch(folder) for folder in folders(name))


def _beside(name: str, plain: set[tuple[str, ...]]) -> bool:
    """Whether the picture that this is the mask of lies in the same folder."""
    bare = _bare(stem(name).lower(), _MASK_STEM)
    return bare is not None and (*folders(name), bare) in plain


def read_masks(tree: Tree, source: str) -> Table | None:
    """Columns `image` and `mask` of a folder; None where it holds no pictures beside masks.

    Raises:
        SourceError: `mismatched-files` where no mask fits its picture.
    """
    masks = mask_files(tree)
    masked = set(masks)
    pictures = [name for name in tree.pictures if name not in masked]
    if not masks or not pictures or not _single_numbers(tree, masks):
        return None
    findings = Findings()
    pairs = _paired(pictures, masks, findings)
    if 2 * len(pairs) < min(len(masks), len(pictures)):
        return None
    pairs = _checked(tree, pairs, findings)
    if not pairs:
        first = findings.skipped[0]
        text = f"{source}: none of its masks can be used, such as {first.name}: {first.reason}"
        raise SourceError("mismatched-files", text)
    for folder in tree.empty:
        findings.skip(f"{folder}/", "an empty folder")
    split = split_by([part_of(pair.picture) for pair in pairs], _why(pairs), findings)
    images, found = ([tree.media(name) for name in names] for names in zip(*pairs, strict=True))
    findings.note("mask", f"{len(pairs)} pictures with a mask", f"such as {pairs[0].picture} and {pairs[0].mask}")
    hints = _hints(tree, found, findings)
    return Table(
        {"image": images, "mask": found},
        source,
        tuple(findings.notes),
        tuple(findings.skipped),
        split,
        "mask",
        {"image": "image", "mask": "mask"},
        {"mask": hints},
    )


def _why(pairs: Sequence[Pair]) -> str:
    return "the folders " + ", ".join(sorted({"/".join(folders(pair.picture)) for pair in pairs})[:6])


def _single_numbers(tree: Tree, masks: Sequence[str]) -> bool:
    """Whether most of a few of the masks have one number a pixel: photographs in a class folder have three."""
    few = masks[:: max(1, len(masks) // 10)]
    grey = 0
    for name in few:
        try:
            grey += look_at(tree.media(name)).mode in GREY
        except BROKEN:
            continue
    return 2 * grey >= len(few)


# -- which mask is whose -----------------------------------------------------------------------------------------


def _paired(pictures: Sequence[str], masks: Sequence[str], findings: Findings) -> list[Pair]:
    """Each picture with the mask of its name in the folder that answers to its own; else the only one of its name."""
    by_place: dict[tuple[str, ...], str] = {}
    by_stem: dict[str, list[str]] = {}
    for name in masks:
        bare = _bare(stem(name).lower(), _MASK_STEM)
        for word in {stem(name).lower(), bare} - {None}:
            by_stem.setdefault(str(word), []).append(name)
            key = (*_place(name, _MASK_FOLDER), str(word))
            by_place.setdefault(key, name)
    pairs: list[Pair] = []
    taken: dict[str, str] = {}
    for name in pictures:
        mask = _mask_of(name, by_place, by_stem)
        if mask is None:
            findings.skip(name, "there is no mask of its name")
        elif mask in taken:
            findings.skip(name, f"it has the name of {taken[mask]}, and both would have the mask {mask}")
        else:
            taken[mask] = name
            pairs.append(Pair(name, mask))
    for name in masks:
        if name not in taken:
            findings.skip(name, "a mask without a picture, or a second one")
    return pairs


def _mask_of(name: str, by_place: dict[tuple[str, ...], str], by_stem: dict[str, list[str]]) -> str | None:
    words = [stem(name).lower(), _bare(stem(name).lower(), _PICTURE_STEM)]
    for word in filter(None, words):
        for place in (tuple(folders(name)), _place(name, _PICTURE_FOLDER)):
            if found := by_place.get((*place, word)):
                return found
    for word in filter(None, words):
        if len(found_all := by_stem.get(word, [])) == 1:
            return found_all[0]
    return None


def _place(name: str, words: re.Pattern[str]) -> tuple[str, ...]:
    """The folders above a file without the words for pictures or masks: ("train",) of images/train/1.jpg."""
    bare = [match[1] if (match := words.fullmatch(folder)) else folder for folder in folders(name)]
    return tuple(folder for folder in bare if folder)


def _bare(word: str, pattern: re.Pattern[str]) -> str | None:
    match = pattern.fullmatch(word)
    return None if match is None else match["behind"] or match["before"]


# -- what is in them ---------------------------------------------------------------------------------------------


def _checked(tree: Tree, pairs: Sequence[Pair], findings: Findings) -> list[Pair]:
    """The pairs whose headers say the same size."""
    looks, of_masks = Looks(findings), Looks(findings)
    kept = []
    for pair in pairs:
        picture, mask = looks.at(tree.media(pair.picture)), of_masks.at(tree.media(pair.mask))
        if picture is None or mask is None:
            continue
        if mask.mode not in GREY:
            findings.skip(pair.mask, f"expected a mask of one number a pixel, got colours ({mask.mode})")
        elif mask.size != picture.size:
            sizes = f"{mask.columns} x {mask.rows} pixels, its picture {picture.columns} x {picture.rows}"
            turned = " as its EXIF entry turns it" if picture.turn >= 5 and mask.size == picture.stored else ""
            findings.skip(pair.mask, f"a mask of {sizes}{turned}")
        else:
            kept.append(pair)
    looks.tell()
    return kept


def _hints(tree: Tree, masks: Sequence[Media], findings: Findings) -> dict[str, Any]:
    """The classes' names, and the class that does not count."""
    named, file = class_names(tree, "mask", findings)
    values = _values(masks, findings)
    nameless = sorted(set(values) - set(named) - {_BORDER}) if named else []
    for value in nameless[:20]:
        findings.note("nameless class", f"value {value} in {values[value]}", f"it has no name in {file}")
    last = max([*named, *(set(values) - {_BORDER})], default=0)
    void = [value for value, name in named.items() if _VOID.fullmatch(name.strip())]
    ignore = void[0] if void else _BORDER if _BORDER in values and _BORDER not in named and last < _BORDER - 1 else None
    hints: dict[str, Any] = {}
    if named:
        hints["names"] = tuple(named.get(value, f"class {value}") for value in range(last + 1))
    else:
        findings.note("classes", shown([str(v) for v in sorted(values)]), "values in the masks; no file names them")
    if ignore is not None:
        hints["ignore"] = ignore
        name = f"{named[ignore]!r} ({ignore})" if ignore in named else str(ignore)
        findings.note("ignored", name, "pixels of it teach nothing and are not judged")
    return hints


def _values(masks: Sequence[Media], findings: Findings) -> dict[int, str]:
    """Each value in some of the masks, and a mask that has it."""
    values: dict[int, str] = {}
    for i in np.unique(np.linspace(0, len(masks) - 1, min(len(masks), _SAMPLE)).astype(int)):
        try:
            with Pillow.open(masks[i].path) as opened:
                pixels = np.asarray(opened)
        except BROKEN:
            continue  # the feature names it when all are read
        for value in np.unique(pixels):
            values.setdefault(int(value), masks[i].name)
    return values
