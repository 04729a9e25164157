"""Text augmentation: word dropout and swaps of neighbouring tokens."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Generator

from deepglass.constraints import Fraction
from deepglass.data.batches import Batch
from deepglass.nn.tokens import Field


@dataclass(frozen=True)
class TextAugment:
    """Random changes of texts; each row draws its own.

    Args:
        drop: share of the tokens that are replaced by the unknown token, in [0, 1).
        swap: share of the tokens that are swapped with the next one, in [0, 1).

    Source: Iyyer et al., 2015, ACL (word dropout); Lample et al., 2018, arXiv 1711.00043 (noise on the order).
    """

    drop: Fraction = 0.0
    swap: Fraction = 0.0

    def __call__(self, field: Field, generator: Generator) -> Field:
        """Augment a batch of codes (B, T) or (B, T, K); 0 is the unknown token."""
        values, mask = field.values, field.mask
        draw = torch.rand(2, *mask.shape, generator=generator, device=generator.device)
        if self.swap and mask.shape[1] > 1:
            both = mask[:, 1:] & mask[:, :-1]
            pairs = (draw[0][:, :-1] < self.swap) & both
            pairs[:, 1:] &= ~pairs[:, :-1]  # a token is swapped once
            index = torch.arange(mask.shape[1], device=mask.device).repeat(len(mask), 1)
            index[:, :-1] += pairs.long()
            index[:, 1:] -= pairs.long()
            values = values[torch.arange(len(mask), device=mask.device)[:, None], index]
        if self.drop:
            dropped = (draw[1] < self.drop) & mask
            values = values.masked_fill(dropped.view(*dropped.shape, *[1] * (values.ndim - 2)), 0)
        return field._replace(values=values)


@dataclass(frozen=True)
class BatchTextAugment:
    """Text augmentation of a batch.

    Args:
        augmentations: input name -> its augmentation.
    """

    augmentations: Mapping[str, TextAugment]

    def __call__(self, batch: Batch, generator: Generator) -> Batch:
        inputs = {name: augment(batch.inputs[name], generator) for name, augment in self.augmentations.items()}
        return replace(batch, inputs={**batch.inputs, **inputs})
