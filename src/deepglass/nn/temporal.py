"""Dilated convolutions over a sequence (TCN)."""

from torch import Tensor, nn
from torch.nn import functional as F

from deepglass.nn.norms import Norm
from deepglass.nn.norms import norm as make_norm


class TemporalBlock(nn.Module):
    """Residual block of two dilated convolutions, each after norm and activation.

    Args:
        dim: units of a token.
        kernel: width of the convolutions in tokens.
        dilation: of the convolutions.
        causal: no token depends on a later one.

    Shapes:
        x: (B, T, dim), mask: (B, T) -> (B, T, dim); padding is zero.

    Source: Bai et al., 2018, arXiv 1803.01271; norms before the layers instead of weight normalisation.
    """

    def __init__(
        self, dim: int, kernel: int, dilation: int, *, causal: bool = False, dropout: float = 0.1, norm: Norm = "layer"
    ) -> None:
        super().__init__()
        reach = (kernel - 1) * dilation
        self.pads = (reach, 0) if causal else (reach // 2, reach - reach // 2)
        self.norms = nn.ModuleList(make_norm(norm, dim) for _ in range(2))
        self.convs = nn.ModuleList(nn.Conv1d(dim, dim, kernel, dilation=dilation) for _ in range(2))
        self.activation = nn.GELU()
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        mask = mask[..., None]
        y = x
        for norm, conv in zip(self.norms, self.convs, strict=True):
            y = self.activation(norm(y)) * mask
            y = conv(F.pad(y.transpose(1, 2), self.pads)).transpose(1, 2) * mask
        return x + self.dropout(y)
