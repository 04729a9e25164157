"""Single test rows as cards: prediction, true value, image and other values; `row_cards.html` draws them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from deepglass.introspect.rows import row_summary
from deepglass.prepare.prepared_data import PreparedData


@dataclass(frozen=True, kw_only=True)
class RowCard:
    """A test row with its prediction.

    Args:
        row: its index in the source.
        truth: the true value: a class, a number or labels; "" where it cannot be written in a few words.
        predicted: the prediction.
        confidence: 0 to 1, where there is one.
        image: a thumbnail (PNG).
        values: its other inputs as text.
    """

    row: int
    truth: str | float
    predicted: str | float
    confidence: float | None = None
    image: bytes | None = None
    values: Mapping[str, str] = field(default_factory=dict)


def row_card(
    prepared: PreparedData, rows: np.ndarray, i: int, truth: Any, predicted: Any, confidence: float | None
) -> RowCard:
    """The card of the i-th of `rows`, indices in the prepared table."""
    row = row_summary(prepared, int(rows[i]))
    return RowCard(
        row=row.row, truth=truth, predicted=predicted, confidence=confidence, image=row.image, values=row.values
    )


def within_budget(cards: Iterable[RowCard], num_bytes: int) -> tuple[list[tuple[RowCard, bytes | None]], int]:
    """Cards with their images as long as the bytes last, and the bytes that are left."""
    pairs: list[tuple[RowCard, bytes | None]] = []
    for card in cards:
        image = card.image if len(card.image or b"") <= num_bytes else None
        num_bytes -= len(image or b"")
        pairs.append((card, image))
    return pairs, num_bytes
