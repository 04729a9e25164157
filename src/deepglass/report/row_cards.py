"""Single test rows as cards: prediction, true value, image and other values; `row_cards.html` draws them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from deepglass.introspect.rows import OutputRows, row_summary


@dataclass(frozen=True, kw_only=True)
class RowCard:
    """A test row with its prediction.

    Args:
        row: its index in the source.
        truth: the true value: a class, a number or labels; "" where it cannot be written in a few words.
        predicted: the prediction.
        confidence: 0 to 1, where there is one.
        image: a thumbnail (PNG).
        values: its other inputs as text, the most important first.
    """

    row: int
    truth: str | float
    predicted: str | float
    confidence: float | None = None
    image: bytes | None = None
    values: Mapping[str, str] = field(default_factory=dict)


def row_card(rows: OutputRows, i: int, truth: Any, predicted: Any, confidence: float | None) -> RowCard:
    """The card of the i-th test row; the inputs that matter most come first."""
    row = row_summary(rows.prepared, int(rows.rows[i]), rows.important_inputs)
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
