"""Multilayer perceptron, or an ensemble with shared weights (TabM): the default network for tables."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from deepglass.constraints import Count, NonNegativeInt, Share
from deepglass.features.base import Feature
from deepglass.features.image import Image
from deepglass.hyperparameters import TrainingDefaults
from deepglass.networks.trunks.base import Trunk
from deepglass.nn.activations import activation as make_activation
from deepglass.nn.conv import FlatImageEncoder
from deepglass.nn.initialisation import initialise
from deepglass.nn.norms import Norm
from deepglass.nn.norms import norm as make_norm
from deepglass.nn.tabular import Dropout, EnsembleLinear
from deepglass.nn.tokens import Tokens, TokenShape, pool


class Mlp(Trunk):
    """Multilayer perceptron over the concatenated tokens of all inputs.

    With several members the layers are BatchEnsemble layers: shared weights, own scales and biases; predictions are
    averaged. `ensemble_size=1, activation="relu"` is the classic network.

    Args:
        depth: number of hidden layers; 0 leaves a linear model of the embeddings.
        width: units of each hidden layer.
        ensemble_size: M, size of the ensemble.
        dropout: dropout rate, in [0, 1).
        activation: name of the activation, see `deepglass list activations`.
        norm: normalisation before each activation.
        initialisation: of the weights: "default" (of each layer), "xavier_uniform", "xavier_normal", "he_uniform",
            "he_normal", "lecun_normal", "orthogonal", "normal", "zeros" (of the heads too: units stay equal).
        dim: width of a token; None: by the number of tokens, so that the first layer's input stays near a thousand.

    Shapes:
        tokens: (B, T, D) per input; an image is one token of all pixels, tokens of unknown number or with a grid are
            averaged.
        returns: (B * M, 1, width), the members of a row adjacent.

    Source: Gorishniy et al., 2024, arXiv 2410.24210 (TabM: the ensemble); Holzmueller et al., 2024, arXiv 2407.04491.
    """

    training_defaults = TrainingDefaults(
        optimizer="adamw",
        learning_rate=4e-3,
        weight_decay=0.02,
        batch_size=256,
        schedule="cosine",
        epochs=60,
        precision="bfloat16",
        warmup=0.05,
    )

    def __init__(
        self,
        inputs: Sequence[TokenShape],
        *,
        depth: NonNegativeInt = 3,
        width: Count = 256,
        ensemble_size: Count = 8,
        dropout: Share = 0.1,
        activation: str = "silu",
        norm: Norm = "none",
        initialisation: str = "default",
        dim: Count | None = None,
    ) -> None:
        super().__init__()
        self._pooled = [shape.count is None or shape.grid is not None for shape in inputs]
        count = sum(1 if pooled else shape.count or 1 for pooled, shape in zip(self._pooled, inputs, strict=True))
        self.dim = dim or _dim_for(count, any(self._pooled))
        self.ensemble_size = ensemble_size
        layers: list[nn.Module] = []
        size = self.dim * count
        for i in range(depth):
            layers += [
                EnsembleLinear(size, width, ensemble_size, scaled=i == 0 and ensemble_size > 1),
                make_norm(norm, width),
            ]
            layers += [make_activation(activation), Dropout(dropout)]
            size = width
        self.out_dim = size
        self.body = initialise(nn.Sequential(*layers), initialisation)
        self.zero_heads = initialisation == "zeros"  # heads or biases at random would make the units different
        if self.zero_heads:
            for layer in self.body.modules():
                if isinstance(layer, EnsembleLinear):
                    nn.init.zeros_(layer.bias)
        # The scales make the shared head differ between members.
        self.last = nn.Parameter(torch.ones(ensemble_size, size)) if ensemble_size > 1 else None

    @classmethod
    def make_encoder(cls, feature: Feature, dim: int, settings: Mapping[str, Any]) -> nn.Module | None:
        """All pixels of an image as one token, without convolution."""
        if not isinstance(feature, Image):
            return None
        return FlatImageEncoder(feature.normalizer(), feature.channels_ or 1, dim, feature.size_ or (1, 1))

    def forward(self, tokens: Sequence[Tokens]) -> Tokens:
        flat = [pool(t) if pooled else _flat(t) for pooled, t in zip(self._pooled, tokens, strict=True)]
        x = self.body(torch.cat(flat, dim=-1).unsqueeze(1))  # (B, M, width)
        if self.last is not None:
            x = x * self.last.to(x.dtype)
        return Tokens.of_vector(x.flatten(0, 1))  # (B * M, 1, width)


def _flat(tokens: Tokens) -> Tensor:
    return (tokens.values * tokens.mask.unsqueeze(-1)).flatten(1)


def _dim_for(count: int, pooled: bool) -> int:
    """Width of a token: 16 for most tables, more for one or two tokens, which represent a whole vector or image."""
    return max(2, min(1024 // max(count, 1), 256 if count == 1 else 64 if pooled or count < 4 else 16))
