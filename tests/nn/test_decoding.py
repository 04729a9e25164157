"""Decoding: parallel and stepwise logits, causality, beam search with known results, sampling."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from deepglass.nn.decoding import AutoregressiveHead, State, choose, search
from deepglass.nn.sequence_decoders import RecurrentDecoder, TransformerDecoder
from deepglass.nn.tokens import Field, Tokens

V, END, LENGTH = 7, 1, 6


def writers() -> list[AutoregressiveHead]:
    torch.manual_seed(0)
    recurrent = [RecurrentDecoder(8, V, END, LENGTH, cell=cell, hidden=12) for cell in ("rnn", "gru", "lstm")]
    return [*recurrent, TransformerDecoder(8, V, END, LENGTH, width=12, depth=2, heads=3)]


def memory_of(rows: int = 3) -> Tokens:
    values = torch.randn(rows, 4, 8, generator=torch.Generator().manual_seed(1))
    return Tokens(values, torch.arange(4) < torch.tensor([4, 2, 1])[:rows, None])


def target_of(rows: int = 3) -> Field:
    codes = torch.randint(2, V, (rows, 5), generator=torch.Generator().manual_seed(2)).int()
    mask = torch.arange(5) < torch.tensor([5, 3, 1])[:rows, None]
    return Field(codes, mask, torch.ones(rows, dtype=torch.bool))


def whole(writer: AutoregressiveHead, memory: Tokens, target: Field) -> Tensor:
    return writer.logits_of(writer.hidden(memory, target))


NAMES = ["rnn", "gru", "lstm", "transformer"]


@pytest.mark.parametrize("which", range(4), ids=NAMES)
def test_stepwise_and_parallel_logits_agree(which: int):
    writer, memory, target = writers()[which].eval(), memory_of(), target_of()
    parallel = whole(writer, memory, target)
    assert parallel.shape == (3, 5, V)
    state, token = writer.start(memory), None
    for t in range(5):
        logits, state = writer.step(state, token)
        torch.testing.assert_close(logits, parallel[:, t], rtol=1e-4, atol=1e-5)
        token = target.values[:, t]
    torch.testing.assert_close(writer(memory, target).logits, parallel[target.mask])


@pytest.mark.parametrize("which", range(4), ids=NAMES)
def test_logits_ignore_the_target_token_and_absent_memory(which: int):
    writer, memory, target = writers()[which].eval(), memory_of(), target_of()
    before = whole(writer, memory, target)
    codes = target.values.clone()
    codes[:, 3] = (codes[:, 3] + 1) % V
    after = whole(writer, memory, target._replace(values=codes))
    torch.testing.assert_close(before[:, :4], after[:, :4])
    assert not torch.allclose(before[:, 4], after[:, 4])
    elsewhere = memory._replace(values=torch.where(memory.mask[..., None], memory.values, 9.0))
    torch.testing.assert_close(before, whole(writer, elsewhere, target))
    assert not torch.allclose(before, whole(writer, memory._replace(values=memory.values.flip(0)), target))


@pytest.mark.parametrize("which", range(4), ids=NAMES)
def test_cross_attention_weights_are_returned(which: int):
    writer, memory = writers()[which].eval(), memory_of()
    whole(writer, memory, target_of())
    assert writer.attention is None
    writer.store_weights = True
    whole(writer, memory, target_of())
    assert writer.attention.shape == (3, 5, 4)
    torch.testing.assert_close(writer.attention.sum(-1), torch.ones(3, 5))
    assert not writer.attention.masked_select(~memory.mask[:, None]).any()


@pytest.mark.parametrize("which", range(4), ids=NAMES)
def test_decoders_learn_to_reverse_the_memory(which: int):
    torch.manual_seed(0)
    cell = NAMES[which]
    table = torch.nn.Embedding(V + 3, 16)  # a vector for each token, and one for each place
    writer = (
        TransformerDecoder(16, V, END, 4, width=32, depth=1, dropout=0.0)
        if cell == "transformer"
        else RecurrentDecoder(16, V, END, 4, cell=cell, hidden=48, dropout=0.0)
    )
    optimizer = torch.optim.AdamW([*writer.parameters(), *table.parameters()], 5e-3)
    random = torch.Generator().manual_seed(0)

    def rows(count: int) -> tuple[Tokens, Field]:
        codes = torch.randint(2, V, (count, 3), generator=random)
        memory = table(codes) + table(torch.arange(V, V + 3))
        answer = torch.cat([codes.flip(1), torch.full((count, 1), END)], 1)
        mask = torch.ones(count, 4, dtype=torch.bool)
        return Tokens(memory, mask[:, :3]), Field(answer, mask, mask[:, 0])

    for _ in range(250):
        memory, target = rows(64)
        loss = torch.nn.functional.cross_entropy(writer(memory, target).logits, target.values[target.mask])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    memory, target = rows(200)
    with torch.inference_mode():
        found = search(writer.eval(), memory, 2)
    right = (found.tokens[:, :3] == target.values[:, :3]).all(1) & (found.mask.sum(1) == 3)
    assert right.float().mean() > 0.9  # 0.008 by chance


class Known(AutoregressiveHead):
    """Token probabilities given the previous tokens; the most probable first token leads to a less probable sequence.

    Code 1 is the end token. "2 2 end" has 0.6 * 0.4 * 1, "3 3 end" 0.4 * 0.9 * 1, "3 end" 0.4 * 0.1.
    """

    end, length = END, 4
    after = {
        (): {2: 0.6, 3: 0.4},
        (2,): {2: 0.4, 3: 0.3, 0: 0.3},
        (3,): {3: 0.9, END: 0.1},
    }

    def hidden(self, memory: Tokens, target: Field) -> Tensor:
        raise NotImplementedError

    def logits_of(self, hidden: Tensor) -> Tensor:
        raise NotImplementedError

    def start(self, memory: Tokens) -> State:
        return (torch.zeros(len(memory.values), 0, dtype=torch.long),)

    def step(self, state: State, token: Tensor | None) -> tuple[Tensor, State]:
        written = state[0] if token is None else torch.cat([state[0], token[:, None]], 1)
        probs = torch.zeros(len(written), 4)
        for row, before in zip(probs, written.tolist(), strict=True):
            for code, p in self.after.get(tuple(before), {END: 1.0}).items():
                row[code] = p
        return probs.log(), (written,)


def texts(found) -> list[list[int]]:
    return [t[m].tolist() for t, m in zip(found.tokens, found.mask, strict=True)]


def test_one_beam_is_greedy_and_two_find_the_most_probable_sequence():
    greedy, beam = (search(Known(), memory_of(2), beams) for beams in (1, 2))
    assert texts(greedy) == [[2, 2], [2, 2]]
    assert texts(beam) == [[3, 3], [3, 3]]
    torch.testing.assert_close(greedy.log_prob.exp(), torch.full((2,), 0.24))
    torch.testing.assert_close(beam.log_prob.exp(), torch.full((2,), 0.36))


class Short(Known):
    """The empty sequence has 0.4, more than "2 2 end" with 0.36, whose three tokens are more probable each."""

    after = {(): {END: 0.4, 2: 0.6}, (2,): {2: 0.6, 3: 0.4}}


def test_length_normalisation_prefers_longer_sequences():
    assert texts(search(Short(), memory_of(1), 4, penalty=0.0)) == [[]]
    found = search(Short(), memory_of(1), 4, penalty=1.0)
    assert texts(found) == [[2, 2]]
    torch.testing.assert_close(found.log_prob, torch.tensor([math.log(0.36)]))


def test_temperature_and_top_k_narrow_sampling():
    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log().expand(2_000, -1)
    random = torch.Generator().manual_seed(0)
    assert set(choose(logits, random, temperature=0).tolist()) == {0}
    assert set(choose(logits, random, top_k=2).tolist()) == {0, 1}
    assert set(choose(logits, random, top_p=0.9).tolist()) == {0, 1, 2}
    assert set(choose(logits, random, top_p=0.01).tolist()) == {0}
    assert set(choose(logits, random, top_k=100).tolist()) == {0, 1, 2, 3}
    cold = (choose(logits, random, temperature=0.5) == 0).float().mean()
    assert cold == pytest.approx(0.25 / 0.365, abs=0.04)  # squares of the probabilities
