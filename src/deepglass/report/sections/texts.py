"""Outputs that are texts or tags: predictions beside the truth, differences marked; texts of a language model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import torch

from deepglass import metrics
from deepglass.features.outputs.base import Output
from deepglass.features.outputs.tags import TagsOutput
from deepglass.features.outputs.text import TextOutput
from deepglass.introspect.rows import OutputRows
from deepglass.objectives.next_token import NextToken
from deepglass.prepare.prepared_data import PreparedData
from deepglass.report.data import ReportData, View
from deepglass.report.row_selection import random_rows
from deepglass.report.sections.base import Section

NUM_WORST, NUM_TYPICAL = 8, 8
SHOWN_AT_FIRST = (3, 3)  # of the worst and of the typical ones
MAX_CHARACTERS = 400  # of a text
MAX_WORDS = 80  # of a tagged sentence
MAX_SEARCHED = 2_000_000  # characters of the data in which passages of generated texts are searched
NUM_GENERATED, NUM_TOKENS = 3, 300  # texts of a language model, and tokens of each


class TextRow(NamedTuple):
    """A test row's text.

    Args:
        row: its index in the source; None for a generated text.
        inputs: the inputs as text; empty where they are none.
        error: word error rate.
        typical: drawn from all rows, not one of the worst.
    """

    row: int | None
    inputs: str
    truth: str
    predicted: str
    error: float
    typical: bool = False


class TagRow(NamedTuple):
    """A test row's words, each with its predicted and its true tag ("" where it is unknown)."""

    row: int
    words: tuple[tuple[str, str, str], ...]
    typical: bool = False


class OutputTexts(NamedTuple):
    """The texts and tagged sentences of one output.

    Args:
        copied: characters of the longest passage of a generated text that stands in the data; None for other texts.
    """

    name: str
    texts: tuple[TextRow, ...] = ()
    tagged: tuple[TagRow, ...] = ()
    copied: int | None = None

    def without_rows(self) -> OutputTexts | None:
        """What the network generated alone."""
        texts = tuple(t for t in self.texts if t.row is None)
        return OutputTexts(self.name, texts, copied=self.copied) if texts else None


class TextsSection(Section):
    """Cards of each output; None where no output is a text."""

    title, nav, position = "Text examples", "Texts", 150
    layer = "result"

    def collect(self, report: ReportData) -> tuple[OutputTexts, ...]:
        outputs = [output_texts(feature, rows) for feature, rows in report.tested_outputs]
        outputs.append(generated_texts(report.context.objective, report.context.data))
        return tuple(o for o in outputs if o.texts or o.tagged)

    def view(self, facts: tuple[OutputTexts, ...], report: ReportData) -> View | None:
        outputs = [
            {
                "name": output.name,
                "texts": [(t, *marked(t.predicted.split(), t.truth.split())) for t in output.texts],
                "tagged": [t._replace(words=t.words[:MAX_WORDS]) for t in output.tagged],
            }
            for output in facts
        ]
        generated = all(t.row is None for o in facts for t in o.texts) and not any(o.tagged for o in facts)
        copied = max((o.copied for o in facts if o.copied is not None), default=0)
        return {"outputs": outputs, "generated": generated, "copied": copied, "first": SHOWN_AT_FIRST}


def marked(prediction: list[str], truth: list[str]) -> tuple[list[tuple[str, bool]], list[tuple[str, bool]]]:
    """Both texts as pieces: (words, whether the other text lacks them)."""
    pieces: tuple[list[tuple[str, bool]], list[tuple[str, bool]]] = ([], [])
    for what, a, b, c, d in SequenceMatcher(None, prediction, truth, autojunk=False).get_opcodes():
        for words, some in ((prediction[a:b], pieces[0]), (truth[c:d], pieces[1])):
            if words:
                some.append((" ".join(words), what != "equal"))
    return pieces


# -- facts -----------------------------------------------------------------------------------------------------------


def output_texts(feature: Output, rows: OutputRows) -> OutputTexts:
    """The worst rows and some typical ones of an output; nothing for outputs that are neither texts nor tags."""
    if not rows.truth.mask.any():
        return OutputTexts(feature.name)
    if isinstance(feature, TextOutput):
        return OutputTexts(feature.name, texts=_text_rows(feature, rows))
    return OutputTexts(feature.name, tagged=_tag_rows(feature, rows) if isinstance(feature, TagsOutput) else ())


