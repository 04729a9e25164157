"""Attention as the report shows it: where the words of an answer looked, and what was read before an answer."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import torch
from PIL import Image as Pillow

from deepglass.data.batches import Batch
from deepglass.features._ngrams import split_words, words_of
from deepglass.features.base import Column, take_raw
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

Writer = RecurrentDecoder | TransformerDecoder

ROWS = 12  # of an output whose attention is shown, at most
WORDS, READ = 24, 32  # shown of an answer, and of what was read
PICTURE = 200  # pixels
HIGHLIGHTED = 120  # words of a text that was read
_DARK = 0.8  # of a place that was not looked at


class DecoderAttention(NamedTuple):
    """Where each word of an answer looked while it was written: at which words, or where on a picture.

    Args:
        row: its 0-based place in the source.
        words: of the answer, W.
        read: the words that could be looked at, R; none where it was a picture.
        weights: W times R shares, which add up to 1 over R; none where it was a picture.
        picture: PNG or JPEG.
        size: its height and width in pixels.
        maps: a PNG for each word of the answer, dark where the word did not look.
        extent: left, top, width and height of the maps in pixels of the picture, which may show less than they cover.
    """

    row: int
    words: tuple[str, ...]
    read: tuple[str, ...] = ()
    weights: tuple[tuple[float, ...], ...] = ()
    picture: bytes | None = None
    size: tuple[int, int] = (0, 0)
    maps: tuple[bytes, ...] = ()
    extent: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    typical: bool = False


class EncoderAttention(NamedTuple):
    """A test row's words and how much each was looked at before the answer.

    Args:
        words: each with its share, which add up to 1 over the whole text; only its beginning is kept.
        others: words that are not kept.
    """

    row: int
    words: tuple[tuple[str, float], ...]
    others: int
    truth: str
    answer: str
    confidence: float
    typical: bool = False


def decoder_attention(
    feature: Text, output_rows: OutputRows, rows: Sequence[tuple[int, bool]]
) -> tuple[DecoderAttention, ...]:
    """Where the words of some answers looked; none where the network has no such attention.

    Args:
        rows: places among the test rows, and whether each is a typical one.
    """
    network = _network(output_rows)
    writer = None if network is None else network.heads[key_of(feature.name)]
    rows = [r for r in rows if output_rows.best["mask"][r[0]].any()][:ROWS]
    if network is None or not isinstance(writer, Writer) or not rows:
        return ()
    indices = np.array([i for i, _ in rows])
    tokens, weights = _while_writing(network, writer, output_rows, indices)
    codes = [output_rows.best["tokens"][i][output_rows.best["mask"][i]].tolist() for i in indices]
    groups = [_words_of(feature, c) for c in codes]
    if tokens.grid is not None and len(tokens.grid) == 2:
        maps = weights[:, :, -int(np.prod(tokens.grid)) :].reshape(*weights.shape[:2], *tokens.grid)
        attentions = [_over_picture(output_rows, i, groups[n], maps[n], kind) for n, (i, kind) in enumerate(rows)]
    else:
        there = zip(
            rows, groups, read_words(output_rows.prepared, output_rows.rows[indices], tokens), weights, strict=True
        )
        attentions = [
            _over_words(output_rows, i, group, words, own, kind) for (i, kind), group, words, own in there if words
        ]
    return tuple(one for one in attentions if one)


def encoder_attention(
    output_rows: OutputRows, rows: Sequence[tuple[int, bool]], answers: Mapping[int, ClassPrediction]
) -> tuple[EncoderAttention, ...]:
    """How much each word of some texts was looked at by the last block of a transformer that reads them.

    Args:
        rows: as in `looked`.
        answers: of each of them, by its place.
    """
    network = _network(output_rows)
    rows = rows[:ROWS]
    if network is None or not isinstance(network.trunk, Transformer) or not rows:
        return ()
    indices = np.array([i for i, _ in rows])
    trunk = network.trunk
    attention: Attention = trunk.blocks[-1].attention  # type: ignore[union-attr, assignment]
    with _kept(attention), torch.inference_mode():
        tokens = network.embed(_batch(output_rows, indices).inputs)
        assert attention.weights is not None
        weights, mask = attention.weights.float(), tokens.mask
    if trunk.pool == "last":
        weights = weights[torch.arange(len(weights)), last_index(mask)]  # (B, S): of the one that is read
    else:
        weights = (weights * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    there = read_words(output_rows.prepared, output_rows.rows[indices], tokens)
    attentions = []
    for n, (i, typical) in enumerate(rows):
        words = there[n]
        if words is None:
            continue
        shares = _shares(weights[n].cpu().numpy()[None], [w for _, w in words])[0]
        pairs = tuple((word, float(share)) for (word, _), share in zip(words, shares, strict=True))
        highlighted = pairs[:HIGHLIGHTED]
        attentions.append(
            EncoderAttention(output_rows.place(i), highlighted, len(pairs) - len(highlighted), *answers[i], typical)
        )
    return tuple(attentions)


# -- from the network ----------------------------------------------------------------------------------------------


def _network(output_rows: OutputRows) -> Network | None:
    return output_rows.objective.network if isinstance(output_rows.objective, Supervised) else None


def _batch(output_rows: OutputRows, indices: np.ndarray) -> Batch:
    assert output_rows.objective is not None
    output_rows.objective.eval()
    device = str(next(output_rows.objective.parameters()).device)
    return output_rows.prepared.dataset(output_rows.rows[indices], device).batch(torch.arange(len(indices)))


@contextmanager
def _kept(module: Any) -> Iterator[None]:
    """The module keeps its weights for a while."""
    module.store_weights = True
    try:
        yield
    finally:
        module.store_weights = False


def _while_writing(
    network: Network, writer: Writer, output_rows: OutputRows, indices: np.ndarray
) -> tuple[Tokens, np.ndarray]:
    """What the answers were written from, and where each of their tokens looked, (B, T, S)."""
    batch = _batch(output_rows, indices)
    mask = output_rows.best["mask"][indices]
    length = int(mask.sum(1).max())
    device = batch.rows.device
    target = Field(
        torch.from_numpy(output_rows.best["tokens"][indices, :length]).to(device),
        torch.from_numpy(mask[:, :length]).to(device),
    )
    members = network.ensemble_size
    with _kept(writer), torch.inference_mode():
        tokens = network.embed(batch.inputs)
        memory, grid = tokens, tokens.grid
        if network.spatial_memory is not None and tokens.pyramid is not None:
            memory, grid = network.spatial_memory(tokens), tuple(tokens.pyramid[-2].shape[-2:])
        writer.hidden(memory, target.repeat(members))
        weights = writer.attention
        assert weights is not None
    weights = weights.float().view(len(indices), members, *weights.shape[1:]).mean(1)
    first = Tokens(tokens.values[::members], tokens.mask[::members], grid)
    return first, weights.cpu().numpy()


# -- words -----------------------------------------------------------------------------------------------------------


Words = list[tuple[str, list[int]]]
"""Words in order, each with the places of its tokens."""


def _words_of(feature: Text, codes: Sequence[int]) -> Words:
    """Tokens gathered to words: a new one begins where there is a space."""
    groups: list[list[int]] = []
    text = ""  # by the tokens of the last word
    for place, code in enumerate(codes):
        piece = feature.piece_of([code])
        if not groups or ((piece[:1].isspace() or text[-1:].isspace()) and text.strip()):
            groups.append([])
            text = ""
        groups[-1].append(place)
        text += piece
    words = [(feature.piece_of([codes[p] for p in group]).strip(), group) for group in groups]
    return [(word or "·", group) for word, group in words]


def read_words(prepared: PreparedData, rows: np.ndarray, tokens: Tokens) -> list[Words | None]:
    """The words of the one text that the tokens begin with; None for a row where they are not its tokens."""
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
    word_lists = _spelled(feature, raw) if feature.tokenization == "words" else _decoded(feature, column)
    return [words if length else None for words, length in zip(word_lists, lengths, strict=True)]


def _spelled(feature: Text, raw: Any) -> list[Words]:
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
    return [[(word, [place]) for place, word in enumerate(row)] for row in rows]


def _decoded(feature: Text, column: Column) -> list[Words]:
    assert column.offsets is not None
    rows = zip(column.offsets[:-1], column.offsets[1:], strict=True)
    return [_words_of(feature, column.values[a:b].tolist()) for a, b in rows]


def _shares(weights: np.ndarray, groups: Sequence[Sequence[int]]) -> np.ndarray:
    """Weights (T, S) of tokens as those of words, (T, R): added up."""
    return np.stack([weights[:, list(group)].sum(1) for group in groups], 1)


# -- facts -----------------------------------------------------------------------------------------------------------


def _over_words(
    output_rows: OutputRows, i: int, words: Words, there: Words, weights: np.ndarray, typical: bool
) -> DecoderAttention:
    shares = _shares(weights, [indices for _, indices in there])[:, :READ]
    rows = tuple(tuple(map(float, shares[indices].mean(0).round(3))) for _, indices in words[:WORDS])
    written, given = ([word for word, _ in pairs] for pairs in (words[:WORDS], there[:READ]))
    return DecoderAttention(output_rows.place(i), tuple(written), tuple(given), rows, typical=typical)


def _over_picture(
    output_rows: OutputRows, i: int, words: Words, maps: np.ndarray, typical: bool
) -> DecoderAttention | None:
    picture = row_image(output_rows, i, PICTURE)
    if picture is None:
        return None
    (Y, X), (top, left, height, width) = picture.size, picture.part
    return DecoderAttention(
        output_rows.place(i),
        tuple(word for word, _ in words[:WORDS]),
        picture=picture.encoded,
        size=picture.size,
        maps=tuple(_shade(maps[indices].mean(0)) for _, indices in words[:WORDS]),
        extent=(-left / width * X, -top / height * Y, X / width, Y / height),
        typical=typical,
    )


def _shade(weights: np.ndarray) -> bytes:
    """Weights (Y, X) as a PNG: clear where they are greatest, dark where there are none."""
    share = weights / max(float(weights.max()), 1e-9)
    alpha = np.round(255 * _DARK * (1 - share)).astype(np.uint8)
    out = io.BytesIO()
    Pillow.fromarray(np.stack([np.full_like(alpha, 12), alpha], -1), "LA").save(out, "PNG", optimize=True)
    return out.getvalue()
