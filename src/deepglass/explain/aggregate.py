"""Attributions of units summed to parts that a user knows: columns, words, time steps, regions."""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from deepglass.explain.sound import regions
from deepglass.features._explained_words import group_pieces
from deepglass.features._ngrams import Lexicon, SubwordFeatures, pieces_of, split_words
from deepglass.features.base import Column, Feature

Box = tuple[float, float, float, float]


class Part(NamedTuple):
    """A part of the input and its attribution.

    Args:
        weight: the attribution.
        value: of a column.
        position: in its text or sequence.
        box: of an image, the region with the largest attributions: left, top, right, bottom in pixels of the original
            image; of a video, of the frame as the network gets it.
        error: standard error of the weight, of a Shapley value: over the background rows.
        input: name of the input, where there are several.
    """

    name: str
    weight: float
    value: Any = None
    position: int | None = None
    box: Box | None = None
    error: float | None = None
    input: str = ""

    def to_json(self) -> dict[str, Any]:
        values = {
            "part": self.name,
            "value": plain_value(self.value),
            "weight": round(self.weight, 6),
            "position": self.position,
            "input": self.input or None,
            "box": self.box and [round(b, 1) for b in self.box],
            "error": None if self.error is None else round(self.error, 6),
        }
        return {k: v for k, v in values.items() if v is not None}


@dataclass(frozen=True)
class PartAttributions:
    """The parts of one input.

    Args:
        names: (P,); an empty name hides its part.
        weights: (Q, P).
        values: (P,) of columns.
        indexed: whether the parts are positions in a text or sequence.
        boxes: of each part, summed over the targets and then for each target.
        errors: (1 + Q, P) standard errors of the weights, in the same order; None where there is none.
    """

    names: tuple[str, ...]
    weights: np.ndarray
    values: tuple[Any, ...] = ()
    indexed: bool = False
    boxes: tuple[tuple[Box | None, ...], ...] = ()
    errors: np.ndarray | None = None

    def of(self, q: int | None) -> tuple[Part, ...]:
        """The parts for one target; None: summed over all."""
        weights = self.weights.sum(0) if q is None else self.weights[q]
        target = 0 if q is None else q + 1
        boxes = self.boxes[target] if self.boxes else (None,) * len(self.names)
        errors = (None,) * len(self.names) if self.errors is None else self.errors[target].tolist()
        return tuple(
            Part(n, float(w), self.values[i] if self.values else None, i if self.indexed else None, boxes[i], errors[i])
            for i, (n, w) in enumerate(zip(self.names, weights, strict=True))
            if n
        )


PartsOf = Callable[[Any, np.ndarray, Column, Any], PartAttributions]
"""Feature, attributions (Q, ...) of its units, its encoded row, its raw cell -> attributions of its parts."""


def whole_value(feature: Feature, units: np.ndarray, column: Column, cell: Any) -> PartAttributions:
    """The value as one part."""
    weights = units.reshape(len(units), 1, -1).sum(2)
    return PartAttributions((feature.name,), weights, (cell,) if np.isscalar(cell) else ())


def column_attributions(features: Sequence[Feature], units: np.ndarray, raw: dict[str, Any]) -> PartAttributions:
    """The columns of a table that share an input layer, one part each."""
    weights = units if units.shape[1] == len(features) else units.reshape(len(units), 1, -1).sum(2)
    values = tuple(raw.get(f.column) for f in features)
    return PartAttributions(tuple(f.name for f in features), weights, values)


def image_region(feature: Feature, units: np.ndarray, column: Column, cell: Any) -> PartAttributions:
    """The image as one part, with the region of the largest attributions."""
    boxes = tuple((strongest_region(m, column.letterbox),) for m in _with_sum(units))
    return replace(whole_value(feature, units, column, None), boxes=boxes)


def video_frames(feature: Feature, units: np.ndarray, column: Column, cell: Any) -> PartAttributions:
    """The frames of a video, each with its region of the largest attributions."""
    names = tuple(f"{feature.name}, frame {t}" for t in range(units.shape[1]))
    boxes = tuple(tuple(strongest_region(m, None) for m in frames) for frames in _with_sum(units))
    return PartAttributions(names, units.reshape(*units.shape[:2], -1).sum(2), indexed=True, boxes=boxes)


def spectrogram_regions(feature: Any, units: np.ndarray, column: Column, cell: Any) -> PartAttributions:
    """Spans of time and frequency of an audio clip."""
    names, weights = regions(feature.frames, units)
    return PartAttributions(names, weights, indexed=True)


def time_steps(feature: Feature, units: np.ndarray, column: Column, cell: Any) -> PartAttributions:
    """The steps of a sequence."""
    names = tuple(f"{feature.name}, step {t}" for t in range(units.shape[1]))
    return PartAttributions(names, units, indexed=True)


def entries(feature: Feature, units: np.ndarray, column: Column, cell: Any) -> PartAttributions:
    """The entries of a vector or a set of labels; the whole value of other kinds."""
    if not feature.has_entries:
        return whole_value(feature, units, column, cell)
    values = () if feature.class_names else tuple(column.values.reshape(-1).tolist())
    return PartAttributions(feature.part_names(), units, values)


