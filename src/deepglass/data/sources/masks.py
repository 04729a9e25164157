"""Pictures beside masks: `train/` and `trainannot/`, `images/` and `masks/`, `1.jpg` and `1_mask.png`.

A mask is a picture of one number a pixel, the class. It belongs to the picture of its name, in the folder that is
called the same but for a word such as "masks" or "annot".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from deepglass.data.sources.annotation_split import with_split
from deepglass.data.sources.base import Findings
from deepglass.data.sources.class_names import class_names, shown
from deepglass.data.sources.file_tree import Tree
from deepglass.data.sources.image_headers import Look, Looks, look_at
from deepglass.data.sources.mask_pairs import Pair, paired
from deepglass.data.sources.palettes import MOST_COLOURS, as_numbers
from deepglass.data.table import Table
from deepglass.errors import SourceError
from deepglass.features._images import BROKEN, Picture, decode, decode_indices, each
from deepglass.features.base import Media

_VOID = re.compile(r"(unlabell?ed|unlabel|void|ignored?|don'?t[-_ ]?care|unassigned|unannotated)", re.IGNORECASE)
_BORDER = 255  # the value of pixels that nobody decided upon, by the custom of VOC and Cityscapes
_SAMPLE = 4000  # masks that are decoded to see what is in them, spread over all
_SAME_SHAPE = 0.02  # relative difference of two ratios of sides that still are one shape
_STRAY = 0.05  # share of the masks that have a value, against the most frequent one, below which it is a mistake


def read_masks(tree: Tree, masks: Sequence[str], source: str) -> Table | None:
    """Columns `image` and `mask` of a folder; None where it holds no pictures beside masks.

    Args:
        masks: the files of `pairs.mask_files`.

    Raises:
        SourceError: `mismatched-files` where no mask fits its picture.
    """
    masked = set(masks)
    pictures = [name for name in tree.pictures if name not in masked]
    if not masks or not pictures or not look_like_masks(tree.only(masks)):
        return None
    findings = Findings()
    pairs = paired(pictures, masks, findings)
    if 2 * len(pairs) < min(len(masks), len(pictures)):
        return None
    kept, hints = _usable(tree, pairs, findings)
    if not kept:
        odd = findings.skipped[0]
        text = f"{source}: none of its masks can be used, such as {odd.name}: {odd.reason}"
        raise SourceError("mismatched-files", text)
    for folder in tree.empty:
        findings.skip(f"{folder}/", "an empty folder")
    names = [pair.picture for pair, _ in kept]
    table = Table(
        {"image": [tree.media(name) for name in names], "mask": [media for _, media in kept]},
        source,
        target="mask",
        kinds={"image": "image", "mask": "mask"},
        hints={"mask": hints},
    )
    findings.note("mask", f"{len(kept)} pictures with a mask", f"such as {names[0]} and {kept[0][1].name}")
    return with_split(table, tree, names, "segmentation", findings)


def _usable(tree: Tree, pairs: Sequence[Pair], findings: Findings) -> tuple[list[tuple[Pair, Media]], dict[str, Any]]:
    """The pairs that fit each other, with their masks as class numbers, and the hints for these."""
    pairs = _of_one_size(tree, pairs, findings)
    found = as_numbers([tree.media(pair.mask) for pair in pairs], tree, findings)
    named, file = (found.names, found.file) if found.names else class_names(tree, "mask", findings)
    seen = _seen(found.masks)
    hints = _hints(seen, named, file, findings)
    for mask, fault in seen.faults.items():
        findings.skip(mask, fault)
    both = zip(pairs, found.masks, strict=True)
    return [(pair, media) for pair, media in both if pair.mask not in seen.faults], hints


def look_like_masks(tree: Tree) -> bool:
    """Whether most of a few of the pictures may be masks: photographs have colours, or more values than classes."""
    few = tree.pictures[:: max(1, len(tree.pictures) // 10)]
    return 2 * sum(_may_be_mask(tree.media(name)) for name in few) >= len(few)


def _may_be_mask(media: Media) -> bool:
    try:
        if look_at(media).format == "JPEG":
            return False
        pixels = decode(media)
    except (SourceError, *BROKEN):
        return False
    return pixels.shape[2] < 3 or len(np.unique(pixels.reshape(-1, pixels.shape[2]), axis=0)) <= MOST_COLOURS


# -- what is in them ---------------------------------------------------------------------------------------------


def _of_one_size(tree: Tree, pairs: Sequence[Pair], findings: Findings) -> list[Pair]:
    """The pairs whose headers say the same size, or the same shape where most differ in size alone."""
    looks, of_masks = Looks(findings), Looks(findings)
    seen = [(pair, looks.at(tree.media(pair.picture)), of_masks.at(tree.media(pair.mask))) for pair in pairs]
    both = [(pair, picture, mask) for pair, picture, mask in seen if picture is not None and mask is not None]
    looks.tell()
    of_shape = [pair for pair, picture, mask in both if mask.size != picture.size and _same_shape(mask, picture)]
    scaled = set(of_shape) if 2 * len(of_shape) > len(both) else set()
    if scaled:
        why = "most masks have another size than their pictures but the same shape: they are laid over them"
        findings.note("mask size", f"{len(scaled)} masks, such as {of_shape[0].mask}", why)
    kept = []
    for pair, picture, mask in both:
        if mask.size == picture.size or pair in scaled:
            kept.append(pair)
        else:
            sizes = f"{mask.columns} x {mask.rows} pixels, its picture {picture.columns} x {picture.rows}"
            turned = " as its EXIF entry turns it" if picture.turn >= 5 and mask.size == picture.stored else ""
            findings.skip(pair.mask, f"a mask of {sizes}{turned}")
    return kept


def _same_shape(mask: Look, picture: Look) -> bool:
    return abs(mask.rows * picture.columns / (mask.columns * picture.rows) - 1) <= _SAME_SHAPE


class _Seen(NamedTuple):
    """What the masks hold.

    Args:
        faults: mask -> why it cannot be used.
        values: class number -> the masks that have it.
    """

    faults: dict[str, str]
    values: dict[int, list[str]]


def _seen(masks: Sequence[Media]) -> _Seen:
    """The values of the masks; of very many only some are decoded, and the feature names the faults of the rest."""
    seen = _Seen({}, {})
    some = [masks[i] for i in np.unique(np.linspace(0, len(masks) - 1, min(len(masks), _SAMPLE)).astype(int))]
    for media, found in zip(some, each(_values, some), strict=True):
        if isinstance(found, str):
            seen.faults[media.name] = found.partition("] ")[2].removeprefix(f"{media.name}: ")
        else:
            for value in found:
                seen.values.setdefault(value, []).append(media.name)
    return seen


def _values(picture: Picture) -> list[int] | str:
    try:
        return [int(value) for value in np.unique(decode_indices(picture))]
    except SourceError as error:
        return str(error)


def _hints(seen: _Seen, named: dict[int, str], file: str, findings: Findings) -> dict[str, Any]:
    """The classes' names, and the class that does not count; a mask with a stray value is named among the faults."""
    values = dict(seen.values)
    if set(values) == {0, _BORDER} and not named:
        named = {0: "background", _BORDER: "object"}
        findings.note("classes", "0 background, 255 object", "the only values in the masks; no file names them")
    stray = _STRAY * max(map(len, values.values()), default=0)
    for value in sorted(set(values) - set(named) - {_BORDER}) if named else ():
        if len(values[value]) <= stray:
            for mask in values.pop(value):
                seen.faults.setdefault(mask, f"its value {value} has no name in {file}")
        else:
            why = f"it has no name in {file}; it is called 'class {value}'"
            findings.note("nameless class", f"value {value} in {len(values[value])} masks, {values[value][0]}", why)
    last = max([*named, *(set(values) - {_BORDER})], default=0)
    void = [value for value, name in named.items() if _VOID.fullmatch(name.strip())]
    ignore = void[0] if void else _BORDER if _BORDER in values and _BORDER not in named and last < _BORDER else None
    hints: dict[str, Any] = {}
    if named:
        hints["names"] = tuple(named.get(value, f"class {value}") for value in range(last + 1))
    else:
        found = [str(v) for v in sorted(values) if v != ignore]
        findings.note("classes", shown(found), "values in the masks; no file names them")
    if ignore is not None:
        hints["ignore"] = ignore
        name = f"{named[ignore]!r} ({ignore})" if ignore in named else str(ignore)
        findings.note("ignored", name, "pixels of it teach nothing and are not judged")
    return hints
