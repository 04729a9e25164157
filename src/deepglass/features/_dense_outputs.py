"""What masks and pictures have in common as answers: how a map is placed, packed and judged."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image as Pillow

from deepglass.features.base import Column
from deepglass.features.outputs.base import Prediction

if TYPE_CHECKING:
    from torch import Tensor

    from deepglass.nn.tokens import Field


class MaskPrediction(Prediction):
    """A class for each place; params: (B, K, y, x) logits on the trunk's finest map.

    The loss looks at the label in the middle of each place, which costs a fraction of one at full size and loses
    little: augmentation moves the picture under the map. The answer is brought to full size.
    """

    def __init__(self, params: Tensor, size: tuple[int, int], weight: Tensor | None = None) -> None:
        self.params, self.size, self.weight = params, size, weight

    def loss(self, target: Field) -> Tensor:
        """The mean over the labelled places of a row."""
        from deepglass.nn.dense import dense_cross_entropy

        return dense_cross_entropy(self.params.float(), target.values, self.weight)

    def mode(self) -> dict[str, Tensor]:
        """The likeliest class of each pixel as its code, and its probability from 0 to 255, both (B, Y, X)."""
        from deepglass.nn.dense import resize

        logits = resize(self.params, self.size)
        top, index = logits.max(1)
        sure = (top - logits.logsumexp(1)).exp()
        codes = index + 1
        return {
            "classes": codes.byte() if logits.shape[1] < 256 else codes.short(),
            "confidence": (255 * sure).round().byte(),
        }

    def ensemble_mean(self, members: int) -> MaskPrediction:
        """The members' probabilities are averaged, not their logits."""
        log_probs = self.params.float().log_softmax(1)
        mixed = log_probs.reshape(-1, members, *log_probs.shape[1:]).logsumexp(1) - math.log(members)
        return MaskPrediction(mixed, self.size, self.weight)


class ImagePrediction(Prediction):
    """The likeliest picture; params: (B, C, y, x), standardised."""

    def __init__(self, params: Tensor, size: tuple[int, int], mean: Tensor, std: Tensor, levels: int) -> None:
        self.params, self.size, self.mean, self.std, self.levels = params, size, mean, std, levels

    def loss(self, target: Field) -> Tensor:
        """The mean squared error of a row, standardised."""
        true = (target.values.to(self.mean.dtype) - self.mean) / self.std
        return (self._whole() - true).square().mean((1, 2, 3))

    def mode(self) -> dict[str, Tensor]:
        """The picture's codes, (B, C, Y, X)."""
        codes = (self._whole() * self.std + self.mean).round().clamp(0, self.levels)
        return {"codes": codes.byte() if self.levels <= 255 else codes.int()}

    def ensemble_mean(self, members: int) -> ImagePrediction:
        mean = self.params.float().reshape(-1, members, *self.params.shape[1:]).mean(1)
        return ImagePrediction(mean, self.size, self.mean, self.std, self.levels)

    def _whole(self) -> Tensor:
        from deepglass.nn.dense import resize

        return resize(self.params, self.size)


def pack(numbers: np.ndarray) -> dict[str, Any]:
    """A map (Y, X) of whole numbers as runs of equal ones, row by row; plain JSON."""
    flat = numbers.ravel()
    starts = np.flatnonzero(np.concatenate([[True], flat[1:] != flat[:-1]]))
    lengths = np.diff(np.append(starts, len(flat)))
    return {"size": list(numbers.shape), "runs": np.stack([flat[starts], lengths], 1).tolist()}


def unpack(value: Mapping[str, Any]) -> np.ndarray:
    """The map (Y, X) of class numbers that a mask's `value` stands for.

    Example:
        >>> unpack({"size": [1, 3], "runs": [[7, 2], [0, 1]]})
        array([[7, 7, 0]])
    """
    numbers, lengths = np.array(value["runs"]).T
    return np.repeat(numbers, lengths).reshape(value["size"])


def packed(pixels: np.ndarray) -> dict[str, Any]:
    """Pixels (C, Y, X) from 0 to 255, C being 1 or 3, as a PNG file in text; plain JSON."""
    bytes_ = np.clip(np.round(pixels), 0, 255).astype(np.uint8)
    image = Pillow.fromarray(bytes_[0] if len(bytes_) == 1 else np.ascontiguousarray(bytes_.transpose(1, 2, 0)))
    file = io.BytesIO()
    image.save(file, "PNG")
    return {"size": list(pixels.shape[1:]), "png": base64.b64encode(file.getvalue()).decode()}


def unpacked(value: Mapping[str, Any]) -> np.ndarray:
    """The pixels that a picture's `value` stands for, (Y, X) or (Y, X, 3) of bytes."""
    return np.asarray(Pillow.open(io.BytesIO(base64.b64decode(value["png"]))))


# -- geometry ----------------------------------------------------------------------------------------------------


def nearest(codes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A map (Y, X) brought to (rows, columns), each place taking the nearest pixel."""
    if codes.shape == tuple(size):
        return codes
    rows, columns = (((np.arange(n) + 0.5) * old / n).astype(int) for n, old in zip(size, codes.shape, strict=True))
    return codes[rows[:, None], columns]


def cut(values: np.ndarray, frame: np.ndarray | None) -> np.ndarray:
    """What is seen of maps (..., Y, X), by a row of `relative_frames`; None sees all."""
    if frame is None:
        return values
    Y, X = values.shape[-2:]
    top, left, height, width = np.round(frame[:4] * [Y, X, Y, X]).astype(int)
    return values[..., top : top + max(height, 1), left : left + max(width, 1)]


def set_in(codes: np.ndarray, top: int, left: int, size: tuple[int, int]) -> np.ndarray:
    """A map (<= Y, <= X) in an unlabelled one of `size`."""
    if codes.shape == tuple(size):
        return codes
    out = np.zeros(size, codes.dtype)
    room = codes[: size[0] - top, : size[1] - left]
    out[top : top + room.shape[0], left : left + room.shape[1]] = room
    return out


def first_picture(inputs: Mapping[str, Column]) -> Column | None:
    """The column that targets stand in."""
    return next((column for column in inputs.values() if column.letterbox is not None), None)


def relative_frames(inputs: Mapping[str, Column]) -> np.ndarray | None:
    """The first picture's frames (N, 6): top, left, height, width as shares of its sides, then its size as it came."""
    column = first_picture(inputs)
    if column is None or column.letterbox is None:
        return None
    Y, X = column.values.shape[-2:]
    return column.letterbox / np.array([Y, X, Y, X, 1, 1], np.float32)
