"""Painting of images with a run of style transfer."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image as Pillow

from deepglass.errors import SourceError, SpecError
from deepglass.features._images import decode, resize, to_pixels, with_channels
from deepglass.features._reading import IMAGES
from deepglass.files import write_file
from deepglass.nn.style_transfer import MIN_SIDE
from deepglass.objectives.style import Style
from deepglass.registry import Modules
from deepglass.run.run import Run, open_run

MAX_SIDE = 2048  # pixels of the longer side; a larger image takes several GB
ENDINGS = (".png", ".jpg", ".jpeg", ".webp")


class PaintedFile(NamedTuple):
    """A file that was written, and the size (rows, columns) before and after."""

    path: Path
    size: tuple[int, int]
    painted_size: tuple[int, int]


def paint(run: str | Path | Run, image: Any, *, max_side: int = MAX_SIDE, allow_code: Modules = ()) -> Pillow.Image:
    """An image in the style that a run has learned, of the same size.

    Args:
        image: a path, a Pillow image, or an array (Y, X) or (Y, X, C).
        max_side: limit of the longer side in pixels; a larger image is reduced to it. At least 8.
        allow_code: modules outside the package that the run may name; importing them runs their code.

    Raises:
        SpecError: `bad-value` for a run of another objective, or an image of fewer than 8 rows or columns.
        SourceError: `not-found`, `unreadable-image`, `too-large`.

    Example:
        deepglass.paint("runs/waves", "photo.jpg").save("painted.png")
    """
    opened = open_run(run, allow_code)
    objective = opened.objective
    if not isinstance(objective, Style):
        name = opened.spec.objective.name
        raise SpecError("bad-value", f"paint: {opened.folder.name}: expected a run of objective style, got {name}")
    if max_side < MIN_SIDE:
        raise SpecError("bad-value", f"max_side: expected at least {MIN_SIDE}, got {max_side}")
    pixels = decode(str(image) if isinstance(image, Path) else image)
    if min(pixels.shape[:2]) < MIN_SIDE:
        came = f"{pixels.shape[0]} x {pixels.shape[1]}"
        raise SpecError("bad-value", f"paint: expected an image of at least {MIN_SIDE} x {MIN_SIDE} pixels, got {came}")
    top = float(np.iinfo(pixels.dtype).max) if pixels.dtype.kind == "u" else max(float(pixels.max()), 1.0)
    pixels = with_channels(pixels, objective.feature.channels_ or 1, 1.0)
    shrink = min(1.0, max_side / max(pixels.shape[:2]))
    rows, columns = (max(round(side * shrink), MIN_SIDE) for side in pixels.shape[:2])
    photo = resize(pixels, (rows, columns)).astype(np.float32) / top
    batch = torch.from_numpy(np.ascontiguousarray(photo.transpose(2, 0, 1)))[None].to(opened.predictor.device)
    painted = to_pixels(objective.paint(batch)[0].cpu().numpy(), 255)
    return Pillow.fromarray(painted if painted.shape[2] == 3 else painted[..., 0])


def paint_files(run: Run, source: str, out: Path) -> Iterator[PaintedFile]:
    """Paint an image to a file, or each image of a folder to a folder, as PNG.

    Raises:
        SpecError: `bad-value` for an ending that is no image.
        SourceError: `not-found`; `empty-source` for a folder without images; as for `paint`.
    """
    path = Path(source)
    if path.is_dir():
        files = [f for f in sorted(path.rglob("*")) if f.suffix.lower() in IMAGES and f.is_file()]
        if not files:
            raise SourceError("empty-source", f"{source}: there is no image in this folder")
        if out.suffix:
            raise SpecError("bad-value", f"--out: {source} is a folder: expected a folder, got {out}")
        for file in files:
            yield _paint_file(run, file, (out / file.relative_to(path)).with_suffix(".png"))
        return
    if not path.is_file():
        raise SourceError("not-found", f"{source}: there is no such image or folder")
    if out.suffix.lower() not in ENDINGS:
        raise SpecError("bad-value", f"--out: {out}: expected {', '.join(ENDINGS)}")
    yield _paint_file(run, path, out)


def _paint_file(run: Run, file: Path, out: Path) -> PaintedFile:
    image = decode(str(file))
    painted = paint(run, image)
    content = _encoded(painted, out.suffix.lower())
    out.parent.mkdir(parents=True, exist_ok=True)
    write_file(out, content)
    return PaintedFile(out, image.shape[:2], painted.size[::-1])


def _encoded(image: Pillow.Image, suffix: str) -> bytes:
    """The content of an image file."""
    stream = io.BytesIO()
    image.save(stream, {".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}.get(suffix, "PNG"), quality=92)
    return stream.getvalue()
