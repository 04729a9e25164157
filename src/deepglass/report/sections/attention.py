"""Attention weights: while each word of an output was generated, or over the words that were read before a class."""

from collections.abc import Sequence
from itertools import zip_longest
from typing import NamedTuple

from deepglass.features.outputs.base import Output
from deepglass.features.outputs.text import TextOutput
from deepglass.formatting import percent
from deepglass.introspect.attention import DecoderAttention, EncoderAttention, decoder_attention, encoder_attention
from deepglass.introspect.rows import OutputRows, class_predictions
from deepglass.report.data import ReportData, View
from deepglass.report.row_selection import random_rows
from deepglass.report.sections.base import Section
from deepglass.report.sections.texts import worst_texts
from deepglass.report.templates import shorten

NUM_WORST, NUM_TYPICAL = 8, 8
SHOWN_AT_FIRST = (2, 2)  # of the worst and of the typical ones
MAX_WORD = 14  # characters in a matrix
MIN_WEIGHT = 0.02  # smaller weights are not drawn
FULL_WEIGHT = 0.4  # a weight that has the full colour, or the greatest where that is more


class OutputAttention(NamedTuple):
    """The rows of one output: while each word was predicted, or before a class was."""

    name: str
    decoder: tuple[DecoderAttention, ...] = ()
    encoder: tuple[EncoderAttention, ...] = ()

    def without_rows(self) -> None:
        """There is nothing but rows."""


class AttentionSection(Section):
    """Cards of each output: a matrix or strip of images while words are generated, shaded words before a class."""

    title, nav, position = "Attention", "Attention", 30
    layer = "why"
    folded = True
    requires = ("test_predictions",)

    def collect(self, report: ReportData) -> tuple[OutputAttention, ...]:
        outputs = (output_attention(feature, rows) for feature, rows in report.tested_outputs if rows.truth.mask.any())
        return tuple(o for o in outputs if o.decoder or o.encoder)

    def view(self, facts: tuple[OutputAttention, ...], report: ReportData) -> View | None:
        return {
            "outputs": [
                {
                    "facts": output,
                    "matrices": [None if one.image else _matrix(one) for one in output.decoder],
                    "words": [_shaded(one) for one in output.encoder],
                }
                for output in facts
            ],
            "decodes": any(o.decoder for o in facts),
            "images": any(one.image for o in facts for one in o.decoder),
            "first": SHOWN_AT_FIRST,
        }


def output_attention(feature: Output, rows: OutputRows) -> OutputAttention:
    """Of some of the worst and of the typical rows, in turn, so that both are among the first."""
    if isinstance(feature, TextOutput):
        return OutputAttention(
            feature.name, decoder=decoder_attention(feature, rows, _in_turn(worst_texts(feature, rows)))
        )
    predictions = class_predictions(feature, rows)
    wrong = sorted((i for i, p in predictions.items() if p.answer != p.truth), key=lambda i: -predictions[i].confidence)
    right = [i for i, p in predictions.items() if p.answer == p.truth]
    chosen = [(i, False) for i in wrong[:NUM_WORST]] + [(i, True) for i in random_rows(right, NUM_TYPICAL)]
    return OutputAttention(feature.name, encoder=encoder_attention(rows, _in_turn(chosen), predictions))


def _in_turn(rows: Sequence[tuple[int, bool]]) -> list[tuple[int, bool]]:
    groups = [[row for row in rows if row[1] is kind] for kind in (False, True)]
    return [row for pair in zip_longest(*groups) for row in pair if row is not None]


def _matrix(one: DecoderAttention) -> View:
    """A row a generated word, a column a word that was read."""
    full = max(FULL_WEIGHT, *(weight for row in one.weights for weight in row))
    return {
        "written": [shorten(word, MAX_WORD) for word in one.words],
        "read": [shorten(word, MAX_WORD) for word in one.attended],
        "cells": [
            (i, j, weight / full, f"{one.words[i]} attends to {one.attended[j]}: {percent(weight, 0)}")
            for i, row in enumerate(one.weights)
            for j, weight in enumerate(row)
            if weight >= MIN_WEIGHT
        ],
        "summary": "; ".join(_most(one, i) for i in range(len(one.words))),
    }


def _most(one: DecoderAttention, i: int) -> str:
    row = one.weights[i]
    return f"{one.words[i]} attends most to {one.attended[row.index(max(row))]}" if row else one.words[i]


def _shaded(one: EncoderAttention) -> list[tuple[str, float, float]]:
    """(word, strength of its colour from 0 to 1, weight): coloured by how far its weight is above the text's mean."""
    weights = [weight for _, weight in one.words]
    mean = sum(weights) / max(len(weights), 1)
    full = max(max(weights, default=0.0) - mean, mean) or 1.0
    return [(word, max(weight - mean, 0) / full, weight) for word, weight in one.words]
