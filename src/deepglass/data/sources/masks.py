"""Images beside masks: `train/` and `trainannot/`, `images/` and `masks/`, `1.jpg` and `1_mask.png`.

A mask is an image of one number a pixel, the class. It belongs to the image of its name, in the folder that is
called the same but for a word such as "masks" or "annot".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from deepglass.data.sources.annotation_split import with_split
from deepglass.data.sources.base import ReadLog
from deepglass.data.sources.class_names import class_names, list_names
from deepglass.data.sources.file_tree import FileTree
from deepglass.data.sources.image_headers import HeaderReader, ImageHeader, read_header
from deepglass.data.sources.mask_pairs import ImageMaskPair, pair_masks
from deepglass.data.sources.palettes import MAX_COLOURS, to_class_indices
from deepglass.data.table import Table
from deepglass.errors import SourceError
from deepglass.features._images import BROKEN, Picture, decode, decode_indices, each
from deepglass.features.base import Media

_VOID = re.compile(r"(unlabell?ed|unlabel|void|ignored?|don'?t[-_ ]?care|unassigned|unannotated)", re.IGNORECASE)
_BORDER = 255  # the value of pixels that nobody decided upon, by the custom of VOC and Cityscapes
_SAMPLE = 4000  # masks that are decoded to see what is in them, spread over all
_SAME_SHAPE = 0.02  # relative difference of two ratios of sides that still are one shape
_STRAY = 0.05  # share of the masks that have a value, against the most frequent one, below which it is a mistake


def read_masks(tree: FileTree, masks: Sequence[str], source: str) -> Table | None:
    """Columns `image` and `mask` of a folder; None where it holds no images beside masks.

    Args:
        masks: the files of `pairs.mask_files`.

    Raises:
        SourceError: `mismatched-files` where no mask fits its image.
    """
    masked = set(masks)
    images = [name for name in tree.images if name not in masked]
    if not masks or not images or not look_like_masks(tree.only(masks)):
        return None
    log = ReadLog()
    pairs = pair_masks(images, masks, log)
    if 2 * len(pairs) < min(len(masks), len(images)):
        return None
    kept, hints = _usable(tree, pairs, log)
    if not kept:
        odd = log.skipped[0]
        text = f"{source}: none of its masks can be used, such as {odd.name}: {odd.reason}"
        raise SourceError("mismatched-files", text)
    for folder in tree.empty:
        log.skip(f"{folder}/", "an empty folder")
    names = [pair.image for pair, _ in kept]
    table = Table(
        {"image": [tree.media(name) for name in names], "mask": [media for _, media in kept]},
        source,
        target="mask",
        kinds={"image": "image", "mask": "mask"},
        hints={"mask": hints},
    )
    log.note("mask", f"{len(kept)} images with a mask", f"such as {names[0]} and {kept[0][1].name}")
    return with_split(table, tree, names, "segmentation", log)


def _usable(
    tree: FileTree, pairs: Sequence[ImageMaskPair], log: ReadLog
) -> tuple[list[tuple[ImageMaskPair, Media]], dict[str, Any]]:
    """The pairs that fit each other, with their masks as class numbers, and the hints for these."""
    pairs = _of_one_size(tree, pairs, log)
    found = to_class_indices([tree.media(pair.mask) for pair in pairs], tree, log)
    named, file = (found.names, found.file) if found.names else class_names(tree, "mask", log)
    seen = _seen(found.masks)
    hints = _hints(seen, named, file, log)
    for mask, fault in seen.faults.items():
        log.skip(mask, fault)
    both = zip(pairs, found.masks, strict=True)
    return [(pair, media) for pair, media in both if pair.mask not in seen.faults], hints


def look_like_masks(tree: FileTree) -> bool:
    """Whether most of a few of the images may be masks: photographs have colours, or more values than classes."""
    few = tree.images[:: max(1, len(tree.images) // 10)]
    return 2 * sum(_may_be_mask(tree.media(name)) for name in few) >= len(few)


def _may_be_mask(media: Media) -> bool:
    try:
        if read_header(media).format == "JPEG":
            return False
        pixels = decode(media)
    except (SourceError, *BROKEN):
        return False
    return pixels.shape[2] < 3 or len(np.unique(pixels.reshape(-1, pixels.shape[2]), axis=0)) <= MAX_COLOURS


# -- what is in them ---------------------------------------------------------------------------------------------


def _of_one_size(tree: FileTree, pairs: Sequence[ImageMaskPair], log: ReadLog) -> list[ImageMaskPair]:
    """The pairs whose headers say the same size, or the same shape where most differ in size alone."""
    headers, of_masks = HeaderReader(log), HeaderReader(log)
    seen = [(pair, headers.read(tree.media(pair.image)), of_masks.read(tree.media(pair.mask))) for pair in pairs]
    both = [(pair, image, mask) for pair, image, mask in seen if image is not None and mask is not None]
    headers.add_notes()
    of_shape = [pair for pair, image, mask in both if mask.size != image.size and _same_shape(mask, image)]
    scaled = set(of_shape) if 2 * len(of_shape) > len(both) else set()
    if scaled:
        why = "most masks have another size than their images but the same shape: they are laid over them"
        log.note("mask size", f"{len(scaled)} masks, such as {of_shape[0].mask}", why)
    kept = []
    for pair, image, mask in both:
        if mask.size == image.size or pair in scaled:
            kept.append(pair)
        else:
            sizes = f"{mask.columns} x {mask.rows} pixels, its image {image.columns} x {image.rows}"
            turned = " as its EXIF entry turns it" if image.orientation >= 5 and mask.size == image.stored else ""
            log.skip(pair.mask, f"a mask of {sizes}{turned}")
    return kept


def _same_shape(mask: ImageHeader, image: ImageHeader) -> bool:
    return abs(mask.rows * image.columns / (mask.columns * image.rows) - 1) <= _SAME_SHAPE


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


def _values(image: Picture) -> list[int] | str:
    try:
        return [int(value) for value in np.unique(decode_indices(image))]
    except SourceError as error:
        return str(error)


def _hints(seen: _Seen, named: dict[int, str], file: str, log: ReadLog) -> dict[str, Any]:
    """The classes' names, and the class that does not count; a mask with a stray value is named among the faults."""
    values = dict(seen.values)
    if set(values) == {0, _BORDER} and not named:
        named = {0: "background", _BORDER: "object"}
        log.note("classes", "0 background, 255 object", "the only values in the masks; no file names them")
    stray = _STRAY * max(map(len, values.values()), default=0)
    for value in sorted(set(values) - set(named) - {_BORDER}) if named else ():
        if len(values[value]) <= stray:
            for mask in values.pop(value):
                seen.faults.setdefault(mask, f"its value {value} has no name in {file}")
        else:
            why = f"it has no name in {file}; it is called 'class {value}'"
            log.note("nameless class", f"value {value} in {len(values[value])} masks, {values[value][0]}", why)
    last = max([*named, *(set(values) - {_BORDER})], default=0)
    void = [value for value, name in named.items() if _VOID.fullmatch(name.strip())]
    ignore = void[0] if void else _BORDER if _BORDER in values and _BORDER not in named and last < _BORDER else None
    hints: dict[str, Any] = {}
    if named:
        hints["names"] = tuple(named.get(value, f"class {value}") for value in range(last + 1))
    else:
        found = [str(v) for v in sorted(values) if v != ignore]
        log.note("classes", list_names(found), "values in the masks; no file names them")
    if ignore is not None:
        hints["ignore"] = ignore
        name = f"{named[ignore]!r} ({ignore})" if ignore in named else str(ignore)
        log.note("ignored", name, "pixels of it teach nothing and are not judged")
    return hints
