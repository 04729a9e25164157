"""What generating and representing runs drew, as facts of a report."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image as Pillow

from deepglass.features._display import to_pixels
from deepglass.features.image import Image
from deepglass.features.number import Number
from deepglass.objectives.autoencoder import Autoencoder
from deepglass.objectives.base import Objective
from deepglass.objectives.dbn import Dbn
from deepglass.objectives.rbm import Rbm
from deepglass.objectives.variational import Variational
from deepglass.prepare.prepared_data import PreparedData
from deepglass.report.sample_facts import Again, Samples, Sheet
from deepglass.run.callbacks.sample_history import sheets

SHEETS = 8  # shown of a run
SIDE = 56  # pixels of a tile, at most
AGAIN = 16  # rows drawn again


def samples_of(folder: Path, prepared: PreparedData) -> Samples | None:
    """Some of the sheets, spread over the run; None where nothing was drawn."""
    found = sheets(folder)
    if not found:
        return None
    steps = list(found)
    chosen = [steps[i] for i in np.unique(np.linspace(0, len(steps) - 1, min(SHEETS, len(steps))).astype(int))]
    picture = next((f for f in prepared.inputs if isinstance(f, Image)), None)
    if picture is not None and picture.name in found[chosen[0]]:
        made = [Sheet(step, _grid([_opened(v) for v in found[step][picture.name]])) for step in chosen]
        return Samples(picture.name, tuple(made), len(found[chosen[0]][picture.name]))
    numbers = [f for f in prepared.inputs if isinstance(f, Number) and f.name in found[chosen[0]]]
    if len(numbers) < 2:
        return None
    plane = [f.name for f in numbers[:2]]
    made = [Sheet(step, None, _pairs(found[step], plane)) for step in chosen]
    rows = prepared.rows("train")
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, min(300, len(rows))).astype(int))]
    table = prepared.table.take(rows)
    real = _pairs({f.name: list(table[f.column]) for f in numbers[:2]}, plane)
    return Samples(" and ".join(plane), tuple(made), len(made[0].points), real)


def drawn_again(objective: Objective, prepared: PreparedData, device: str) -> Again | None:
    """Some test rows above what comes of them; None for runs that draw no row again, and without a picture."""
    picture = next((f for f in prepared.inputs if isinstance(f, Image)), None)
    if picture is None or not isinstance(objective, Autoencoder | Variational | Rbm | Dbn):
        return None
    rows = _spread(prepared, AGAIN)
    batch = prepared.dataset(rows, device).batch(torch.arange(len(rows)))
    objective.eval()
    with torch.inference_mode():
        drawn = objective.reconstruct(batch)[picture.name]["codes"].cpu().numpy()
    given = batch.inputs[picture.name].values.cpu().numpy()
    levels = picture.levels_ or 255
    return Again(picture.name, _grid([to_pixels(c, levels) for c in (*given, *drawn)], len(rows)), len(rows))


def _spread(prepared: PreparedData, most: int) -> np.ndarray:
    """Rows spread over the test part, or the training part where there is none."""
    rows = prepared.rows("test")
    rows = rows if len(rows) else prepared.rows("train")
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(int))]


def _pairs(columns: Mapping[str, Sequence[Any]], plane: Sequence[str]) -> list[tuple[float, float]]:
    both = zip(*(columns[name] for name in plane), strict=True)
    return [(float(x), float(y)) for x, y in both if x is not None and y is not None]


def _opened(value: Mapping[str, str]) -> np.ndarray:
    """A drawn picture's pixels, (Y, X, 1 or 3) of bytes."""
    opened = Pillow.open(io.BytesIO(base64.b64decode(value["png"])), formats=["PNG"])
    pixels = np.asarray(opened.convert("L" if opened.mode in ("1", "L", "I;16", "I") else "RGB"))
    return pixels if pixels.ndim == 3 else pixels[..., None]


def _grid(tiles: Sequence[np.ndarray], columns: int | None = None) -> bytes:
    """Tiles (Y, X, C) side by side as one PNG, a pixel apart."""
    columns = columns or math.ceil(math.sqrt(len(tiles)))
    shrink = min(1.0, SIDE / max(tiles[0].shape[:2]))
    rows, across = (max(round(side * shrink), 1) for side in tiles[0].shape[:2])
    sheet = Pillow.new(
        "RGB" if tiles[0].shape[2] == 3 else "L", (columns * (across + 1) - 1, _lines(tiles, columns, rows))
    )
    for i, tile in enumerate(tiles):
        one = Pillow.fromarray(np.ascontiguousarray(tile if tile.shape[2] == 3 else tile[..., 0]))
        one = one if shrink == 1 else one.resize((across, rows), Pillow.Resampling.LANCZOS)
        sheet.paste(one, (i % columns * (across + 1), i // columns * (rows + 1)))
    out = io.BytesIO()
    sheet.save(out, "PNG", optimize=True)
    return out.getvalue()


def _lines(tiles: Sequence[np.ndarray], columns: int, rows: int) -> int:
    return -(-len(tiles) // columns) * (rows + 1) - 1
