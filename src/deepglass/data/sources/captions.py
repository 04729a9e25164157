"""Images with captions: one row per caption, several per image."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from deepglass.data.sources.listing import list_folder
from deepglass.data.table import Note, Table
from deepglass.files import open_file

_CAPTION = "caption"
_NUMBERED = re.compile(rb"[^\t\n]+\.\w{3,4}#\d+\t")  # Flickr8k.token.txt: image.jpg#0, tab, caption
_VALID_EVERY = 10  # every tenth training image is a validation image


def with_captions(table: Table, folder: Path) -> Table:
    """A table of images and captions with the caption as target and a split by image; any other table unchanged.

    Where only training and validation are given, validation becomes the test, and every tenth training image is used
    for validation.

    Args:
        folder: of the table; a list of captions beside it is noted, as it is not read.
    """
    image = next((name for name, kind in table.kinds.items() if kind == "image"), None)
    captions = table.columns.get(_CAPTION)
    if image is None or not isinstance(captions, pl.Series) or captions.dtype != pl.String:
        return table
    names = pl.Series([getattr(item, "name", None) for item in table[image]], dtype=pl.String)
    notes = [*table.notes, Note(_CAPTION, f"of {names.n_unique():,} images", "the target, by its name")]
    for path in list_folder(folder):
        if path.suffix.lower() == ".txt" and path.is_file() and _NUMBERED.match(_head(path)):
            notes.append(Note("captions", f"{path.name} is not read", "the table says which split an image is in"))
    split = table.split
    if split is not None and set(split) == {"train", "valid"}:
        training = names.filter(pl.Series(split == "train")).unique(maintain_order=True)
        validation = names.is_in(training.gather_every(_VALID_EVERY).implode()).fill_null(False).to_numpy()
        split = np.where(split == "valid", "test", np.where(validation, "valid", "train")).astype("U5")
        notes.append(Note("test", "its validation split", "it has no test split"))
        why = f"every {_VALID_EVERY}th training image, with all of its captions"
        notes.append(Note("validation", f"{(split == 'valid').sum():,} captions", why))
    return replace(table, notes=tuple(notes), split=split, target=_CAPTION, kinds={**table.kinds, _CAPTION: "text"})


def lists_captions(path: Path) -> bool:
    """Whether a .txt file is a table with a column `caption`, by its first line."""
    first, _, _ = _head(path).partition(b"\n")
    cells = [cell.strip(b' "\r\n') for cell in re.split(rb"[,;|\t]", first)]
    return len(cells) > 1 and _CAPTION.encode() in cells


def _head(path: Path) -> bytes:
    with open_file(path) as file:
        return file.read(500)
