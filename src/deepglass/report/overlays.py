"""Annotations that are drawn over an image: masks as PNG, boxes as shares of the image, colours of the classes."""

from dataclasses import dataclass
from typing import NamedTuple


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


@dataclass(frozen=True, kw_only=True)
class Overlay:
    """An image with truth and prediction drawn over it.

    Args:
        row: its index in the source.
        image: PNG or JPEG.
        size: its height and width in pixels.
        wrong: a PNG that is opaque where a predicted mask is wrong.
        score: how good the prediction is, by the metric `score_name`.
        caption: one line of text about it.
        typical: one of the ordinary rows, not of the worst.
    """

    row: int
    image: bytes
    size: tuple[int, int]
    truth: Annotation
    prediction: Annotation
    wrong: bytes | None = None
    score: float | None = None
    score_name: str = ""
    caption: str = ""
    typical: bool = False

    @property
    def num_bytes(self) -> int:
        return len(self.image) + len(self.truth.mask or b"") + len(self.prediction.mask or b"")


@dataclass(frozen=True, kw_only=True)
class OutputOverlays:
    """The overlays of one output.

    Args:
        threshold: boxes are drawn from this confidence on at first.
        legend: the classes of masks and their CSS colours.
    """

    name: str
    overlays: tuple[Overlay, ...]
    threshold: float = 0.5
    legend: tuple[tuple[str, str], ...] = ()

    def without_rows(self) -> None:
        """None: all of it is rows."""
