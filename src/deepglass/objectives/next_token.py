"""Language modelling: predict each token from the tokens before it.

Source: Elman, 1990, Cognitive Science 14, "Finding structure in time"; Bengio et al., 2003, JMLR 3 (neural language
models).
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

import polars as pl
import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from deepglass.constraints import Ge, Le
from deepglass.data.batches import Batch, BatchTransform, Dataset, EpochOrder, Loader
from deepglass.device import mix_seeds
from deepglass.errors import SourceError, SpecError
from deepglass.features._tokenizers import END, UNKNOWN
from deepglass.features.base import Feature
from deepglass.features.outputs.base import Output
from deepglass.features.text import Text
from deepglass.metrics.table import METRICS, Metric
from deepglass.nn.decoding import choose
from deepglass.nn.embeddings import TokenHead
from deepglass.nn.ngram import NgramModel
from deepglass.nn.tokens import Field
from deepglass.objectives._texts import first_rows, only_text, with_tokenization
from deepglass.objectives.base import Evaluation, Loss, MakeNetwork, Objective

MAX_NGRAM_VOCABULARY = 512  # tokens; larger vocabularies get no n-gram model by default
MAX_NGRAM_ORDER = 12


class NextToken(Objective):
    """Autoregressive language model of one text column, its rows concatenated in order.

    Args:
        context_length: tokens of a window.
        ngram_order: order of an n-gram model whose log probabilities are added to the network's logits. 0: none; None:
            4 for vocabularies of at most 512 tokens, such as characters, else 0.
    """

    monitor: ClassVar[Metric] = METRICS["loss"]
    learns_from: ClassVar[Literal["rows", "text", "environment"]] = "text"
    default_trunk: ClassVar[str | None] = "gru"

    def __init__(
        self,
        *,
        context_length: Annotated[int, Ge(2)] = 128,
        ngram_order: Annotated[int, Ge(0), Le(MAX_NGRAM_ORDER)] | None = None,
    ) -> None:
        super().__init__()
        self.context_length, self.ngram_order = context_length, ngram_order

    @classmethod
    def adapt_inputs(cls, inputs: Sequence[Feature]) -> list[Feature]:
        return [with_tokenization(f, "characters") for f in inputs]  # each can be generated

    def build(self, inputs: Sequence[Feature], outputs: Sequence[Output], make_network: MakeNetwork) -> None:
        self.feature = only_text(inputs, outputs, "next_token")
        if self.feature.tokenization in ("ngrams", "words", "word_level"):
            where, came = f"inputs.{self.feature.name}.tokenization", self.feature.tokenization
            raise SpecError("bad-value", f"{where}: next_token cannot generate {came}; take characters or pieces")
        self.network = make_network(inputs, [], causal=True)
        self.head = TokenHead(self.network.trunk.out_dim, self.feature.size)
        default = 4 if self.feature.size <= MAX_NGRAM_VOCABULARY else 0
        order = default if self.ngram_order is None else self.ngram_order
        order = min(order, int(63 / math.log2(max(self.feature.size, 2))) - 1)
        self.ngrams = NgramModel(self.feature.size, order) if order > 0 else None
        self.ngram_gate = nn.Linear(self.network.trunk.out_dim, 1)  # weight of the n-gram model at each position
        nn.init.zeros_(self.ngram_gate.weight)
        nn.init.ones_(self.ngram_gate.bias)
        if self.ngrams is not None:
            nn.init.zeros_(self.head.linear.weight)
            nn.init.zeros_(self.head.linear.bias)

    def on_fit_start(self, train: Dataset) -> None:
        if self.ngrams is not None:
            self.ngrams.fit(train.inputs[self.feature.name].values.long())

    def parameter_groups(self) -> Mapping[str, nn.Module]:
        return {"network": nn.ModuleList([self.network, self.head, self.ngram_gate])}

    def examples_per_epoch(self, train: Dataset) -> int:
        return max(len(train.inputs[self.feature.name].values) // self.context_length, 1)

    def examples_per_evaluation(self, data: Dataset) -> int:
        """Number of windows, which overlap by half."""
        return 2 * len(data.inputs[self.feature.name].values) // self.context_length

    def validation_sample(self, data: Dataset, count: int, seed: int) -> Dataset:
        return first_rows(data, count / max(self.examples_per_evaluation(data), 1))

    def make_loader(self, data: Dataset, batch_size: int, seed: int, transform: BatchTransform | None = None) -> Loader:
        return WindowLoader(data, self.feature.name, self.context_length, batch_size, seed)

    def loss(self, batch: Batch) -> Loss:
        target = batch.targets[self.feature.name].values.long()
        logits = self.logits(batch.inputs[self.feature.name], target)
        nats = F.cross_entropy(logits.flatten(0, 1).float(), target.flatten())
        return Loss(nats, logs={"bits": nats.detach() / math.log(2)}, weight=len(batch))

    def logits(self, field: Field, next_tokens: Tensor | None = None) -> Tensor:
        """Logits of the next token at each position, (B, T, V).

        Args:
            next_tokens: (B, T), in training: their own counts are left out of the n-gram model.
        """
        tokens = self.network.embed({self.feature.name: field})
        logits = self.head(tokens).values
        if self.ngrams is None:
            return logits
        return logits + self.ngram_gate(tokens.values) * self.ngrams(field.values.long(), next_tokens)

    def evaluate(self, data: Dataset, batch_size: int, search: bool = True) -> Evaluation:
        """`bits_per_character` and `perplexity`, with half-overlapping windows, for at least half a context."""
        self.eval()
        tokens = data.inputs[self.feature.name].values
        if len(tokens) < 2:
            return Evaluation({self.name: {}}, math.nan)
        total = 0.0
        for nats, scored in self._window_nats(tokens, batch_size):
            total += float((nats * scored).sum())
        metrics = text_metrics(self.feature, tokens, total)
        return Evaluation({self.name: metrics}, metrics["loss"], loss=metrics["loss"])

    def token_nats(self, data: Dataset, batch_size: int) -> Tensor:
        """The loss of each token but the first, as in `evaluate`, (n - 1,)."""
        self.eval()
        tokens = data.inputs[self.feature.name].values
        return torch.cat([nats[scored] for nats, scored in self._window_nats(tokens, batch_size)])

    def _window_nats(self, tokens: Tensor, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Losses of the tokens of half-overlapping windows, and which of them count, (B, context_length) each."""
        half = max(self.context_length // 2, 1)
        starts = torch.arange(0, max(len(tokens) - 1 - half, 1), half)
        for part in starts.split(max(1, batch_size // 4)):
            inputs, targets, present = _windows(tokens, part, self.context_length)
            last = torch.arange(self.context_length) >= self.context_length - half
            scored = present & (last | (part == 0)[:, None]).to(present)
            with torch.inference_mode():
                logits = self.logits(Field(inputs, present)).float()
                yield F.cross_entropy(logits.transpose(1, 2), targets.long(), reduction="none"), scored

    def generate(
        self,
        prompt: str,
        generator: Generator,
        *,
        temperature: float = 0.8,
        top_k: int | None = None,
        top_p: float | None = None,
    ) -> Iterator[int]:
        """Sample tokens after a prompt, without end; `text_of` decodes them.

        Args:
            temperature: divides the logits; 0 is greedy.
            top_k: sample from the k most likely tokens only.
            top_p: nucleus sampling: the smallest set of tokens with this total probability.
        """
        self.eval()
        tokens = self.encode_prompt(prompt)
        device = next(self.parameters()).device
        while True:
            values = torch.tensor([tokens[-self.context_length :]], device=device)
            with torch.inference_mode():
                logits = self.logits(Field(values, torch.ones_like(values, dtype=torch.bool)))[:, -1].float()
                logits[:, [UNKNOWN, END]] = -math.inf  # not printable
                token = int(choose(logits, generator, temperature=temperature, top_k=top_k, top_p=top_p)[0])
            tokens.append(token)
            yield token

    def encode_prompt(self, prompt: str) -> list[int]:
        """Tokens of a prompt; without a prompt a line break.

        Raises:
            SourceError: `bad-value` if no character of the prompt is in the vocabulary.
        """
        text = prompt or "\n"
        tokens = self.feature.encode(pl.Series([text])).values.tolist() if text.strip() else []
        if prompt.strip() and not any(tokens):
            raise SourceError("bad-value", f"--prompt: no character of {prompt[:40]!r} occurs in the training text")
        return tokens or [0]

    def forward_pass(self, batch: Batch) -> Tensor:
        return self.logits(batch.inputs[self.feature.name])

    def predict(self, batch: Batch) -> Any:
        raise SpecError("bad-value", "this run generates text and predicts nothing: use deepglass generate")


def text_metrics(feature: Text, tokens: Tensor, nats: float) -> dict[str, float]:
    """Metrics of a text by the sum of the losses of all tokens but the first one.

    Shapes:
        tokens: (n,), n at least 2.
    """
    mean = nats / (len(tokens) - 1)
    characters = max(len(feature.text_of(tokens[1:].tolist())), 1)
    bits = nats / math.log(2) / characters
    return {"bits_per_character": bits, "perplexity": math.exp(min(mean, 700)), "loss": mean}


class WindowLoader(Loader):
    """Loader of windows of one long text, shuffled and shifted anew in each epoch.

    Args:
        name: of the token column.
        length: T, tokens of a window.
    """

    def __init__(self, data: Dataset, name: str, length: int, batch_size: int, seed: int) -> None:
        self.data, self.name, self.seed = data, name, seed
        self.tokens = data.inputs[name].values
        self.length = min(length, max(len(self.tokens) - 1, 1))
        self.count = max((len(self.tokens) - 1) // self.length, 1)
        self.order = EpochOrder(self._shuffled, batch_size)
        self.batches_per_epoch = self.order.batches_per_epoch

    def next(self) -> Batch:
        starts = self.order.next()
        inputs, targets, present = _windows(self.tokens, starts, self.length)
        return Batch({self.name: Field(inputs, present)}, {self.name: Field(targets, present)}, starts)

    def state_dict(self) -> dict[str, int]:
        return self.order.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.order.load_state_dict(state)

    def _shuffled(self, epoch: int) -> Tensor:
        """Start positions of the windows of an epoch, shifted by a random offset below the length of a window."""
        generator = Generator().manual_seed(mix_seeds(self.seed, epoch, -1))
        shift = torch.randint(self.length, (1,), generator=generator)
        starts = torch.randperm(self.count, generator=generator) * self.length + shift
        return starts.clamp_max(max(len(self.tokens) - 1 - self.length, 0))


def _windows(tokens: Tensor, starts: Tensor, length: int) -> tuple[Tensor, Tensor, Tensor]:
    """Tokens, next tokens and mask of windows, (B, length) each."""
    positions = starts[:, None] + torch.arange(length)
    last = len(tokens) - 1
    present = positions < last
    return tokens[positions.clamp(max=last)], tokens[(positions + 1).clamp(max=last)], present.to(tokens.device)
