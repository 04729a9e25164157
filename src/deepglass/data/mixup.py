"""Mixup: a row becomes a mixture of itself and another one, and so does its answer.

The inputs are mixed here; the targets stay as they are, and `Batch.mix` says which rows were mixed and how much, so
that a loss weighs both answers: weight * loss(own) + (1 - weight) * loss(partner's), whatever kind they are.

Source: Zhang et al., 2017, arXiv 1710.09412. Each row draws its own weight, where theirs has one a batch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import Generator, Tensor

from deepglass.data.batches import Batch, Mix
from deepglass.nn.tokens import Field

_TRIES = 24  # of Johnk's method, each of which succeeds in at least half of the rows while alpha <= 1


def mixup(batch: Batch, alpha: float, generator: Generator) -> Batch:
    """A batch whose rows are mixed with others, each input by the same weight.

    Rows that miss some of their input, or whose partner does, stay alone.

    Args:
        alpha: of the weights' Beta distribution, in (0, 1]; the larger of both shares is a row's own.
    """
    count = len(batch)
    device = batch.rows.device
    partner = torch.randperm(count, generator=generator, device=device)
    weight = beta(count, alpha, generator)
    weight = torch.maximum(weight, 1 - weight)
    weight = torch.where(_whole(batch.inputs.values(), partner, weight), weight, 1.0)
    inputs = {name: _mixed(field, partner, weight) for name, field in batch.inputs.items()}
    return replace(batch, inputs=inputs, mix=Mix(partner, weight))


def beta(count: int, alpha: float, generator: Generator) -> Tensor:
    """Draws from Beta(alpha, alpha), (count,), on the generator's device, for alpha in (0, 1].

    Source: Johnk, 1964, Metrika 8: u^(1/a) / (u^(1/a) + v^(1/a)) where that sum is at most 1; in logarithms, as small
    powers underflow.
    """
    log = torch.rand(2, _TRIES, count, generator=generator, device=generator.device).clamp_min(1e-30).log() / alpha
    fits = torch.logaddexp(log[0], log[1]) <= 0  # (TRIES, count)
    first = fits.int().argmax(0)
    ratio = torch.sigmoid(log[0] - log[1])
    return ratio.gather(0, first[None])[0]


def _whole(fields: Iterable[Field], partner: Tensor, weight: Tensor) -> Tensor:
    """Rows that have all of their inputs and whose partners have."""
    known = torch.ones_like(weight, dtype=torch.bool)
    for field in fields:
        known &= field.mask.flatten(1).all(1) if field.mask.ndim > 1 else field.mask
    return known & known[partner]


def _mixed(field: Field, partner: Tensor, weight: Tensor) -> Field:
    own = field.values.float()
    share = weight.view(-1, *[1] * (own.ndim - 1))
    return field._replace(values=torch.lerp(own[partner], own, share))
