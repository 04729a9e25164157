"""Bags of embeddings against a plain loop, and rows without n-grams."""

from __future__ import annotations

import math

import torch

from deepglass.nn.bag import BagEmbedding, BagEncoder, inverse_document_frequency
from deepglass.nn.tokens import Field

WEIGHTS = torch.tensor([1.0, 2.0, 0.5, 3.0])


def _bag(drop: float = 0.0) -> BagEmbedding:
    torch.manual_seed(0)
    return BagEmbedding(WEIGHTS, dim=6, drop=drop)


def _rows() -> tuple[torch.Tensor, torch.Tensor]:
    ids = torch.tensor([[0, 3, 3], [2, 0, 0], [0, 0, 0]], dtype=torch.int32)
    mask = torch.tensor([[True, True, True], [True, False, False], [False, False, False]])
    return ids, mask


def test_sum_of_weighted_embeddings_of_length_one() -> None:
    bag = _bag()
    ids, mask = _rows()
    first = (bag.weight[0] + 3 * bag.weight[3] + 3 * bag.weight[3]) / math.sqrt(1 + 9 + 9)
    torch.testing.assert_close(bag(ids, mask), torch.stack([first, bag.weight[2], bag.missing]))


def test_gradients_match_a_plain_loop() -> None:
    bag = _bag().double()
    ids, mask = _rows()
    bag(ids, mask).square().sum().backward()
    table = bag.weight.detach().clone().requires_grad_()
    scale = WEIGHTS.double()[ids.long()] * mask
    scale = scale / scale.norm(dim=1, keepdim=True).clamp_min(1e-6)
    plain = (table[ids.long()] * scale[..., None]).sum(1)
    torch.where(mask.any(1, keepdim=True), plain, bag.missing.detach()).square().sum().backward()
    torch.testing.assert_close(bag.weight.grad, table.grad)
    torch.testing.assert_close(bag.missing.grad, 2 * bag.missing.detach())


def test_padding_changes_nothing() -> None:
    bag = _bag()
    ids, mask = _rows()
    longer = torch.cat([ids, torch.full((3, 4), 1, dtype=torch.int32)], 1)
    torch.testing.assert_close(bag(longer, torch.cat([mask, torch.zeros(3, 4, dtype=torch.bool)], 1)), bag(ids, mask))


def test_token_dropout_keeps_the_mean_and_is_off_in_evaluation() -> None:
    bag = _bag(drop=0.5)
    ids, mask = _rows()
    whole = bag.eval()(ids, mask)
    torch.testing.assert_close(whole, _bag()(ids, mask))
    bag.train()
    torch.manual_seed(1)
    mean = torch.stack([bag(ids, mask) for _ in range(4000)]).mean(0)
    torch.testing.assert_close(mean, whole, atol=0.02, rtol=0)


def test_encoder_gives_one_token_that_is_present() -> None:
    ids, mask = _rows()
    encoder = BagEncoder(_bag())
    tokens = encoder(Field(ids, mask))
    assert tokens.values.shape == (3, 1, 6)
    assert encoder.shape.count == 1
    assert tokens.mask.all()
    assert tokens.mask.shape == (3, 1)


def test_rare_words_have_larger_weights() -> None:
    weights = inverse_document_frequency([10, 1], rows=10)
    torch.testing.assert_close(weights, torch.tensor([1.0, math.log(11 / 2) + 1]))
