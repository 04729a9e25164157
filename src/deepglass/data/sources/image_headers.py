"""A look at pictures' headers: how large, how turned, how many frames; what is odd is told once, with a count."""

from __future__ import annotations

import warnings
from collections import Counter
from typing import NamedTuple

from PIL import Image as Pillow
from PIL import UnidentifiedImageError

from deepglass.data.sources.base import Findings
from deepglass.features._images import BROKEN, FORMATS, MAX_PIXELS
from deepglass.features.base import Media


class Look(NamedTuple):
    """What a header says. `rows` and `columns` are those of the picture the right way up."""

    rows: int
    columns: int
    turn: int  # the EXIF orientation, 1 to 8; from 5 on rows and columns change places
    mode: str
    frames: int
    format: str

    @property
    def size(self) -> tuple[int, int]:
        return self.rows, self.columns

    @property
    def stored(self) -> tuple[int, int]:
        """(rows, columns) as they lie in the file."""
        return (self.columns, self.rows) if self.turn >= 5 else (self.rows, self.columns)


class Looks:
    """Looks at pictures and counts what is odd about them."""

    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self.first: dict[str, str] = {}
        self.counts: Counter[str] = Counter()

    def at(self, media: Media) -> Look | None:
        """What the header says; None, and the picture is named among those left out, where it cannot be read."""
        try:
            look = look_at(media)
        except BROKEN as error:
            known = not isinstance(error, UnidentifiedImageError)
            self.findings.skip(media.name, f"cannot be read as a picture ({error if known else 'of no known kind'})")
            return None
        if look.rows * look.columns > MAX_PIXELS:
            self.findings.skip(media.name, f"{look.columns:,} x {look.rows:,} pixels, more than {MAX_PIXELS:,}")
            return None
        for what, is_so in (("cmyk", look.mode == "CMYK"), ("frames", look.frames > 1), ("turned", look.turn > 1)):
            if is_so:
                self.counts[what] += 1
                self.first.setdefault(what, media.name)
        return look

    def tell(self) -> None:
        """Notes of what was odd."""
        texts = {
            "cmyk": ("CMYK", "pictures in printing colours are turned into red, green and blue"),
            "frames": ("animated", "only the first frame of a picture is used"),
            "turned": ("turned", "pictures are put upright as their EXIF entry says; annotations are as one sees them"),
        }
        for what, count in self.counts.items():
            name, why = texts[what]
            self.findings.note(name, f"{count} pictures, such as {self.first[what]}", why)


def look_at(media: Media) -> Look:
    """The header of a picture; the pixels are not read.

    Raises:
        OSError and others of `_pictures.BROKEN`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of odd metadata and of sizes that are refused by the caller
        try:
            with Pillow.open(media.path, formats=FORMATS) as opened:
                X, Y = opened.size
                turn = int(opened.getexif().get(0x0112, 1))
                frames = int(getattr(opened, "n_frames", 1)) if opened.format != "JPEG" else 1
                rows, columns = (X, Y) if turn >= 5 else (Y, X)
                return Look(rows, columns, turn if 1 <= turn <= 8 else 1, opened.mode, frames, str(opened.format))
        except Pillow.DecompressionBombError as error:
            raise ValueError(str(error)) from error
