"""RGB masks read as class indices: each colour is a class, by a file of colours or in the order of the colours."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image as Pillow

from deepglass.data.sources.base import ReadLog
from deepglass.data.sources.class_names import RGB, class_colours, list_names
from deepglass.data.sources.file_tree import FileTree
from deepglass.errors import SourceError
from deepglass.features._images import BROKEN, decode
from deepglass.features.base import Media

MAX_COLOURS = 200  # of masks; an image with more is a photograph
_VOID = 255  # of a pixel whose colour stands for no class
_FEW = 10  # masks that show whether all are in colours


class ColourMask(Media):
    """An RGB mask that reads as a PNG file of class indices."""

    codes: np.ndarray  # (C,) ascending, colours as one number
    numbers: np.ndarray  # (C,) the class of each

    def __new__(cls, name: str, path: Path, colours: Sequence[RGB]) -> ColourMask:
        painted = super().__new__(cls, name, path)
        codes = np.array([_code(np.array(colour)) for colour in colours])
        painted.numbers = np.argsort(codes)
        painted.codes = codes[painted.numbers]
        return painted

    def read(self) -> bytes:
        try:
            codes = _code(decode(Media(self.name, self.path))[..., :3].astype(np.int64))
        except SourceError as error:
            raise OSError(str(error).partition(": ")[2]) from error
        index = np.searchsorted(self.codes, codes).clip(0, len(self.codes) - 1)
        numbers = np.where(self.codes[index] == codes, self.numbers[index], _VOID).astype(np.uint8)
        file = io.BytesIO()
        Pillow.fromarray(numbers).save(file, "PNG")
        return file.getvalue()


class IndexMasks(NamedTuple):
    """Masks of class numbers; the names and their file where the masks were in colours."""

    masks: Sequence[Media]
    names: dict[int, str]
    file: str


def to_class_indices(masks: Sequence[Media], tree: FileTree, log: ReadLog) -> IndexMasks:
    """The same masks where they hold numbers; painted ones where most are in colours.

    Raises:
        SourceError: `bad-value` where they have more colours than there can be classes.
    """
    few = masks[:: max(1, len(masks) // _FEW)]
    if not few or 2 * sum(bool(len(_colours(media))) for media in few) < len(few):
        return IndexMasks(masks, {}, "")
    named = class_colours(tree, log)
    if not named:
        some = masks[:: max(1, len(masks) // 200)]
        colours = np.unique(np.concatenate([_colours(media) for media in some]), axis=0)
        if len(colours) > MAX_COLOURS:
            text = f"{tree.folder.name}: its masks have {len(colours)} colours, such as {masks[0].name}"
            raise SourceError(
                "bad-value", f"{text}; expected one for each class; a file such as class_dict.csv names them"
            )
        named = {colour: str(colour) for colour in (RGB(*map(int, row)) for row in colours)}
        log.note("class colours", list_names(named.values()), "the colours in the masks; no file names them")
    names = dict(enumerate(named.values()))
    painted = [ColourMask(media.name, media.path, list(named)) for media in masks]
    return IndexMasks(painted, names, "the file of colours")


def _code(colours: np.ndarray) -> np.ndarray:
    """Colours (..., 3) as one number each."""
    return np.asarray(colours[..., 0] * 65_536 + colours[..., 1] * 256 + colours[..., 2])


def _colours(media: Media) -> np.ndarray:
    """The different colours (n, 3) of a mask; none where it is grey or has a palette of numbers."""
    nothing = np.empty((0, 3), np.int64)
    try:
        with Pillow.open(media.path) as opened:
            if opened.mode in ("P", "1", "L", "I", "I;16"):
                return nothing
        pixels = decode(media)
    except (SourceError, *BROKEN):
        return nothing
    if pixels.shape[2] < 3 or (pixels[..., :3] == pixels[..., :1]).all():
        return nothing
    return np.unique(pixels[..., :3].reshape(-1, 3).astype(np.int64), axis=0)
