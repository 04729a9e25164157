"""Predicts an image by the squared error of its pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from deepglass import metrics
from deepglass.errors import SpecError
from deepglass.features.base import Column
from deepglass.features.image import Image
from deepglass.features.outputs._dense import crop_to_frame, encode_png, relative_frames
from deepglass.features.outputs.base import Calibration, Output, Prediction, PredictionArrays
from deepglass.metrics.table import METRICS, Metric

if TYPE_CHECKING:
    from torch import Tensor, nn

    from deepglass.nn.tokens import Field


@dataclass(frozen=True, kw_only=True)
class ImageOutput(Image, Output):
    """Predicts an image by the squared error of its pixels."""

    metric: ClassVar[Metric] = METRICS["psnr"]
    trunk: ClassVar[str | None] = "unet"

    def dense_head(self, dim: int, widths: Sequence[int], grid: tuple[int, int] | None = None) -> nn.Module:
        from deepglass.nn.dense import DenseHead

        if self.channels_ not in (1, 3):
            raise SpecError(
                "bad-value", f"outputs.{self.name}: expected mode grayscale or rgb, got {self.channels_} channels"
            )
        sides = zip(self.size_, grid or self.size_, strict=True)
        return DenseHead(
            dim, widths, [0.0] * self.channels_, upscale=max(-(-side // grid_size) for side, grid_size in sides)
        )

    def prediction(self, params: Tensor) -> Prediction:
        mean, std = (params.new_tensor(v).view(1, -1, 1, 1) for v in (self.mean_, self.std_))
        return ImagePrediction(params, (self.size_[0], self.size_[1]), mean, std, self.levels_)

    def score(self, mode: PredictionArrays, truth: Column, calibration: Calibration | None = None) -> dict[str, float]:
        """`psnr` in decibels and `mse`, for values scaled to 0 to 1."""
        errors = self._errors(mode, truth)[truth.mask]
        return {"psnr": metrics.psnr(errors), "mse": float(errors.mean())} if len(errors) else {}

    def for_scoring(self, mode: PredictionArrays, truth: Column) -> tuple[PredictionArrays, Column]:
        """Mean squared error of each image, (N,)."""
        return {"error": self._errors(mode, truth)}, Column(truth.mask, truth.mask)

    def baseline(self, truth: Column) -> PredictionArrays:
        """The pixel-wise mean of the images."""
        images = truth.values[truth.mask] if truth.mask.any() else np.array(self.mean_).reshape(1, -1, 1, 1)
        mean = np.broadcast_to(images.mean(0, dtype=np.float64), truth.values.shape[1:])
        return {"codes": np.round(mean)[None].astype(np.int32 if self.levels_ > 255 else np.uint8)}

    def baseline_loss(self, truth: Column) -> float:
        images = truth.values[truth.mask].astype(np.float64)
        variance = np.square(np.array(self.std_)).reshape(1, -1, 1, 1)
        return max(float((np.square(images - images.mean(0)) / variance).mean()), 1e-12) if len(images) else 1.0

    def decode(self, mode: PredictionArrays, calibration: Calibration | None = None) -> list[dict[str, Any]]:
        """`value`: {"size": [rows, columns], "png": base64}; `features.outputs._dense.decode_png` gives the pixels."""
        frames = mode.get("letterbox")
        images = [crop_to_frame(codes, None if frames is None else frames[i]) for i, codes in enumerate(mode["codes"])]
        return [{"value": encode_png(codes * (255 / self.levels_))} for codes in images]

    def context(self, inputs: Mapping[str, Column]) -> PredictionArrays:
        """Frame of the first image, as in `relative_frames`."""
        frames = relative_frames(inputs)
        return {} if frames is None else {"letterbox": frames}

    def _errors(self, mode: PredictionArrays, truth: Column) -> np.ndarray:
        """Mean squared error of each row, for values scaled to 0 to 1, (N,)."""
        if "error" in mode:
            return mode["error"]
        pairs = zip(mode["codes"], truth.values, strict=True)
        return np.array([np.mean(np.square((a.astype(np.float32) - b) / self.levels_)) for a, b in pairs])


class ImagePrediction(Prediction):
    """The most likely image; params: (B, C, y, x), standardised."""

    def __init__(self, params: Tensor, size: tuple[int, int], mean: Tensor, std: Tensor, levels: int) -> None:
        self.params, self.size, self.mean, self.std, self.levels = params, size, mean, std, levels

    def loss(self, target: Field) -> Tensor:
        """Standardised mean squared error of each row."""
        true = (target.values.to(self.mean.dtype) - self.mean) / self.std
        return (self._full_size() - true).square().mean((1, 2, 3))

    def mode(self) -> dict[str, Tensor]:
        """Codes (B, C, Y, X)."""
        codes = (self._full_size() * self.std + self.mean).round().clamp(0, self.levels)
        return {"codes": codes.byte() if self.levels <= 255 else codes.int()}

    def ensemble_mean(self, members: int) -> ImagePrediction:
        mean = self.params.float().reshape(-1, members, *self.params.shape[1:]).mean(1)
        return ImagePrediction(mean, self.size, self.mean, self.std, self.levels)

    def _full_size(self) -> Tensor:
        from deepglass.nn.dense import resize

        return resize(self.params, self.size)
