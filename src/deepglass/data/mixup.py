"""Mixup: convex combinations of pairs of rows.

The inputs are mixed here; the targets are not. `Batch.mix` holds the partners' targets and the weights, so that a loss
can weigh both: weight * loss(own) + (1 - weight) * loss(partner's), for every kind of output.

Source: Zhang et al., 2017, arXiv 1710.09412. Ours draws a weight per row instead of one per batch.
"""

from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import Generator, Tensor

from deepglass.data.batches import Batch, Mix
from deepglass.nn.tokens import Field

_TRIES = 24  # of Johnk's method; each accepts at least half of the rows if alpha <= 1


def mixup(batch: Batch, alpha: float, generator: Generator) -> Batch:
    """Mix each row with another one, all inputs with the same weight.

    Rows with a missing input, or whose partner has one, are not mixed.

    Args:
        batch: rows to mix.
        alpha: of the weights' Beta distribution, in (0, 1]; a row's own weight is the larger one.
        generator: of the random numbers.
    """
    count = len(batch)
    device = batch.rows.device
    permutation = torch.randperm(count, generator=generator, device=device)
    weight = beta(count, alpha, generator)
    weight = torch.maximum(weight, 1 - weight)
    weight = torch.where(_complete(batch.inputs.values(), permutation, weight), weight, 1.0)
    inputs = {name: _mixed(field, permutation, weight) for name, field in batch.inputs.items()}
    targets = {name: field.take(permutation) for name, field in batch.targets.items()}
    return replace(batch, inputs=inputs, mix=Mix(targets, weight))


def beta(count: int, alpha: float, generator: Generator) -> Tensor:
    """Draws from Beta(alpha, alpha), (count,), on the generator's device, for alpha in (0, 1].

    Source: Johnk, 1964, Metrika 8: u^(1/a) / (u^(1/a) + v^(1/a)) where that sum is at most 1; in logarithms, as small
    powers underflow.
    """
    log = torch.rand(2, _TRIES, count, generator=generator, device=generator.device).clamp_min(1e-30).log() / alpha
    accepted = torch.logaddexp(log[0], log[1]) <= 0  # (TRIES, count)
    first = accepted.int().argmax(0)
    ratio = torch.sigmoid(log[0] - log[1])
    return ratio.gather(0, first[None])[0]


def _complete(fields: Iterable[Field], permutation: Tensor, weight: Tensor) -> Tensor:
    """Mask of the rows that have all inputs, and whose partners have them."""
    complete = torch.ones_like(weight, dtype=torch.bool)
    for field in fields:
        complete &= field.mask.flatten(1).all(1) if field.mask.ndim > 1 else field.mask
    return complete & complete[permutation]


def _mixed(field: Field, permutation: Tensor, weight: Tensor) -> Field:
    own = field.values.float()
    share = weight.view(-1, *[1] * (own.ndim - 1))
    return field._replace(values=torch.lerp(own[permutation], own, share))
