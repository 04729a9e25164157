"""Texts varied in training: words left out, neighbours that change places."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Generator

from deepglass.constraints import Fraction
from deepglass.data.batches import Batch
from deepglass.nn.tokens import Field


@dataclass(frozen=True)
class TextAugment:
    """Ranges of random changes of texts; each row draws its own.

    Args:
        drop: share of the tokens that are taken for unknown ones, in [0, 1).
        swap: share of the tokens that change places with the next, in [0, 1).

    Source: Iyyer et al., 2015, ACL (word dropout); Lample et al., 2018, arXiv 1711.00043 (noise on the order).
    """

    drop: Fraction = 0.0
    swap: Fraction = 0.0

    def __call__(self, field: Field, generator: Generator) -> Field:
        """Vary a batch of codes (B, T) or (B, T, K); 0 is the code of what is unknown."""
        values, mask = field.values, field.mask
        draw = torch.rand(2, *mask.shape, generator=generator, device=generator.device)
        if self.swap and mask.shape[1] > 1:
            both = mask[:, 1:] & mask[:, :-1]
            pairs = (draw[0][:, :-1] < self.swap) & both
            pairs[:, 1:] &= ~pairs[:, :-1]  # a token changes places once
            places = torch.arange(mask.shape[1], device=mask.device).repeat(len(mask), 1)
            places[:, :-1] += pairs.long()
            places[:, 1:] -= pairs.long()
            values = values[torch.arange(len(mask), device=mask.device)[:, None], places]
        if self.drop:
            gone = (draw[1] < self.drop) & mask
            values = values.masked_fill(gone.view(*gone.shape, *[1] * (values.ndim - 2)), 0)
        return field._replace(values=values)


@dataclass(frozen=True)
class VariedTexts:
    """Varies some texts of a batch.

    Args:
        changes: input name -> its changes.
    """

    changes: Mapping[str, TextAugment]

    def __call__(self, batch: Batch, generator: Generator) -> Batch:
        changed = {name: augment(batch.inputs[name], generator) for name, augment in self.changes.items()}
        return replace(batch, inputs={**batch.inputs, **changed})
