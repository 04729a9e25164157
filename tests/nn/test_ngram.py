"""N-gram model: probabilities, leave-one-out, round trip."""

import torch

from deepglass.nn.ngram import NgramModel

TEXT = torch.tensor([0, 1, 2, 0, 1, 3, 0, 1, 2])


def fitted(context: int) -> NgramModel:
    model = NgramModel(4, context)
    model.fit(TEXT)
    return model


def test_probabilities_back_off_to_shorter_contexts():
    after = fitted(1)(torch.tensor([[0, 1]]))[0, 1].exp()  # after 1 came 2, 3, 2
    alone = fitted(0)(torch.tensor([[0, 1]]))[0, 1].exp()
    assert torch.allclose(alone, (torch.tensor([3.0, 3.0, 2.0, 1.0]) + 4 * 0.25) / (9 + 4))
    assert torch.allclose(after, (torch.tensor([0.0, 0.0, 2.0, 1.0]) + 2 * alone) / (3 + 2))
    assert torch.allclose(after.sum(), torch.tensor(1.0))


def test_a_training_position_is_scored_without_its_own_count():
    whole = fitted(1)
    seen = whole(torch.tensor([[0, 1, 3]]), torch.tensor([[1, 3, 0]]))[0, 1].exp()
    others = torch.tensor([0.0, 0.0, 2.0, 0.0])  # what followed 1 elsewhere
    shorter = (torch.tensor([3.0, 3.0, 2.0, 0.0]) + 3 * 0.25) / (8 + 3)
    assert torch.allclose(seen, (others + shorter) / (2 + 1))


def test_an_unknown_context_backs_off():
    model = fitted(2)
    assert torch.allclose(model(torch.tensor([[3, 3]]))[0, 1], fitted(1)(torch.tensor([[3, 3]]))[0, 1])


def test_tables_round_trip():
    stored, model = fitted(2).state_dict(), NgramModel(4, 2)
    model.load_state_dict(stored)
    assert torch.equal(model(TEXT[None]), fitted(2)(TEXT[None]))