def encoder_tokens(feature: Feature, units: np.ndarray, column: Column, cell: Any) -> PartAttributions:
    """The tokens of an encoder by their index; of a single token the whole value."""
    if feature.tabular or units.shape[1] == 1:
        return whole_value(feature, units, column, cell)
    names = tuple(f"{feature.name}, {t}" for t in range(units.shape[1]))
    return PartAttributions(names, units, indexed=True)


def _with_sum(units: np.ndarray) -> list[np.ndarray]:
    """The attributions summed over the targets, then of each."""
    return [units.sum(0), *units]


# -- images ------------------------------------------------------------------------------------------------------------


def strongest_region(weights: np.ndarray, letterbox: np.ndarray | None) -> Box | None:
    """Bounding box (left, top, right, bottom) of the region around the maximum of the smoothed map (Y, X).

    Args:
        letterbox: (1, 6) as in `Column.letterbox`; None: the map has the pixels of the image.
    """
    from scipy import ndimage

    smooth = np.maximum(weights, 0)
    for axis, side in enumerate(weights.shape):  # windows of about a tenth of the side
        smooth = ndimage.uniform_filter1d(smooth, 2 * max(side // 20, 1) + 1, axis, mode="constant")
    if smooth.max() <= 0:
        return None
    areas, _ = ndimage.label(smooth >= 0.5 * smooth.max())
    y, x = np.nonzero(areas == areas[np.unravel_index(smooth.argmax(), smooth.shape)])
    box = np.array([x.min(), y.min(), x.max() + 1, y.max() + 1], float)
    if letterbox is None:
        return tuple(box.tolist())
    top, left, height, width, Y, X = letterbox[0].astype(float)
    box = (box - [left, top, left, top]) * np.array([X / width, Y / height] * 2)
    return tuple(np.clip(box, 0, [X, Y, X, Y]).tolist())


# -- texts -------------------------------------------------------------------------------------------------------------


def _text_of(cell: Any) -> list[str] | str:
    return list(cell) if isinstance(cell, list | tuple) else str(cell or "")


def words_in(feature: Any, cell: list[str] | str) -> list[str]:
    """The words of a text as the feature splits it."""
    if isinstance(cell, list):
        return cell
    if feature.lists_:
        return cell.split()
    words = split_words(pl.Series([cell], dtype=pl.String), feature.max_words)
    return [words.distinct[p] for p in words.indices]


def token_words(feature: Any, units: np.ndarray, column: Column, cell: Any) -> PartAttributions:
    """Tokens in order, summed to words."""
    codes = column.values
    if not feature.is_text:
        names = [feature.class_names[c - 1] if c else "?" for c in codes]
        return PartAttributions(tuple(names), units[:, : len(codes)], indexed=True)
    if codes.ndim == 2:
        names = words_in(feature, _text_of(cell))[: len(codes)]
        return PartAttributions(tuple(names), units[:, : len(names)], indexed=True)
    groups, words = group_pieces([feature.piece_of([int(c)]) for c in codes])
    weights = np.zeros((len(units), len(words)))
    for t, g in enumerate(groups):
        weights[:, g] += units[:, t]
    return PartAttributions(tuple(w.strip() for w in words), weights, indexed=True)


@lru_cache(maxsize=4)
def _lexicon(vocabulary: tuple[str, ...]) -> Lexicon:
    return Lexicon(vocabulary)


def ngram_words(feature: Any, units: np.ndarray, column: Column, cell: Any) -> PartAttributions:
    """N-grams divided among their words: equally among occurrences, and among the words of a bigram."""
    words = words_in(feature, _text_of(cell))
    weights = np.zeros((len(units), max(len(words), 1)))
    positions = _ngram_positions(_lexicon(feature.vocabulary_), words, feature.subword_features_)
    for t, code in enumerate(column.values.tolist()):
        occurrences = positions.get(code) or [tuple(range(weights.shape[1]))]
        for occurrence in occurrences:
            for p in occurrence:
                weights[:, p] += units[:, t] / (len(occurrences) * len(occurrence))
    return PartAttributions(tuple(words) or ("",), weights, indexed=True)


def _ngram_positions(
    lexicon: Lexicon, words: Sequence[str], parts: SubwordFeatures
) -> dict[int, list[tuple[int, ...]]]:
    """Code of an n-gram -> the indices of its words, for each occurrence."""
    positions: dict[int, list[tuple[int, ...]]] = {}
    for p, word in enumerate(words):
        for piece in pieces_of(word, parts):
            if (code := lexicon.codes.get(piece)) is not None:
                positions.setdefault(code, []).append((p,))
    for p, (first, second) in enumerate(itertools.pairwise(words)):
        if (code := lexicon.codes.get(f"{first.lower()} {second.lower()}")) is not None:
            positions.setdefault(code, []).append((p, p + 1))
    return positions


def plain_value(value: Any) -> Any:
    """A value as plain JSON: arrays as lists, numbers that are not finite as None, objects as text."""
    if isinstance(value, Mapping):
        return {k: plain_value(v) for k, v in value.items()}
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, pl.Series | list | tuple):
        return [plain_value(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
