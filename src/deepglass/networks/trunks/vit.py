"""Vision transformer (ViT)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from deepglass.constraints import Count, Share
from deepglass.errors import SpecError
from deepglass.features.base import Feature
from deepglass.features.image import Image
from deepglass.hyperparameters import IMAGE_DEFAULTS
from deepglass.networks.trunks._images import image_grids
from deepglass.networks.trunks.base import Trunk
from deepglass.nn.attention import AttentionBlock
from deepglass.nn.conv import ImageEncoder
from deepglass.nn.norms import Norm
from deepglass.nn.norms import norm as make_norm
from deepglass.nn.tokens import Field, Tokens, TokenShape, from_image

_SIDE = 8  # default number of patches along the longer side
_STEM = 16  # channels of the feature map that patches of other inputs are taken from


class Vit(Trunk):
    """Vision transformer over the patches of all images and the tokens of all other inputs.

    Heads of one value read the mean token. The first image's patches are also a feature map, for masks and boxes. For a
    few thousand images and little time a convolutional network is better.

    Args:
        width: width of a token; a multiple of 4 suits the position embeddings.
        depth: blocks.
        heads: attention heads; must divide `width`.
        patch: stride of the patches in pixels; None: an eighth of the longer side.
        norm: "layer", as in the paper, or "batch", "instance" (each unit over the row's tokens), "group", "none".
        activation: name of the activation, see `deepglass list activations`.
        dropout: dropout rate for the residual branches.

    Shapes:
        (B, T, width) per input -> (B, all T, width).

    Raises:
        SpecError: `bad-value` when no input has rows and columns, or when the heads don't divide the width.

    Source: Dosovitskiy et al., 2020, arXiv 2010.11929; sinusoidal positions and mean pooling as in Beyer et
    al., 2022, arXiv 2205.01580; patches that overlap by half as in Wu et al., 2021, arXiv 2103.15808.
    """

    training_defaults = replace(IMAGE_DEFAULTS, learning_rate=2e-3, schedule="cosine", clip=1.0)

    def __init__(
        self,
        inputs: Sequence[TokenShape],
        *,
        width: Count = 128,
        depth: Count = 4,
        heads: Count = 4,
        patch: Count | None = None,
        norm: Norm = "layer",
        activation: str = "gelu",
        dropout: Share = 0.0,
    ) -> None:
        super().__init__()
        image_grids(inputs, "vit")
        self.dim = self.out_dim = width
        self.pyramid = (width,)
        self.type_embedding = nn.Parameter(0.02 * torch.randn(len(inputs), width))  # of each input
        self.images = [i for i, shape in enumerate(inputs) if shape.is_image]
        for i in self.images:
            grid = cast(tuple[int, int], inputs[i].grid)
            self.register_buffer(f"positions{i}", sinusoidal_positions_2d(grid, width), persistent=False)
        self.blocks = nn.ModuleList(
            AttentionBlock(width, heads, norm=norm, activation=activation, dropout=dropout) for _ in range(depth)
        )
        self.norm = make_norm(norm, width)

    @classmethod
    def make_encoder(cls, feature: Feature, dim: int, settings: Mapping[str, Any]) -> nn.Module | None:
        """Patches of an image, and of other inputs with a grid, such as videos and masks."""
        if isinstance(feature, Image):
            size = feature.size_ or (1, 1)
            patch = settings.get("patch")
            if patch is not None and patch > max(size):
                raise SpecError("bad-value", f"network.patch: expected 1 to {max(size)} pixels, got {patch!r}")
            stride = patch or -(-max(size) // _SIDE)
            return ImageEncoder(feature.normalizer(), feature.channels_ or 1, dim, size, stride=stride)
        encoder = feature.encoder(dim)
        shape = cast(TokenShape, encoder.shape)
        if not shape.is_image or max(shape.grid or ()) <= _SIDE:
            return encoder
        return _Patches(feature.encoder(_STEM), cast(tuple[int, int], shape.grid), dim)

    def forward(self, tokens: Sequence[Tokens]) -> Tokens:
        parts = [one.values + origin for one, origin in zip(tokens, self.type_embedding, strict=True)]
        for i in self.images:
            parts[i] = parts[i] + self.get_buffer(f"positions{i}")
        x = torch.cat(parts, 1)  # (B, T, width)
        mask = torch.cat([one.mask for one in tokens], 1)
        only_images = len(self.images) == len(parts)
        for block in self.blocks:
            x = block(x, None if only_images else mask)  # patches are never absent
        x = self.norm(x)
        first = self.images[0]
        start, length = sum(part.shape[1] for part in parts[:first]), parts[first].shape[1]
        patches = Tokens(x[:, start : start + length], mask[:, start : start + length], tokens[first].grid)
        return Tokens(x, mask, patches.grid if len(parts) == 1 else None, (patches.image(),))


class _Patches(nn.Module):
    """Overlapping patches of an encoder's feature map.

    Shapes:
        field -> Tokens (B, T, dim) with a grid of at most 8 rows and columns.
    """

    def __init__(self, encoder: nn.Module, grid: tuple[int, int], dim: int) -> None:
        super().__init__()
        stride = -(-max(grid) // _SIDE)
        self.encoder = encoder
        self.convolution = nn.Conv2d(_STEM, dim, 2 * stride - 1, stride, stride - 1)
        grid = (-(-grid[0] // stride), -(-grid[1] // stride))
        self.shape = TokenShape(grid[0] * grid[1], grid)

    def forward(self, field: Field) -> Tokens:
        return from_image(self.convolution(self.encoder(field).image()))


def sinusoidal_positions_2d(grid: tuple[int, int], width: int) -> Tensor:
    """Sinusoidal position embeddings of rows and columns, (Y * X, width).

    Source: arXiv 1706.03762, section 3.5, for both axes as in arXiv 2205.01580.
    """
    count = -(-width // 4)
    frequency = 100.0 ** -(torch.arange(count) / max(count - 1, 1))
    row, column = torch.meshgrid(torch.arange(grid[0]), torch.arange(grid[1]), indexing="ij")
    angles = [positions.flatten()[:, None] * frequency for positions in (row, column)]  # (Y * X, count) each
    return torch.cat([f(angle) for angle in angles for f in (torch.sin, torch.cos)], 1)[:, :width]
