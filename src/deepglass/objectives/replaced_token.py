"""Replaced token detection: a small generator fills hidden tokens in, the network tells which ones it made (ELECTRA).

    hide a share of the tokens; the generator fills them in
    generator: cross-entropy of the hidden tokens
    network:   is each token of the filled text the original one?

Source: Clark et al., 2020, arXiv 2003.10555, section 2.
"""

import math
from collections.abc import Mapping
from typing import ClassVar, NamedTuple

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from deepglass.constraints import Count, NonNegativeInt, OpenShare, Positive, PositiveShare
from deepglass.data.batches import Batch, Dataset
from deepglass.metrics.classes import roc_auc
from deepglass.metrics.table import METRICS, Metric
from deepglass.nn.masked_tokens import TokenGenerator
from deepglass.nn.tokens import Field, whole_batch
from deepglass.objectives._token_pretraining import MASK, SKIPGRAM_EPOCHS, TokenPretraining, mean
from deepglass.objectives.base import Loss

MIN_WIDTH = 16  # of the generator


class Detection(NamedTuple):
    """The two tasks on a batch.

    Shapes:
        generator_loss: (number of hidden tokens,); logits, replaced: (number of present tokens,).
    """

    generator_loss: Tensor
    logits: Tensor
    replaced: Tensor


class ReplacedToken(TokenPretraining):
    """Replaced token detection on one text column.

    Args:
        mask_ratio: share of the tokens that the generator fills in.
        context_length: tokens of a training window.
        skipgram_epochs: of the skip-gram vectors that the embeddings start with; 0: they start at random.
        generator_share: width of the generator as a share of the network's.
        detection_weight: of the network's loss beside the generator's.
    """

    monitor: ClassVar[Metric] = METRICS["loss"]

    def __init__(
        self,
        *,
        mask_ratio: OpenShare = 0.15,
        context_length: Count = 64,
        skipgram_epochs: NonNegativeInt = SKIPGRAM_EPOCHS,
        generator_share: PositiveShare = 0.25,
        detection_weight: Positive = 50.0,
    ) -> None:
        super().__init__(mask_ratio, context_length, skipgram_epochs)
        self.generator_share, self.detection_weight = generator_share, detection_weight

    def make_heads(self, dim: int, size: int) -> None:
        heads = 2
        width = max(round(dim * self.generator_share / heads), MIN_WIDTH // heads) * heads
        self.generator = TokenGenerator(dim, width, depth=2, heads=heads, size=size)
        self.head = nn.Sequential(nn.Linear(dim, dim), nn.GELU(), nn.Linear(dim, 1))

    def parameter_groups(self) -> Mapping[str, nn.Module]:
        return {"network": nn.ModuleList([self.network, self.generator, self.head])}

    def loss(self, batch: Batch) -> Loss:
        result = self._detect(self.window(batch))
        detection = mean(F.binary_cross_entropy_with_logits(result.logits, result.replaced, reduction="none"))
        value = mean(result.generator_loss) + self.detection_weight * detection
        return Loss(value, logs={"detection": detection.detach()}, weight=len(batch))

    def own_metrics(self, data: Dataset, batch_size: int) -> tuple[Mapping[str, float], float]:
        """Loss, perplexity of the generator, ROC AUC of the detection; always the same tokens are hidden."""
        generator = Generator(data.device).manual_seed(0)
        parts = [self._detect(b.inputs[self.feature.name], generator) for b in data.batches(batch_size)]
        made, logits, replaced = (torch.cat(p) for p in zip(*parts, strict=True))
        nats, detection = float(mean(made)), float(F.binary_cross_entropy_with_logits(logits, replaced))
        loss = nats + self.detection_weight * detection
        auc = roc_auc(replaced.cpu().numpy(), logits.cpu().numpy())
        return {"loss": loss, "perplexity": math.exp(min(nats, 700)), "roc_auc": auc}, nats + detection

    def fill(self, field: Field, codes: Tensor, chosen: Tensor) -> Tensor:
        vectors = self.encoder(field._replace(values=codes)).values
        return self.generator(vectors, field.mask, chosen, self.encoder.table.weight)

    def _detect(self, field: Field, generator: Generator | None = None) -> Detection:
        truth = field.values.long()
        chosen = self.choose(field, generator)
        logits = self.fill(field, truth.masked_fill(chosen, MASK), chosen).float()
        with whole_batch().ragged_draws(len(logits)):
            made = torch.multinomial(logits.detach().softmax(1), 1, generator=generator).squeeze(1)
        filled = truth.masked_scatter(chosen, made)
        values = self.head(self.tokens(field, filled).values).squeeze(-1).float()
        present = field.mask
        return Detection(
            F.cross_entropy(logits, truth[chosen], reduction="none"),
            values[present],
            (filled != truth)[present].float(),
        )
