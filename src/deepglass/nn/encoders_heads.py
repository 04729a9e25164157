"""Basic encoders, also of label sets, from a `Field` to tokens, and linear heads."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from deepglass.nn.tokens import Field, Tokens, TokenShape, pool


class FieldEncoder(nn.Module):
    """Encoder of a `Field` from an embedding of columns, (values, mask) -> Tokens.

    Shapes:
        field: values and mask (B, F), or (B,) for one column.
    """

    def __init__(self, embedding: nn.Module) -> None:
        super().__init__()
        self.embedding = embedding
        self.shape = cast(TokenShape, embedding.shape)

    def forward(self, field: Field) -> Tokens:
        values, mask = field.values, field.mask
        return self.embedding(values, mask) if mask.ndim == 2 else self.embedding(values[:, None], mask[:, None])


class Rescale(nn.Module):
    """(values - shift) / scale, for all columns or for each (the last axis).

    Args:
        shift: value that becomes 0; a number, or one per column.
        scale: > 0, the unit.
    """

    def __init__(self, shift: float | Sequence[float], scale: float | Sequence[float]) -> None:
        super().__init__()
        self.shift = nn.Buffer(torch.tensor(shift, dtype=torch.float32))
        self.scale = nn.Buffer(torch.tensor(scale, dtype=torch.float32))

    def forward(self, values: Tensor) -> Tensor:
        return (values.to(self.shift.dtype) - self.shift) / self.scale


class VectorEncoder(nn.Module):
    """Encoder of fixed-size vectors as one token: rescaling and a linear map; a missing entry adds a learned weight.

    Args:
        rescale: the first layer.
        size: the length d of a vector.
        dim: the width D of the token.

    Shapes:
        field: values (B, d) float, NaN = this entry is missing; mask (B,).
        returns: (B, 1, D).
    """

    def __init__(self, rescale: nn.Module, size: int, dim: int) -> None:
        super().__init__()
        self.shape = TokenShape(count=1)
        self.rescale = rescale
        self.linear = nn.Linear(size, dim)
        self.entry = nn.Parameter(torch.zeros(size, dim))  # added for a missing entry
        self.missing = nn.Parameter(torch.randn(dim) * 0.1)

    def forward(self, field: Field) -> Tokens:
        return Tokens.of_vector(torch.where(field.mask[:, None], self.read(field.values), self.missing))

    def read(self, values: Tensor) -> Tensor:
        """(..., d) -> (..., D)."""
        absent = values.isnan()
        # Clipped: an outlier of a thousand standard deviations would dominate.
        x = self.rescale(values.nan_to_num(0.0)).clamp(-10, 10).masked_fill(absent, 0.0)
        return self.linear(x) + absent.to(x.dtype) @ self.entry


class LinearHead(nn.Module):
    """Linear head on the pooled tokens, initialised to the best constant prediction.

    Args:
        dim: the width of the tokens.
        start: initial output.

    Shapes:
        tokens: (B, T, D).
        returns: (B, P).
    """

    def __init__(self, dim: int, start: Sequence[float]) -> None:
        super().__init__()
        self.linear = nn.Linear(dim, len(start))
        with torch.no_grad():
            self.linear.bias.copy_(torch.tensor(start))

    def forward(self, tokens: Tokens) -> Tensor:
        return self.linear(pool(tokens))


class ScaledHead(LinearHead):
    """Linear head whose outputs have a scale beside them, for intervals whose width follows the row.

    The scale is fitted after training, to the residuals of validation rows; until then it is 1. It does not change the
    outputs or their gradients.

    Args:
        dim: the width D of the tokens.
        start: initial output.

    Shapes:
        tokens: (B, T, D).
        returns: (B, 2 P): the outputs, and the logarithms of their scales.
    """

    def __init__(self, dim: int, start: Sequence[float]) -> None:
        super().__init__(dim, start)
        self.scale_weight = nn.Buffer(torch.zeros(len(start), dim))
        self.scale_bias = nn.Buffer(torch.zeros(len(start)))

    def forward(self, tokens: Tokens) -> Tensor:
        pooled = pool(tokens)
        log_scale = functional.linear(pooled.detach(), self.scale_weight, self.scale_bias)
        return torch.cat([self.linear(pooled), log_scale], -1)


class LabelsEncoder(nn.Module):
    """Encoder of a set of labels as one token: the sum of the label embeddings and a bias.

    A sum and not a mean, so that it depends on the number of labels. A missing row has its own token.

    Args:
        labels: K.
        dim: the width D of the token.

    Shapes:
        field: values (B, K) of 0 and 1; mask (B,).
        returns: (B, 1, D).

    Example:
        >>> field = Field(torch.tensor([[1, 0, 1]], dtype=torch.uint8), torch.tensor([True]))
        >>> LabelsEncoder(3, dim=8)(field).values.shape
        torch.Size([1, 1, 8])
    """

    def __init__(self, labels: int, dim: int) -> None:
        super().__init__()
        self.shape = TokenShape(count=1)
        self.linear = nn.Linear(labels, dim)
        nn.init.normal_(self.linear.weight, std=0.5)
        self.missing: Tensor = nn.Parameter(torch.randn(dim) * 0.1)

    def forward(self, field: Field) -> Tokens:
        token = self.linear(field.values.to(self.linear.weight.dtype))  # (B, D)
        return Tokens.of_vector(torch.where(field.mask[:, None], token, self.missing))
