"""Predicts an image by the squared error of its pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from deepglass import metrics
from deepglass.errors import SpecError
from deepglass.features._dense_outputs import ImagePrediction, cut, packed, relative_frames
from deepglass.features.base import Column
from deepglass.features.image import Image
from deepglass.features.outputs.base import Calibration, Output, Prediction, PredictionArrays
from deepglass.metrics.table import METRICS, Metric

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class ImageOutput(Image, Output):
    """Predicts an image by the squared error of its pixels."""

    metric: ClassVar[Metric] = METRICS["psnr"]
    trunk: ClassVar[str | None] = "unet"

    def dense_head(self, dim: int, widths: Sequence[int], grid: tuple[int, int] | None = None) -> nn.Module:
        from deepglass.nn.dense import DenseHead

        if self.channels_ not in (1, 3):
            raise SpecError("bad-value", f"outputs.{self.name}: expected grey or rgb, found {self.channels_} channels")
        sides = zip(self.size_, grid or self.size_, strict=True)
        return DenseHead(dim, widths, [0.0] * self.channels_, upscale=max(-(-side // came) for side, came in sides))

    def prediction(self, params: Tensor) -> Prediction:
        mean, std = (params.new_tensor(v).view(1, -1, 1, 1) for v in (self.mean_, self.std_))
        return ImagePrediction(params, (self.size_[0], self.size_[1]), mean, std, self.levels_)

    def score(self, best: PredictionArrays, truth: Column, calibration: Calibration | None = None) -> dict[str, float]:
        """psnr in decibels and mse, the range of the values being 0 to 1."""
        errors = self._errors(best, truth)[truth.mask]
        return {"psnr": metrics.psnr(errors), "mse": float(errors.mean())} if len(errors) else {}

    def for_scoring(self, best: PredictionArrays, truth: Column) -> tuple[PredictionArrays, Column]:
        """Each picture's mean squared error, (N,)."""
        return {"error": self._errors(best, truth)}, Column(truth.mask, truth.mask)

    def baseline(self, truth: Column) -> PredictionArrays:
        """The mean of the pictures, pixel by pixel."""
        known = truth.values[truth.mask] if truth.mask.any() else np.array(self.mean_).reshape(1, -1, 1, 1)
        mean = np.broadcast_to(known.mean(0, dtype=np.float64), truth.values.shape[1:])
        return {"codes": np.round(mean)[None].astype(np.int32 if self.levels_ > 255 else np.uint8)}

    def baseline_loss(self, truth: Column) -> float:
        known = truth.values[truth.mask].astype(np.float64)
        variance = np.square(np.array(self.std_)).reshape(1, -1, 1, 1)
        return max(float((np.square(known - known.mean(0)) / variance).mean()), 1e-12) if len(known) else 1.0

    def decode(self, best: PredictionArrays, calibration: Calibration | None = None) -> list[dict[str, Any]]:
        """`value`: {"size": [rows, columns], "png": base64}; `features._dense.unpacked` gives the pixels."""
        frames = best.get("letterbox")
        seen = [cut(codes, None if frames is None else frames[i]) for i, codes in enumerate(best["codes"])]
        return [{"value": packed(codes * (255 / self.levels_))} for codes in seen]

    def context(self, inputs: Mapping[str, Column]) -> PredictionArrays:
        """Where the first picture stands in its letterbox, as shares of its sides, and its size as it came."""
        where = relative_frames(inputs)
        return {} if where is None else {"letterbox": where}

    def _errors(self, best: PredictionArrays, truth: Column) -> np.ndarray:
        """Each row's mean squared error in shares of the range, (N,)."""
        if "error" in best:
            return best["error"]
        pairs = zip(best["codes"], truth.values, strict=True)
        return np.array([np.mean(np.square((a.astype(np.float32) - b) / self.levels_)) for a, b in pairs])
