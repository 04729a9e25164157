"""A variational autoencoder: codes are drawn around what is read, and stay near a normal distribution to draw from.

    q(z | x) = N(mean(x), deviation(x))          what the run's network reads
    p(x | z) = what the decoder draws            pixels and classes as shares of 1 (Bernoulli), as the paper takes grey
                                                 pixels; numbers as N(drawn(z), variance), a variance each
    step down  E_q[-log p(x | z)] + beta KL(q(z | x) || N(0, 1)),  the negative ELBO for beta = 1, in nats a row

A number's variance is what is left of its squared error, a running mean: the most likely one, so that neither the
numbers nor the code are weighed by hand. It begins small: with the column's own variance an empty code would be as good
as any, and would stay empty.

Source: Kingma and Welling, 2013, arXiv 1312.6114, equation 10 and appendices B and C; beta: Higgins et al., 2017, ICLR;
variance: Rybkin, Daniilidis and Levine, 2021, arXiv 2006.13202, equation 8 (there one for all, of each batch).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, NamedTuple

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from deepglass.constraints import Count, Positive
from deepglass.data.batches import Batch, Dataset
from deepglass.features.base import Feature, Metric
from deepglass.nn.tokens import Field
from deepglass.objectives._bottleneck import reading
from deepglass.objectives._reconstruction import Redrawing
from deepglass.objectives.base import Loss, MakeNetwork

FIRST = 0.05  # of a number's own variance
LEAST = 1e-4  # of it: a column of few values could be drawn exactly, and then outweighs all others
FOLLOWS = 0.02  # of the way to a batch's squared error that a variance goes in a step


class Parts(NamedTuple):
    """The two parts of the negative ELBO of each row, in nats, (B,)."""

    drawing: Tensor
    divergence: Tensor


class Variational(Redrawing):
    """The run's network reads a mean and a deviation for each axis of the code; a decoder draws from a code.

    Args:
        latent_dim: axes of the code; 2 can be looked at as they are.
        beta: weight of the divergence; above 1 axes are more independent and drawings less sharp.
    """

    monitor: ClassVar[Metric] = Metric("elbo", higher_is_better=True)
    name: ClassVar[str] = "variational"
    read: ClassVar[int] = 2  # a mean and a deviation
    numbers: ClassVar[str] = "standard"
    generative: ClassVar[bool] = True
    variance: Tensor  # of each place that is a number, (D,); 1 is the column's own

    def __init__(self, *, latent_dim: Count = 16, beta: Positive = 1.0) -> None:
        super().__init__()
        self.latent_dim, self.beta = latent_dim, beta

    def make(self, inputs: Sequence[Feature], make_network: MakeNetwork) -> int:
        dim = super().make(inputs, make_network)
        self.register_buffer("variance", torch.full((len(self.flat.numeric),), FIRST))
        return dim

    def losses(self, batch: Batch, progress: float) -> Iterator[Loss]:
        mean, log_deviation = self._read(batch)
        drawn = self._drawn(mean, log_deviation, torch.randn_like(mean))
        parts = self._parts(batch, mean, log_deviation, drawn)
        logs = {"reconstruction_nll": parts.drawing.mean().detach(), "kl": parts.divergence.mean().detach()}
        yield Loss((parts.drawing + self.beta * parts.divergence).mean(), logs=logs, weight=len(batch))
        self._follow(batch, drawn.detach())

    def figures(self, data: Dataset, batch_size: int) -> tuple[Mapping[str, float], float]:
        """The ELBO with beta 1 and its two parts, in nats a row; the codes are drawn from fixed random numbers."""
        generator = Generator(data.device).manual_seed(0)
        parts = []
        for batch in data.batches(batch_size):
            mean, log_deviation = self._read(batch)
            noise = torch.randn(mean.shape, generator=generator, device=mean.device)
            parts.append(self._parts(batch, mean, log_deviation, self._drawn(mean, log_deviation, noise)))
        drawing, divergence = (float(torch.cat(column).mean()) for column in zip(*parts, strict=True))
        return {"elbo": -drawing - divergence, "reconstruction_nll": drawing, "kl": divergence}, -drawing - divergence

    def embed(self, batch: Batch) -> Tensor:
        return self._read(batch)[0]

    def redrawn(self, batch: Batch) -> dict[str, dict[str, Tensor]]:
        """The inputs as they are drawn again, name -> best answers that `Feature.decode` takes."""
        return self.flat.back(self._expected(self.decoder(self.embed(batch)).float()))

    def sample(self, count: int, generator: Generator, given: Mapping[str, Field]) -> dict[str, dict[str, Tensor]]:
        z = torch.randn(count, self.latent_dim, generator=generator, device=generator.device)
        noise = torch.randn(count, len(self.variance), generator=generator, device=generator.device)
        drawn = self.decoder(z).float().index_add(1, self.flat.numeric, self.variance.sqrt() * noise)
        best = self.flat.back(self._expected(drawn))
        return {n: _one(b["log_probs"], generator) if "log_probs" in b else b for n, b in best.items()}

    def _read(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Means and the logarithms of the deviations, (B, code) each."""
        mean, log_deviation = self.bottleneck(reading(self.network, batch)).float().chunk(2, 1)
        return mean, log_deviation.clamp(-8, 4)

    def _drawn(self, mean: Tensor, log_deviation: Tensor, noise: Tensor) -> Tensor:
        """What the decoder draws from codes (B, code): logits of shares, means of numbers, (B, D)."""
        return self.decoder(mean + log_deviation.exp() * noise).float()

    def _expected(self, drawn: Tensor) -> Tensor:
        """Shares instead of their logits."""
        numbers = self.flat.numeric
        return torch.sigmoid(drawn).index_copy(1, numbers, drawn[:, numbers])

    def _parts(self, batch: Batch, mean: Tensor, log_deviation: Tensor, drawn: Tensor) -> Parts:
        values, present = self.flat(batch.inputs)
        bernoulli = F.binary_cross_entropy_with_logits(drawn, values.clamp(0, 1), reduction="none")
        squares = (drawn - values)[:, self.flat.numeric].square()
        normal = 0.5 * (squares / self.variance + (2 * math.pi * self.variance).log())
        drawing = bernoulli.index_copy(1, self.flat.numeric, normal)
        divergence = 0.5 * (mean.square() + (2 * log_deviation).exp() - 1) - log_deviation
        return Parts((drawing * present).sum(1), divergence.sum(1))

    def _follow(self, batch: Batch, drawn: Tensor) -> None:
        """Move the variances towards what is left of the squared errors."""
        values, present = (part[:, self.flat.numeric] for part in self.flat(batch.inputs))
        squares = ((drawn[:, self.flat.numeric] - values).square() * present).sum(0)
        left = torch.where(present.any(0), squares / present.sum(0).clamp_min(1), self.variance)
        self.variance.lerp_(left.clamp_min(LEAST), FOLLOWS)


def _one(log_probs: Tensor, generator: Generator) -> dict[str, Tensor]:
    """One class of each row, drawn by its share: the most likely ones alone would lack all that is rare.

    Shapes:
        log_probs: (B, K).
    """
    drawn = torch.multinomial(log_probs.exp(), 1, generator=generator)
    return {"log_probs": torch.full_like(log_probs, math.log(1e-6)).scatter(1, drawn, 0.0)}
