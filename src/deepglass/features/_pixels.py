"""The settings and learned fields that images and videos share."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from deepglass.constraints import Pixels
from deepglass.features.base import Feature


@dataclass(frozen=True, kw_only=True)
class PixelFeature(Feature):
    """Size, channels, range and statistics of the pixels of a column of images or videos.

    Args:
        size: (rows, columns) that all images are resized to, 1 to 4096 each; None learns it: the common size, or the
            median, at most `max_side` on the longer side.
        mode: "grayscale", "rgb", or "auto": grayscale if all images of a sample are grey.
        size_: (rows, columns).
        channels_: C.
        levels_: the largest code: 255 for 8 bit, 65,535 for 16 bit.
        low_: raw value of code 0.
        high_: raw value of code `levels_`.
        mean_: mean code of each channel; fills a letterbox.
        std_: standard deviation of each channel's codes.
        background_: brightness behind transparent pixels, 0 (black) or 1 (white).
    """

    size: tuple[Pixels, Pixels] | None = None
    mode: Literal["auto", "grayscale", "rgb"] = "auto"
    size_: tuple[int, int] | None = None
    channels_: int | None = None
    levels_: int | None = None
    low_: float | None = None
    high_: float | None = None
    mean_: tuple[float, ...] | None = None
    std_: tuple[float, ...] | None = None
    background_: float | None = None

    file_based: ClassVar[bool] = True
