"""RGB masks read as class indices: each colour is a class, by a file of colours or in the order of the colours."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image as Pillow

from deepglass.data.sources.base import ReadLog
from deepglass.data.sources.class_names import RGB, class_colours, list_names
from deepglass.data.sources.file_tree import FileTree
from deepglass.data.sources.image_headers import read_header
from deepglass.data.sources.soft_palettes import SoftColourMask, are_mixed, count_far, find_palette
from deepglass.errors import SourceError
from deepglass.features._images import BROKEN, FORMATS, decode
from deepglass.features.base import Media
from deepglass.files import open_file
from deepglass.formatting import plain_percent

MAX_COLOURS = 200  # of masks; an image with more is a photograph
_VOID = 255  # class index of a pixel whose colour means no class
_NUM_CHECKED = 10  # masks that are checked for colours


class ColourMask(Media):
    """An RGB mask that reads as a PNG file of class indices."""

    codes: np.ndarray  # (C,) ascending, colours as one number
    classes: np.ndarray  # (C,) the class index of each

    def __new__(cls, name: str, path: Path, colours: Sequence[RGB]) -> ColourMask:
        mask = super().__new__(cls, name, path)
        codes = np.array([_code(np.array(colour)) for colour in colours])
        mask.classes = np.argsort(codes)
        mask.codes = codes[mask.classes]
        return mask

    def read(self) -> bytes:
        try:
            codes = _code(decode(Media(self.name, self.path))[..., :3].astype(np.int64))
        except SourceError as error:
            raise OSError(str(error).partition(": ")[2]) from error
        index = np.searchsorted(self.codes, codes).clip(0, len(self.codes) - 1)
        indices = np.where(self.codes[index] == codes, self.classes[index], _VOID).astype(np.uint8)
        file = io.BytesIO()
        Pillow.fromarray(indices).save(file, "PNG")
        return file.getvalue()


class IndexMasks(NamedTuple):
    """Masks of class indices; the class names and their file, if the masks are in colours."""

    masks: Sequence[Media]
    names: dict[int, str]
    file: str


def to_class_indices(masks: Sequence[Media], tree: FileTree, log: ReadLog) -> IndexMasks:
    """The masks as class indices: `ColourMask` or `SoftColourMask` if most are in colours, else unchanged.

    Raises:
        SourceError: `bad-value` if they have more colours than there can be classes.
    """
    sample = masks[:: max(1, len(masks) // _NUM_CHECKED)]
    if not sample or 2 * sum(bool(len(_colours(media))) for media in sample) < len(sample):
        return IndexMasks(masks, {}, "")
    classes = class_colours(tree, log)
    if _are_soft(sample) and (palette := classes or _named(find_palette(sample))):
        return _soft_masks(masks, palette, sample, "" if classes else "no file names them", log)
    if not classes:
        sample = masks[:: max(1, len(masks) // 200)]
        colours = np.unique(np.concatenate([_colours(media) for media in sample]), axis=0)
        if len(colours) > MAX_COLOURS:
            text = f"{tree.folder.name}: expected one colour per class in its masks, got {len(colours)} colours"
            advice = f"such as in {masks[0].name}; a file such as class_dict.csv names them"
            raise SourceError("bad-value", f"{text}, {advice}")
        classes = _named(RGB(*map(int, row)) for row in colours)
        log.note("class colours", list_names(classes.values()), "the colours in the masks; no file names them")
    indexed = [ColourMask(media.name, media.path, list(classes)) for media in masks]
    return IndexMasks(indexed, dict(enumerate(classes.values())), "the file of colours")


def _named(colours: Iterable[RGB] | None) -> dict[RGB, str]:
    """Colours as the names of their classes."""
    return {colour: str(colour) for colour in colours or ()}


def _are_soft(sample: Sequence[Media]) -> bool:
    """Whether pixels lie between the colours of the classes: JPEG files, and colours that are mixed from others."""
    if any(_is_jpeg(media) for media in sample):
        return True
    colours = np.unique(np.concatenate([_colours(media) for media in sample]), axis=0)
    if len(colours) > MAX_COLOURS:
        return True
    palette = find_palette(sample)
    return palette is not None and are_mixed(colours, palette)


def _is_jpeg(media: Media) -> bool:
    try:
        return read_header(media).format == "JPEG"
    except (SourceError, *BROKEN):
        return False


def _soft_masks(
    masks: Sequence[Media], classes: dict[RGB, str], sample: Sequence[Media], why: str, log: ReadLog
) -> IndexMasks:
    """Masks whose pixels have the class of the nearest colour, with a note of those that are far from all."""
    colours = list(classes)
    far, pixels = count_far(sample, colours)
    if why:
        log.note("class colours", list_names(classes.values()), f"the colours of regions in the masks; {why}")
    share = f"{far:,} of {pixels:,} pixels of {len(sample)} masks ({plain_percent(far / max(pixels, 1))})"
    log.note(
        "soft masks", f"{len(colours)} colours", f"each pixel has the class of the nearest; {share} are far from all"
    )
    soft = [SoftColourMask(media.name, media.path, colours) for media in masks]
    return IndexMasks(soft, dict(enumerate(classes.values())), "the file of colours")


def count_colours(pixels: np.ndarray) -> int:
    """The number of different colours of an image (Y, X, C)."""
    return len(np.unique(pixels.reshape(-1, pixels.shape[2]), axis=0))


def _code(colours: np.ndarray) -> np.ndarray:
    """Colours (..., 3) as one number each."""
    return np.asarray(colours[..., 0] * 65_536 + colours[..., 1] * 256 + colours[..., 2])


def _colours(media: Media) -> np.ndarray:
    """The different colours (n, 3) of a mask; none if it is grey or has a palette."""
    nothing = np.empty((0, 3), np.int64)
    try:
        with open_file(media.path, media.name) as file, Pillow.open(file, formats=FORMATS) as opened:
            if opened.mode in ("P", "1", "L", "I", "I;16"):
                return nothing
        pixels = decode(media)
    except (SourceError, *BROKEN):
        return nothing
    if pixels.shape[2] < 3 or (pixels[..., :3] == pixels[..., :1]).all():
        return nothing
    return np.unique(pixels[..., :3].reshape(-1, 3).astype(np.int64), axis=0)
