"""Attention weights of test rows: of a decoder for each generated word, and of an encoder over the words of a text."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import torch

from deepglass.data.batches import Batch
from deepglass.features._ngrams import split_words, words_of
from deepglass.features.base import take_raw
from deepglass.features.text import Text
from deepglass.introspect.rows import ClassPrediction, OutputRows, row_image
from deepglass.networks.network import Network, key_of
from deepglass.networks.trunks.transformer import Transformer
from deepglass.nn.attention import Attention
from deepglass.nn.sequence_decoders import RecurrentDecoder, TransformerDecoder
from deepglass.nn.token_ops import last_index
from deepglass.nn.tokens import Field, Tokens
from deepglass.objectives.supervised import Supervised
from deepglass.prepare.prepared_data import PreparedData
from deepglass.web import encode_image

Decoder = RecurrentDecoder | TransformerDecoder

MAX_ROWS = 12  # of an output
MAX_GENERATED, MAX_ATTENDED = 24, 32  # words of a prediction, and of the text that it attends to
MAX_SIDE = 200  # pixels of an image
MAX_WORDS = 120  # of a text under encoder attention
MAX_OPACITY = 0.8  # of the shade over a position without attention


class DecoderAttention(NamedTuple):
    """Attention weights of each generated word, over the words of a text or the positions of an image.

    Args:
        row: its index in the source.
        words: W generated words.
        attended: R words of the text; empty for an image.
        weights: W times R, which add up to 1 over the whole text; empty for an image.
        image: PNG or JPEG.
        size: its height and width in pixels.
        maps: a PNG for each generated word, dark where its weight is small.
        extent: left, top, width and height of the maps in pixels of the image, which may be smaller than the maps.
        typical: a typical row, not one of the worst.
    """

    row: int
    words: tuple[str, ...]
    attended: tuple[str, ...] = ()
    weights: tuple[tuple[float, ...], ...] = ()
    image: bytes | None = None
    size: tuple[int, int] = (0, 0)
    maps: tuple[bytes, ...] = ()
    extent: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    typical: bool = False


class EncoderAttention(NamedTuple):
    """Attention weights over the words of a text, for the predicted class.

    Args:
        words: the first words with their weights, which add up to 1 over the whole text.
        others: number of further words.
    """

    row: int
    words: tuple[tuple[str, float], ...]
    others: int
    truth: str
    answer: str
    confidence: float
    typical: bool = False


def decoder_attention(
    output: Text, output_rows: OutputRows, rows: Sequence[tuple[int, bool]]
) -> tuple[DecoderAttention, ...]:
    """Attention weights of generated texts; empty for a network without such attention.

    Args:
        rows: indices among the test rows, and whether each is a typical one.
    """
    network = _network(output_rows)
    decoder = None if network is None else network.heads[key_of(output.name)]
    rows = [r for r in rows if output_rows.best["mask"][r[0]].any()][:MAX_ROWS]
    if network is None or not isinstance(decoder, Decoder) or not rows:
        return ()
    index = np.array([i for i, _ in rows])
    tokens, weights = _generation_weights(network, decoder, output_rows, index)
    generated = [_words_of(output, output_rows.best["tokens"][i][output_rows.best["mask"][i]].tolist()) for i in index]
    results: list[DecoderAttention | None]
    if tokens.grid is not None and len(tokens.grid) == 2:
        maps = weights[:, :, -int(np.prod(tokens.grid)) :].reshape(*weights.shape[:2], *tokens.grid)
        results = [_over_image(output_rows, *row, *own) for row, *own in zip(rows, generated, maps, strict=True)]
    else:
        texts = read_words(output_rows.prepared, output_rows.rows[index], tokens)
        each = zip(rows, generated, texts, weights, strict=True)
        results = [_over_words(output_rows, *row, words, text, own) for row, words, text, own in each if text]
    return tuple(a for a in results if a)


def encoder_attention(
    output_rows: OutputRows, rows: Sequence[tuple[int, bool]], predictions: Mapping[int, ClassPrediction]
) -> tuple[EncoderAttention, ...]:
    """Attention weights over the words of texts, in the last block of a transformer.

    Args:
        rows: as in `decoder_attention`.
        predictions: of these rows, by index.
    """
    network = _network(output_rows)
    rows = rows[:MAX_ROWS]
    if network is None or not isinstance(network.trunk, Transformer) or not rows:
        return ()
    index = np.array([i for i, _ in rows])
    trunk = network.trunk
    attention: Attention = trunk.blocks[-1].attention  # type: ignore[union-attr, assignment]
    with _stored_weights(attention), torch.inference_mode():
        tokens = network.embed(_batch(output_rows, index).inputs)
        assert attention.weights is not None
        weights, mask = attention.weights.float(), tokens.mask
    if trunk.pool == "last":
        weights = weights[torch.arange(len(weights)), last_index(mask)]  # (B, S), of the token that is pooled
    else:
        weights = (weights * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    texts = read_words(output_rows.prepared, output_rows.rows[index], tokens)
    results = []
    for (i, typical), words, own in zip(rows, texts, weights.cpu().numpy(), strict=True):
        if words is not None:
            sums = _word_weights(own[None], [indices for _, indices in words])[0].tolist()
            pairs = tuple(zip((word for word, _ in words), sums, strict=True))
            others = max(len(pairs) - MAX_WORDS, 0)
            results.append(EncoderAttention(output_rows.place(i), pairs[:MAX_WORDS], others, *predictions[i], typical))
    return tuple(results)


# -- from the network ----------------------------------------------------------------------------------------------


def _network(output_rows: OutputRows) -> Network | None:
    return output_rows.objective.network if isinstance(output_rows.objective, Supervised) else None


def _batch(output_rows: OutputRows, index: np.ndarray) -> Batch:
    assert output_rows.objective is not None
    output_rows.objective.eval()
    device = str(next(output_rows.objective.parameters()).device)
    return output_rows.prepared.dataset(output_rows.rows[index], device).batch(torch.arange(len(index)))


@contextmanager
def _stored_weights(module: Any) -> Iterator[None]:
    """While it lasts, the module stores its attention weights."""
    module.store_weights = True
    try:
        yield
    finally:
        module.store_weights = False


def _generation_weights(
    network: Network, decoder: Decoder, output_rows: OutputRows, index: np.ndarray
) -> tuple[Tokens, np.ndarray]:
    """The tokens that the decoder attends to, and the weights of each generated token, (B, T, S)."""
    batch = _batch(output_rows, index)
    mask = output_rows.best["mask"][index]
    length = int(mask.sum(1).max())
    arrays = (output_rows.best["tokens"][index, :length], mask[:, :length])
    target = Field(*(torch.from_numpy(a).to(batch.rows.device) for a in arrays))
    members = network.ensemble_size
    with _stored_weights(decoder), torch.inference_mode():
        tokens = network.embed(batch.inputs)
        memory, grid = tokens, tokens.grid
        if network.spatial_memory is not None and tokens.pyramid is not None:
            memory, grid = network.spatial_memory(tokens), tuple(tokens.pyramid[-2].shape[-2:])
        decoder.hidden(memory, target.repeat(members))
        assert decoder.attention is not None
    weights = decoder.attention.float()
    weights = weights.view(len(index), members, *weights.shape[1:]).mean(1)
    first = Tokens(tokens.values[::members], tokens.mask[::members], grid)
    return first, weights.cpu().numpy()


# -- words -----------------------------------------------------------------------------------------------------------


Words = list[tuple[str, list[int]]]
"""Words in order, each with the indices of its tokens."""


def _words_of(feature: Text, codes: Sequence[int]) -> Words:
    """Tokens grouped to words, which begin at a space."""
    groups: list[list[int]] = []
    text = ""  # of the last word
    for t, code in enumerate(codes):
        piece = feature.piece_of([code])
        if not groups or ((piece[:1].isspace() or text[-1:].isspace()) and text.strip()):
            groups.append([])
            text = ""
        groups[-1].append(t)
        text += piece
    words = [(feature.piece_of([codes[p] for p in group]).strip(), group) for group in groups]
    return [(word or "·", group) for word, group in words]


def read_words(prepared: PreparedData, rows: np.ndarray, tokens: Tokens) -> list[Words | None]:
    """The words of the only text input; None for a row whose tokens do not begin with those of the text."""
    nothing: list[Words | None] = [None] * len(rows)
    texts = [f for f in prepared.inputs if isinstance(f, Text)]
    if len(texts) != 1 or tokens.grid is None or len(tokens.grid) != 1:
        return nothing
    feature = texts[0]
    raw = take_raw(prepared.table[feature.column], rows)
    column = feature.encode(raw)
    assert column.offsets is not None
    lengths = np.diff(column.offsets)
    if not np.array_equal(tokens.mask[:, : tokens.grid[0]].sum(1).cpu().numpy(), np.maximum(lengths, 1)):
        return nothing
    if feature.tokenization == "words":
        word_lists = _whole_words(feature, raw)
    else:
        word_lists = [_words_of(feature, codes.tolist()) for codes in np.split(column.values, column.offsets[1:-1])]
    return [words if length else None for words, length in zip(word_lists, lengths, strict=True)]


def _whole_words(feature: Text, raw: Any) -> list[Words]:
    """The words of texts whose tokens are words."""
    limit = feature.max_words
    if feature.lists_ and raw.dtype == pl.List(pl.String):
        words = words_of(raw.list.head(limit))
    elif feature.lists_:
        words = words_of(raw.cast(pl.String).str.extract_all(r"\S+").list.head(limit))
    else:
        words = split_words(raw.cast(pl.String), limit)
    ends = np.cumsum(words.lengths)
    names = [words.distinct[p] for p in words.indices]
    rows = [names[end - length : end] for end, length in zip(ends, words.lengths, strict=True)]
    return [[(word, [t]) for t, word in enumerate(row)] for row in rows]


def _word_weights(weights: np.ndarray, groups: Sequence[Sequence[int]]) -> np.ndarray:
    """Weights (T, S) of tokens summed to those of words, (T, R)."""
    return np.stack([weights[:, list(group)].sum(1) for group in groups], 1)


# -- facts -----------------------------------------------------------------------------------------------------------


def _over_words(
    output_rows: OutputRows, i: int, typical: bool, words: Words, text: Words, weights: np.ndarray
) -> DecoderAttention:
    sums = _word_weights(weights, [indices for _, indices in text])[:, :MAX_ATTENDED]
    rows = tuple(tuple(sums[tokens].mean(0).round(3).tolist()) for _, tokens in words[:MAX_GENERATED])
    generated = tuple(word for word, _ in words[:MAX_GENERATED])
    attended = tuple(word for word, _ in text[:MAX_ATTENDED])
    return DecoderAttention(output_rows.place(i), generated, attended, rows, typical=typical)


def _over_image(
    output_rows: OutputRows, i: int, typical: bool, words: Words, maps: np.ndarray
) -> DecoderAttention | None:
    image = row_image(output_rows, i, MAX_SIDE)
    if image is None:
        return None
    (Y, X), (top, left, height, width) = image.size, image.part
    return DecoderAttention(
        output_rows.place(i),
        tuple(word for word, _ in words[:MAX_GENERATED]),
        image=image.encoded,
        size=image.size,
        maps=tuple(_shade(maps[tokens].mean(0)) for _, tokens in words[:MAX_GENERATED]),
        extent=(-left / width * X, -top / height * Y, X / width, Y / height),
        typical=typical,
    )


def _shade(weights: np.ndarray) -> bytes:
    """Weights (Y, X) as a PNG: transparent at the largest weight, dark at zero."""
    share = weights / max(float(weights.max()), 1e-9)
    alpha = np.round(255 * MAX_OPACITY * (1 - share)).astype(np.uint8)
    return encode_image.png(np.stack([np.full_like(alpha, 12), alpha], -1))
