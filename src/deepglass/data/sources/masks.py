"""Images with segmentation masks: `train/` and `trainannot/`, `images/` and `masks/`, `1.jpg` and `1_mask.png`.

A mask is an image file whose pixels are class indices. It belongs to the image of the same name in the corresponding
folder, whose name differs only in a word such as "masks" or "annot".
"""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from deepglass.data.sources.annotation_split import with_split
from deepglass.data.sources.base import ReadLog
from deepglass.data.sources.class_names import class_names, list_names
from deepglass.data.sources.file_tree import FileTree
from deepglass.data.sources.grey_levels import are_levels, count_greys, find_levels, to_levels
from deepglass.data.sources.image_headers import HeaderReader, ImageHeader, read_header
from deepglass.data.sources.mask_pairs import ImageMaskPair, corresponds, pair_masks
from deepglass.data.sources.palettes import MAX_COLOURS, count_colours, to_class_indices
from deepglass.data.sources.soft_palettes import find_palette
from deepglass.data.table import Table
from deepglass.errors import SourceError
from deepglass.features._images import BROKEN, RawImage, decode, decode_indices, map_images
from deepglass.features.base import Media

_VOID = re.compile(r"(unlabell?ed|unlabel|void|ignored?|don'?t[-_ ]?care|unassigned|unannotated)", re.IGNORECASE)
_BORDER = 255  # the ignored value of VOC and Cityscapes
_MAX_DECODED = 4000  # masks that are decoded to collect their values, evenly spaced
_ASPECT_TOLERANCE = 0.02  # relative difference of two aspect ratios that count as equal
_MAX_STRAY_SHARE = 0.05  # a value in fewer masks, relative to the most frequent value, is a mistake


def read_masks(tree: FileTree, masks: Sequence[str], source: str) -> Table | None:
    """A table with columns `image` and `mask`; None if the folder holds no images with masks.

    Args:
        masks: the files of `mask_pairs.mask_files`.

    Raises:
        SourceError: `mismatched-files` where no mask fits its image.
    """
    images = tree.without(masks).images
    if not masks or not images or not look_like_masks(tree.only(masks)):
        return None
    log = ReadLog()
    pairs = pair_masks(images, masks, log)
    if 2 * len(pairs) < min(len(masks), len(images)):
        return None
    elsewhere = sum(not corresponds(pair) for pair in pairs)
    if 2 * elsewhere > len(pairs) and look_like_masks(tree.only(images)):
        return None  # faces in a folder `mask` beside others in `face`
    usable, hints = _usable(tree, pairs, log)
    if not usable:
        raise SourceError("mismatched-files", f"{source}: none of its masks can be used, such as {log.first_skipped}")
    tree.skip_unread(log)
    names = [pair.image for pair, _ in usable]
    table = Table(
        {"image": [tree.media(name) for name in names], "mask": [media for _, media in usable]},
        source,
        target="mask",
        kinds={"image": "image", "mask": "mask"},
        hints={"mask": hints},
    )
    log.note("mask", f"{len(usable)} images with a mask", f"such as {names[0]} and {usable[0][1].name}")
    return with_split(table, tree, names, "segmentation", log)


def _usable(
    tree: FileTree, pairs: Sequence[ImageMaskPair], log: ReadLog
) -> tuple[list[tuple[ImageMaskPair, Media]], dict[str, Any]]:
    """Pairs of matching size with their masks as class indices, and the feature settings of the masks."""
    pairs = _of_one_size(tree, pairs, log)
    indexed = to_class_indices([tree.media(pair.mask) for pair in pairs], tree, log)
    names, file = (indexed.names, indexed.file) if indexed.names else class_names(tree, "mask", log)
    masks = indexed.masks if indexed.names else to_levels(indexed.masks, names, log)
    faults, values = _mask_contents(masks)
    hints = _hints(values, faults, names, file, log)
    for mask, fault in faults.items():
        log.skip(mask, fault)
    both = zip(pairs, masks, strict=True)
    return [(pair, media) for pair, media in both if pair.mask not in faults], hints


