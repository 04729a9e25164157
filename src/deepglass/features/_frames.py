"""Reading of videos as frames: arrays, folders of images, animated images, and video files."""

import io
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image as Pillow
from PIL import ImageSequence

from deepglass.errors import MissingExtra, SourceError
from deepglass.features._images import BROKEN, FORMATS, decode
from deepglass.features._reading import IMAGES
from deepglass.features.base import Media, Raw
from deepglass.files import outside, read_file
from deepglass.limits import check_limit

RawVideo = Media | np.ndarray | str | None
"""One video: a file or a folder of frames, an array (T, Y, X) or (T, Y, X, C), a path; None = missing."""


def as_videos(raw: Raw) -> Sequence[RawVideo]:
    """A raw column as a sequence of videos, None = missing."""
    if isinstance(raw, np.ndarray):
        return list(raw)
    return raw.to_list() if isinstance(raw, pl.Series) else raw


def read_frames(video: RawVideo, count: int) -> list[np.ndarray]:
    """`count` evenly spaced frames of a video, each (Y, X, C); a video with fewer frames repeats some.

    Raises:
        SourceError: `not-found`, `unreadable-file`, `unreadable-image`, `too-large`, naming the file.
        MissingExtra: for a video file, without the extra `video`.
    """
    if isinstance(video, np.ndarray):
        frames = video[frame_indices(len(video), count)]
        return list(frames if frames.ndim == 4 else frames[..., None])
    if not isinstance(video, Media | str):
        raise SourceError("unreadable-file", f"expected the path of a video, got {video!r}")
    path, name = (Path(video), video) if isinstance(video, str) else (video.path, video.name)
    if path.is_dir():
        files = frame_files(path)
        if not files:
            raise SourceError("unreadable-file", f"{name}: this folder of frames holds no image")
        return [decode(Media(f"{name}/{files[i].name}", files[i])) for i in frame_indices(len(files), count)]
    data = read_file(path, name) if isinstance(video, str) else video.read()
    if name.lower().endswith(IMAGES):
        return _read_animation(data, name, count)
    return _read_video(data, name, count)


def frame_indices(length: int, count: int) -> np.ndarray:
    """Indices of `count` evenly spaced frames, from the first to the last of `length`."""
    return np.round(np.linspace(0, length - 1, count)).astype(int)


def frame_files(folder: Path) -> list[Path]:
    """The images of a folder in natural order: by the numbers in their names."""
    files = [p for p in folder.iterdir() if p.name.lower().endswith(IMAGES) and not p.name.startswith(".")]
    if leaving := outside(files, (folder,)):
        text = (
            f"{folder.name}/: {len(leaving)} of its frames are links that lead out, such as {files[leaving[0]].name!r}"
        )
        raise SourceError("unsafe-path", f"{text}; put the files themselves into the folder")
    return sorted(files, key=lambda p: [int(t) if t.isdigit() else t.lower() for t in re.split(r"(\d+)", p.name)])


def _read_animation(data: bytes, name: str, count: int) -> list[np.ndarray]:
    """Frames of a GIF, WebP or TIFF file."""
    try:
        opened = Pillow.open(io.BytesIO(data), formats=FORMATS)
        X, Y = opened.size
        check_limit("image_pixels", X * Y, name, f"{X:,} x {Y:,} pixels")
        total = getattr(opened, "n_frames", 1)
        check_limit("animation_pixels", X * Y * total, name, f"{total:,} frames of {X:,} x {Y:,} pixels")
        check_limit("image_pixels", X * Y * count, name, f"{count} frames of {X:,} x {Y:,} pixels")
        indices = frame_indices(total, count)
        frames = {i: decode(frame.copy()) for i, frame in enumerate(ImageSequence.Iterator(opened)) if i in indices}
        return [frames[i] for i in indices]
    except (Pillow.DecompressionBombError, *BROKEN) as error:
        raise SourceError("unreadable-image", f"{name}: cannot be read as frames ({error})") from error


def _read_video(data: bytes, name: str, count: int) -> list[np.ndarray]:
    """Frames of a video file, decoded by PyAV."""
    try:
        import av
    except ImportError:
        raise MissingExtra("av", "video", f"{name}: a video file (folders of frames, gif and arrays do not)") from None
    try:
        with av.open(io.BytesIO(data), mode="r") as container:
            frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise SourceError("unreadable-file", f"{name}: cannot be read as a video ({error})") from error
    if not frames:
        raise SourceError("unreadable-file", f"{name}: this video has no frame")
    return [frames[i] for i in frame_indices(len(frames), count)]
