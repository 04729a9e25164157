"""Variational autoencoder (VAE).

    q(z | x) = N(mean(x), std(x))                encoder: the run's network
    p(x | z)                                     decoder: Bernoulli for pixels and classes, as the paper for grey
                                                 pixels; N(mean(z), variance) for numbers, one variance each
    minimise   E_q[-log p(x | z)] + beta KL(q(z | x) || N(0, 1))      the negative ELBO for beta = 1, in nats per row

The variance of a number is a running mean of its squared error, its maximum likelihood value, so that no weight has to
be tuned. It starts small: with the column's variance the posterior would collapse to the prior.

Source: Kingma and Welling, 2013, arXiv 1312.6114, equation 10 and appendices B and C; beta: Higgins et al., 2017, ICLR;
variance: Rybkin, Daniilidis and Levine, 2021, arXiv 2006.13202, equation 8 (there one for all, of each batch).
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, NamedTuple

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from deepglass.constraints import Count, Positive
from deepglass.data.batches import Batch, Dataset
from deepglass.features.base import Feature
from deepglass.metrics.table import METRICS, Metric
from deepglass.nn.tokens import Fields, whole_batch
from deepglass.objectives._reconstruction import ReconstructionObjective, bottleneck_features
from deepglass.objectives.base import Loss, MakeNetwork

INITIAL_VARIANCE = 0.05  # of the decoder's normal distributions, as a share of the column's variance
MIN_VARIANCE = 1e-4  # a column of few values could be reconstructed exactly and outweigh all others
VARIANCE_MOMENTUM = 0.02  # of the running variance


class ElboTerms(NamedTuple):
    """Terms of the negative ELBO of each row, in nats, (B,)."""

    reconstruction_nll: Tensor
    kl: Tensor


class Variational(ReconstructionObjective):
    """Variational autoencoder (VAE) on the run's network.

    Args:
        latent_dim: width of the latent vector; 2 can be plotted as it is.
        beta: weight of the KL term; above 1 gives more independent dimensions and blurrier samples (beta-VAE).
    """

    monitor: ClassVar[Metric] = METRICS["elbo"]
    params_per_latent: ClassVar[int] = 2  # mean and log standard deviation
    number_scale: ClassVar[str] = "standard"
    generative: ClassVar[bool] = True

    def __init__(self, *, latent_dim: Count = 16, beta: Positive = 1.0) -> None:
        super().__init__()
        self.latent_dim, self.beta = latent_dim, beta

    def make(self, inputs: Sequence[Feature], make_network: MakeNetwork) -> int:
        dim = super().make(inputs, make_network)
        # Of each numeric value, (n,); 1 is the variance of the column.
        self.variance = nn.Buffer(torch.full((len(self.flat.numeric),), INITIAL_VARIANCE))
        return dim

    def losses(self, batch: Batch, progress: float) -> Iterator[Loss]:
        mean, log_std = self._encode(batch)
        decoded = self._decode(mean, log_std, torch.randn_like(mean))
        terms = self._terms(batch, mean, log_std, decoded)
        logs = {"reconstruction_nll": terms.reconstruction_nll.mean().detach(), "kl": terms.kl.mean().detach()}
        yield Loss((terms.reconstruction_nll + self.beta * terms.kl).mean(), logs=logs, weight=len(batch))
        self._update_variance(batch, decoded.detach())

    def own_metrics(self, data: Dataset, batch_size: int) -> tuple[Mapping[str, float], float]:
        """The ELBO with beta = 1 and its terms, in nats per row; latent vectors use fixed noise."""
        generator = Generator(data.device).manual_seed(0)
        terms = []
        for batch in data.batches(batch_size):
            mean, log_std = self._encode(batch)
            noise = torch.randn(mean.shape, generator=generator, device=mean.device)
            terms.append(self._terms(batch, mean, log_std, self._decode(mean, log_std, noise)))
        nll, kl = (float(torch.cat(column).mean()) for column in zip(*terms, strict=True))
        return {"elbo": -nll - kl, "reconstruction_nll": nll, "kl": kl}, -nll - kl

    def embed(self, batch: Batch) -> Tensor:
        return self._encode(batch)[0]

    def reconstruct(self, batch: Batch) -> dict[str, dict[str, Tensor]]:
        """Reconstructed inputs, name -> values in the format of `Prediction.mode`."""
        return self.flat.to_predictions(self._apply_sigmoid(self.decoder(self.embed(batch)).float()))

    def sample(self, count: int, generator: Generator, given: Fields) -> dict[str, dict[str, Tensor]]:
        z = torch.randn(count, self.latent_dim, generator=generator, device=generator.device)
        noise = torch.randn(count, len(self.variance), generator=generator, device=generator.device)
        decoded = self.decoder(z).float().index_add(1, self.flat.numeric, self.variance.sqrt() * noise)
        predictions = self.flat.to_predictions(self._apply_sigmoid(decoded))
        return {n: _sample_class(b["log_probs"], generator) if "log_probs" in b else b for n, b in predictions.items()}

    def _encode(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation of the posterior, (B, latent_dim) each."""
        mean, log_std = self.bottleneck(bottleneck_features(self.network, batch)).float().chunk(2, 1)
        return mean, log_std.clamp(-8, 4)

    def _decode(self, mean: Tensor, log_std: Tensor, noise: Tensor) -> Tensor:
        """Decoder output for a sampled latent vector: logits of pixels and classes, means of numbers, (B, D)."""
        return self.decoder(mean + log_std.exp() * noise).float()

    def _apply_sigmoid(self, decoded: Tensor) -> Tensor:
        """Pixels and classes as probabilities, numbers unchanged."""
        return torch.sigmoid(decoded).index_copy(1, self.flat.numeric, decoded[:, self.flat.numeric])

    def _terms(self, batch: Batch, mean: Tensor, log_std: Tensor, decoded: Tensor) -> ElboTerms:
        values, present = self.flat(batch.inputs)
        bernoulli = F.binary_cross_entropy_with_logits(decoded, values.clamp(0, 1), reduction="none")
        squares = (decoded - values)[:, self.flat.numeric].square()
        normal = 0.5 * (squares / self.variance + (2 * math.pi * self.variance).log())
        nll = bernoulli.index_copy(1, self.flat.numeric, normal)
        kl = 0.5 * (mean.square() + (2 * log_std).exp() - 1) - log_std
        return ElboTerms((nll * present).sum(1), kl.sum(1))

    def _update_variance(self, batch: Batch, decoded: Tensor) -> None:
        """Move the variances towards the squared errors of the batch."""
        values, present = (part[:, self.flat.numeric] for part in self.flat(batch.inputs))
        squares = whole_batch().total(((decoded[:, self.flat.numeric] - values).square() * present).sum(0))
        count = whole_batch().total(present.sum(0))
        target = torch.where(count > 0, squares / count.clamp_min(1), self.variance)
        self.variance.lerp_(target.clamp_min(MIN_VARIANCE), VARIANCE_MOMENTUM)


def _sample_class(log_probs: Tensor, generator: Generator) -> dict[str, Tensor]:
    """Sample one class of each row: the most likely ones alone would lack all rare classes.

    Shapes:
        log_probs: (B, K).
    """
    index = torch.multinomial(log_probs.exp(), 1, generator=generator)
    return {"log_probs": torch.full_like(log_probs, math.log(1e-6)).scatter(1, index, 0.0)}
