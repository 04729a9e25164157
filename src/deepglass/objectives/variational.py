"""A variational autoencoder: codes are drawn around what is read, and stay near a normal distribution to draw from.

    q(z | x) = N(mean(x), deviation(x))          what the run's network reads
    p(x | z) = what the decoder draws            all inputs as shares of 1 (Bernoulli), as the paper takes grey pixels
    step down  E_q[-log p(x | z)] + beta KL(q(z | x) || N(0, 1)),  the negative ELBO for beta = 1, in nats a row

Source: Kingma and Welling, 2013, arXiv 1312.6114, equation 10 and appendices B and C; beta: Higgins et al., 2017, ICLR.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, NamedTuple

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from deepglass.data.batches import Batch, Dataset
from deepglass.features.base import Metric
from deepglass.nn.tokens import Field
from deepglass.objectives._reading import reading
from deepglass.objectives._redrawing import Redrawing
from deepglass.objectives.base import Loss


class Parts(NamedTuple):
    """The two parts of the negative ELBO of each row, in nats, (B,)."""

    drawing: Tensor
    divergence: Tensor


class Variational(Redrawing):
    """The run's network reads a mean and a deviation for each axis of the code; a decoder draws from a code.

    Args:
        code: axes of the code; 2 can be looked at as they are.
        beta: weight of the divergence; above 1 axes are more independent and drawings less sharp.
    """

    monitor: ClassVar[Metric] = Metric("elbo", higher_is_better=True)
    name: ClassVar[str] = "variational"
    read: ClassVar[int] = 2  # a mean and a deviation
    generates: ClassVar[bool] = True

    def __init__(self, *, code: int = 16, beta: float = 1.0) -> None:
        super().__init__()
        if code < 1:
            raise ValueError(f"code: expected at least 1, got {code}")
        if not beta > 0:
            raise ValueError(f"beta: expected a number above 0, got {beta}")
        self.code, self.beta = code, beta

    def loss(self, batch: Batch) -> Loss:
        mean, log_deviation = self._read(batch)
        z = mean + log_deviation.exp() * torch.randn_like(mean)
        parts = self._parts(batch, mean, log_deviation, z)
        logs = {"drawing": parts.drawing.mean().detach(), "divergence": parts.divergence.mean().detach()}
        return Loss((parts.drawing + self.beta * parts.divergence).mean(), logs=logs, weight=len(batch))

    def figures(self, data: Dataset, batch_size: int) -> tuple[Mapping[str, float], float]:
        """The ELBO with beta 1 and its two parts, in nats a row; the codes are drawn from fixed random numbers."""
        generator = Generator(data.device).manual_seed(0)
        drawing, divergence = [], []
        for batch in data.batches(batch_size):
            mean, log_deviation = self._read(batch)
            noise = torch.randn(mean.shape, generator=generator, device=mean.device)
            parts = self._parts(batch, mean, log_deviation, mean + log_deviation.exp() * noise)
            drawing.append(parts.drawing)
            divergence.append(parts.divergence)
        drawn, diverged = float(torch.cat(drawing).mean()), float(torch.cat(divergence).mean())
        return {"elbo": -drawn - diverged, "drawing": drawn, "divergence": diverged}, -drawn - diverged

    def embed(self, batch: Batch) -> Tensor:
        return self._read(batch)[0]

    def redrawn(self, batch: Batch) -> dict[str, dict[str, Tensor]]:
        """The inputs as they are drawn again, name -> best answers that `Feature.decode` takes."""
        return self.flat.back(torch.sigmoid(self.decoder(self.embed(batch)).float()))

    def sample(self, count: int, generator: Generator, given: Mapping[str, Field]) -> dict[str, dict[str, Tensor]]:
        z = torch.randn(count, self.code, generator=generator, device=generator.device)
        return self.flat.back(torch.sigmoid(self.decoder(z).float()))

    def _read(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Means and the logarithms of the deviations, (B, code) each."""
        mean, log_deviation = self.bottleneck(reading(self.network, batch)).float().chunk(2, 1)
        return mean, log_deviation.clamp(-8, 4)

    def _parts(self, batch: Batch, mean: Tensor, log_deviation: Tensor, z: Tensor) -> Parts:
        values, present = self.flat(batch.inputs)
        logits = self.decoder(z).float()
        drawing = F.binary_cross_entropy_with_logits(logits, values.clamp(0, 1), reduction="none")
        divergence = 0.5 * (mean.square() + (2 * log_deviation).exp() - 1) - log_deviation
        return Parts((drawing * present).sum(1), divergence.sum(1))
