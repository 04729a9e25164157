"""Learning to go on: of a text, each token from those before it.

Source: Elman, 1990, Cognitive Science 14, "Finding structure in time"; Bengio et al., 2003, JMLR 3 (neural language
models).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import polars as pl
import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from deepglass.data.batches import Batch, BatchTransform, Cursor, Dataset, Loader, mix_seeds
from deepglass.errors import SourceError, SpecError
from deepglass.features._tokenizers import END, UNKNOWN
from deepglass.features.base import Feature
from deepglass.features.outputs.base import Output
from deepglass.features.text import Text
from deepglass.metrics.table import METRICS, Metric
from deepglass.nn.decoding import choose
from deepglass.nn.embeddings import TokenHead
from deepglass.nn.ngram import Ngrams
from deepglass.nn.tokens import Field
from deepglass.objectives.base import Evaluation, Loss, MakeNetwork, Objective

FEW = 512  # different tokens, of which counting is cheap
LONGEST = 12


class NextToken(Objective):
    """A language model: one text column, its rows taken as one text in the order of the source.

    Args:
        context_length: tokens of a window.
        ngram_order: order of an n-gram model whose log probabilities are added to the network's logits. 0: none; None:
            4 for vocabularies of at most 512 tokens, such as characters, else 0.
    """

    monitor: ClassVar[Metric] = METRICS["loss"]
    default_trunk: ClassVar[str | None] = "gru"
    name: ClassVar[str] = "next_token"
    sequential_rows: ClassVar[bool] = True

    def __init__(self, *, context_length: int = 128, ngram_order: int | None = None) -> None:
        super().__init__()
        if context_length < 2:
            raise ValueError(f"context_length: expected at least 2, got {context_length}")
        if ngram_order is not None and not 0 <= ngram_order <= LONGEST:
            raise ValueError(f"ngram_order: expected 0 to {LONGEST}, got {ngram_order}")
        self.context_length, self.ngram_order = context_length, ngram_order

    @classmethod
    def adapt_input(cls, feature: Feature) -> Feature:
        if not isinstance(feature, Text) or feature.tokenization or feature.tokenizer:
            return feature
        return replace(feature, tokenization="characters")

    def build(self, inputs: Sequence[Feature], outputs: Sequence[Output], make_network: MakeNetwork) -> None:
        if outputs:
            raise SpecError(
                "bad-value",
                f"--target: next_token goes on with a text and has no target; leave {outputs[0].name!r} out",
            )
        if len(inputs) != 1 or not isinstance(inputs[0], Text):
            found = ", ".join(f"{f.name} ({f.kind})" for f in inputs[:6])
            raise SpecError("bad-value", f"inputs: next_token learns from one column of text, got {found}; name it")
        if inputs[0].tokenization in ("ngrams", "words"):
            where = f"inputs.{inputs[0].name}.tokenization"
            raise SpecError(
                "bad-value", f"{where}: {inputs[0].tokenization} cannot be written; take characters or pieces"
            )
        self.feature = inputs[0]
        self.network = make_network(inputs, [], causal=True)
        self.head = TokenHead(self.network.trunk.out_dim, self.feature.size)
        counted = self.ngram_order if self.ngram_order is not None else 4 if self.feature.size <= FEW else 0
        counted = min(counted, int(63 / math.log2(max(self.feature.size, 2))) - 1)
        self.ngrams = Ngrams(self.feature.size, counted) if counted > 0 else None
        self.trust = nn.Linear(self.network.trunk.out_dim, 1)  # in the counts, at each place
        nn.init.zeros_(self.trust.weight)
        nn.init.ones_(self.trust.bias)
        if self.ngrams is not None:
            nn.init.zeros_(self.head.linear.weight)
            nn.init.zeros_(self.head.linear.bias)

    def on_fit_start(self, train: Dataset) -> None:
        if self.ngrams is not None:
            self.ngrams.fit(train.inputs[self.feature.name].values.long())

    def parameter_groups(self) -> Mapping[str, nn.Module]:
        return {"network": nn.ModuleList([self.network, self.head, self.trust])}

    def examples_per_epoch(self, train: Dataset) -> int:
        return max(len(train.inputs[self.feature.name].values) // self.context_length, 1)

    def make_loader(
        self, source: Dataset, batch_size: int, seed: int, transform: BatchTransform | None = None
    ) -> Loader:
        return WindowLoader(source, self.feature.name, self.context_length, batch_size, seed)

    def loss(self, batch: Batch) -> Loss:
        target = batch.targets[self.feature.name].values.long()
        logits = self.logits(batch.inputs[self.feature.name], target)
        nats = F.cross_entropy(logits.flatten(0, 1).float(), target.flatten())
        return Loss(nats, logs={"bits": nats.detach() / math.log(2)}, weight=len(batch))

    def logits(self, field: Field, following: Tensor | None = None) -> Tensor:
        """Of the token after each token, (B, T, V).

        Args:
            following: (B, T), the tokens that do follow, in training, where they were counted themselves.
        """
        tokens = self.network.embed({self.feature.name: field})
        logits = self.head(tokens).values
        if self.ngrams is None:
            return logits
        return logits + self.trust(tokens.values) * self.ngrams(field.values.long(), following)

    def evaluate(self, data: Dataset, batch_size: int, search: bool = True) -> Evaluation:
        """Each token given at least half a context, the first ones aside: `bits_per_character` and `perplexity`."""
        self.eval()
        tokens = data.inputs[self.feature.name].values
        if len(tokens) < 2:
            return Evaluation({self.name: {}}, math.nan)
        half = max(self.context_length // 2, 1)
        starts = torch.arange(0, max(len(tokens) - 1 - half, 1), half)
        total = 0.0
        with torch.inference_mode():
            for part in starts.split(max(1, batch_size // 4)):
                inputs, targets, present = _windows(tokens, part, self.context_length)
                new = present & (
                    (torch.arange(self.context_length) >= self.context_length - half) | (part == 0)[:, None]
                ).to(present)
                logits = self.logits(Field(inputs, present)).float()
                nats = F.cross_entropy(logits.transpose(1, 2), targets.long(), reduction="none")
                total += float((nats * new).sum())
        mean = total / (len(tokens) - 1)
        characters = len(self.feature.text_of(tokens[1:].tolist()))
        bits = total / math.log(2) / max(characters, 1)
        figures = {"bits_per_character": bits, "perplexity": math.exp(min(mean, 700)), "loss": mean}
        return Evaluation({self.name: figures}, mean)

    def go_on(
        self,
        prompt: str,
        generator: Generator,
        *,
        temperature: float = 0.8,
        top_k: int | None = None,
        top_p: float | None = None,
    ) -> Iterator[int]:
        """Token after token behind a prompt, without an end; `text_of` says them.

        Args:
            temperature: 1 draws as often as the network finds likely, less plays safe, 0 takes the likeliest.
            top_k: only the k likeliest are drawn from.
            top_p: only the likeliest that have this probability together.
        """
        self.eval()
        seen = self.codes(prompt)
        device = next(self.parameters()).device
        while True:
            values = torch.tensor([seen[-self.context_length :]], device=device)
            with torch.inference_mode():
                logits = self.logits(Field(values, torch.ones_like(values, dtype=torch.bool)))[:, -1].float()
                logits[:, [UNKNOWN, END]] = -math.inf  # nobody can read them
                token = int(choose(logits, generator, temperature=temperature, top_k=top_k, top_p=top_p)[0])
            seen.append(token)
            yield token

    def codes(self, prompt: str) -> list[int]:
        """A prompt's codes; a text without a prompt begins on a new line.

        Raises:
            SourceError: `bad-value` for a prompt of which nothing is known.
        """
        text = prompt or "\n"
        codes = self.feature.encode(pl.Series([text])).values.tolist() if text.strip() else []
        if prompt.strip() and not any(codes):
            raise SourceError("bad-value", f"--prompt: none of the characters of {prompt[:40]!r} was met in training")
        return codes or [0]

    def forward_pass(self, batch: Batch) -> Tensor:
        return self.logits(batch.inputs[self.feature.name])

    def predict(self, batch: Batch) -> Any:
        raise SpecError("bad-value", "this run goes on with texts, it answers nothing: use deepglass generate")


class WindowLoader(Loader):
    """Pieces of one long text, in a new order each epoch and beginning elsewhere.

    Args:
        name: of the column of codes.
        length: T, codes a piece.
    """

    def __init__(self, data: Dataset, name: str, length: int, batch_size: int, seed: int) -> None:
        self.data, self.name, self.seed = data, name, seed
        self.tokens = data.inputs[name].values
        self.length = min(length, max(len(self.tokens) - 1, 1))
        self.count = max((len(self.tokens) - 1) // self.length, 1)
        self.batch_size = min(batch_size, self.count)
        self.batches_per_epoch = self.count // self.batch_size
        self._cursor = Cursor(0, 0)
        self._starts = self._shuffled(0)

    def next(self) -> Batch:
        epoch, position = self._cursor
        starts = self._starts[position * self.batch_size : (position + 1) * self.batch_size]
        inputs, targets, present = _windows(self.tokens, starts, self.length)
        last = position + 1 == self.batches_per_epoch
        self._cursor = Cursor(epoch + 1, 0) if last else Cursor(epoch, position + 1)
        if last:
            self._starts = self._shuffled(epoch + 1)
        return Batch({self.name: Field(inputs, present)}, {self.name: Field(targets, present)}, starts)

    def state_dict(self) -> dict[str, int]:
        return self._cursor._asdict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._cursor = Cursor(state["epoch"], state["position"])
        self._starts = self._shuffled(self._cursor.epoch)

    def _shuffled(self, epoch: int) -> Tensor:
        """Where the pieces of an epoch begin; the first one anywhere within a piece's length."""
        generator = Generator().manual_seed(mix_seeds(self.seed, epoch, -1))
        shift = torch.randint(self.length, (1,), generator=generator)
        starts = torch.randperm(self.count, generator=generator) * self.length + shift
        return starts.clamp_max(max(len(self.tokens) - 1 - self.length, 0))


def _windows(tokens: Tensor, starts: Tensor, length: int) -> tuple[Tensor, Tensor, Tensor]:
    """Codes, the code after each, and which of them are there, (B, length) each."""
    places = starts[:, None] + torch.arange(length)
    last = len(tokens) - 1
    present = places < last
    return tokens[places.clamp(max=last)], tokens[(places + 1).clamp(max=last)], present.to(tokens.device)
