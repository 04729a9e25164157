"""ConvNeXt: depthwise convolutions with transformer-style blocks."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deepglass.constraints import Count, Share
from deepglass.hyperparameters import IMAGE_DEFAULTS
from deepglass.networks.trunks._images import ImageTrunk, smallest_grid
from deepglass.nn.activations import activation as make_activation
from deepglass.nn.conv import apply_stages, stage_count
from deepglass.nn.norms import Norm, norm2d
from deepglass.nn.tokens import TokenShape


class Convnext(ImageTrunk):
    """ConvNeXt: stages of depthwise convolution blocks, then global average pooling.

    All images share the body; inputs without a grid join after the pooling.

    Args:
        width: channels of the first stage; each later one has twice as many.
        depth: blocks per stage.
        kernel: receptive field of a block, odd. 7 is three 3 x 3 convolutions in a row: CPUs have no fast backward pass
            for larger depthwise kernels (27 ms against 3 for a map of 64 x 7 x 7 and 128 rows in bfloat16).
        norm: "layer" (over the channels at each position), as in the paper, or "batch", "instance", "group", "none".
        activation: name of the activation, see `deepglass list activations`.
        dropout: dropout rate for the pooled values.

    Raises:
        SpecError: `bad-value` when no input has rows and columns.

    Source: Liu et al., 2022, arXiv 2201.03545; ours has several small filters in a row instead of a large one.
    """

    training_defaults = replace(IMAGE_DEFAULTS, learning_rate=4e-3, schedule="cosine")

    def __init__(
        self,
        inputs: Sequence[TokenShape],
        *,
        width: Count = 32,
        depth: Count = 2,
        kernel: Count = 7,
        norm: Norm = "layer",
        activation: str = "gelu",
        dropout: Share = 0.0,
    ) -> None:
        if kernel % 2 == 0:
            raise ValueError(f"kernel: expected an odd number, got {kernel}")
        count = min(stage_count(smallest_grid(inputs, "convnext")), 4)
        dims = [width * 2**i for i in range(count)]
        body = _ConvnextBody(width, dims, depth, kernel, norm, activation)
        super().__init__(inputs, body, width, dims[-1], pooling="mean", activation=activation, dropout=dropout)
        self.pyramid = (width, *dims)


class _ConvnextBody(nn.Module):
    """Shapes: x: (B, dim, Y, X) -> one map (B, dims[i], ..., ...) per stage, finest first, each at half the size."""

    def __init__(self, dim: int, dims: Sequence[int], depth: int, kernel: int, norm: Norm, activation: str) -> None:
        super().__init__()
        self.stages = nn.ModuleList()
        for out_dim in dims:
            blocks = (_ConvnextBlock(out_dim, kernel, norm, activation) for _ in range(depth))
            self.stages.append(nn.Sequential(_Halve(dim, out_dim, norm), *blocks))
            dim = out_dim
        self.norm = norm2d(norm, dim)

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = apply_stages(self.stages, x)
        return [*maps[:-1], self.norm(maps[-1])]


class _Halve(nn.Module):
    """Norm and 2 x 2 convolution of stride 2. Shapes: x: (B, dim, Y, X) -> (B, out_dim, ceil(Y / 2), ceil(X / 2))."""

    def __init__(self, dim: int, out_dim: int, norm: Norm) -> None:
        super().__init__()
        self.norm = norm2d(norm, dim)
        self.conv = nn.Conv2d(dim, out_dim, 2, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(x)
        Y, X = x.shape[2:]
        return self.conv(F.pad(x, (0, X % 2, 0, Y % 2)) if Y % 2 or X % 2 else x)


class _ConvnextBlock(nn.Module):
    """ConvNeXt block: depthwise convolution, norm, pointwise MLP of fourfold width, residual connection.

    Shapes: x: (B, dim, Y, X) -> the same shape.
    """

    def __init__(self, dim: int, kernel: int, norm: Norm, activation: str) -> None:
        super().__init__()
        filters = (nn.Conv2d(dim, dim, 3, padding=1, groups=dim) for _ in range(kernel // 2))
        self.depthwise = nn.Sequential(*filters, norm2d(norm, dim))
        self.mix = nn.Sequential(nn.Linear(dim, 4 * dim), make_activation(activation), nn.Linear(4 * dim, dim))
        self.scale = nn.Parameter(torch.full((dim,), 0.1))  # the paper's 1e-6 is for runs of days

    def forward(self, x: Tensor) -> Tensor:
        features = self.depthwise(x).permute(0, 2, 3, 1)  # (B, Y, X, C), a view in channels-last memory
        return x + (self.scale * self.mix(features)).permute(0, 3, 1, 2)
