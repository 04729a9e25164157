"""Videos as frames: arrays, folders of frames, pictures of several frames, video files.

A video is encoded as some of its frames, evenly spread from the first to the last, all of one size, still bytes. The
encoder lays the frames over each other as channels of one picture (early fusion): its filters see the same place at
all times at once, so that a movement is an edge in time, and every network for pictures works as it is.

Source: early fusion is the first of the four in Karpathy et al., 2014, CVPR, "Large-scale video classification with
convolutional neural networks"; ours takes all frames instead of ten neighbours out of a second.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Self, cast

import numpy as np
import polars as pl

from deepglass.errors import SourceError, SpecError
from deepglass.features._frames import VIDEOS, Clip, clips, read_frames
from deepglass.features._quantize import code_dtype
from deepglass.features.base import Column, Feature, Media, Raw, TypeGuess
from deepglass.features.image import Image

if TYPE_CHECKING:
    from torch import nn

SAMPLE = 64  # videos that are read to learn size, colour, range and statistics
_WORDS = ("video", "clip", "movie", "film", "frames")  # in the name of an array's column


@dataclass(frozen=True, kw_only=True)
class Video(Feature):
    """A video, grey or in colour.

    Args:
        frames: how many frames are looked at, evenly spread; videos of fewer repeat some.
        size: (rows, columns) that all frames are brought to; None learns it as for pictures.
        colour: "grey", "rgb", or "auto": grey where all of a sample are.
        size_, channels_, levels_, low_, high_, mean_, std_, background_: as in `features.image.Image`.

    Shapes:
        encoded: (N, T, C, Y, X) uint8 or uint16.

    Example:
        >>> feature = Video(name="clip", frames=4).fit([np.zeros((5, 10, 16, 16), np.uint8)])
        >>> feature.encode(np.zeros((2, 10, 16, 16), np.uint8)).values.shape
        (2, 4, 1, 16, 16)
    """

    frames: int = 10
    size: tuple[int, int] | None = None
    colour: Literal["auto", "grey", "rgb"] = "auto"
    size_: tuple[int, int] | None = None
    channels_: int | None = None
    levels_: int | None = None
    low_: float | None = None
    high_: float | None = None
    mean_: tuple[float, ...] | None = None
    std_: tuple[float, ...] | None = None
    background_: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 2 <= self.frames <= 64:
            raise SpecError("bad-value", f"inputs.{self.name}.frames: expected from 2 to 64, got {self.frames}")
        self._picture()  # checks size and colour

    file_based: ClassVar[bool] = True

    @classmethod
    def infer_type(cls, raw: Raw, name: str) -> TypeGuess | None:
        if isinstance(raw, np.ndarray):
            return _infer_array_type(raw, name)
        items = [clip for clip in clips(raw) if clip is not None]
        if not items or (isinstance(raw, pl.Series) and raw.dtype != pl.String):
            return None
        if all(_is_video(clip) for clip in items):
            return TypeGuess(1.0, "each is a video file or a folder of frames")
        return None

    def fit(self, chunks: Iterable[Raw]) -> Self:
        """Learn size, colour, range and statistics from a sample of the videos.

        Raises:
            SourceError: `no-rows` when none of them can be read.
        """
        sample: list[np.ndarray] = []
        for raw in chunks:
            items = clips(raw)
            rows = np.unique(np.linspace(0, len(items) - 1, min(SAMPLE, len(items))).astype(int))
            for row in rows:
                sample += _read_or_none(items[int(row)], self.frames)
        if not sample:
            raise SourceError("no-rows", f"{self.name}: there is no readable video to learn from")
        learned = self._picture().fit([cast(Raw, sample)])
        return replace(self, **{n: getattr(learned, n) for n in _SHARED if n.endswith("_")})

    def encode(self, raw: Raw) -> Column:
        """Read, convert and resize the frames.

        Raises:
            SourceError: `not-found`, `unreadable-file`, `unreadable-image` or `too-large`, naming the file.
        """
        items = clips(raw)
        picture, inner = self._picture(), (self.frames, self.channels_, *self.size_)
        mask = np.array([not _missing(clip) for clip in items], bool)
        values = np.zeros((len(items), *inner), code_dtype(self.levels_))
        for i in np.flatnonzero(mask):
            frames = read_frames(items[int(i)], self.frames)
            values[i] = picture.encode(frames[0][None] if len(frames) == 1 else cast(Raw, frames)).values
        return Column(values, mask)

    def unreadable(self, raw: Raw) -> dict[int, str]:
        if isinstance(raw, np.ndarray):
            return {}
        reasons = {}
        for i, clip in enumerate(clips(raw)):
            try:
                if clip is not None:
                    read_frames(clip, self.frames)
            except SourceError as error:
                reasons[i] = str(error)
        return reasons

    def normalizer(self, scale: str = "standard") -> nn.Module:
        """Codes (B, T, C, Y, X) to floats of the same shape."""
        from deepglass.nn.video import VideoNormalizer

        return VideoNormalizer(self._picture().normalizer(scale))

    def encoder(self, dim: int) -> nn.Module:
        from deepglass.nn.video import VideoEncoder

        return VideoEncoder(self.normalizer(), self.frames, self.channels_, dim, self.size_)

    def _picture(self) -> Image:
        """One frame as a picture, with what was learned."""
        return Image(**{n: getattr(self, n) for n in _SHARED})


_SHARED = {f.name for f in dataclasses.fields(Image)} & {f.name for f in dataclasses.fields(Video)}


def _infer_array_type(array: np.ndarray, name: str) -> TypeGuess | None:
    """(N, T, Y, X, C) with few channels; (N, T, Y, X) where the column's name speaks of video."""
    if array.dtype.kind not in "uf":
        return None
    if array.ndim == 5 and array.shape[-1] <= 4 and array.shape[1] > 1:
        return TypeGuess(0.95, f"an array of {array.dtype} with shape {array.shape}: rows of pictures")
    if array.ndim == 4 and array.shape[1] > 1 and any(word in name.lower() for word in _WORDS):
        return TypeGuess(0.97, f"an array of {array.dtype} with shape {array.shape}, called a video")
    return None


def _is_video(clip: Clip) -> bool:
    if isinstance(clip, Media):
        return clip.path.is_dir() or (clip.member or clip.path.name).lower().endswith(VIDEOS)
    return isinstance(clip, str) and clip.lower().endswith(VIDEOS) and Path(clip).is_file()


def _missing(clip: Clip) -> bool:
    if isinstance(clip, np.ndarray):
        return clip.dtype.kind == "f" and bool(np.isnan(clip).all())
    return clip is None


def _read_or_none(clip: Clip, frames: int) -> list[np.ndarray]:
    try:
        return [] if _missing(clip) else read_frames(clip, frames)
    except SourceError:  # counted and named by `unreadable`
        return []
