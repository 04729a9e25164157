"""Masked language modelling: predict hidden tokens of a text from the tokens on both sides (BERT).

    hide a share of the tokens
    cross-entropy of the hidden tokens given the others

Source: Devlin et al., 2019, arXiv 1810.04805, section 3.1, task 1.
"""

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from deepglass.constraints import Count, NonNegativeInt, OpenShare
from deepglass.data.batches import Batch, Dataset
from deepglass.features._tokenizers import FIRST
from deepglass.metrics.table import METRICS, Metric
from deepglass.nn.masked_tokens import TiedTokenHead, hide_tokens
from deepglass.nn.tokens import Field
from deepglass.objectives._token_pretraining import MASK, SKIPGRAM_EPOCHS, TokenPretraining, mean
from deepglass.objectives.base import Loss


class Masked(TokenPretraining):
    """Masked language model of one text column.

    Args:
        mask_ratio: share of the tokens that are hidden.
        context_length: tokens of a training window.
        skipgram_epochs: of the skip-gram vectors that the embeddings start with; 0: they start at random.
    """

    monitor: ClassVar[Metric] = METRICS["loss"]

    def __init__(
        self,
        *,
        mask_ratio: OpenShare = 0.15,
        context_length: Count = 64,
        skipgram_epochs: NonNegativeInt = SKIPGRAM_EPOCHS,
    ) -> None:
        super().__init__(mask_ratio, context_length, skipgram_epochs)

    def make_heads(self, dim: int, size: int) -> None:
        self.head = TiedTokenHead(dim, size)

    def parameter_groups(self) -> Mapping[str, nn.Module]:
        return {"network": nn.ModuleList([self.network, self.head])}

    def loss(self, batch: Batch) -> Loss:
        return Loss(mean(self._losses(self.window(batch))[0]), weight=len(batch))

    def own_metrics(self, data: Dataset, batch_size: int) -> tuple[Mapping[str, float], float]:
        """Cross-entropy, perplexity and accuracy of hidden tokens, the same ones in each evaluation."""
        generator = Generator(data.device).manual_seed(0)
        losses, correct = [], []
        for batch in data.batches(batch_size):
            loss, right = self._losses(batch.inputs[self.feature.name], generator)
            losses.append(loss)
            correct.append(right)
        nats, accuracy = float(mean(torch.cat(losses))), float(mean(torch.cat(correct).float()))
        return {"loss": nats, "perplexity": math.exp(min(nats, 700)), "masked_accuracy": accuracy}, nats

    def fill(self, field: Field, codes: Tensor, chosen: Tensor) -> Tensor:
        return self.head(self.tokens(field, codes).values[chosen], self.encoder.table.weight)

    def _losses(self, field: Field, generator: Generator | None = None) -> tuple[Tensor, Tensor]:
        """Cross-entropy of each hidden token, and whether it is the most likely one, (number of hidden tokens,)."""
        codes = field.values.long()
        chosen = self.choose(field, generator)
        truth = codes[chosen]
        hidden = hide_tokens(codes, chosen, self.feature.size, MASK, FIRST, generator)
        logits = self.fill(field, hidden, chosen).float()
        return F.cross_entropy(logits, truth, reduction="none"), logits.argmax(1) == truth
