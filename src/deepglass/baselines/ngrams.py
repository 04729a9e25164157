"""The baseline of a language model: n-grams, counted in the training text."""

import time
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from deepglass.data.batches import Dataset
from deepglass.nn.ngram import NgramModel
from deepglass.objectives.next_token import NextToken, text_metrics

NAME = "n_grams"
ORDERS = {512: 4, 100_000: 2}  # size of the vocabulary -> tokens of the context
MAX_PROBABILITIES = 2_000_000_000  # of all test tokens, which take some seconds
BLOCK = 4_000_000  # probabilities at a time


def ngrams(
    objective: NextToken,
    train: Dataset,
    test: Dataset,
    compare: Callable[[Tensor], Mapping[str, float]] | None = None,
) -> dict[str, float]:
    """Test metrics of interpolated n-grams, with their training `rows` and `seconds`; {} for texts that are too long.

    Contexts of four characters or of two longer tokens.

    Args:
        compare: further values from the loss of each test token but the first, (n - 1,).
    """
    started, feature = time.perf_counter(), objective.feature
    tokens = test.inputs[feature.name].values.cpu().long()
    order = next((n for size, n in ORDERS.items() if feature.size <= size), 0)
    if len(tokens) < 2 or not order or len(tokens) * feature.size > MAX_PROBABILITIES:
        return {}
    model = NgramModel(feature.size, order)
    model.fit(train.inputs[feature.name].values.cpu().long())
    losses, size = [], max(BLOCK // feature.size, order + 1)
    for start in range(0, len(tokens) - 1, size):
        first = max(start - order, 0)  # the contexts of the first tokens of a block
        part = tokens[first : start + size + 1]
        log_probs = model(part[None, :-1])[0, start - first :]
        losses.append(-log_probs.gather(1, part[start - first + 1 :, None])[:, 0])
    nats, seconds = torch.cat(losses), round(time.perf_counter() - started, 3)
    compared = {} if compare is None else compare(nats)
    scores = text_metrics(feature, tokens, sum(float(part.sum()) for part in losses))
    return {**scores, **compared, "rows": float(len(train)), "seconds": seconds}
