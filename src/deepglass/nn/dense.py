"""Dense heads: from the feature maps of a trunk to a map at full size.

The head works from the coarsest map upwards, as a feature pyramid, and ends at the size of the trunk's finest map.

Source: Lin et al., 2017, arXiv 1612.03144 (feature pyramids); Kirillov et al., 2019, arXiv 1901.02446 (segmentation
from one).
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deepglass.nn.conv import ConvBlock, ImageStem, stem_stride
from deepglass.nn.norms import Norm
from deepglass.nn.tokens import Field, Tokens, TokenShape, from_image, pool

MAX_WIDTH = 64  # common channels of the feature maps


class MaskEncoder(nn.Module):
    """Encoder of a mask: class embeddings, then an image stem.

    Args:
        classes: K; code 0 is an unlabelled pixel.

    Shapes:
        field: values (B, Y, X) of codes 0..K, mask (B,) -> Tokens (B, Y' * X', D) with grid (Y', X').
    """

    def __init__(self, classes: int, dim: int, size: tuple[int, int]) -> None:
        super().__init__()
        stride = stem_stride(size)
        width = min(classes + 1, 16)
        self.embedding = nn.Embedding(classes + 1, width)
        self.stem = ImageStem(width, dim, size, stride=stride)
        grid = (-(-size[0] // stride), -(-size[1] // stride))
        self.shape = TokenShape(grid[0] * grid[1], grid)

    def forward(self, field: Field) -> Tokens:
        vectors = self.embedding(field.values.int())  # (B, Y, X, width)
        return from_image(self.stem(vectors.permute(0, 3, 1, 2), field.mask))


class SpatialMemory(nn.Module):
    """Memory of a decoder over an image: the tokens and the positions of the second coarsest feature map.

    The coarsest map has too few positions.

    Args:
        widths: channels of the maps, finest first; at least two.
        dim: D, width of the tokens.

    Shapes:
        Tokens (B, T, D) with maps (B, widths[i], Y, X) -> (B, T + Y * X, D), the positions last.

    Source: Xu et al., 2015, arXiv 1502.03044 (attention over the positions of an image).
    """

    def __init__(self, widths: Sequence[int], dim: int) -> None:
        super().__init__()
        self.project = nn.Linear(widths[-2], dim)

    def forward(self, tokens: Tokens) -> Tokens:
        assert tokens.pyramid is not None
        positions = from_image(tokens.pyramid[-2])
        values = torch.cat([tokens.values, self.project(positions.values)], 1)
        return Tokens(values, torch.cat([tokens.mask, positions.mask], 1), summary=pool(tokens))


class DenseHead(nn.Module):
    """Head from feature maps and tokens to one map of parameters.

    Each map is projected to a common width and added to the next finer one; the tokens, which represent inputs without
    a grid, join at the coarsest. The last layer starts with zero weights, so that the first prediction is the best
    constant.

    Args:
        dim: width of the trunk's tokens.
        widths: of its maps, finest first.
        bias: initial output of each channel.
        norm: of the convolution before the last.
        upscale: side of the output over that of the finest map.

    Shapes:
        tokens with maps (B, widths[i], Y_i, X_i) -> (B, len(bias), upscale * Y_0, upscale * X_0).

    Source: Shi et al., 2016, arXiv 1609.05158 (sub-pixel convolution, for `upscale`).
    """

    def __init__(
        self, dim: int, widths: Sequence[int], bias: Sequence[float], *, norm: Norm = "batch", upscale: int = 1
    ) -> None:
        super().__init__()
        width = min(max(widths[0], 16), MAX_WIDTH)
        self.tokens = nn.Linear(dim, width)
        self.lateral = nn.ModuleList(nn.Conv2d(w, width, 1) for w in widths)
        self.mix = ConvBlock(width, width, norm=norm, activation="relu")
        self.last = nn.Conv2d(width, len(bias) * upscale**2, 1)
        self.shuffle = nn.PixelShuffle(upscale) if upscale > 1 else nn.Identity()
        nn.init.zeros_(self.last.weight)
        self.last.bias = nn.Parameter(torch.tensor(bias).repeat_interleave(upscale**2))

    def forward(self, tokens: Tokens) -> Tensor:
        assert tokens.pyramid is not None
        x = self.tokens(pool(tokens))[..., None, None]
        for map, lateral in zip(reversed(tokens.pyramid), reversed(self.lateral), strict=True):
            upsampled = x if x.shape[-2:] == (1, 1) else F.interpolate(x, map.shape[-2:], mode="nearest")
            x = lateral(map) + upsampled
        return self.shuffle(self.last(self.mix(x)))


def resize(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear resizing of a map (B, C, Y, X) to (rows, columns), in float32."""
    x = x.float()
    return x if x.shape[-2:] == tuple(size) else F.interpolate(x, size, mode="bilinear", align_corners=False)


def dense_cross_entropy(logits: Tensor, codes: Tensor, weight: Tensor | None = None) -> Tensor:
    """Cross-entropy at each position of a map, by the label at its centre; mean over the labelled positions of a row.

    Args:
        weight: of each class; None weighs all alike.

    Shapes:
        logits: (B, K, y, x) float; codes: (B, Y, X) whole numbers, 0 = unknown, 1 + k = class k; weight: (K,) -> (B,).
    """
    _B, _K, y, x = logits.shape
    _B, Y, X = codes.shape
    rows = ((torch.arange(y, device=codes.device) + 0.5) * Y / y).long()
    columns = ((torch.arange(x, device=codes.device) + 0.5) * X / x).long()
    labels = codes[:, rows][:, :, columns].long() - 1  # (B, y, x)
    losses = F.cross_entropy(logits, labels, weight, ignore_index=-1, reduction="none")
    weights = (labels >= 0).to(losses.dtype)
    if weight is not None:
        weights = weights * weight[labels.clamp_min(0)]
    return losses.sum((1, 2)) / weights.sum((1, 2)).clamp_min(1e-6)
