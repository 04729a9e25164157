"""Learning to draw the inputs again through a bottleneck: what is needed for that is kept, the rest forgotten.

Source: Hinton and Salakhutdinov, 2006, Science 313; denoising: Vincent et al., 2008, ICML ("Extracting and composing
robust features").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor

from deepglass.constraints import Count, Fraction
from deepglass.data.batches import Batch, Dataset
from deepglass.features.base import Metric
from deepglass.nn.tokens import Field
from deepglass.objectives._bottleneck import reading
from deepglass.objectives._reconstruction import Redrawing
from deepglass.objectives._representation import masked_mean
from deepglass.objectives.base import Loss


class Autoencoder(Redrawing):
    """The run's network reads, a code is made of it, and a decoder draws the inputs again.

    Args:
        latent_dim: width of the bottleneck.
        mask_ratio: share of the inputs that are blanked before they are read, in [0, 1); the drawn ones are whole.
    """

    monitor: ClassVar[Metric] = Metric("mse", higher_is_better=False)
    name: ClassVar[str] = "autoencoder"

    def __init__(self, *, latent_dim: Count = 128, mask_ratio: Fraction = 0.3) -> None:
        super().__init__()
        self.latent_dim, self.mask_ratio = latent_dim, mask_ratio

    def loss(self, batch: Batch) -> Loss:
        return Loss(self._squares(batch, blanked(batch, self.mask_ratio)).mean(), weight=len(batch))

    def figures(self, data: Dataset, batch_size: int) -> tuple[Mapping[str, float], float]:
        squares = torch.cat([self._squares(batch, batch) for batch in data.batches(batch_size)])
        mse = float(squares.mean())
        return {"mse": mse}, mse

    def embed(self, batch: Batch) -> Tensor:
        return self.bottleneck(reading(self.network, batch))

    def redrawn(self, batch: Batch) -> dict[str, dict[str, Tensor]]:
        """The inputs as they are drawn again, name -> best answers that `Feature.decode` takes."""
        return self.flat.back(self.decoder(self.embed(batch)))

    def _squares(self, whole: Batch, seen: Batch) -> Tensor:
        """The mean squared difference of each row, all inputs being from 0 to 1, (B,)."""
        values, present = self.flat(whole.inputs)
        return masked_mean((self.decoder(self.embed(seen)).float() - values).square(), present)


def blanked(batch: Batch, share: float) -> Batch:
    """A share of the pixels blanked, and of the other inputs' cells missing."""
    if not share:
        return batch
    inputs = {n: _blanked(field, share) for n, field in batch.inputs.items()}
    return replace(batch, inputs=inputs)


def _blanked(field: Field, share: float) -> Field:
    if field.values.ndim < 3:
        return field._replace(mask=field.mask & (torch.rand(field.mask.shape, device=field.mask.device) >= share))
    rows, columns = field.values.shape[-2:]
    gone = torch.rand(len(field.values), 1, rows, columns, device=field.values.device) < share
    return field._replace(values=field.values.masked_fill(gone, 0))
