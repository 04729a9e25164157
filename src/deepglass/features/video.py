"""Videos as evenly spaced frames: arrays, folders of frames, animated images, video files; inputs only.

The encoder stacks the frames as channels of one image (early fusion), so that every trunk for images works on videos.

Source: early fusion of Karpathy et al., 2014, CVPR, "Large-scale video classification with convolutional neural
networks"; ours takes frames from the whole video instead of ten consecutive ones.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self, cast

import numpy as np
import polars as pl

from deepglass.constraints import Ge, Le
from deepglass.errors import SourceError
from deepglass.features._frames import RawVideo, as_videos, read_frames
from deepglass.features._quantize import PixelFeature, code_dtype
from deepglass.features._reading import VIDEOS, read_errors, sample_rows, try_read
from deepglass.features.base import Column, Media, Raw, TypeGuess
from deepglass.features.image import Image

if TYPE_CHECKING:
    from torch import nn

SAMPLE = 64  # videos that are read to learn size, channels, range and statistics
_NAME_WORDS = ("video", "clip", "movie", "film", "frames")  # in the name of an array's column


@dataclass(frozen=True, kw_only=True)
class Video(PixelFeature):
    """A video, grayscale or RGB.

    Args:
        frames: number of evenly spaced frames, 2 to 64; shorter videos repeat some.

    Shapes:
        encoded: (N, T, C, Y, X) uint8 or uint16.

    Example:
        >>> feature = Video(name="clip", frames=4).fit([np.zeros((5, 10, 16, 16), np.uint8)])
        >>> feature.encode(np.zeros((2, 10, 16, 16), np.uint8)).values.shape
        (2, 4, 1, 16, 16)
    """

    frames: Annotated[int, Ge(2), Le(64)] = 10

    @classmethod
    def infer_type(cls, raw: Raw, name: str) -> TypeGuess | None:
        if isinstance(raw, np.ndarray):
            return _infer_array_type(raw, name)
        items = [video for video in as_videos(raw) if video is not None]
        if not items or (isinstance(raw, pl.Series) and raw.dtype != pl.String):
            return None
        if all(_is_video(video) for video in items):
            return TypeGuess(1.0, "each is a video file or a folder of frames")
        return None

    def fit(self, chunks: Iterable[Raw]) -> Self:
        """Learn size, channels, range and statistics from a sample of the videos.

        Raises:
            SourceError: `no-rows` when none of them can be read.
        """
        sample: list[np.ndarray] = []
        for raw in chunks:
            items = as_videos(raw)
            for row in sample_rows(len(items), SAMPLE):
                if not _missing(items[row]):
                    sample += try_read(self._read, items[row]) or []
        if not sample:
            raise SourceError("no-rows", f"{self.name}: no training row has a readable video")
        image = self._frame_feature().fit([cast(Raw, sample)])
        return replace(self, **{n: getattr(image, n) for n in _PIXEL_FIELDS if n.endswith("_")})

    def encode(self, raw: Raw) -> Column:
        """Read, convert and resize the frames.

        Raises:
            SourceError: `not-found`, `unreadable-file`, `unreadable-image` or `too-large`, naming the file.
        """
        items = as_videos(raw)
        image, inner = self._frame_feature(), (self.frames, self.channels_, *self.size_)
        mask = np.array([not _missing(video) for video in items], bool)
        values = np.zeros((len(items), *inner), code_dtype(self.levels_))
        for i in np.flatnonzero(mask):
            frames = self._read(items[int(i)])
            values[i] = image.encode(frames[0][None] if len(frames) == 1 else cast(Raw, frames)).values
        return Column(values, mask)

    def unreadable(self, raw: Raw) -> dict[int, str]:
        if isinstance(raw, np.ndarray):
            return {}
        return read_errors(lambda video: video is None or self._read(video), as_videos(raw))

    def normalizer(self, scale: str = "standard") -> nn.Module:
        """Codes (B, T, C, Y, X) to floats of the same shape."""
        from deepglass.nn.video import VideoNormalizer

        return VideoNormalizer(self._frame_feature().normalizer(scale))

    def encoder(self, dim: int) -> nn.Module:
        from deepglass.nn.video import VideoEncoder

        return VideoEncoder(self.normalizer(), self.frames, self.channels_, dim, self.size_)

    def _read(self, video: RawVideo) -> list[np.ndarray]:
        return read_frames(video, self.frames)

    def _frame_feature(self) -> Image:
        """An image feature for single frames, with the same settings and learned fields."""
        return Image(**{n: getattr(self, n) for n in _PIXEL_FIELDS})


_PIXEL_FIELDS = tuple(f.name for f in dataclasses.fields(PixelFeature))


def _infer_array_type(array: np.ndarray, name: str) -> TypeGuess | None:
    """(N, T, Y, X, C) with few channels; (N, T, Y, X) where the column's name speaks of video."""
    if array.dtype.kind not in "uf":
        return None
    if array.ndim == 5 and array.shape[-1] <= 4 and array.shape[1] > 1:
        return TypeGuess(0.95, f"an array of {array.dtype} with shape {array.shape}: rows of images")
    if array.ndim == 4 and array.shape[1] > 1 and any(word in name.lower() for word in _NAME_WORDS):
        return TypeGuess(0.97, f"an array of {array.dtype} with shape {array.shape}, called a video")
    return None


def _is_video(video: RawVideo) -> bool:
    if isinstance(video, Media):
        return video.path.is_dir() or (video.member or video.path.name).lower().endswith(VIDEOS)
    return isinstance(video, str) and video.lower().endswith(VIDEOS) and Path(video).is_file()


def _missing(video: RawVideo) -> bool:
    if isinstance(video, np.ndarray):
        return video.dtype.kind == "f" and bool(np.isnan(video).all())
    return video is None
