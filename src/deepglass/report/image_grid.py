"""Images as tiles of one PNG."""

import io
import math
from collections.abc import Sequence

import numpy as np
from PIL import Image as Pillow

MAX_TILE = 56  # pixels of a side


def image_grid(tiles: Sequence[np.ndarray], columns: int | None = None) -> bytes:
    """Tiles side by side as one PNG, a pixel apart.

    Args:
        columns: tiles in a row; None makes the grid about as wide as high.

    Shapes:
        tiles: (Y, X, 1 or 3) of bytes, all of one size.
    """
    columns = columns or math.ceil(math.sqrt(len(tiles)))
    shrink = min(1.0, MAX_TILE / max(tiles[0].shape[:2]))
    height, width = (max(round(side * shrink), 1) for side in tiles[0].shape[:2])
    size = (columns * (width + 1) - 1, -(-len(tiles) // columns) * (height + 1) - 1)
    sheet = Pillow.new("RGB" if tiles[0].shape[2] == 3 else "L", size)
    for i, tile in enumerate(tiles):
        image = Pillow.fromarray(np.ascontiguousarray(tile if tile.shape[2] == 3 else tile[..., 0]))
        image = image if shrink == 1 else image.resize((width, height), Pillow.Resampling.LANCZOS)
        sheet.paste(image, (i % columns * (width + 1), i // columns * (height + 1)))
    out = io.BytesIO()
    sheet.save(out, "PNG", optimize=True)
    return out.getvalue()
