"""GAN critics, relativistic loss and gradient penalty.

A critic body gives a feature vector, from which `ProjectionHead` computes the logit.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

NEGATIVE_SLOPE = 0.2  # of LeakyReLU, as in DCGAN
MIN_SIDE = 4  # rows or columns of the last feature map


class ImageCritic(nn.Sequential):
    """Convolutional critic: stride 2, channels doubling as the map halves, without normalisation (as R3GAN).

    Args:
        shape: (C, Y, X) of the image.
        width: channels of the first layer.

    Attributes:
        out_dim: D.

    Shapes:
        x: (B, C, Y, X) -> (B, D).

    Source: Radford, Metz and Chintala, 2015, arXiv 1511.06434; without norms, as Huang et al., 2025, arXiv 2501.05441.
    """

    def __init__(self, shape: tuple[int, int, int], width: int = 32) -> None:
        channels, rows, columns = shape
        layers: list[nn.Module] = []
        while not layers or max(rows, columns) > MIN_SIDE:
            layers += [nn.Conv2d(channels, width, 4, stride=2, padding=1), nn.LeakyReLU(NEGATIVE_SLOPE)]
            channels, width = width, min(2 * width, 256)
            rows, columns = max(rows // 2, 1), max(columns // 2, 1)
        super().__init__(*layers, nn.Flatten())
        self.out_dim = channels * rows * columns


class VectorCritic(nn.Sequential):
    """Multilayer perceptron critic for vectors.

    Attributes:
        out_dim: D, the last width.

    Shapes:
        x: (B, size) -> (B, D).
    """

    def __init__(self, size: int, widths: Sequence[int] = (256, 256)) -> None:
        layers: list[nn.Module] = []
        for width in widths:
            layers += [nn.Linear(size, width), nn.LeakyReLU(NEGATIVE_SLOPE)]
            size = width
        super().__init__(*layers)
        self.out_dim = size


class ProjectionHead(nn.Module):
    """Critic head: an unconditional logit plus the inner product with a class embedding per condition.

    Args:
        dim: D.
        classes: number of classes of each condition; code 0 is an unknown class.

    Shapes:
        features: (B, D); codes: (B, len(classes)) int -> (B,) logits.

    Source: Miyato and Koyama, 2018, arXiv 1802.05637, eq. 4.
    """

    def __init__(self, dim: int, classes: Sequence[int]) -> None:
        super().__init__()
        self.real = nn.Linear(dim, 1)
        self.embeddings = nn.ModuleList([nn.Embedding(1 + count, dim) for count in classes])
        for embedding in self.embeddings:
            nn.init.normal_(embedding.weight, std=dim**-0.5)  # type: ignore[arg-type]

    def forward(self, features: Tensor, codes: Tensor) -> Tensor:
        logits = self.real(features)[:, 0]
        for embedding, code in zip(self.embeddings, codes.unbind(1), strict=True):
            logits = logits + (embedding(code) * features).sum(1)
        return logits


def relativistic_loss(winner: Tensor, loser: Tensor) -> Tensor:
    """Relativistic pairing loss, softplus(loser - winner): small where each `winner` has the higher logit, (B,) each.

    Source: Jolicoeur-Martineau, 2018, arXiv 1807.00734; R3GAN's loss, Huang et al., 2025, arXiv 2501.05441, eq. 2.
    """
    return F.softplus(loser - winner).mean()


def gradient_penalty(logits: Tensor, inputs: Tensor) -> Tensor:
    """Zero-centred gradient penalty (R1, R2): mean squared norm of the gradient of the logits by their inputs.

    Shapes:
        logits: (B,); inputs: (B, ...), with requires_grad.

    Source: Mescheder, Geiger and Nowozin, 2018, arXiv 1801.04406, eq. 9.
    """
    (gradient,) = torch.autograd.grad(logits.sum(), inputs, create_graph=True)
    return gradient.square().flatten(1).sum(1).mean()
