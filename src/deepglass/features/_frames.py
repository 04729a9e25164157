"""Reading of videos as frames: arrays, folders of pictures, pictures of several frames, and video files."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image as Pillow
from PIL import ImageSequence

from deepglass.errors import MissingExtra, SourceError
from deepglass.features._images import BROKEN, ENDINGS, FORMATS, MAX_PIXELS, decode
from deepglass.features.base import Media, Raw

VIDEOS = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ogv", ".wmv")
ANIMATED = (".gif", ".webp", ".tif", ".tiff", ".png")

Clip = Media | np.ndarray | str | None
"""One video: a file or a folder of frames, an array (T, Y, X) or (T, Y, X, C), a path; None = missing."""


def clips(raw: Raw) -> Sequence[Clip]:
    """A raw column as single videos, None = missing."""
    if isinstance(raw, np.ndarray):
        return list(raw)
    return raw.to_list() if isinstance(raw, pl.Series) else raw


def read_frames(clip: Clip, count: int) -> list[np.ndarray]:
    """So many frames of a video, evenly spread from its first to its last, each (Y, X, C).

    A video of fewer frames repeats some.

    Raises:
        SourceError: `not-found`, `unreadable-file`, `unreadable-image`, `too-large`, naming the file.
        MissingExtra: for a video file, without the extra `video`.
    """
    if isinstance(clip, np.ndarray):
        frames = clip[spread(len(clip), count)]
        return list(frames if frames.ndim == 4 else frames[..., None])
    assert clip is not None
    path, name = (Path(clip), clip) if isinstance(clip, str) else (clip.path, clip.name)
    if path.is_dir():
        files = frame_files(path)
        if not files:
            raise SourceError("unreadable-file", f"{name}: there is no picture in this folder of frames")
        return [decode(Media(f"{name}/{files[i].name}", files[i])) for i in spread(len(files), count)]
    try:
        data = path.read_bytes() if isinstance(clip, str) else clip.read()
    except FileNotFoundError as error:
        raise SourceError("not-found", f"{name}: there is no such file or folder") from error
    if name.lower().endswith(ENDINGS):
        return _of_picture(data, name, count)
    return _of_video(data, name, count)


def spread(length: int, count: int) -> np.ndarray:
    """The places of `count` frames, evenly from the first to the last of `length`."""
    return np.round(np.linspace(0, length - 1, count)).astype(int)


def frame_files(folder: Path) -> list[Path]:
    """The pictures of a folder in the order of the numbers in their names."""
    files = [p for p in folder.iterdir() if p.name.lower().endswith(ENDINGS) and not p.name.startswith(".")]
    return sorted(files, key=lambda p: [int(t) if t.isdigit() else t.lower() for t in re.split(r"(\d+)", p.name)])


def _of_picture(data: bytes, name: str, count: int) -> list[np.ndarray]:
    """The frames of a gif, webp or tiff file."""
    try:
        opened = Pillow.open(io.BytesIO(data), formats=FORMATS)
        X, Y = opened.size
        total = getattr(opened, "n_frames", 1)
        if X * Y * count > MAX_PIXELS:
            raise SourceError("too-large", f"{name}: {count} frames of {X:,} x {Y:,} pixels; make them smaller")
        wanted = spread(total, count)
        kept = {i: decode(frame.copy()) for i, frame in enumerate(ImageSequence.Iterator(opened)) if i in wanted}
        return [kept[i] for i in wanted]
    except (Pillow.DecompressionBombError, *BROKEN) as error:
        raise SourceError("unreadable-image", f"{name}: cannot be read as frames ({error})") from error


def _of_video(data: bytes, name: str, count: int) -> list[np.ndarray]:
    """The frames of a video file, by PyAV."""
    try:
        import av
    except ImportError:
        raise MissingExtra("av", "video", f"{name}: a video file (folders of frames, gif and arrays do not)") from None
    try:
        with av.open(io.BytesIO(data)) as container:
            frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise SourceError("unreadable-file", f"{name}: cannot be read as a video ({error})") from error
    if not frames:
        raise SourceError("unreadable-file", f"{name}: there is no frame in this video")
    return [frames[i] for i in spread(len(frames), count)]
