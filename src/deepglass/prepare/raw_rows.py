"""Raw values as rows of a run's only input: an image, a text, a lone file, or a column of any name."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from PIL import Image as Pillow

from deepglass.data.sources.stored_files import stored_column
from deepglass.data.table import Table
from deepglass.errors import SpecError
from deepglass.features._quantize import PixelFeature
from deepglass.features.base import Feature, Media, Raw
from deepglass.features.text import Text


def as_rows(rows: Any, inputs: Sequence[Feature]) -> Any:
    """Raw values of the only input as rows or columns; whatever else is given stays.

    A text that looks like the name of a file is one: a wrong name is no text to predict.
    """
    if len(inputs) != 1 or len(inputs[0].source_columns) != 1:
        return rows
    (feature,), (column,) = inputs, inputs[0].source_columns
    if isinstance(rows, pl.Series) or (not isinstance(rows, np.ndarray) and type(rows).__name__ == "Series"):
        return {column: rows}
    if feature.file_based and (isinstance(rows, Pillow.Image | bytes | Media) or is_one_image(rows, feature)):
        return [{column: rows}]
    if isinstance(feature, Text) and isinstance(rows, str) and not _looks_like_source(rows):
        return [{column: rows}]
    if isinstance(rows, list) and rows and not any(isinstance(row, Mapping) for row in rows):
        is_text = isinstance(feature, Text) and all(isinstance(row, str) for row in rows)
        if is_text or (feature.file_based and stored_column(column, rows) is not None):
            return {column: rows}
    return rows


def is_row(values: Mapping[str, Any], inputs: Sequence[Feature]) -> bool:
    """Whether a dict is a row rather than columns: a value is single, or nested like a cell of its column."""
    if not all(isinstance(v, list | tuple | np.ndarray | pl.Series) for v in values.values()):
        return True
    if any(is_one_image(values.get(f.column), f) for f in inputs):
        return True
    cells = {f.column: f.cell_axes for f in inputs if f.cell_axes}
    return any(n in cells and count_axes(v) == cells[n] for n, v in values.items() if isinstance(v, list | np.ndarray))


def examples_of(raw: Raw, rows: np.ndarray) -> str:
    """Up to three different cells of some rows."""
    return ", ".join(list(dict.fromkeys(repr(raw[int(i)]) for i in rows[:100]))[:3])


def is_one_image(value: Any, feature: Feature) -> bool:
    """Whether an array is a single image (Y, X, C) of a column of colour images, or (Y, X) of grey ones."""
    if not isinstance(value, np.ndarray) or not isinstance(feature, PixelFeature) or not feature.is_image:
        return False
    return value.ndim == 2 or (value.ndim == 3 and value.shape[2] in (3, 4) and (feature.channels_ or 1) > 1)


def rename_only_column(table: Table, inputs: Sequence[Feature], others: Collection[str]) -> tuple[Table, str]:
    """The table with the column that the only input can be named as it, and that column's name; "" if none is.

    Args:
        others: columns that are no inputs: targets and ignored ones.
    """
    if len(inputs) != 1 or len(inputs[0].source_columns) != 1 or inputs[0].source_columns[0] in table.columns:
        return table, ""
    feature, wanted = inputs[0], inputs[0].source_columns[0]
    names = [name for name in table.names if name not in others]
    if feature.file_based:
        names = [name for name in names if table.kinds.get(name) == feature.kind] or names
    elif isinstance(feature, Text):
        texts = [n for n in names if isinstance(raw := table[n], pl.Series) and raw.dtype == pl.String]
        names = texts or names
    if len(names) != 1 or not (feature.file_based or isinstance(feature, Text)):
        return table, ""
    columns = {wanted if name == names[0] else name: raw for name, raw in table.columns.items()}
    kinds = {wanted if name == names[0] else name: kind for name, kind in table.kinds.items()}
    return replace(table, columns=columns, kinds=kinds), names[0]


def column_of_cells(name: str, values: list[Any]) -> Raw:
    """A column of the cells of rows from Python.

    Raises:
        SpecError: `bad-value` for values of several types.
    """
    values = [v.item() if isinstance(v, np.generic) else str(v) if isinstance(v, Path) else v for v in values]
    first = next((v for v in values if v is not None), None)
    shapes = {np.shape(v) for v in values if isinstance(v, np.ndarray)}
    if isinstance(first, np.ndarray) and len(shapes) == 1 and all(isinstance(v, np.ndarray | None) for v in values):
        return np.stack([v if v is not None else np.full_like(first, np.nan, dtype=float) for v in values])
    if shapes or any(isinstance(v, Pillow.Image | Media | bytes) for v in values):
        return values  # files, and images that are already open
    try:
        return pl.Series(name, values, strict=False)
    except (TypeError, pl.exceptions.PolarsError) as error:
        raise SpecError("bad-value", f"column {name!r}: expected values of one type ({error})") from error


def count_axes(value: Any) -> int:
    """Depth of a nested list or number of axes of an array; inner lists may differ in length."""
    if isinstance(value, list | tuple):
        return 1 + (count_axes(value[0]) if value else 0)
    return int(np.ndim(value))


def _looks_like_source(text: str) -> bool:
    """Whether a text names a file, a folder or another source, which need not exist."""
    if len(text) > 1000 or "\n" in text:
        return False
    try:
        exists = Path(text).expanduser().exists()
    except (OSError, ValueError):
        return False
    is_word = not any(character.isspace() for character in text.strip())
    return exists or text == "-" or (is_word and ("." in text.strip(".") or "/" in text or ":" in text))
