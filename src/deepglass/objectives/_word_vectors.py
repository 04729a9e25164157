"""Base class of word vectors learned by negative sampling: blocks of words, evaluation, nearest words."""

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from deepglass.constraints import Count, PositiveShare
from deepglass.data.batches import Batch, BatchTransform, Dataset, EpochOrder, Loader
from deepglass.device import mix_seeds
from deepglass.errors import SpecError
from deepglass.features._tokenizers import FIRST
from deepglass.features.base import Feature
from deepglass.features.outputs.base import Output
from deepglass.features.text import Text
from deepglass.hyperparameters import TrainingDefaults
from deepglass.metrics.table import METRICS, Metric
from deepglass.nn.tokens import Field, whole_batch
from deepglass.nn.word_vectors import BLOCK, AdagradEmbedding, Blocks, NoiseWords, blocks_of
from deepglass.objectives._nearest_words import WordIndex
from deepglass.objectives._texts import first_rows, only_text, with_tokenization
from deepglass.objectives._word_pairs import WordPairs, read_word_pairs
from deepglass.objectives.base import Evaluation, Loss, MakeNetwork, Objective

BATCH, LEARNING_RATE = 8192, 0.2  # words a step, and the first rate
MAX_WORDS = 10**8  # of a row: a text may be one line
Gradient = tuple[Tensor, Tensor]
"""Codes (N, n) and the gradients of their vectors (N, n, D)."""


class Update(NamedTuple):
    """The mean loss of the pairs, their number, and the gradients of the summed loss by both kinds of vectors."""

    loss: Tensor
    pairs: Tensor
    words: Gradient
    contexts: Gradient


