"""Attributions of cells as the user's own parts: columns, words, times, regions."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from deepglass.explain.input_layers import Entry
from deepglass.explain.sound import regions
from deepglass.features._explained_words import group_pieces
from deepglass.features._ngrams import Lexicon, Parts, pieces_of, split_words
from deepglass.features.base import Column

Box = tuple[float, float, float, float]


class Part(NamedTuple):
    """A part of the input and what it adds.

    Args:
        value: what stands there, for columns.
        place: where it stands in its text or sequence, which is `input`.
        box: of a picture, the region that adds most: left, top, right, bottom in pixels of the picture as it came, of a
            video's frame in those that are looked at.
        error: the standard error of the weight, where it was sampled.
    """

    name: str
    weight: float
    value: Any = None
    place: int | None = None
    box: Box | None = None
    error: float | None = None
    input: str = ""

    def to_json(self) -> dict[str, Any]:
        said = {"part": self.name, "value": _plain(self.value), "weight": round(self.weight, 6), "place": self.place}
        said |= {"input": self.input or None}
        said |= {"box": self.box and [round(b, 1) for b in self.box]}
        said |= {"error": None if self.error is None else round(self.error, 6)}
        return {k: v for k, v in said.items() if v is not None}


@dataclass(frozen=True)
class Named:
    """The parts of one input. Shapes: weights: (Q, P)."""

    names: tuple[str, ...]
    weights: np.ndarray
    values: tuple[Any, ...] = ()
    places: bool = False
    boxes: tuple[tuple[Box | None, ...], ...] = ()  # of each part: for all questions together, then for each

    def of(self, q: int | None) -> list[Part]:
        """The parts of one question, or of all together."""
        weights = self.weights.sum(0) if q is None else self.weights[q]
        boxes = self.boxes[0 if q is None else q + 1] if self.boxes else (None,) * len(self.names)
        return [
            Part(n, float(w), self.values[i] if self.values else None, i if self.places else None, boxes[i])
            for i, (n, w) in enumerate(zip(self.names, weights, strict=True))
            if n
        ]


def name_parts(entry: Entry, cells: np.ndarray, row: dict[str, Column], cells_raw: dict[str, Any]) -> Named:
    """The parts of one entry; one that adds nothing where it is empty.

    Args:
        cells: (Q, ...) attributions of its cells.
        row: the encoded inputs of this row; cells_raw: its values as the user wrote them, by column.
    """
    named = _named(entry, cells, row, cells_raw)
    return named if any(named.names) else Named((entry.name,), np.zeros((len(cells), 1)))


def whole_columns(entry: Entry, cells: np.ndarray, cells_raw: dict[str, Any]) -> Named:
    """The columns of a table that enter there, a part each."""
    weights = cells if cells.shape[1] == len(entry.features) else cells.reshape(len(cells), 1, -1).sum(2)
    return Named(tuple(f.name for f in entry.features), weights, tuple(cells_raw.get(f.column) for f in entry.features))


def _named(entry: Entry, cells: np.ndarray, row: dict[str, Column], cells_raw: dict[str, Any]) -> Named:
    feature: Any = entry.features[0]
    cell = cells_raw.get(feature.column)
    boxes: tuple[tuple[Box | None, ...], ...]
    if entry.kind in ("pixels", "classes"):
        boxes = _shared([(brightest(m, row[entry.name].letterbox),) for m in _maps(cells)])
        return Named((entry.name,), cells.reshape(len(cells), 1, -1).sum(2), boxes=boxes)
    if entry.kind == "frames":
        names = tuple(f"{entry.name}, frame {t}" for t in range(cells.shape[1]))
        boxes = _shared([tuple(brightest(m, None) for m in frames) for frames in _maps(cells)])
        return Named(names, cells.reshape(*cells.shape[:2], -1).sum(2), places=True, boxes=boxes)
    if entry.kind == "bands":
        names, weights = regions(feature.frames, cells)
        return Named(names, weights, places=True)
    if entry.kind == "ngrams":
        return _bag(feature, cells, row[entry.name].values, _text_of(cell))
    if entry.kind == "words":
        return _words(feature, cells, row[entry.name].values, cell)
    if entry.kind == "steps":
        names = tuple(f"{entry.name}, step {t}" for t in range(cells.shape[1]))
        return Named(names, cells, places=True)
    if entry.kind == "labels":
        return Named(tuple(f"{entry.name}: {label}" for label in feature.class_names), cells)
    if entry.kind == "entries" and feature.kind != "date":
        values: tuple[Any, ...] = tuple(row[entry.name].values.reshape(-1).tolist())
        return Named(tuple(f"{entry.name}[{k}]" for k in range(cells.shape[1])), cells, values)
    if cells.shape[1] == len(entry.features) and entry.kind == "tokens":
        values = tuple(cells_raw.get(f.column) for f in entry.features)
        return Named(tuple(f.name for f in entry.features), cells, values)
    if entry.kind == "tokens" and feature.kind in ("boxes", "mask", "points"):
        return Named(tuple(f"{entry.name}, {t}" for t in range(cells.shape[1])), cells, places=True)
    return Named((entry.name,), cells.sum(1, keepdims=True), (cell,) if np.isscalar(cell) else ())


def _maps(cells: np.ndarray) -> list[np.ndarray]:
    """Of all questions together, then of each; of a single one once."""
    return [cells.sum(0), *cells] if len(cells) > 1 else [cells[0]]


def _shared(boxes: list[tuple[Box | None, ...]]) -> tuple[tuple[Box | None, ...], ...]:
    return tuple(boxes * 2 if len(boxes) == 1 else boxes)


# -- pictures ----------------------------------------------------------------------------------------------------------


def brightest(weights: np.ndarray, frame: np.ndarray | None) -> Box | None:
    """The region (left, top, right, bottom) around the place that adds most, once the map (Y, X) is smoothed.

    Args:
        frame: (1, 6) where the picture stands in the map, as `Column.letterbox` has it; None: its pixels are the map's.
    """
    smooth = smoothed(np.maximum(weights, 0))
    if smooth.max() <= 0:
        return None
    over = smooth >= 0.5 * smooth.max()
    region = np.zeros_like(over)
    region[np.unravel_index(smooth.argmax(), smooth.shape)] = True
    while True:
        wider = _wider(region) & over
        if (wider == region).all():
            break
        region = wider
    y, x = np.nonzero(region)
    box = np.array([x.min(), y.min(), x.max() + 1, y.max() + 1], float)
    if frame is None:
        return tuple(box.tolist())
    top, left, height, width, Y, X = frame[0].astype(float)
    box = (box - [left, top, left, top]) * np.array([X / width, Y / height] * 2)
    return tuple(np.clip(box, 0, [X, Y, X, Y]).tolist())


def smoothed(weights: np.ndarray) -> np.ndarray:
    """A map (Y, X) in which each place is the mean of its neighbourhood, a tenth of the map wide."""
    for axis in (0, 1):
        size = weights.shape[axis]
        reach, places = max(size // 20, 1), np.arange(size)
        sums = np.concatenate([np.zeros_like(weights.take([0], axis)), weights.cumsum(axis)], axis)
        ends = sums.take(np.minimum(places + reach + 1, size), axis), sums.take(np.maximum(places - reach, 0), axis)
        weights = (ends[0] - ends[1]) / (2 * reach + 1)
    return weights


def _wider(region: np.ndarray) -> np.ndarray:
    wide = region.copy()
    wide[1:] |= region[:-1]
    wide[:-1] |= region[1:]
    wide[:, 1:] |= region[:, :-1]
    wide[:, :-1] |= region[:, 1:]
    return wide


# -- texts -------------------------------------------------------------------------------------------------------------


def _text_of(cell: Any) -> list[str] | str:
    return list(cell) if isinstance(cell, list | tuple) else str(cell or "")


def words_in(feature: Any, cell: list[str] | str) -> list[str]:
    """The words of a text as they are read."""
    if isinstance(cell, list):
        return cell
    if feature.lists_:
        return cell.split()
    words = split_words(pl.Series([cell], dtype=pl.String), feature.max_words)
    return [words.distinct[p] for p in words.places]


def _words(feature: Any, cells: np.ndarray, codes: np.ndarray, cell: Any) -> Named:
    """Tokens in order as words."""
    if feature.kind != "text":
        return Named(
            tuple(feature.class_names[c - 1] if c else "?" for c in codes), cells[:, : len(codes)], places=True
        )
    if codes.ndim == 2:
        names = words_in(feature, _text_of(cell))[: len(codes)]
        return Named(tuple(names), cells[:, : len(names)], places=True)
    groups, words = group_pieces([feature.piece_of([int(c)]) for c in codes])
    weights = np.zeros((len(cells), len(words)))
    for t, g in enumerate(groups):
        weights[:, g] += cells[:, t]
    return Named(tuple(w.strip() for w in words), weights, places=True)


@lru_cache(maxsize=4)
def _lexicon(vocabulary: tuple[str, ...]) -> Lexicon:
    return Lexicon(vocabulary)


def _bag(feature: Any, cells: np.ndarray, codes: np.ndarray, cell: list[str] | str) -> Named:
    """N-grams as words: each is shared among the places where it stands, and a pair among its two words."""
    words = words_in(feature, cell)
    weights = np.zeros((len(cells), max(len(words), 1)))
    stands = _standing(_lexicon(feature.vocabulary_), words, feature.parts_)
    for t, code in enumerate(codes.tolist()):
        occurrences = stands.get(code) or [tuple(range(weights.shape[1]))]
        for places in occurrences:
            for p in places:
                weights[:, p] += cells[:, t] / (len(occurrences) * len(places))
    return Named(tuple(words) or ("",), weights, places=True)


def _standing(lexicon: Lexicon, words: Sequence[str], parts: Parts) -> dict[int, list[tuple[int, ...]]]:
    """Code of an n-gram -> the words that it is made of, each time that it stands there."""
    stands: dict[int, list[tuple[int, ...]]] = {}
    for p, word in enumerate(words):
        for piece in pieces_of(word, parts):
            if (code := lexicon.codes.get(piece)) is not None:
                stands.setdefault(code, []).append((p,))
    for p, (first, second) in enumerate(itertools.pairwise(words)):
        if (code := lexicon.codes.get(f"{first.lower()} {second.lower()}")) is not None:
            stands.setdefault(code, []).append((p, p + 1))
    return stands


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, str | int | float | bool | list) else str(value)
