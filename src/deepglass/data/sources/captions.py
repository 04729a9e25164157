"""Images with captions: several captions per image, one per row."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from deepglass.data.sources.listing import list_folder
from deepglass.data.table import Note, Table

_CAPTION = "caption"
_NUMBERED = re.compile(rb"[^\t\n]+\.\w{3,4}#\d+\t")  # Flickr8k.token.txt: image.jpg#0, tab, caption
_HELD = 10  # every tenth training image is a validation image


def with_captions(table: Table, folder: Path) -> Table:
    """A table of images and their captions: the caption is the answer, a split keeps an image's captions together.

    Where only training and validation are given, what was held out is the test, and validation takes every tenth
    training image. Any other table comes back as it is.

    Args:
        folder: where the table lies; a list of captions beside it is named, as it is not read.
    """
    image = next((name for name, kind in table.kinds.items() if kind == "image"), None)
    captions = table.columns.get(_CAPTION)
    if image is None or not isinstance(captions, pl.Series) or captions.dtype != pl.String:
        return table
    names = pl.Series([getattr(item, "name", None) for item in table[image]], dtype=pl.String)
    notes = [*table.notes, Note(_CAPTION, f"of {names.n_unique():,} images", "the answer, as it is called so")]
    for path in list_folder(folder):
        if path.suffix.lower() == ".txt" and _is_numbered(path):
            notes.append(Note("captions", f"{path.name} is not read", "the table says which images are in which part"))
    split = table.split
    if split is not None and set(split) == {"train", "valid"}:
        split = _held_out(split, names)
        notes.append(Note("test", "its validation part", "there is no test part"))
        why = f"every {_HELD}th training image, with all of its captions"
        notes.append(Note("validation", f"{(split == 'valid').sum():,} captions", why))
    return replace(table, notes=tuple(notes), split=split, target=_CAPTION, kinds={**table.kinds, _CAPTION: "text"})


def lists_captions(path: Path) -> bool:
    """Whether a .txt file is a table with a column `caption`, by its first line."""
    with path.open("rb") as file:
        first = file.readline(500)
    cells = [cell.strip(b' "\r\n') for cell in re.split(rb"[,;|\t]", first)]
    return len(cells) > 1 and _CAPTION.encode() in cells


def _held_out(split: np.ndarray, names: pl.Series) -> np.ndarray:
    """Validation as the test; every tenth training image for validation."""
    training = names.filter(pl.Series(split == "train")).unique(maintain_order=True)
    held = names.is_in(training.gather_every(_HELD).implode()).fill_null(False).to_numpy()
    return np.where(split == "valid", "test", np.where(held, "valid", "train")).astype("U5")


def _is_numbered(path: Path) -> bool:
    with path.open("rb") as file:
        return _NUMBERED.match(file.read(500)) is not None
