"""Encoder of label sets."""

import torch
from torch import Tensor, nn

from deepglass.nn.tokens import Field, Tokens, TokenShape


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
