"""The common format of a text column of numbers or dates."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import polars as pl

from deepglass.errors import SourceError
from deepglass.features.base import Raw
from deepglass.parsing import MISSING, is_missing

F = TypeVar("F")


def text_format(chunks: Sequence[Raw], parse: Callable[[pl.Series], F | None], noun: str, column: str) -> F | None:
    """The format of the text in all chunks of a column; None without text, or if all of it is missing.

    Args:
        parse: finds the format of a column, None if fewer than half of its values match.
        noun: of the values, for messages.

    Raises:
        SourceError: `bad-value` for text without a format.
    """
    texts = [c for c in chunks if isinstance(c, pl.Series) and c.dtype in (pl.String, pl.Categorical, pl.Enum)]
    if not texts:
        return None
    text = pl.concat([t.cast(pl.String) for t in texts])
    format = parse(text)
    if format is None and not is_missing(text, MISSING).all():
        example = text.filter(~is_missing(text, MISSING))[0]
        raise SourceError(
            "bad-value",
            f"column {column!r}: expected {noun}, but fewer than half of the values are, such as {example!r}; leave "
            "the kind out or set it to category or text",
        )
    return format
