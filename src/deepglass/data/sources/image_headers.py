"""Image headers: size, EXIF orientation, mode and frames; unusual ones are counted and noted once."""

import warnings
from typing import NamedTuple

from PIL import Image as Pillow
from PIL import UnidentifiedImageError

from deepglass.data.sources.base import ReadLog
from deepglass.errors import SourceError
from deepglass.features._images import BROKEN, FORMATS
from deepglass.features.base import Media
from deepglass.files import open_file
from deepglass.limits import limit


class ImageHeader(NamedTuple):
    """The header of an image file; `rows` and `columns` are those of the upright image."""

    rows: int
    columns: int
    orientation: int  # of EXIF, 1 to 8; from 5 on rows and columns are swapped
    mode: str
    frames: int
    format: str

    @property
    def size(self) -> tuple[int, int]:
        return self.rows, self.columns

    @property
    def stored(self) -> tuple[int, int]:
        """(rows, columns) as stored in the file."""
        return (self.columns, self.rows) if self.orientation >= 5 else (self.rows, self.columns)


class HeaderReader:
    """Reads image headers and counts what is unusual about them."""

    def __init__(self, log: ReadLog) -> None:
        self.log = log
        self.examples: dict[str, list[str]] = {}

    def read(self, media: Media) -> ImageHeader | None:
        """The header; None for an image that cannot be read or is too large, which is logged as skipped."""
        try:
            header = read_header(media)
        except (SourceError, *BROKEN) as error:
            reason = "of no known format" if isinstance(error, UnidentifiedImageError) else error
            self.log.skip(media.name, f"cannot be read as an image ({reason})")
            return None
        if header.rows * header.columns > (most := limit("image_pixels")):
            self.log.skip(media.name, f"{header.columns:,} x {header.rows:,} pixels, more than {most:,}")
            return None
        for what, applies in (
            ("CMYK", header.mode == "CMYK"),
            ("animated", header.frames > 1),
            ("turned", header.orientation > 1),
        ):
            if applies:
                self.examples.setdefault(what, []).append(media.name)
        return header

    def add_notes(self) -> None:
        """Note what is unusual, with counts."""
        texts = {
            "CMYK": "images in printing colours are converted to RGB",
            "animated": "only the first frame of an image is used",
            "turned": "images are turned upright by their EXIF orientation; annotations refer to the upright image",
        }
        for what, names in self.examples.items():
            self.log.note(what, f"{len(names)} images, such as {names[0]}", texts[what])


def read_header(media: Media) -> ImageHeader:
    """The header of an image; the pixels are not read.

    Raises:
        SourceError: for what is no regular file.
        OSError and others of `features._images.BROKEN`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about metadata, and about sizes that the caller checks
        try:
            with open_file(media.path, media.name) as file, Pillow.open(file, formats=FORMATS) as opened:
                X, Y = opened.size
                stated = int(opened.getexif().get(0x0112, 1))
                orientation = stated if 1 <= stated <= 8 else 1
                frames = int(getattr(opened, "n_frames", 1)) if opened.format != "JPEG" else 1
                rows, columns = (X, Y) if orientation >= 5 else (Y, X)
                return ImageHeader(rows, columns, orientation, opened.mode, frames, str(opened.format))
        except Pillow.DecompressionBombError as error:
            raise ValueError(str(error)) from error
