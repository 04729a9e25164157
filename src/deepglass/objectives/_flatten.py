"""All inputs of a row as one vector, and back, for generative objectives."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from deepglass.errors import SpecError
from deepglass.features.base import Feature
from deepglass.features.binary import Binary
from deepglass.features.category import Category
from deepglass.features.image import Image
from deepglass.features.number import Number
from deepglass.features.vector import Vector
from deepglass.networks.network import key_of
from deepglass.nn.decoders import ImageDecoder, VectorDecoder
from deepglass.nn.tokens import Fields

FLAT_KINDS = (Image, Number, Vector, Category, Binary)


class FlatInputs(nn.Module):
    """Concatenation of all inputs on one scale: pixels, numbers, one-hot classes.

    Args:
        inputs: fitted images, numbers, vectors, categories and binary columns.
        scale: "unit" (0 to 1), "signed" (-1 to 1) or "standard" (mean 0, standard deviation 1), as in
            `Feature.normalizer`; classes are 0 or 1, or -1 or 1 if signed.
        objective: its name, for error texts.
        numbers: scale of numbers and vectors; None: `scale`.

    Attributes:
        size: D.
        numeric: indices of numbers and vectors, (n,) int64.
        shapes: of each input, (C, Y, X) for an image.

    Raises:
        SpecError: `bad-value` for an input of another kind.
    """

    def __init__(self, inputs: Sequence[Feature], scale: str, objective: str, numbers: str | None = None) -> None:
        super().__init__()
        for feature in inputs:
            if not isinstance(feature, FLAT_KINDS):
                raise SpecError(
                    "bad-value",
                    f"inputs.{feature.name}: {objective} takes no input of the kind {feature.kind}; "
                    "it takes the kinds image, number, vector, category and binary",
                )
            if isinstance(feature, Category | Binary) and not feature.class_names:
                raise SpecError(
                    "bad-value",
                    f"inputs.{feature.name}: {objective} takes no input without values in the training "
                    f"rows; leave it out with data.ignore=[{feature.column}]",
                )
        self.inputs, self.scale = tuple(inputs), scale
        scales = {Image: scale, Number: numbers or scale, Vector: numbers or scale}
        self.scales = nn.ModuleDict({_key(f): f.normalizer(scales[type(f)]) for f in inputs if type(f) in scales})
        self.widths = [_width(f) for f in inputs]
        self.shapes = [_shape(f) if isinstance(f, Image) else (w,) for f, w in zip(inputs, self.widths, strict=True)]
        self.size = sum(self.widths)
        numeric = [isinstance(f, Number | Vector) for f, w in zip(inputs, self.widths, strict=True) for _ in range(w)]
        self.numeric = nn.Buffer(torch.tensor(numeric).nonzero()[:, 0], persistent=False)

    def forward(self, inputs: Fields) -> tuple[Tensor, Tensor]:
        """Values (B, D) float, 0 where missing, and the mask of present values, (B, D) bool."""
        parts, present = [], []
        for feature, width in zip(self.inputs, self.widths, strict=True):
            field = inputs[feature.name]
            values = self._values(feature, field.values)
            mask = field.mask.view(-1, 1).expand(-1, width) & values.isfinite()
            parts.append(torch.where(mask, values, 0.0))
            present.append(mask)
        return torch.cat(parts, 1), torch.cat(present, 1)

    def to_predictions(self, values: Tensor) -> dict[str, dict[str, Tensor]]:
        """Vectors (B, D) -> input name -> values in the format of `Prediction.mode`, for `decode`."""
        parts = values.float().split(self.widths, 1)
        return {f.name: self._prediction(f, part) for f, part in zip(self.inputs, parts, strict=True)}

    def _values(self, feature: Feature, raw: Tensor) -> Tensor:
        if isinstance(feature, Category | Binary):
            classes = one_hot(raw.long(), 1 + len(feature.class_names))[:, 1:].float()
            return 2 * classes - 1 if self.scale == "signed" else classes
        return self.scales[_key(feature)](raw).float().reshape(len(raw), -1)

    def _prediction(self, feature: Feature, values: Tensor) -> dict[str, Tensor]:
        if isinstance(feature, Category | Binary):
            probabilities = ((values + 1) / 2 if self.scale == "signed" else values).clamp_min(1e-6)
            return {"log_probs": (probabilities / probabilities.sum(1, keepdim=True)).log()}
        rescale: Any = self.scales[_key(feature)]
        if isinstance(feature, Image):
            codes = values.view(-1, *_shape(feature)) / rescale.factor + rescale.shift
            top = feature.levels_ or 255
            return {"codes": codes.round().clamp(0, top).to(torch.int32 if top > 255 else torch.uint8)}
        values = values * rescale.scale + rescale.shift
        return {"value": values[:, 0] if isinstance(feature, Number) else values}


class FlatDecoder(nn.Module):
    """Decoder from a latent vector to a flat vector: an `ImageDecoder` per image, a `VectorDecoder` for the rest.

    Args:
        dim: of the latent vector.
        width: of the `ImageDecoder`.

    Shapes:
        latent: (B, dim) -> (B, flat.size), without an output activation.
    """

    def __init__(self, flat: FlatInputs, dim: int, *, width: int) -> None:
        super().__init__()
        self.images = nn.ModuleDict()
        rest = 0
        self.order = [(_key(f) if isinstance(f, Image) else None, w) for f, w in zip(flat.inputs, flat.widths)]
        for feature, size in zip(flat.inputs, flat.widths, strict=True):
            if isinstance(feature, Image):
                self.images[_key(feature)] = ImageDecoder(dim, _shape(feature), width=width)
            else:
                rest += size
        self.rest = VectorDecoder(dim, rest) if rest else None

    def forward(self, latent: Tensor) -> Tensor:
        rest = self.rest(latent) if self.rest is not None else latent[:, :0]
        parts = []
        for key, width in self.order:
            if key is not None:
                parts.append(self.images[key](latent))
            else:
                mine, rest = rest[:, :width], rest[:, width:]
                parts.append(mine)
        return torch.cat(parts, 1)


def _shape(image: Image) -> tuple[int, int, int]:
    assert image.size_ is not None
    return (image.channels_ or 1, *image.size_)


def _width(feature: Feature) -> int:
    if isinstance(feature, Image):
        return math.prod(_shape(feature))
    if isinstance(feature, Vector):
        return len(feature.mean_ or ())
    return 1 if isinstance(feature, Number) else len(feature.class_names)


def _key(feature: Feature) -> str:
    return key_of(feature.name, "in_")
