"""What is drawn over an image: masks as PNG, boxes as shares of the image, and the colours of the classes."""

from __future__ import annotations

from typing import NamedTuple

from deepglass.web.palette import Colour


class OverlayBox(NamedTuple):
    """A rectangle on an image.

    Args:
        name: its class.
        left, top, right, bottom: shares of the image's width and height.
        confidence: of a predicted box; of a true box, that of the prediction which matches it (None: none does).
        correct: of a predicted box, whether it matches a true box of its class.
    """

    name: str
    left: float
    top: float
    right: float
    bottom: float
    confidence: float | None = None
    correct: bool = True


class Annotation(NamedTuple):
    """What lies over an image: a PNG of class colours, transparent where there is nothing, and boxes."""

    mask: bytes | None = None
    boxes: tuple[OverlayBox, ...] = ()


class ClassColour(NamedTuple):
    """A class and its colour, for a legend."""

    name: str
    colour: Colour
