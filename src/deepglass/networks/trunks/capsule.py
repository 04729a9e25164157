"""Capsule network with dynamic routing."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from deepglass.constraints import Count
from deepglass.hyperparameters import IMAGE_DEFAULTS
from deepglass.networks.trunks._images import image_grids
from deepglass.networks.trunks.base import Trunk
from deepglass.nn.activations import activation as make_activation
from deepglass.nn.capsule import Routing, squash
from deepglass.nn.norms import Norm, norm2d
from deepglass.nn.tokens import Tokens, TokenShape, pool


class CapsuleNet(Trunk):
    """Convolutions, primary capsules at each position, and dynamic routing to output capsules.

    Heads read the concatenated capsules. The objective `capsule` uses one capsule per class, their lengths as evidence,
    and a reconstruction loss. All images share the convolutions; inputs without a grid enter the routing as capsules.

    Args:
        width: channels of the stem; the convolution after it has twice as many.
        num_primary_capsules: primary capsules at each position of the last map.
        size: dimension of a primary capsule.
        capsules: number of output capsules.
        capsule_dim: dimension of an output capsule.
        iterations: routing iterations.
        norm: normalisation of the convolutions: "batch", "layer", "instance", "group" or "none", the paper's.
            The capsules have none, as it would undo the squashing.
        activation: activation of the convolutions, see `deepglass list activations`.

    Shapes:
        (B, T, width) per input -> (B, 1, capsules * capsule_dim).

    Raises:
        SpecError: `bad-value` when no input has rows and columns.

    Source: Sabour, Frosst and Hinton, 2017, arXiv 1710.09829. Ours is narrower, with two 5 x 5 filters of stride 2
    instead of 9 x 9 filters without padding, and 8 instead of 32 primary capsules per position.
    """

    training_defaults = replace(IMAGE_DEFAULTS, learning_rate=3e-3, weight_decay=0.01)

    def __init__(
        self,
        inputs: Sequence[TokenShape],
        *,
        width: Count = 32,
        num_primary_capsules: Count = 8,
        size: Count = 8,
        capsules: Count = 16,
        capsule_dim: Count = 16,
        iterations: Count = 3,
        norm: Norm = "batch",
        activation: str = "relu",
    ) -> None:
        super().__init__()
        grids = image_grids(inputs, "capsule")
        self.dim = width
        self.is_image = [shape.is_image for shape in inputs]
        self.body = _CapsuleBody(width, num_primary_capsules, size, norm, activation)
        others = len(inputs) - len(grids)
        self.others = nn.ModuleList(nn.Linear(width, num_primary_capsules * size) for _ in range(others))
        self.count = num_primary_capsules * (sum(-(-Y // 4) * -(-X // 4) for Y, X in grids) + others)
        self.size, self.capsule_dim, self.iterations = size, capsule_dim, iterations
        self.route_to(capsules)

    def route_to(self, capsules: int) -> None:
        """Replace the routing by one to another number of capsules, newly initialised."""
        self.routing = Routing(self.count, self.size, capsules, self.capsule_dim, self.iterations)
        self.out_dim = capsules * self.capsule_dim

    def forward(self, tokens: Sequence[Tokens]) -> Tokens:
        others = iter(self.others)
        parts, pyramid = [], None
        for one, image in zip(tokens, self.is_image, strict=True):
            if image:
                maps = self.body(one.image())
                pyramid = pyramid or tuple(maps)
                values = maps[-1].permute(0, 2, 3, 1)  # (B, Y / 4, X / 4, num_primary_capsules * size)
            else:
                values = next(others)(pool(one))  # (B, num_primary_capsules * size)
            parts.append(values.flatten(1).unflatten(1, (-1, self.size)))
        capsules = self.routing(squash(torch.cat(parts, 1)))  # (B, capsules, capsule_dim)
        return Tokens.of_vector(capsules.flatten(1), pyramid)


class _CapsuleBody(nn.Module):
    """Shapes: x: (B, width, Y, X) -> the stem's map, (B, 2 width, Y / 2, X / 2) and (B, P * size, Y / 4, X / 4)."""

    def __init__(self, width: int, num_primary_capsules: int, size: int, norm: Norm, activation: str) -> None:
        super().__init__()
        self.enter = nn.Sequential(norm2d(norm, width), make_activation(activation))
        self.features = nn.Sequential(
            nn.Conv2d(width, 2 * width, 5, 2, 2), norm2d(norm, 2 * width), make_activation(activation)
        )
        self.primary = nn.Conv2d(2 * width, num_primary_capsules * size, 5, 2, 2)

    def forward(self, x: Tensor) -> list[Tensor]:
        finest = self.enter(x)
        features = self.features(finest)
        return [finest, features, self.primary(features)]