def look_like_masks(tree: FileTree) -> bool:
    """Whether most of a sample of the images may be masks; photographs have many colours."""
    sample = tree.images[:: max(1, len(tree.images) // 10)]
    return 2 * sum(_may_be_mask(tree.media(name)) for name in sample) >= len(sample)


def _may_be_mask(media: Media) -> bool:
    try:
        pixels = decode(media)
        if read_header(media).format != "JPEG" and (pixels.shape[2] < 3 or count_colours(pixels) <= MAX_COLOURS):
            return True
    except (SourceError, *BROKEN):
        return False
    counts = count_greys(media)
    return find_palette([media]) is not None if counts is None else find_levels(counts) is not None


# -- contents ----------------------------------------------------------------------------------------------------


def _of_one_size(tree: FileTree, pairs: Sequence[ImageMaskPair], log: ReadLog) -> list[ImageMaskPair]:
    """Pairs of equal size; or of equal aspect ratio, if most pairs differ in size only."""
    image_headers, mask_headers = HeaderReader(log), HeaderReader(log)
    readable: list[tuple[ImageMaskPair, ImageHeader, ImageHeader]] = []
    for pair in pairs:
        image, mask = image_headers.read(tree.media(pair.image)), mask_headers.read(tree.media(pair.mask))
        if image is not None and mask is not None:
            readable.append((pair, image, mask))
    image_headers.add_notes()
    of_shape = [pair for pair, image, mask in readable if mask.size != image.size and _same_shape(mask, image)]
    scaled = set(of_shape) if 2 * len(of_shape) > len(readable) else set()
    if scaled:
        why = "most masks differ from their images in size only: they are scaled to them"
        log.note("mask size", f"{len(scaled)} masks, such as {of_shape[0].mask}", why)
    usable = []
    for pair, image, mask in readable:
        if mask.size == image.size or pair in scaled:
            usable.append(pair)
        else:
            sizes = f"{mask.columns} x {mask.rows} pixels, its image {image.columns} x {image.rows}"
            turned = " after its EXIF orientation" if image.orientation >= 5 and mask.size == image.stored else ""
            log.skip(pair.mask, f"a mask of {sizes}{turned}")
    return usable


def _same_shape(mask: ImageHeader, image: ImageHeader) -> bool:
    return abs(mask.rows * image.columns / (mask.columns * image.rows) - 1) <= _ASPECT_TOLERANCE


def _mask_contents(masks: Sequence[Media]) -> tuple[dict[str, str], dict[int, list[str]]]:
    """Faults and values of the masks; of very many only a sample is decoded, the feature checks the rest.

    Returns mask -> why it is skipped, and class index -> masks that contain it.
    """
    faults: dict[str, str] = {}
    values: dict[int, list[str]] = {}
    sample = [masks[i] for i in np.unique(np.linspace(0, len(masks) - 1, min(len(masks), _MAX_DECODED)).astype(int))]
    for media, result in zip(sample, map_images(_values, sample), strict=True):
        if isinstance(result, str):
            faults[media.name] = result.partition("] ")[2].removeprefix(f"{media.name}: ")
        else:
            for value in result:
                values.setdefault(value, []).append(media.name)
    return faults, values


def _values(image: RawImage) -> list[int] | str:
    try:
        return [int(value) for value in np.unique(decode_indices(image))]
    except SourceError as error:
        return str(error)


def _hints(
    values: dict[int, list[str]], faults: dict[str, str], names: dict[int, str], file: str, log: ReadLog
) -> dict[str, Any]:
    """Settings of the mask feature: class names and ignored value; masks with a rare nameless value become faults."""
    values = dict(values)
    if set(values) == {0, _BORDER} and not names:
        names = {0: "background", _BORDER: "object"}
        log.note("classes", "0 background, 255 object", "the only values in the masks; no file names them")
    elif are_levels(sorted(values)) and not names:
        names = {value: f"class {value}" for value in values}
        log.note("classes", ", ".join(map(str, sorted(values))), "grey levels in the masks; no file names them")
    max_stray = _MAX_STRAY_SHARE * max(map(len, values.values()), default=0)
    for value in sorted(set(values) - set(names) - {_BORDER}) if names else ():
        if len(values[value]) <= max_stray:
            for mask in values.pop(value):
                faults.setdefault(mask, f"its value {value} has no name in {file}")
        else:
            why = f"it has no name in {file}; it is called 'class {value}'"
            log.note("nameless class", f"value {value} in {len(values[value])} masks, {values[value][0]}", why)
    last = max([*names, *(set(values) - {_BORDER})], default=0)
    unnamed_border = _BORDER in values and _BORDER not in names and last < _BORDER
    void = (value for value, name in names.items() if _VOID.fullmatch(name.strip()))
    ignore = next(void, _BORDER if unnamed_border else None)
    hints: dict[str, Any] = {}
    if names:
        hints["names"] = tuple(names.get(value, f"class {value}") for value in range(last + 1))
    else:
        listed = list_names(str(value) for value in sorted(values) if value != ignore)
        log.note("classes", listed, "values in the masks; no file names them")
    if ignore is not None:
        hints["ignore"] = ignore
        name = f"{names[ignore]!r} ({ignore})" if ignore in names else str(ignore)
        log.note("ignored", name, "its pixels are ignored in training and in the metrics")
    return hints
