"""Word vectors: an embedding table with its own optimizer, blocks of words, and noise words.

Shapes: N blocks, L centre words of a block, C = L + 2 * window codes of a block, K noise words of a block, D width.
"""

from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn

BLOCK = 32  # L: large enough for matrix products, small enough that few of the L x C pairs lie outside the window
SHARED_NOISE = 16  # K
NOISE_POWER = 0.75
EPSILON = 1e-6


class AdagradEmbedding(nn.Module):
    """Embedding table whose rows have one Adagrad step size each.

    Args:
        size: V, number of rows.
        dim: D.
        scale: the first values are uniform between -scale and scale.

    Source: Duchi, Hazan and Singer, 2011, JMLR 12 (Adagrad); one sum of squares a row instead of one a value.
    """

    def __init__(self, size: int, dim: int, scale: float) -> None:
        super().__init__()
        self.weight = nn.Parameter((2 * torch.rand(size, dim) - 1) * scale)
        self.squares = nn.Buffer(torch.zeros(size))

    def forward(self, codes: Tensor) -> Tensor:
        return self.weight[codes]

    @torch.no_grad()
    def update(self, codes: Tensor, gradients: Tensor, learning_rate: float) -> None:
        """One step; the gradients of equal codes are added.

        Shapes:
            codes: (n,) int64; gradients: (n, D).
        """
        rows, index = torch.unique(codes, return_inverse=True)
        sums = gradients.new_zeros(len(rows), gradients.shape[1]).index_add_(0, index, gradients)
        squares = self.squares[rows] + sums.square().mean(1)
        self.squares[rows] = squares
        self.weight.index_add_(0, rows, sums * (-learning_rate / (squares.sqrt() + EPSILON))[:, None])


class Blocks(NamedTuple):
    """Centre words, the words around them, and noise words.

    Shapes:
        centres: (N, L) int64; contexts: (N, C) int64; noise: (N, K) int64.
        near: (N, L, C) float: 1 where a context lies in the window of a centre.
    """

    centres: Tensor
    contexts: Tensor
    noise: Tensor
    near: Tensor


class NoiseWords(nn.Module):
    """Distribution of noise words: by count ** 0.75.

    Args:
        counts: (V,) float.
    """

    def __init__(self, counts: Tensor) -> None:
        super().__init__()
        shares = counts.double().pow(NOISE_POWER).cumsum(0)
        self.cumulative = nn.Buffer((shares / shares[-1].clone()).float(), persistent=False)

    def forward(self, shape: tuple[int, ...], generator: Generator | None) -> Tensor:
        uniform = torch.rand(shape, generator=generator, device=self.cumulative.device)
        return torch.searchsorted(self.cumulative, uniform, right=True).clamp_max(len(self.cumulative) - 1)


def blocks_of(codes: Tensor, window: int, noise: NoiseWords, generator: Generator | None = None) -> Blocks:
    """Blocks with a window of random size, 1 to `window`, around each centre.

    Args:
        codes: 0 is no word.
        generator: the source of randomness; None: torch's own.

    Shapes:
        codes: (N, C) int64.
    """
    N, C = codes.shape
    L = C - 2 * window
    position = torch.arange(C, device=codes.device)
    distance = (position[window : window + L, None] - position).abs()  # (L, C)
    radius = torch.randint(1, window + 1, (N, L, 1), generator=generator, device=codes.device)
    present = codes > 0
    near = (distance <= radius) & (distance > 0) & present[:, None] & present[:, window : window + L, None]
    return Blocks(codes[:, window : window + L], codes, noise((N, SHARED_NOISE), generator), near.float())
