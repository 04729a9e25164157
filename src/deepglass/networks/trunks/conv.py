"""A small plain convolutional network: the default for pictures up to about 64 x 64."""

from __future__ import annotations

from collections.abc import Sequence

from deepglass.networks.trunks.base import Recipe, Trunk
from deepglass.nn.conv import Pictures, PlainBody, smallest_grid, stage_count
from deepglass.nn.norms import Norm
from deepglass.nn.tokens import Tokens, TokenShape


class Conv(Trunk):
    """Halve the picture until little of it is left, with wider and wider maps; then the maximum of each.

    Several pictures go through the same body; inputs without rows and columns join after the pooling.

    Args:
        width: channels of the stem; the stages have 2, 4, 8, 8, ... times as many.
        depth: convolutions a stage.
        norm: "batch", "layer", "instance", "group" or "none".
        activation: a name in `nn.activations`; relu costs a quarter of gelu's time on a CPU.
        dropout: share of the pooled values that is left out in training.

    Raises:
        SpecError: `bad-value` when no input has rows and columns.
    """

    recipe = Recipe(
        optimizer="muon",
        learning_rate=0.02,
        weight_decay=0.05,
        batch_size=128,
        schedule="linear",
        warmup=0.1,
        precision="bfloat16",
        augment=True,
    )

    def __init__(
        self,
        inputs: Sequence[TokenShape],
        *,
        width: int = 16,
        depth: int = 1,
        norm: Norm = "batch",
        activation: str = "relu",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        grid = smallest_grid(inputs, "conv")
        halve = min(grid) >= 16
        count = stage_count((grid[0] // 2, grid[1] // 2) if halve else grid)
        dims = [width * min(2 ** (i + 1), 8) for i in range(count)]
        self.dim, self.out_dim = width, dims[-1]
        body = PlainBody(width, dims, depth, halve=halve, norm=norm, activation=activation)
        self.pictures = Pictures(body, inputs, width, dims[-1], pool="max", activation=activation, dropout=dropout)

    def forward(self, tokens: Sequence[Tokens]) -> Tokens:
        return self.pictures(tokens)
