"""All inputs of a row as one vector of numbers, and back: for kinds of learning that draw their inputs again."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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
from deepglass.nn.decoders import PictureDecoder, VectorDecoder
from deepglass.nn.tokens import Field

DRAWN = (Image, Number, Vector, Category, Binary)


class Flat(nn.Module):
    """Inputs end to end, each in the same scale: pictures pixel by pixel, numbers, a place a class.

    Args:
        inputs: fitted; pictures, numbers, vectors, categories, yes-or-no columns.
        scale: "unit" (0 to 1), "signed" (-1 to 1), or "standard" (mean 0, deviation 1), as in `Feature.normalizer`;
            classes are 0 or 1, or -1 or 1 where signed.
        objective: who asks, for the error.
        numbers: the scale of numbers and vectors, where it is another.

    Attributes:
        size: D.
        numeric: the places of numbers and vectors, (n,) int64.
        shapes: of each input by itself, (C, Y, X) for a picture.

    Raises:
        SpecError: `bad-value` for an input that cannot be drawn.
    """

    numeric: Tensor

    def __init__(self, inputs: Sequence[Feature], scale: str, objective: str, numbers: str | None = None) -> None:
        super().__init__()
        for feature in inputs:
            if not isinstance(feature, DRAWN):
                raise SpecError(
                    "bad-value",
                    f"inputs.{feature.name}: {objective} draws its inputs again, and a {feature.kind} cannot be drawn; "
                    "it takes pictures, numbers, vectors, categories and yes-or-no columns",
                )
        self.inputs, self.scale = tuple(inputs), scale
        scales = {Image: scale, Number: numbers or scale, Vector: numbers or scale}
        self.scales = nn.ModuleDict({_key(f): f.normalizer(scales[type(f)]) for f in inputs if type(f) in scales})
        self.widths = [_width(f) for f in inputs]
        self.shapes = [_shape(f) if isinstance(f, Image) else (w,) for f, w in zip(inputs, self.widths, strict=True)]
        self.size = sum(self.widths)
        numeric = [isinstance(f, Number | Vector) for f, w in zip(inputs, self.widths, strict=True) for _ in range(w)]
        self.register_buffer("numeric", torch.tensor(numeric).nonzero()[:, 0], persistent=False)

    def forward(self, inputs: Mapping[str, Field]) -> tuple[Tensor, Tensor]:
        """Values (B, D) float, 0 where nothing is, and which of them are there, (B, D) bool."""
        parts, present = [], []
        for feature, width in zip(self.inputs, self.widths, strict=True):
            field = inputs[feature.name]
            values = self._values(feature, field.values)
            there = field.mask.view(-1, 1).expand(-1, width) & values.isfinite()
            parts.append(torch.where(there, values, 0.0))
            present.append(there)
        return torch.cat(parts, 1), torch.cat(present, 1)

    def back(self, values: Tensor) -> dict[str, dict[str, Tensor]]:
        """Vectors (B, D) as best answers of the inputs, by name; `decode` brings them into the user's terms."""
        parts = values.float().split(self.widths, 1)
        return {f.name: self._best(f, part) for f, part in zip(self.inputs, parts, strict=True)}

    def _values(self, feature: Feature, raw: Tensor) -> Tensor:
        if isinstance(feature, Category | Binary):
            classes = one_hot(raw.long(), 1 + len(feature.class_names))[:, 1:].float()
            return 2 * classes - 1 if self.scale == "signed" else classes
        return self.scales[_key(feature)](raw).float().reshape(len(raw), -1)

    def _best(self, feature: Feature, values: Tensor) -> dict[str, Tensor]:
        if isinstance(feature, Category | Binary):
            shares = ((values + 1) / 2 if self.scale == "signed" else values).clamp_min(1e-6)
            return {"log_probs": (shares / shares.sum(1, keepdim=True)).log()}
        rescale: Any = self.scales[_key(feature)]
        if isinstance(feature, Image):
            codes = values.view(-1, *_shape(feature)) / rescale.factor + rescale.shift
            top = feature.levels_ or 255
            return {"codes": codes.round().clamp(0, top).to(torch.int32 if top > 255 else torch.uint8)}
        values = values * rescale.scale + rescale.shift
        return {"value": values[:, 0] if isinstance(feature, Number) else values}


class Drawer(nn.Module):
    """A decoder an input, from one code to the whole flat vector: pictures by convolutions, the rest together.

    Args:
        dim: of the code.
        settings: of `PictureDecoder`.

    Shapes:
        code: (B, dim) -> (B, flat.size), without a last activation.
    """

    def __init__(self, flat: Flat, dim: int, **settings: Any) -> None:
        super().__init__()
        self.pictures = nn.ModuleDict()
        rest = 0
        self.order = [(_key(f) if isinstance(f, Image) else None, w) for f, w in zip(flat.inputs, flat.widths)]
        for feature, width in zip(flat.inputs, flat.widths, strict=True):
            if isinstance(feature, Image):
                self.pictures[_key(feature)] = PictureDecoder(dim, _shape(feature), **settings)
            else:
                rest += width
        self.rest = VectorDecoder(dim, rest) if rest else None

    def forward(self, code: Tensor) -> Tensor:
        rest = self.rest(code) if self.rest is not None else code[:, :0]
        parts = []
        for key, width in self.order:
            if key is not None:
                parts.append(self.pictures[key](code))
            else:
                mine, rest = rest[:, :width], rest[:, width:]
                parts.append(mine)
        return torch.cat(parts, 1)


def _shape(picture: Image) -> tuple[int, int, int]:
    assert picture.size_ is not None
    return (picture.channels_ or 1, *picture.size_)


def _width(feature: Feature) -> int:
    if isinstance(feature, Image):
        return math.prod(_shape(feature))
    if isinstance(feature, Vector):
        return len(feature.mean_ or ())
    return len(feature.class_names) or 1


def _key(feature: Feature) -> str:
    return key_of(feature.name, "in_")
