"""Explained test rows as plain data: contributions of the input's parts, neighbours, faithfulness checks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

NOTHING = "nothing"  # the prediction where no box and no label was found

PartLayout = Literal["bars", "words", "steps"]


class Contribution(NamedTuple):
    """A part of an input and what it adds to the prediction.

    Args:
        value: what stands there, for columns.
        error: standard error of the weight over the background rows; None where the weight does not depend on them.
    """

    name: str
    weight: float
    value: str = ""
    error: float | None = None


class NeighbourCard(NamedTuple):
    """A training row with a similar embedding: its index in the source, its label, its image.

    Args:
        values: of the inputs that the explained prediction rests on most, as (name, text) pairs.
    """

    row: int
    label: str = ""
    image: bytes | None = None
    values: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class TargetFacts:
    """One explained value of a prediction, such as the log-odds of a class, a box, a word.

    Args:
        name: what is explained.
        layout: how the parts are drawn: bars, the words of a text in their order, or steps one after another.
        parts: in the order of the input.
        image: the input with what each place adds over it, PNG.
        activation: the same by a class activation map.
    """

    name: str
    layout: PartLayout = "bars"
    parts: tuple[Contribution, ...] = ()
    image: bytes | None = None
    activation: bytes | None = None


@dataclass(frozen=True, kw_only=True)
class ExplanationFacts:
    """A test row's prediction, and what it rests on.

    Args:
        row: its index in the source.
        predicted, truth: as text; confidence: of the prediction.
        unit: of the explained values; score: of the row; base: of the baseline input.
        method: how it was computed.
        targets: the values that are explained, one or several.
        image: the input as it is.
        wav: the audio as it is, a WAV file; masked_wav: the same with only the regions that matter.
        neighbours: training rows with similar embeddings.
        counterfactual: which other values would give another prediction, a sentence.
        checks: name of a faithfulness check -> value.
    """

    row: int
    predicted: str
    unit: str
    score: float
    method: str
    base: float | None = None
    truth: str = ""
    confidence: float | None = None
    targets: tuple[TargetFacts, ...] = ()
    image: bytes | None = None
    wav: bytes | None = None
    masked_wav: bytes | None = None
    neighbours: tuple[NeighbourCard, ...] = ()
    counterfactual: str = ""
    checks: Mapping[str, float] = field(default_factory=dict)

    @property
    def num_bytes(self) -> int:
        """Of all images and clips."""
        media = [self.image, self.wav, self.masked_wav, *(n.image for n in self.neighbours)]
        media += [image for t in self.targets for image in (t.image, t.activation)]
        return sum(len(m or b"") for m in media)
