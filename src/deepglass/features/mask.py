"""Masks: a class for each pixel of a picture (semantic segmentation).

A mask is a picture of whole numbers, in grey or with a palette, or an array (N, Y, X). It is letterboxed as its
picture is, with the nearest pixel, so that the two stay aligned though their sizes may differ.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from deepglass import metrics
from deepglass.errors import SourceError, SpecError
from deepglass.features._dense_outputs import MaskPrediction, cut, nearest, pack, relative_frames, set_in
from deepglass.features._images import Picture, decode_indices, each, letterbox, pictures
from deepglass.features.base import Calibration, Column, Feature, Prediction, PredictionArrays, Raw, TypeGuess
from deepglass.metrics.table import METRICS, Metric

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

    from deepglass.nn.explanation_targets import ExplanationTarget
    from deepglass.nn.tokens import Field
    from deepglass.nn.warp import Warp

LONGEST_SIDE = 256  # where nobody states a size
SAMPLE = 4000  # masks that are decoded to learn size and classes
VOID = 255  # by custom an unlabelled pixel, unless a class has this name
HIGHEST = 65_535  # of a class number
MOST = 1000  # classes
_BINS = 20  # of confidence, in calibration


@dataclass(frozen=True, kw_only=True)
class Mask(Feature):
    """A class for each pixel.

    Code 0 is an unlabelled pixel, code 1 + k the k-th of `values_`. Pixels that are ignored, or whose class no
    training mask has, are unlabelled.

    Args:
        names: of the classes, by their number in the files; empty calls them "class 3".
        ignore: the number of unlabelled pixels; 255 is taken for it too unless `names` has one for it.
        size: (rows, columns) that all masks are brought to; None learns it: their own size when they share one, else
            the median, at most 256 on the longer side.
        class_weights: exponent of the class weights of the loss, 0 to 1: a class weighs its share of the pixels to the
            power of minus this. 0 weighs all pixels alike and keeps confidences calibrated.
        size_: the size in use.
        values_: the classes' numbers in the files, ascending.
        counts_: how many pixels each has.

    Shapes:
        encoded: (N, Y, X) uint8, or int16 for more than 255 classes.

    Example:
        >>> feature = Mask(name="mask", names=("road", "sky")).fit([np.eye(4, dtype=np.uint8)[None]])
        >>> feature.encode(np.eye(4, dtype=np.uint8)[None]).values[0, 0]
        array([2, 1, 1, 1], dtype=uint8)
    """

    names: tuple[str, ...] = ()
    ignore: int | None = None
    size: tuple[int, int] | None = None
    class_weights: float = 0.0
    size_: tuple[int, int] | None = None
    values_: tuple[int, ...] | None = None
    counts_: tuple[int, ...] | None = None

    metric: ClassVar[Metric | None] = METRICS["miou"]
    dense: ClassVar[bool] = True
    trunk: ClassVar[str | None] = "unet"
    longest_side: ClassVar[int | None] = LONGEST_SIDE

    def __post_init__(self) -> None:
        super().__post_init__()
        where = f"outputs.{self.name}"
        if self.size is not None and (len(self.size) != 2 or not all(1 <= s <= 4096 for s in self.size)):
            raise SpecError("bad-value", f"{where}.size: expected [rows, columns] from 1 to 4096, got {self.size!r}")
        if not 0 <= self.class_weights <= 1:
            raise SpecError(
                "bad-value", f"{where}.class_weights: expected a number from 0 to 1, got {self.class_weights!r}"
            )

    @classmethod
    def infer_type(cls, raw: Raw, name: str) -> TypeGuess | None:
        """Only arrays of few whole numbers under a name that says so; of files the source knows."""
        if not isinstance(raw, np.ndarray) or raw.ndim != 3 or raw.dtype.kind not in "uib":
            return None
        said = "mask" in name.lower() or "segment" in name.lower()
        few = len(np.unique(raw[:50])) <= 64
        return TypeGuess(
            0.97 if said and few else 0.1, f"an array of few whole numbers, {raw.shape[1]} x {raw.shape[2]}"
        )

    def fit(self, chunks: Iterable[Raw]) -> Mask:
        """Learn size and classes.

        Raises:
            SourceError: `no-rows` when none can be read; `bad-value` for a number without a name, naming the file.
        """
        items = [item for raw in chunks for item in pictures(raw) if item is not None]
        rows = np.unique(np.linspace(0, len(items) - 1, min(SAMPLE, len(items))).astype(int))
        found = [one for one in each(self._counted, [items[int(i)] for i in rows]) if one is not None]
        if not found:
            raise SourceError("no-rows", f"{self.name}: there is no readable mask to learn from")
        total: dict[int, int] = {}
        for _, counts in found:
            for value, count in counts.items():
                total[value] = total.get(value, 0) + count
        values = tuple(v for v in sorted(total) if self._named(v))
        size = self.size or _size([shape for shape, _ in found])
        return replace(self, size_=(size[0], size[1]), values_=values, counts_=tuple(total[v] for v in values))

    def encode(self, raw: Raw) -> Column:
        """Decode, number the classes, resize to the nearest pixel."""
        items = pictures(raw)
        mask = np.array([item is not None for item in items], bool)
        values = np.zeros((len(items), *self.size_), np.uint8 if len(self.values_) < 256 else np.int16)
        frame = np.tile(np.array([0, 0, *self.size_, *self.size_], np.float32), (len(items), 1))
        rows = np.flatnonzero(mask)
        if len(rows):
            encoded = each(self._encode_one, [items[int(i)] for i in rows])
            values[rows] = [codes for codes, _ in encoded]
            frame[rows] = [place for _, place in encoded]
            mask[rows] = [bool(codes.any()) for codes, _ in encoded]  # wholly unlabelled teaches nothing
        return Column(values, mask, None, frame)

    def unreadable(self, raw: Raw) -> dict[int, str]:
        """Masks that cannot be read, of colours, or with numbers that have no name."""
        if isinstance(raw, np.ndarray) and not self.names:
            return {}
        return {i: reason for i, reason in enumerate(each(self._fault, pictures(raw))) if reason is not None}

    def to_input_frame(self, column: Column, inputs: Mapping[str, Column]) -> Column:
        """The masks moved into the letterbox of the first picture, where the two differ."""
        where = relative_frames(inputs)
        if where is None or column.letterbox is None:
            return column
        Y, X = self.size_
        own = column.letterbox[:, :4] / np.array([Y, X, Y, X], np.float32)
        moved = np.flatnonzero((np.abs(own - where[:, :4]) > 0.75 / min(Y, X)).any(1) & column.mask)
        if not len(moved):
            return column
        values, frame = column.values.copy(), column.letterbox.copy()
        for i in moved:
            top, left, height, width = column.letterbox[i, :4].astype(int)
            seen = column.values[i, top : top + height, left : left + width]
            box = np.round(where[i, :4] * [Y, X, Y, X]).astype(int)
            values[i] = set_in(nearest(seen, (max(box[2], 1), max(box[3], 1))), box[0], box[1], (Y, X))
            frame[i, :4] = box
        return Column(values, column.mask, None, frame)

    def warp(self, field: Field, map: Warp) -> Field:
        """The masks moved with their pictures; what comes from outside is unlabelled unless it is mirrored."""
        from deepglass.nn.warp import inside, warp

        values = warp(field.values[:, None], map, nearest=True)[:, 0]
        if not map.whole:
            values = values * inside(map, (values.shape[-2], values.shape[-1])).to(values.dtype)
        return field._replace(values=values)

    def encoder(self, dim: int) -> nn.Module:
        from deepglass.nn.dense import MaskEncoder

        return MaskEncoder(len(self.values_), dim, (self.size_[0], self.size_[1]))

    def dense_head(self, dim: int, widths: Sequence[int], grid: tuple[int, int] | None = None) -> nn.Module:
        from deepglass.nn.dense import DenseHead

        total = sum(self.counts_)
        return DenseHead(dim, widths, [math.log(n / total) for n in self.counts_])

    def prediction(self, params: Tensor) -> Prediction:
        weight = params.new_tensor(self._weights()) if self.class_weights else None
        return MaskPrediction(params, (self.size_[0], self.size_[1]), weight)

    def score(self, best: PredictionArrays, truth: Column, calibration: Calibration | None = None) -> dict[str, float]:
        return metrics.segmentation(self._confusion(best, truth).sum(0))

    def per_class(
        self, best: PredictionArrays, truth: Column, calibration: Calibration | None = None
    ) -> dict[str, dict[str, float]]:
        """For each class its intersection over union, precision, recall, and share of the pixels."""
        counts = self._confusion(best, truth).sum(0)
        figures = metrics.class_figures(counts)
        return {name: {m: float(v[k]) for m, v in figures.items()} for k, name in enumerate(self.class_names)}

    def for_scoring(self, best: PredictionArrays, truth: Column) -> tuple[PredictionArrays, Column]:
        """Each row's confusion matrix, (N, K, K), which is all that `score` needs."""
        counts = np.zeros((len(truth), len(self.values_), len(self.values_)), np.int64)
        counts[truth.mask] = self._confusion(best, truth)
        return {"counts": counts}, Column(truth.mask, truth.mask)

    def selection_value(self, best: PredictionArrays, truth: Column) -> float | None:
        """By intersection over union: masks may still improve when the loss grows from a few sure mistakes."""
        figures = self.score(best, truth)
        return 1 - figures["miou"] if "miou" in figures else None

    @property
    def class_names(self) -> tuple[str, ...]:
        return tuple(self.names[v] if self._has_name(v) else f"class {v}" for v in self.values_ or ())

    def check_target(self, truth: Column, source: str) -> None:
        """Raises: SourceError: `one-class`; `bad-value` for so many numbers that it is hardly a mask."""
        if len(self.values_) < 2:
            came = f"found only {self.class_names[0]!r}" if self.values_ else "found only unlabelled pixels"
            raise SourceError("one-class", f"{source}: expected two classes or more in {self.column!r}, {came}")
        if len(self.values_) > MOST:
            raise SourceError(
                "bad-value",
                f"{source}: expected a mask of at most {MOST} classes in {self.column!r}, found {len(self.values_):,} "
                "different numbers; is it a picture?",
            )

    def target_warnings(self, truth: Column) -> list[str]:
        total = sum(self.counts_)
        rare = [n for n, c in zip(self.class_names, self.counts_, strict=True) if c < 0.01 * total]
        if not rare:
            return []
        more = f" and {len(rare) - 3} more" if len(rare) > 3 else ""
        return [f"{self.name}: less than a hundredth of the pixels are {', '.join(rare[:3])}{more}"]

    def baseline(self, truth: Column) -> PredictionArrays:
        """The most frequent class everywhere."""
        counts = self._shares(truth)
        shape = (1, *self.size_)
        sure = round(255 * counts.max() / max(counts.sum(), 1e-12))
        return {
            "classes": np.full(shape, counts.argmax() + 1, truth.values.dtype),
            "confidence": np.full(shape, sure, np.uint8),
        }

    def baseline_loss(self, truth: Column) -> float:
        """Of the classes' shares, each row counting the same."""
        shares = np.maximum(self._shares(truth), 1e-12)
        return float(-(shares * np.log(shares / shares.sum())).sum() / shares.sum())

    def calibrate(self, best: PredictionArrays, truth: Column) -> Calibration:
        """How often pixels of a confidence are right, in twenty bins.

        Source: Zadrozny & Elkan, 2001 (histogram binning).
        """
        known = (truth.values > 0) & truth.mask[:, None, None]
        right = (best["classes"] == truth.values)[known]
        if not len(right):
            return {}
        bins = np.minimum(best["confidence"][known].astype(np.int64) * _BINS // 255, _BINS - 1)
        rows = np.bincount(bins, minlength=_BINS)
        hits = np.bincount(bins, weights=right, minlength=_BINS)
        middle = (np.arange(_BINS) + 0.5) / _BINS
        return {"accuracy": [round(float(v), 4) for v in (hits + _BINS * middle) / (rows + _BINS)]}  # a few of its own

    def explanation_target(
        self, prediction: Any, best: Any, decoded: Mapping[str, Any], calibration: Calibration
    ) -> ExplanationTarget:
        from deepglass.nn.explanation_targets import mask_target

        return mask_target(prediction.params[0], self.class_names)

    def decode(self, best: PredictionArrays, calibration: Calibration | None = None) -> list[dict[str, Any]]:
        """`value`, in the size of the picture as it came: {"size": [rows, columns], "runs": [[class, length], ...]},
        row by row, the class as the masks' files number it (`unpack` makes an array of it); `shares` of the picture by
        class; `confidence`, the mean over its pixels.
        """
        classes, sure = best["classes"], best["confidence"]
        frames = best.get("letterbox")
        accuracy = np.array((calibration or {}).get("accuracy", [])) if calibration else np.zeros(0)
        return [
            self._decoded(classes[i], sure[i], None if frames is None else frames[i], accuracy)
            for i in range(len(classes))
        ]

    def context(self, inputs: Mapping[str, Column]) -> PredictionArrays:
        """Where the first picture stands in its letterbox, as shares of its sides, and its size as it came."""
        where = relative_frames(inputs)
        return {} if where is None else {"letterbox": where}

    # -- pieces ------------------------------------------------------------------------------------------------

    def _decoded(
        self, classes: np.ndarray, sure: np.ndarray, frame: np.ndarray | None, accuracy: np.ndarray
    ) -> dict[str, Any]:
        size = classes.shape if frame is None else (int(frame[4]), int(frame[5]))
        classes, sure = cut(classes, frame), cut(sure, frame)
        counts = np.bincount(classes.ravel(), minlength=len(self.values_) + 1)[1:]
        shares = {n: float(c / classes.size) for n, c in zip(self.class_names, counts, strict=True) if c}
        sure = sure.astype(np.float64) / 255
        if len(accuracy):
            sure = accuracy[np.minimum((sure * _BINS).astype(int), _BINS - 1)]
        numbers = np.array((0, *self.values_))[nearest(classes, size)]
        return {
            "value": pack(numbers),
            "confidence": float(sure.mean()),
            "shares": dict(sorted(shares.items(), key=lambda pair: -pair[1])),
        }

    def _confusion(self, best: PredictionArrays, truth: Column) -> np.ndarray:
        """Of each known row the true (first) and answered classes' pixels, (N, K, K) int64."""
        if "counts" in best:
            return best["counts"][truth.mask]
        K, rows = len(self.values_), np.flatnonzero(truth.mask)
        counts = np.zeros((len(rows), K, K), np.int64)
        for n, i in enumerate(rows):
            true = truth.values[i].ravel()
            known = true > 0
            counts[n] = metrics.confusion_matrix(true[known] - 1, best["classes"][i].ravel()[known] - 1, K)
        return counts

    def _shares(self, truth: Column) -> np.ndarray:
        """The classes' shares, (K,), each row counting the same."""
        counts = np.array([np.bincount(v.ravel(), minlength=len(self.values_) + 1) for v in truth.values[truth.mask]])
        counts = counts.reshape(-1, len(self.values_) + 1)[:, 1:]
        return (counts / np.maximum(counts.sum(1, keepdims=True), 1)).sum(0)

    def _weights(self) -> list[float]:
        """Of the classes in the loss; their mean over the pixels is 1."""
        shares = np.array(self.counts_) / sum(self.counts_)
        weights = shares**-self.class_weights
        return (weights / (weights * shares).sum()).tolist()

    def _has_name(self, value: int) -> bool:
        return value < len(self.names) and bool(self.names[value])

    def _is_void(self, value: int) -> bool:
        return value == self.ignore or (value == VOID and not self._has_name(value))

    def _named(self, value: int) -> bool:
        """Whether a number stands for a class."""
        return not self._is_void(value) and (not self.names or self._has_name(value))

    def _counted(self, item: Picture) -> tuple[tuple[int, int], dict[int, int]] | None:
        """A mask's shape and its numbers, or None where it cannot be read."""
        try:
            pixels = decode_indices(item)
        except SourceError:  # counted and named by `unreadable`
            return None
        return pixels.shape, _counts(pixels)

    def _fault(self, item: Picture) -> str | None:
        if item is None:
            return None
        try:
            values = sorted(_counts(decode_indices(item)))
        except SourceError as error:
            return str(error)
        name = getattr(item, "name", "a mask")
        if values[0] < 0 or values[-1] > HIGHEST:
            return (
                f"[bad-value] {name}: expected class numbers from 0 to {HIGHEST:,}, found {values[0]} to {values[-1]}"
            )
        nameless = [v for v in values if not self._named(v) and not self._is_void(v)]
        if not nameless:
            return None
        shown = ", ".join(map(str, nameless[:5])) + (", ..." if len(nameless) > 5 else "")
        return f"[bad-value] {name}: class {shown} has no name; the names go from 0 to {len(self.names) - 1}"

    def _encode_one(self, item: Picture) -> tuple[np.ndarray, tuple[int, ...]]:
        """Codes (Y, X) and where what is seen stands in them, as `Column.letterbox` has it."""
        pixels = decode_indices(item)
        codes = np.zeros(HIGHEST + 1, np.uint8 if len(self.values_) < 256 else np.int16)
        codes[list(self.values_)] = np.arange(1, len(self.values_) + 1)
        top, left, *inner = letterbox(pixels.shape, self.size_)
        seen = nearest(codes[np.clip(pixels, 0, HIGHEST)], (inner[0], inner[1]))
        return set_in(seen, top, left, self.size_), (top, left, *inner, *pixels.shape)


def _counts(pixels: np.ndarray) -> dict[int, int]:
    """How often each number occurs."""
    if pixels.dtype.kind == "u" and pixels.dtype.itemsize <= 2:  # a fraction of the time of sorting them
        counts = np.bincount(pixels.ravel())
        return {int(v): int(counts[v]) for v in np.flatnonzero(counts)}
    values, found = np.unique(pixels, return_counts=True)
    return dict(zip(values.tolist(), found.tolist(), strict=True))


def _size(shapes: Sequence[tuple[int, int]]) -> tuple[int, int]:
    rows, columns = np.median(shapes, 0)
    shrink = min(1.0, LONGEST_SIDE / max(rows, columns))
    return max(round(rows * shrink), 1), max(round(columns * shrink), 1)
