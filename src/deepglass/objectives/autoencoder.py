"""Autoencoder: reconstruct the inputs through a bottleneck, with masked inputs (denoising).

Source: Hinton and Salakhutdinov, 2006, Science 313; denoising: Vincent et al., 2008, ICML ("Extracting and composing
robust features").
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor

from deepglass.constraints import Count, Fraction
from deepglass.data.batches import Batch, Dataset
from deepglass.metrics.table import METRICS, Metric
from deepglass.nn.tokens import Field
from deepglass.objectives._reconstruction import ReconstructionObjective, bottleneck_features
from deepglass.objectives._representation import masked_mean
from deepglass.objectives.base import Loss


class Autoencoder(ReconstructionObjective):
    """Denoising autoencoder on the run's network.

    Args:
        latent_dim: width of the bottleneck.
        mask_ratio: share of the pixels or cells that are masked in the input, in [0, 1); the targets are complete.
    """

    monitor: ClassVar[Metric] = METRICS["mse"]

    def __init__(self, *, latent_dim: Count = 128, mask_ratio: Fraction = 0.3) -> None:
        super().__init__()
        self.latent_dim, self.mask_ratio = latent_dim, mask_ratio

    def loss(self, batch: Batch) -> Loss:
        return Loss(self._squared_errors(batch, mask_inputs(batch, self.mask_ratio)).mean(), weight=len(batch))

    def own_metrics(self, data: Dataset, batch_size: int) -> tuple[Mapping[str, float], float]:
        errors = torch.cat([self._squared_errors(batch, batch) for batch in data.batches(batch_size)])
        mse = float(errors.mean())
        return {"mse": mse}, mse

    def embed(self, batch: Batch) -> Tensor:
        return self.bottleneck(bottleneck_features(self.network, batch))

    def reconstruct(self, batch: Batch) -> dict[str, dict[str, Tensor]]:
        """Reconstructed inputs, name -> values in the format of `Prediction.mode`."""
        return self.flat.to_predictions(self.decoder(self.embed(batch)))

    def _squared_errors(self, target: Batch, masked: Batch) -> Tensor:
        """Mean squared error of each row, inputs scaled to [0, 1], (B,)."""
        values, present = self.flat(target.inputs)
        return masked_mean((self.decoder(self.embed(masked)).float() - values).square(), present)


def mask_inputs(batch: Batch, mask_ratio: float) -> Batch:
    """Set a share of the pixels to 0 and of the other inputs' cells to missing."""
    if not mask_ratio:
        return batch
    inputs = {n: _mask_field(field, mask_ratio) for n, field in batch.inputs.items()}
    return replace(batch, inputs=inputs)


def _mask_field(field: Field, mask_ratio: float) -> Field:
    if field.values.ndim < 3:
        return field._replace(mask=field.mask & (torch.rand(field.mask.shape, device=field.mask.device) >= mask_ratio))
    rows, columns = field.values.shape[-2:]
    masked = torch.rand(len(field.values), 1, rows, columns, device=field.values.device) < mask_ratio
    return field._replace(values=field.values.masked_fill(masked, 0))
