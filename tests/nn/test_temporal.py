"""Temporal convolutions: receptive field and padding."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from deepglass.nn.temporal import TemporalBlock


@pytest.mark.parametrize(("causal", "seen"), [(True, [0, 2, 4, 6, 8]), (False, [4, 6, 8, 10, 12])])
def test_the_receptive_field_of_a_token(causal: bool, seen: list[int]):
    """Two convolutions of 3 tokens at a distance of 2 reach 8 tokens back, or 4 to each side."""
    torch.manual_seed(0)
    block = TemporalBlock(4, 3, 2, causal=causal, dropout=0.0)
    x = torch.randn(1, 20, 4, requires_grad=True)
    block(x, torch.ones(1, 20, dtype=torch.bool))[0, 8].sum().backward()
    assert x.grad[0].abs().sum(1).nonzero().flatten().tolist() == seen


@pytest.mark.parametrize("norm", ["layer", "group", "none"])
@pytest.mark.parametrize("kernel", [2, 3, 4])
def test_padding_stays_zero(norm: str, kernel: int):
    torch.manual_seed(0)
    blocks = nn.ModuleList(TemporalBlock(4, kernel, 2**i, norm=norm, dropout=0.0) for i in range(3))
    x, mask = torch.randn(1, 9, 4), torch.arange(9)[None] < 5
    padded, alone = x * mask[..., None], x[:, :5]
    for block in blocks:
        padded, alone = block(padded, mask), block(alone, mask[:, :5])
    torch.testing.assert_close(padded[:, :5], alone)
    assert not padded[:, 5:].any()
