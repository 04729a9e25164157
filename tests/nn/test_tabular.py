"""Embeddings of columns and ensemble layers: shapes, gradients, missing values, properties."""

from __future__ import annotations

import math

import pytest
import torch

from deepglass.nn.tabular import (
    CategoryEmbedding,
    Dropout,
    EnsembleLinear,
    NumberEmbedding,
    smooth_clip,
)

EDGES = [[0.0, 1.0, 2.0, 4.0], [], [5.0, 6.0]]  # columns with three bins, none and one


def number_embedding(dim: int = 8) -> NumberEmbedding:
    torch.manual_seed(0)
    return NumberEmbedding([1.0, 100.0, 5.5], [1.0, 10.0, 0.0], EDGES, dim)


def test_smooth_clip_keeps_small_values_and_bounds_large_ones():
    x = torch.tensor([-1e9, -0.01, 0.0, 0.01, 3.0, 1e9])
    expected = torch.tensor([-3.0, -0.01, 0.0, 0.01, 3 / math.sqrt(2), 3.0])
    torch.testing.assert_close(smooth_clip(x), expected, atol=1e-4, rtol=1e-4)


def test_there_is_one_token_per_number_column():
    embedding = number_embedding()
    tokens = embedding(torch.tensor([[0.5, 90.0, 5.0], [9.0, 110.0, 7.0]]), torch.ones(2, 3, dtype=torch.bool))
    assert tokens.values.shape == (2, 3, 8)
    assert tokens.mask.all()
    assert embedding.shape.count == 3
    tokens.values.square().sum().backward()
    present = {n: p.grad for n, p in embedding.named_parameters() if n != "missing"}
    assert all(g is not None and g.isfinite().all() and g.abs().sum() > 0 for g in present.values())


def test_piecewise_linear_bins_fill_in_order():
    embedding = number_embedding()
    values = torch.tensor([-1.0, 0.5, 1.5, 3.0, 99.0])[:, None]
    filled = ((values - embedding.bin_start[0]) * embedding.bin_slope[0]).clamp(0, 1)
    expected = [[0, 0, 0], [0.5, 0, 0], [1, 0.5, 0], [1, 1, 0.5], [1, 1, 1]]
    torch.testing.assert_close(filled, torch.tensor(expected, dtype=torch.float32))
    assert not embedding.bin_slope[1].any()  # a column without bins


@pytest.mark.parametrize("hidden", [math.nan, math.inf, -math.inf, 1e30])
def test_a_missing_number_is_a_learned_token(hidden: float):
    embedding = number_embedding()
    mask = torch.tensor([[False, True, True]])
    tokens = embedding(torch.tensor([[hidden, 100.0, 5.0]]), mask)
    torch.testing.assert_close(tokens.values[0, 0], embedding.missing[0])
    tokens.values.sum().backward()
    assert all(p.grad.isfinite().all() for p in embedding.parameters())


def test_outliers_are_bounded():
    tokens = number_embedding()(torch.tensor([[1e30, -1e30, 1e30]]), torch.ones(1, 3, dtype=torch.bool))
    assert tokens.values.abs().max() < 20


def test_embeddings_need_no_data():
    with torch.device("meta"):
        assert NumberEmbedding([0.0], [1.0], [[0.0, 1.0]], 4).shape.count == 1
        assert CategoryEmbedding([3, 2], 4).shape.count == 2


def test_categories_share_a_table_with_separate_vectors():
    embedding = CategoryEmbedding([3, 4], dim=8).eval()
    codes = torch.tensor([[1, 1], [2, 3], [0, 0]], dtype=torch.int32)
    tokens = embedding(codes, torch.ones(3, 2, dtype=torch.bool))
    assert tokens.values.shape == (3, 2, 8)
    torch.testing.assert_close(tokens.values[1, 1], embedding.table.weight[3 + 3])
    assert len({tuple(t) for t in tokens.values.flatten(0, 1).tolist()}) == 6


def test_a_missing_category_is_code_zero():
    embedding = CategoryEmbedding([3, 4], dim=8).eval()
    present, missing = torch.ones(1, 2, dtype=torch.bool), torch.zeros(1, 2, dtype=torch.bool)
    codes = torch.tensor([[2, 3]])
    torch.testing.assert_close(embedding(codes, missing).values, embedding(codes * 0, present).values)


def test_category_dropout_applies_in_training_only():
    torch.manual_seed(0)
    embedding = CategoryEmbedding([2], dim=1, embedding_dropout=0.25)
    codes, mask = torch.ones(4000, 1, dtype=torch.int64), torch.ones(4000, 1, dtype=torch.bool)
    unknown = embedding.table.weight[0, 0]
    assert 0.22 < (embedding(codes, mask).values == unknown).float().mean() < 0.28
    assert not (embedding.eval()(codes, mask).values == unknown).any()


def test_dropout_keeps_the_mean_and_is_off_in_evaluation():
    torch.manual_seed(0)
    x = torch.ones(301, 33)
    dropout = Dropout(0.25)
    y = dropout(x)
    assert y.mean().item() == pytest.approx(1.0, abs=0.02)
    assert (y == 0).float().mean().item() == pytest.approx(0.25, abs=0.02)
    assert dropout.eval()(x) is x
    assert Dropout(0.0)(x) is x


def test_an_ensemble_layer_equals_separate_members():
    torch.manual_seed(0)
    layer = EnsembleLinear(4, 3, members=5, scaled=True)
    x = torch.randn(2, 1, 4)
    y = layer(x)
    assert y.shape == (2, 5, 3)
    assert set(layer.scale.unique().tolist()) == {-1.0, 1.0}
    for m in range(5):
        expected = (x[:, 0] * layer.scale[m]) @ layer.linear.weight.T + layer.bias[m]
        torch.testing.assert_close(y[:, m], expected)