class WordVectors(Objective):
    """Base class of word vectors. A subclass gives loss and gradients in `update`.

    The rows are one text in their order; rare words (`min_count` of the text) are removed from it.
    """

    monitor: ClassVar[Metric] = METRICS["loss"]
    learns_from: ClassVar[Literal["rows", "text", "environment"]] = "text"
    builds_network: ClassVar[bool] = True
    updates_weights: ClassVar[bool] = True

    def __init__(
        self,
        *,
        dim: Count = 100,
        window: Count = 5,
        negatives: Count = 5,
        subsample: PositiveShare = 1e-4,
        word_pairs: str = "",
    ) -> None:
        super().__init__()
        self.dim, self.window, self.negatives, self.subsample = dim, window, negatives, subsample
        self.word_pairs = word_pairs
        self.pairs: WordPairs | None = None

    @classmethod
    def adapt_inputs(cls, inputs: Sequence[Feature]) -> list[Feature]:
        return [_as_words(f) if isinstance(f, Text) else f for f in inputs]

    def build(self, inputs: Sequence[Feature], outputs: Sequence[Output], make_network: MakeNetwork) -> None:
        self.feature = only_text(inputs, outputs, self.name)
        if self.feature.tokenization != "word_level":
            where, came = f"inputs.{self.feature.name}.tokenization", self.feature.tokenization or "tokenizer"
            raise SpecError("bad-value", f"{where}: {self.name} has vectors of words, not {came}; leave it out")
        if self.window > BLOCK:
            raise SpecError("bad-value", f"objective.window: expected at most {BLOCK}, got {self.window}")
        self.make_tables(torch.tensor(self.feature.counts_, dtype=torch.float64))

    def make_tables(self, counts: Tensor) -> None:
        """Create the vectors of both kinds.

        Args:
            counts: (V,), occurrences of each code.
        """
        self.counts = counts.clone()
        self.counts[:FIRST] = 0
        self.words = AdagradEmbedding(len(counts), self.dim, 0.5 / self.dim)
        self.contexts = AdagradEmbedding(len(counts), self.dim, 0.0)
        self.noise = NoiseWords(self.counts)

    def read_word_pairs(self, data_root: Sequence[Path] = ()) -> None:
        """Read the pairs that the vectors are compared with in training; `data_root` has the named sets."""
        if self.word_pairs:
            self.pairs = read_word_pairs(self.word_pairs, self.feature, data_root)

    def training_defaults(self, defaults: TrainingDefaults) -> TrainingDefaults:
        return TrainingDefaults("sgd", LEARNING_RATE, 0.0, batch_size=BATCH, schedule="linear", epochs=10, warmup=0.0)

    def parameter_groups(self) -> Mapping[str, nn.Module]:
        return {"network": nn.ModuleList([self.words, self.contexts])}

    def num_parameters(self) -> int:
        return self.words.weight.numel() + self.contexts.weight.numel()

    def examples_per_epoch(self, train: Dataset) -> int:
        """Number of words."""
        return max(int((train.inputs[self.feature.name].values >= FIRST).sum()), 1)

    def examples_per_evaluation(self, data: Dataset) -> int:
        return self.examples_per_epoch(data)

    def validation_sample(self, data: Dataset, count: int, seed: int) -> Dataset:
        return first_rows(data, count / self.examples_per_evaluation(data))

    def make_loader(self, data: Dataset, batch_size: int, seed: int, transform: BatchTransform | None = None) -> Loader:
        tokens = data.inputs[self.feature.name].values
        return BlockLoader(self.feature.name, tokens, self.keep_shares(), self.window, batch_size, seed)

    def keep_shares(self) -> Tensor:
        """Share of the occurrences of each word that subsampling keeps, (V,), as in word2vec's code.

        Source: the paper's formula has no `+ 1`: 1 - sqrt(t / f) are left out.
        """
        ratio = self.subsample / (self.counts / self.counts.sum()).clamp_min(1e-12)
        return (ratio.sqrt() + ratio).clamp_max(1).float()

    @abstractmethod
    def update(self, blocks: Blocks) -> Update:
        """Loss and gradients of blocks."""

    def loss(self, batch: Batch) -> Loss:
        return Loss(self.step(batch.inputs[self.feature.name].values, self.learning_rate), weight=len(batch))

    @torch.no_grad()
    def step(self, codes: Tensor, learning_rate: float) -> Tensor:
        """Update the vectors by blocks of codes (N, C); returns the mean loss before."""
        update = self.update(blocks_of(codes, self.window, self.noise))
        for table, (rows, gradient) in ((self.words, update.words), (self.contexts, update.contexts)):
            rows, gradient = whole_batch().gather(rows), whole_batch().gather(gradient)
            table.update(rows.flatten(), gradient.flatten(0, 1), learning_rate)
        return update.loss

    def mean_loss(
        self, positive: Tensor, negative: Tensor, is_positive: Tensor, weight: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Mean over the positive pairs of -log p(positive) - sum of log(1 - p(noise)), and their number.

        Args:
            positive, negative: probabilities.
            is_positive: which of `positive` are pairs, 0 or 1.
            weight: of each of `negative`.
        """
        tiny = 1e-30
        pairs = positive[is_positive.bool()].clamp_min(tiny).log().sum()
        noise = ((1 - negative).clamp_min(tiny).log() * weight).sum()
        count = is_positive.sum()
        return -(pairs + noise) / count.clamp_min(1), count

    def evaluate(self, data: Dataset, batch_size: int, search: bool = True) -> Evaluation:
        """`loss` of a pair, always with the same windows and noise words, and `spearman` where there are word pairs."""
        self.eval()
        tokens = data.inputs[self.feature.name].values
        loader = BlockLoader(self.feature.name, tokens, self.keep_shares(), self.window, 8 * batch_size, 0)
        generator = Generator(tokens.device).manual_seed(0)
        total = weight = 0.0
        with torch.inference_mode():
            for _ in range(loader.batches_per_epoch):
                codes = loader.next().inputs[self.feature.name].values
                update = self.update(blocks_of(codes, self.window, self.noise, generator))
                total, weight = total + float(update.loss * update.pairs), weight + float(update.pairs)
            metrics = {"loss": total / weight if weight else math.nan}
            if self.pairs is not None:
                metrics["spearman"] = self.pairs.spearman(self.unit_vectors().cpu().numpy())
        return Evaluation({self.name: metrics}, metrics["loss"], loss=metrics["loss"])

    def embed(self, batch: Batch) -> Tensor:
        """Mean of the vectors of each row's words, (B, D); zero for a row without any."""
        codes = batch.inputs[self.feature.name].values.long()
        present = (codes >= FIRST)[..., None]
        return (self.words(codes) * present).sum(1) / present.sum(1).clamp_min(1)

    def unit_vectors(self) -> Tensor:
        """The vectors at length 1, (number of words, D), in the order of `feature.vocabulary_`."""
        return F.normalize(self.words.weight.detach()[FIRST:], dim=1)

    def index(self) -> WordIndex:
        """The vectors, searched by cosine."""
        return WordIndex(self.feature.vocabulary_ or (), self.unit_vectors().cpu().numpy())

    def forward_pass(self, batch: Batch) -> Tensor:
        return self.embed(batch)

    def predict(self, batch: Batch) -> Any:
        raise SpecError("bad-value", "this run has word vectors: predict takes words, such as 'king - man + woman'")


def _as_words(text: Text) -> Text:
    """The text as whole words, none of which is truncated, unless the spec states otherwise."""
    text = with_tokenization(text, "word_level")
    return replace(text, max_words=MAX_WORDS) if text.max_words == Text.max_words else text


class BlockLoader(Loader):
    """Loader of blocks of consecutive words, with the context of their ends, in a new order each epoch.

    Rare words are removed, and frequent ones at random, anew in each epoch. A last incomplete batch is filled: blocks
    begin at even distances, so that a word may stand in two of them.

    Args:
        name: of the text column.
        tokens: (n,) codes.
        keep_shares: (V,), share of the occurrences of each word that stay.
        batch_size: words of a step, those that are left out included.
    """

    def __init__(self, name: str, tokens: Tensor, keep_shares: Tensor, window: int, batch_size: int, seed: int) -> None:
        self.name, self.seed, self.window = name, seed, window
        self.tokens = tokens[tokens >= FIRST].long()
        self.keep_shares = keep_shares.to(tokens.device)
        self.sequence = self.tokens
        self.batches_per_epoch = max(len(self.tokens) // batch_size, 1)
        expected = float(self.keep_shares[self.tokens].sum())
        blocks = max(math.ceil(expected / BLOCK / self.batches_per_epoch), 1)
        self.count = blocks * self.batches_per_epoch
        self.order = EpochOrder(self._starts, blocks)

    def next(self) -> Batch:
        sequence = self.sequence  # before the order may go on to the next epoch
        starts = self.order.next().to(sequence.device)
        codes = sequence[starts[:, None] + torch.arange(BLOCK + 2 * self.window, device=sequence.device)]
        return Batch({self.name: Field(codes, codes > 0)}, {}, starts)

    def state_dict(self) -> dict[str, int]:
        return self.order.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.order.load_state_dict(state)

    def _starts(self, epoch: int) -> Tensor:
        """Starts of the blocks of an epoch, whose words are drawn too."""
        generator = Generator().manual_seed(mix_seeds(self.seed, epoch, -1))
        uniform = torch.rand(len(self.tokens), generator=generator).to(self.tokens.device)
        words = self.tokens[uniform < self.keep_shares[self.tokens]]
        self.sequence = F.pad(words, (self.window, self.window + BLOCK))
        starts = torch.arange(self.count) * len(words) // self.count
        return starts[torch.randperm(self.count, generator=generator)]
