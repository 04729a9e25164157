"""Base class of pre-training on the tokens of texts without labels."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Generator, Tensor

from deepglass.data.batches import Batch, Dataset
from deepglass.errors import SpecError
from deepglass.features._tokenizers import FIRST, UNKNOWN
from deepglass.features.base import Feature
from deepglass.hyperparameters import TrainingDefaults
from deepglass.nn.embeddings import TokenEncoder
from deepglass.nn.masked_tokens import choose_tokens, crop_tokens
from deepglass.nn.tokens import Field, Tokens, pool, whole_batch
from deepglass.objectives._representation import Representation
from deepglass.objectives._texts import only_text, with_tokenization
from deepglass.objectives.base import Evaluation, MakeNetwork
from deepglass.objectives.skipgram import skipgram_vectors

MASK = UNKNOWN  # the code of a masked token: of an unknown word as little is known
MAX_WORDS = 10_000  # of the vocabulary, where the spec states none
SKIPGRAM_EPOCHS = 15  # more still make better features of texts, and take seconds
PROBE_ROWS = 1_000  # labelled training rows of the probe that monitors training


class TokenPretraining(Representation):
    """Base class of objectives that hide tokens of one text column.

    The loss on the validation rows selects the weights. With labels the loss of a linear probe on at most 1,000
    labelled training rows is added to it, since a lower loss of the pre-training task alone can transfer worse.

    Args:
        mask_ratio: share of the tokens that are chosen.
        context_length: tokens of a training window; longer texts are cut at random.
        skipgram_epochs: of the skip-gram vectors that the embeddings start with; 0: they start at random.
    """

    default_trunk: ClassVar[str | None] = "transformer"
    monitors_probe: ClassVar[bool] = True
    gaussian_prior: ClassVar[bool] = True

    def __init__(self, mask_ratio: float, context_length: int, skipgram_epochs: int) -> None:
        super().__init__()
        self.mask_ratio, self.context_length, self.skipgram_epochs = mask_ratio, context_length, skipgram_epochs
        self._labelled: Dataset | None = None  # rows of the monitoring probe, during training

    @classmethod
    def adapt_inputs(cls, inputs: Sequence[Feature]) -> list[Feature]:
        return [with_tokenization(f, "word_level", MAX_WORDS) for f in inputs]

    def make(self, inputs: Sequence[Feature], make_network: MakeNetwork) -> int:
        self.feature = only_text(inputs, [], self.name)
        if (tokenization := self.feature.tokenization) in ("ngrams", "words"):
            where = f"inputs.{self.feature.name}.tokenization: {self.name}"
            raise SpecError(
                "bad-value", f"{where} cannot predict {tokenization}; take word_level, pieces or characters"
            )
        self.network = make_network(inputs, [])
        encoder = self.network.encoders[0]
        if not isinstance(encoder, TokenEncoder):
            raise SpecError("bad-value", f"network.trunk: {self.name} needs a sequence network, such as transformer")
        self.encoder = encoder
        self._initial = float(encoder.table.weight.detach().sum())
        self.make_heads(self.network.trunk.out_dim, self.feature.size)
        return self.network.trunk.out_dim

    @abstractmethod
    def make_heads(self, dim: int, size: int) -> None:
        """Create what the objective needs beside the network.

        Args:
            dim: width of a token.
            size: number of codes.
        """

    def training_defaults(self, defaults: TrainingDefaults) -> TrainingDefaults:
        return replace(defaults, weight_decay=0.01, schedule="linear", warmup=0.1, precision="bfloat16")

    def on_fit_start(self, train: Dataset) -> None:
        if self.skipgram_epochs and float(self.encoder.table.weight.detach().sum()) == self._initial:
            self._start_embeddings(train)  # no other run gave the weights
        rows = self.probe.labelled_rows(train, PROBE_ROWS)
        self._labelled = train.subset(rows) if len(rows) else None

    def fit_probe(self, train: Dataset) -> bool:
        self._labelled = None  # the final probe stays
        return super().fit_probe(train)

    def evaluate(self, data: Dataset, batch_size: int, search: bool = True) -> Evaluation:
        if self._labelled is not None:
            with torch.no_grad():
                for parameter in self.probe.heads.parameters():
                    parameter.zero_()  # so that the fit depends on the network alone
            self.eval()
            self.probe.fit(self._labelled, self.embed)
        return super().evaluate(data, batch_size, search)

    def embed(self, batch: Batch) -> Tensor:
        return pool(self.network.embed(batch.inputs)).float()

    def choose(self, field: Field, generator: Generator | None = None) -> Tensor:
        """The tokens to hide, (B, T) bool; none of them is unknown."""
        return choose_tokens(field.mask & (field.values >= FIRST), self.mask_ratio, generator)

    def window(self, batch: Batch) -> Field:
        """The texts of a training batch, each at most `context_length` tokens."""
        return crop_tokens(batch.inputs[self.feature.name], self.context_length)

    def tokens(self, field: Field, codes: Tensor) -> Tokens:
        """The network's tokens for other codes at the places of a text, (B, T, D)."""
        return self.network.embed({self.feature.name: field._replace(values=codes)})

    def expected_tokens(self, codes: Sequence[int], place: int, count: int = 5) -> list[tuple[str, float]]:
        """The most likely pieces at a masked place of a text, each with its probability.

        Args:
            codes: of the text.
            place: index of the token to mask.
        """
        values = torch.tensor([list(codes)], device=self.encoder.table.weight.device)
        field = Field(values, torch.ones_like(values, dtype=torch.bool))
        chosen = torch.zeros_like(field.mask)
        chosen[0, place] = True
        self.eval()
        with torch.inference_mode():
            logits = self.fill(field, values.masked_fill(chosen, MASK), chosen)[0, FIRST:].float()
        best = logits.softmax(0).topk(min(count, len(logits)))
        pieces = (self.feature.piece_of([FIRST + index]) for index in best.indices.tolist())
        return list(zip(pieces, best.values.tolist(), strict=True))

    @abstractmethod
    def fill(self, field: Field, codes: Tensor, chosen: Tensor) -> Tensor:
        """Logits of the tokens at the chosen places, (number of chosen, V).

        Shapes:
            codes, chosen: (B, T), the text with its hidden tokens, and the places to predict.
        """

    @torch.no_grad()
    def _start_embeddings(self, train: Dataset) -> None:
        """Skip-gram vectors of the training texts, with the size of random embeddings."""
        table, codes = self.encoder.table.weight, train.inputs[self.feature.name].values
        counts = torch.bincount(codes.long(), minlength=len(table))
        if counts[FIRST:].sum() > 0:
            vectors = skipgram_vectors(codes, len(table), table.shape[1], self.skipgram_epochs, seed=0)
            occur = (counts > 0) & (torch.arange(len(table), device=counts.device) >= FIRST)
            centred = vectors[occur] - vectors[occur].mean(0)
            table[occur] = centred / centred.std()
            table[:FIRST] = 0.0  # unknown words add nothing to the mean


def mean(losses: Tensor) -> Tensor:
    """Mean of losses (N,) over the batch; 0 for none, as of texts whose words are all unknown."""
    return losses.sum() / whole_batch().denominator(torch.tensor(len(losses), device=losses.device))
