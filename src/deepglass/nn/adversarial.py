"""Parts of adversarial learning: critics, what keeps them gentle, and an average that follows a network.

A critic gives a vector of what it sees in a row; `Projection` makes of it how real the row looks.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LEAK = 0.2  # of the critics' activation, as in DCGAN
SMALLEST = 4  # rows or columns of the map at which a critic stops halving
HALF_LIFE = 0.05  # of the average, as a share of the steps so far
LONGEST_HALF_LIFE = 2_000  # steps


class PictureCritic(nn.Sequential):
    """Convolutions of stride two, the channels doubling as the map halves; no norms, which the penalties make useless.

    Args:
        shape: (C, Y, X) of the picture.
        width: channels of the first map.

    Attributes:
        out_dim: D.

    Shapes:
        x: (B, C, Y, X) -> (B, D).

    Source: Radford, Metz and Chintala, 2015, arXiv 1511.06434; without norms, as Huang et al., 2025, arXiv 2501.05441.
    """

    def __init__(self, shape: tuple[int, int, int], width: int = 32) -> None:
        channels, rows, columns = shape
        layers: list[nn.Module] = []
        while not layers or max(rows, columns) > SMALLEST:
            layers += [nn.Conv2d(channels, width, 4, stride=2, padding=1), nn.LeakyReLU(LEAK)]
            channels, width = width, min(2 * width, 256)
            rows, columns = max(rows // 2, 1), max(columns // 2, 1)
        super().__init__(*layers, nn.Flatten())
        self.out_dim = channels * rows * columns


class VectorCritic(nn.Sequential):
    """A multilayer perceptron on a vector of numbers.

    Attributes:
        out_dim: D, the last of the widths.

    Shapes:
        x: (B, size) -> (B, D).
    """

    def __init__(self, size: int, widths: Sequence[int] = (256, 256)) -> None:
        layers: list[nn.Module] = []
        for width in widths:
            layers += [nn.Linear(size, width), nn.LeakyReLU(LEAK)]
            size = width
        super().__init__(*layers)
        self.out_dim = size


class Projection(nn.Module):
    """How real a row looks by itself, and how well it agrees with what it should be.

    Args:
        dim: D.
        classes: of each thing that a row should be; code 0 means that it is not known.

    Shapes:
        seen: (B, D); codes: (B, len(classes)) int -> (B,) logits.

    Source: Miyato and Koyama, 2018, arXiv 1802.05637, eq. 4.
    """

    def __init__(self, dim: int, classes: Sequence[int]) -> None:
        super().__init__()
        self.real = nn.Linear(dim, 1)
        self.agree = nn.ModuleList([nn.Embedding(1 + count, dim) for count in classes])
        for embedding in self.agree:
            nn.init.normal_(embedding.weight, std=dim**-0.5)  # type: ignore[arg-type]

    def forward(self, seen: Tensor, codes: Tensor) -> Tensor:
        logits = self.real(seen)[:, 0]
        for embedding, code in zip(self.agree, codes.unbind(1), strict=True):
            logits = logits + (embedding(code) * seen).sum(1)
        return logits


def relativistic(winner: Tensor, loser: Tensor) -> Tensor:
    """Small where each `winner` is judged more real than the `loser` beside it, (B,) logits each.

    Source: Jolicoeur-Martineau, 2018, arXiv 1807.00734; R3GAN's loss, Huang et al., 2025, arXiv 2501.05441, eq. 2.
    """
    return F.softplus(loser - winner).mean()


def steepness(logits: Tensor, at: Tensor) -> Tensor:
    """The mean squared length of the logits' gradient at their inputs, which can be made smaller.

    Shapes:
        logits: (B,); at: (B, ...), asking for gradients.

    Source: Mescheder, Geiger and Nowozin, 2018, arXiv 1801.04406, eq. 9.
    """
    (gradient,) = torch.autograd.grad(logits.sum(), at, create_graph=True)
    return gradient.square().flatten(1).sum(1).mean()


def averaged(module: nn.Module) -> nn.Module:
    """A copy that `follow` moves; it learns nothing by itself."""
    return copy.deepcopy(module).requires_grad_(False).eval()


@torch.no_grad()
def follow(average: nn.Module, module: nn.Module, step: int) -> None:
    """Move an average towards its module; what lies a twentieth of the run so far behind counts half.

    Source: Yazici et al., 2018, arXiv 1806.04498 (averages of generators); the length as in Karras et al., 2023, arXiv
    2312.02696, section 3.
    """
    keep = 0.5 ** (1 / min(max(HALF_LIFE * step, 1e-3), LONGEST_HALF_LIFE))
    for mine, other in zip(average.state_dict().values(), module.state_dict().values(), strict=True):
        if mine.is_floating_point():
            mine.lerp_(other, 1 - keep)
        else:
            mine.copy_(other)


@contextmanager
def still(module: nn.Module) -> Iterator[None]:
    """Inside, a module's parameters ask for no gradients; what is computed with them still passes gradients on."""
    module.requires_grad_(False)
    try:
        yield
    finally:
        module.requires_grad_(True)
