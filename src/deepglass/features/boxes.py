"""Bounding boxes with a class each (object detection); any number per image, including none.

Raw boxes are in pixels of the image file. `BoxesOutput.to_input_frame` makes them relative to the encoded image with
its letterbox, 0 to 1 from left and top; `decode` returns to pixels.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
import polars as pl

from deepglass.features.base import Column, Feature, Raw, TypeGuess

if TYPE_CHECKING:
    from torch import nn

    from deepglass.nn.tokens import Field
    from deepglass.nn.warp import Warp

SIDES = ("left", "top", "right", "bottom")
DEFAULT_LABEL = "object"  # class of boxes without a label
MIN_VISIBLE_SHARE = 0.3  # share of a box that must stay in an augmented image, else it is dropped


@dataclass(frozen=True, kw_only=True)
class Boxes(Feature):
    """Bounding boxes with a class each.

    Args:
        vocabulary_: class names, sorted.

    Shapes:
        encoded: ragged, (total, 5) float32 of class index, left, top, right, bottom.

    Example:
        >>> cell = {"label": "cell", "left": 2.0, "top": 1.0, "right": 5.0, "bottom": 3.0}
        >>> feature = Boxes(name="boxes").fit([pl.Series([[cell], []])])
        >>> feature.encode(pl.Series([[cell], []])).offsets.tolist()
        [0, 1, 1]
    """

    vocabulary_: tuple[str, ...] | None = None

    dense: ClassVar[bool] = True

    @classmethod
    def infer_type(cls, raw: Raw, name: str) -> TypeGuess | None:
        if not isinstance(raw, pl.Series) or not isinstance(raw.dtype, pl.List):
            return None
        inner = raw.dtype.inner
        is_boxes = isinstance(inner, pl.Struct) and {f.name for f in inner.fields} >= set(SIDES)
        return TypeGuess(1.0, "lists of boxes: left, top, right, bottom") if is_boxes else None

    def fit(self, chunks: Iterable[Raw]) -> Self:
        names: set[str] = set()
        for raw in chunks:
            names |= set(self._explode(raw)["label"].unique().to_list())
        return replace(self, vocabulary_=tuple(sorted(names)))

    def encode(self, raw: Raw) -> Column:
        """Boxes in pixels of the image file; boxes without area or of an unseen class are left out."""
        mask = ~raw.is_null().to_numpy() if isinstance(raw, pl.Series) else np.zeros(len(raw), bool)
        flat = self._explode(raw)
        indices = {name: i for i, name in enumerate(self.vocabulary_ or ())}
        label = np.array([indices.get(name, -1) for name in flat["label"].to_list()], np.float32)
        sides = flat.select(SIDES).to_numpy().astype(np.float32)
        valid = has_area(sides) & (label >= 0)
        counts = np.bincount(flat["row"].to_numpy()[valid], minlength=len(raw))
        values = np.concatenate([label[:, None], sides], 1)[valid].astype(np.float32)
        return Column(values, mask, np.concatenate([[0], np.cumsum(counts)]).astype(np.int64))

    def count_anomalies(self, raw: Raw) -> dict[str, int]:
        flat = self._explode(raw)
        counts = {
            "box of an unseen class": int((~flat["label"].is_in(self.vocabulary_ or ())).sum()),
            "box without an area": int((~has_area(flat.select(SIDES).to_numpy())).sum()),
        }
        return {anomaly: count for anomaly, count in counts.items() if count}

    def warp(self, field: Field, map: Warp) -> Field:
        """Bounding box of each transformed box, clipped at the border; boxes mostly outside are dropped."""
        from deepglass.nn.boxes import warp_boxes

        boxes, stays = warp_boxes(field.values[..., 1:], map.affine, MIN_VISIBLE_SHARE)
        mask, values = field.mask & stays, field.values.clone()
        values[..., 1:] = boxes
        return type(field)(values * mask[..., None], mask, field.rows)

    def encoder(self, dim: int) -> nn.Module:
        from deepglass.nn.detect import BoxEncoder

        return BoxEncoder(len(self.vocabulary_ or ()), dim)

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.vocabulary_ or ()

    def _explode(self, raw: Raw) -> pl.DataFrame:
        """All boxes of a column, one per row: `row`, `label` and the four sides.

        Raises:
            SourceError: `bad-value` if the column holds something else.
        """
        empty = pl.DataFrame(schema={"row": pl.Int64, "label": pl.String, **dict.fromkeys(SIDES, pl.Float64)})
        if isinstance(raw, pl.Series) and (raw.dtype == pl.Null or raw.null_count() == len(raw)):
            return empty
        if self.infer_type(raw, self.name) is None:
            if isinstance(raw, pl.Series) and isinstance(raw.dtype, pl.List) and not raw.list.len().sum():
                return empty  # empty lists may have any inner type
            raise self.bad_type(f"lists of boxes with {', '.join(SIDES)}", raw)
        frame = pl.DataFrame({"row": pl.int_range(len(raw), eager=True), "box": raw})
        flat = frame.filter(pl.col("box").list.len() > 0).explode("box").unnest("box")
        label = (
            pl.col("label").cast(pl.String).fill_null(DEFAULT_LABEL)
            if "label" in flat.columns
            else pl.lit(DEFAULT_LABEL)
        )
        return flat.select("row", label.alias("label"), *(pl.col(side).cast(pl.Float64) for side in SIDES))


def has_area(sides: np.ndarray) -> np.ndarray:
    """Which boxes (M, 4) have finite sides and a positive area, (M,) bool."""
    return np.isfinite(sides).all(1) & (sides[:, 2] > sides[:, 0]) & (sides[:, 3] > sides[:, 1])
