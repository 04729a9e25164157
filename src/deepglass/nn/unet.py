"""Body of a U-Net: contracting and expanding path with skip connections.

Source: Ronneberger et al., 2015, arXiv 1505.04597. Ours has residual blocks, and adds the skip connection instead of
concatenating it, which halves the convolutions of the expanding path (Chaurasia & Culurciello, 2017, arXiv
1707.03718).
"""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from deepglass.nn.activations import activation as make_activation
from deepglass.nn.conv import ResidualBlock, apply_stages, residual_stage
from deepglass.nn.norms import Norm, norm2d


class UNetBody(nn.Module):
    """Residual stages down and up, with a skip connection from each stage to its counterpart.

    Args:
        dims: width of each stage, finest first; each but the first halves the map.
        depth: residual blocks per stage of the contracting path; the expanding path has one.
        norm: "batch", "layer", "instance", "group" or "none".
        activation: a name in `nn.activations`.
        dropout: channel dropout rate of the smallest map.
        context_dim: width of a vector added at the smallest map; 0 for none.

    Shapes:
        x: (B, dims[0], Y, X); context: (B, context_dim) -> one map (B, dims[i], Y / 2^i, X / 2^i) per stage, finest
            first.
    """

    def __init__(
        self,
        dims: Sequence[int],
        depth: int,
        *,
        norm: Norm,
        activation: str,
        dropout: float = 0.0,
        context_dim: int = 0,
    ) -> None:
        super().__init__()
        self.enter = nn.Sequential(norm2d(norm, dims[0]), make_activation(activation))
        self.down, self.reduce, self.up = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        dim = dims[0]
        for i, out_dim in enumerate(dims):
            self.down.append(residual_stage(dim, out_dim, depth, 1 if i == 0 else 2, norm, activation))
            if i:
                self.reduce.append(nn.Conv2d(out_dim, dim, 1))
                self.up.append(ResidualBlock(dim, dim, norm=norm, activation=activation))
            dim = out_dim
        self.dropout = nn.Dropout2d(dropout)
        self.join = nn.Linear(context_dim, dims[-1]) if context_dim else None

    def forward(self, x: Tensor, context: Tensor | None = None) -> list[Tensor]:
        skips = apply_stages(self.down, self.enter(x))
        x = skips[-1]
        if self.join is not None and context is not None:
            x = x + self.join(context)[..., None, None]
        maps = [x := self.dropout(x)]
        for reduce, up, skip in zip(reversed(self.reduce), reversed(self.up), reversed(skips[:-1]), strict=True):
            upsampled = F.interpolate(reduce(x), skip.shape[-2:])  # projected first: a quarter of the work
            x = up(skip + upsampled)
            maps.append(x)
        return maps[::-1]
