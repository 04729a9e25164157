"""Sequence networks: padding, several inputs, causality, gradients, learning."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from deepglass.config import construct
from deepglass.errors import SpecError
from deepglass.networks.trunks.bag import Bag
from deepglass.networks.trunks.base import TRUNKS, Trunk
from deepglass.nn.token_ops import sinusoidal_positions
from deepglass.nn.tokens import Tokens, TokenShape, pool

ORDERED = ["gru", "lstm", "rnn", "tcn", "transformer"]
SEQUENCE, NUMBERS = TokenShape(None), TokenShape(2)
POOLS = ["last", "max", "mean"]


def trunk_of(name: str, inputs: list[TokenShape], **settings: object) -> Trunk:
    torch.manual_seed(0)
    return TRUNKS.get(name)(inputs, **{"width": 16, **settings})


def tokens_of(lengths: list[int], dim: int = 16, seed: int = 0) -> Tokens:
    """Rows of these lengths; the padding is not zero."""
    values = torch.randn(len(lengths), max(lengths), dim, generator=torch.Generator().manual_seed(seed))
    return Tokens(values, torch.arange(max(lengths)) < torch.tensor(lengths)[:, None])


def numbers_of(rows: int, seed: int = 1) -> Tokens:
    return tokens_of([2] * rows, seed=seed)


def alone(tokens: Tokens, row: int) -> Tokens:
    there = tokens.mask[row]
    return Tokens(tokens.values[row : row + 1, there], tokens.mask[row : row + 1, there])


def test_sequence_networks_are_registered_as_ordered():
    assert {name for name, trunk in TRUNKS if trunk.ordered} == set(ORDERED)


@pytest.mark.parametrize("pooled", POOLS)
@pytest.mark.parametrize("name", ORDERED)
def test_padding_never_changes_a_row(name: str, pooled: str):
    trunk = trunk_of(name, [NUMBERS, SEQUENCE, SEQUENCE], depth=2, pool=pooled).eval()
    inputs = [numbers_of(3), tokens_of([5, 1, 3]), tokens_of([2, 4, 1], seed=2)]
    batch = trunk(inputs)
    assert batch.grid == (5,)
    for row in range(3):
        one = trunk([alone(t, row) for t in inputs])
        there = batch.mask[row]
        torch.testing.assert_close(batch.values[row, there], one.values[0], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(batch.summary[row], one.summary[0], rtol=1e-4, atol=1e-5)
        assert one.grid == (int(inputs[1].mask[row].sum()),)


@pytest.mark.parametrize("name", ["gru", "lstm", "rnn"])
def test_padding_never_changes_a_row_of_normed_cells(name: str):
    trunk = trunk_of(name, [SEQUENCE], layer_norm=True).eval()
    batch, one = trunk([tokens_of([5, 2])]), trunk([alone(tokens_of([5, 2]), 1)])
    torch.testing.assert_close(batch.values[1, :2], one.values[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(batch.summary[1], one.summary[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ORDERED)
def test_every_input_and_every_parameter_is_used(name: str):
    trunk = trunk_of(name, [SEQUENCE, NUMBERS]).eval()
    words, numbers = tokens_of([4, 2]), numbers_of(2)
    out = trunk([words, numbers])
    assert out.values.shape == (2, 6, trunk.out_dim)
    assert not torch.allclose(pool(out), pool(trunk([words, numbers_of(2, seed=5)])))
    assert not torch.allclose(pool(out), pool(trunk([tokens_of([4, 2], seed=5), numbers])))
    (out.values[out.mask].square().sum() + pool(out).square().sum()).backward()
    idle = [n for n, p in trunk.named_parameters() if p.grad is None or not p.grad.isfinite().all() or not p.grad.any()]
    assert not idle


@pytest.mark.parametrize("name", ORDERED)
def test_numbers_alone_are_a_sequence_too(name: str):
    out = trunk_of(name, [TokenShape(3)])([tokens_of([3, 3])])
    assert out.values.shape[:2] == (2, 3)
    assert pool(out).isfinite().all()


@pytest.mark.parametrize("name", ORDERED)
def test_a_causal_network_ignores_later_tokens(name: str):
    settings = TRUNKS.get(name).causal({"depth": 2})
    trunk = trunk_of(name, [SEQUENCE], **settings).eval()
    words = tokens_of([6, 6])
    changed = torch.cat([words.values[:, :4], torch.randn(2, 2, 16)], 1)
    before, after = trunk([words]).values, trunk([words._replace(values=changed)]).values
    torch.testing.assert_close(before[:, :4], after[:, :4])
    assert not torch.allclose(before[:, 4:], after[:, 4:])
    free = trunk_of(name, [SEQUENCE], depth=2).eval()
    seen = free([words]).values[:, :4], free([words._replace(values=changed)]).values[:, :4]
    assert not torch.allclose(*seen), "by default it sees both sides"


def test_networks_that_cannot_be_causal_are_rejected():
    with pytest.raises(SpecError, match=r"\[bad-value\] network.trunk: .*sequence model, one of: gru, lstm"):
        Bag.causal({})
    with pytest.raises(SpecError, match=r"\[bad-value\] network.bidirectional"):
        TRUNKS.get("lstm").causal({"bidirectional": True})


@pytest.mark.parametrize("norm", ["batch", "instance"])
@pytest.mark.parametrize("name", ["tcn", "transformer"])
def test_norms_over_padding_are_rejected(name: str, norm: str):
    with pytest.raises(SpecError, match=rf"\[bad-value\] network.norm: .*got '{norm}'"):
        construct(TRUNKS.get(name), {"norm": norm}, "network", inputs=[SEQUENCE])


def test_a_transformer_accepts_longer_rows_than_in_training():
    out = trunk_of("transformer", [SEQUENCE]).eval()([tokens_of([3_000])])
    assert out.values.isfinite().all()
    near, far = sinusoidal_positions(torch.tensor([2_998, 2_999]), 16)
    assert not torch.allclose(near, far, atol=1e-2)


@pytest.mark.parametrize("name", ORDERED)
def test_it_learns_whether_the_last_token_is_the_first(name: str):
    trunk = trunk_of(name, [SEQUENCE], width=32, dropout=0.0)
    table, head = nn.Embedding(4, 32), nn.Linear(trunk.out_dim, 1)
    optimizer = torch.optim.AdamW([*trunk.parameters(), *table.parameters(), *head.parameters()], 3e-3)
    random = torch.Generator().manual_seed(0)

    def said(rows: int) -> tuple[Tensor, Tensor]:
        lengths = torch.randint(2, 8, (rows, 1), generator=random)
        codes = torch.randint(0, 4, (rows, 8), generator=random)
        same = torch.rand(rows, 1, generator=random) < 0.5
        codes = codes.scatter(1, lengths - 1, torch.where(same, codes[:, :1], codes.gather(1, lengths - 1)))
        truth = codes[:, 0] == codes.gather(1, lengths - 1)[:, 0]
        tokens = Tokens(table(codes), torch.arange(8) < lengths)
        return head(pool(trunk([tokens])))[:, 0], truth.float()

    for _ in range(400):
        loss = nn.functional.binary_cross_entropy_with_logits(*said(64))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(trunk.parameters(), 1.0)
        optimizer.step()
    trunk.eval()
    logits, truth = said(500)
    assert ((logits > 0) == (truth > 0)).float().mean() > 0.9  # 0.62 for the majority class