def worst_texts(feature: TextOutput, rows: OutputRows) -> list[tuple[int, bool]]:
    """The rows of highest word error rate, then some drawn from the others: (index, whether it is typical)."""
    return _worst_first(word_error_rates(feature, rows))


def word_error_rates(feature: TextOutput, rows: OutputRows) -> dict[int, float]:
    """Of each labelled row, by its index among the test rows."""
    predicted = [a["value"] for a in feature.decode(rows.best)]
    return {i: metrics.error_rate([t.split()], [predicted[i].split()]) for i, t in true_texts(feature, rows).items()}


def true_texts(feature: TextOutput, rows: OutputRows) -> dict[int, str]:
    """The targets of the labelled rows, by their index among the test rows."""
    bounds = rows.truth.offsets
    assert bounds is not None
    values = rows.truth.values
    return {
        int(i): feature.text_of(values[bounds[i] : bounds[i + 1]].tolist()) for i in np.flatnonzero(rows.truth.mask)
    }


def _worst_first(errors: Mapping[int, float]) -> list[tuple[int, bool]]:
    order = sorted(errors, key=lambda i: -np.nan_to_num(errors[i]))
    worst, rest = order[:NUM_WORST], order[NUM_WORST:]
    return [(i, False) for i in worst] + [(i, True) for i in random_rows(rest, NUM_TYPICAL)]


def _text_rows(feature: TextOutput, rows: OutputRows) -> tuple[TextRow, ...]:
    predicted = [a["value"] for a in feature.decode(rows.best)]
    truth, errors = true_texts(feature, rows), word_error_rates(feature, rows)
    return tuple(
        TextRow(
            rows.place(i),
            _inputs_as_text(rows.prepared, int(rows.rows[i])),
            truth[i][:MAX_CHARACTERS],
            predicted[i][:MAX_CHARACTERS],
            float(errors[i]),
            typical,
        )
        for i, typical in _worst_first(errors)
    )


def _inputs_as_text(prepared: PreparedData, row: int) -> str:
    parts = []
    for feature in prepared.inputs:
        value = prepared.table[feature.column][row]
        if isinstance(value, str | int | float):
            parts.append(str(value))
        elif hasattr(value, "name") and isinstance(value.name, str):
            parts.append(value.name)
    return "; ".join(parts)[:MAX_CHARACTERS]


def _tag_rows(feature: TagsOutput, rows: OutputRows) -> tuple[TagRow, ...]:
    """Sentences with their tags, those with the most mistakes first."""
    predicted = [a["value"] for a in feature.decode(rows.best)]
    column = next(
        (f.column for f in rows.prepared.inputs if f.name == feature.aligned_input_), rows.prepared.inputs[0].column
    )
    sentences = rows.prepared.table.take(rows.rows)[column]
    bounds = rows.truth.offsets
    assert bounds is not None
    words: dict[int, tuple[tuple[str, str, str], ...]] = {}
    for i in map(int, np.flatnonzero(rows.truth.mask)):
        true = [feature.class_names[c - 1] if c else "" for c in rows.truth.values[bounds[i] : bounds[i + 1]]]
        sentence: Any = sentences[i]
        tokens = sentence.split() if isinstance(sentence, str) else list(sentence)
        words[i] = tuple(zip(tokens, predicted[i], true))
    errors = {i: sum(t != "" and p != t for _, p, t in some) for i, some in words.items()}
    return tuple(TagRow(rows.place(i), words[i], typical) for i, typical in _worst_first(errors))


def generated_texts(objective: Any, data: PreparedData) -> OutputTexts:
    """Texts that a language model generates without a prompt, each with its own seed; nothing for other objectives."""
    if not isinstance(objective, NextToken):
        return OutputTexts("")
    texts = []
    for seed in range(NUM_GENERATED):
        generator = torch.Generator(next(objective.parameters()).device).manual_seed(seed)
        codes: Sequence[int] = list(islice(objective.generate("", generator), NUM_TOKENS))
        texts.append(TextRow(None, "", "", objective.feature.text_of(codes), 0.0))
    corpus = "\n".join(str(text) for text in data.table[objective.feature.column] if text is not None)[:MAX_SEARCHED]
    copied = max(longest_copy(text.predicted, corpus) for text in texts)
    return OutputTexts(objective.name, tuple(texts), copied=copied)


def longest_copy(text: str, corpus: str) -> int:
    """Characters of the longest passage of a text that stands in another one."""
    longest = 0
    for start in range(len(text)):
        while start + longest < len(text) and text[start : start + longest + 1] in corpus:
            longest += 1
    return longest
