"""Texts as n-grams: vocabulary, lookup, large and unusual cells."""

from __future__ import annotations

import itertools
import json
import time
from collections import Counter

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deepglass.config import construct
from deepglass.errors import SourceError, SpecError
from deepglass.features.base import from_state, infer_type
from deepglass.features.text import Text
from deepglass.nn.tokens import Field

NEWS = pl.Series(["The team won the game.", "Shares fell, the market fell", "the Team lost", None, ""])


def _grams(text: Text, cell: str | None) -> list[str]:
    """The n-grams of an encoded cell; "?" if none is in the vocabulary."""
    return [("?", *text.vocabulary_)[i] for i in text.encode(pl.Series([cell], dtype=pl.String)).values]


def test_vocabulary_needs_two_texts() -> None:
    text = Text(name="x", subword_features="stems").fit([NEWS])
    assert text.vocabulary_[0] == "the"
    assert text.counts_[0] == 3
    assert text.rows_ == 3
    assert set(text.vocabulary_) == {"the", "team", "the^", "the team"} - {"the^"}


def test_character_n_grams() -> None:
    stems = Text(name="x", subword_features="stems").fit([pl.Series(["Elections soon", "Elections soon"])])
    assert set(stems.vocabulary_) == {"elections", "elec*", "elections^", "soon", "elections soon"}
    characters = Text(name="x").fit([pl.Series(["Abé", "Abé"])])
    assert characters.subword_features_ == "characters"
    assert set(characters.vocabulary_) == {"abé", "<a~", "ab~", "bé~", "é>~", "<ab~", "abé~", "bé>~", "<abé~", "abé>~"}
    assert "very good" not in Text(name="x", ngrams=1).fit([pl.Series(["very good"] * 2)]).vocabulary_


def test_encode_agrees_with_a_plain_loop() -> None:
    rng = np.random.default_rng(0)
    words = ["alpha", "Beta", "gamma", "d", "é", "!", "東京"]
    cells = pl.Series([" ".join(rng.choice(words, rng.integers(0, 9))) for _ in range(200)])
    text = Text(name="x", subword_features="stems").fit([cells])
    known = set(text.vocabulary_)
    for cell in cells[:50]:
        tokens = cell.replace("東京", "東 京").split()
        lower = [t.lower() for t in tokens]
        grams = Counter(lower + [f"{a} {b}" for a, b in itertools.pairwise(lower)])
        grams.update(t[:4] + "*" for t in lower if len(t) > 4)
        grams.update(t.lower() + "^" for t in tokens if t != t.lower())
        expected = Counter({g: n.bit_length() for g, n in grams.items() if g in known})
        assert Counter(_grams(text, cell)) == expected


def test_texts_without_vocabulary_words_are_not_missing() -> None:
    text = Text(name="x").fit([NEWS])
    column = text.encode(pl.Series(["zzz", None, "  ", "the"]))
    np.testing.assert_array_equal(column.mask, [True, False, False, True])
    assert _grams(text, "qqqqq") == ["?"]


def test_max_vocabulary_keeps_the_most_frequent() -> None:
    text = Text(name="x", max_vocabulary=2, subword_features="stems").fit([NEWS])
    assert len(text.vocabulary_) == 2
    assert text.vocabulary_[0] == "the"
    with pytest.raises(
        SpecError, match=r"\[bad-value\] inputs\.x\.max_vocabulary: expected a whole number above 0, got 0"
    ):
        construct(Text, {"max_vocabulary": 0}, "inputs.x", name="x")


def test_chunks_of_odd_types() -> None:
    text = Text(name="x").fit([pl.Series(["a b", "a b"]), pl.Series([None, None]), pl.Series([], dtype=pl.String)])
    assert text.encode(pl.Series([None, None])).mask.sum() == 0
    assert text.encode(pl.Series([12, 7])).mask.all()  # numbers are read as they are written
    with pytest.raises(SourceError, match=r"\[bad-value\] column 'x': expected texts"):
        text.encode(pl.Series([[1, 2]]))


def test_column_without_texts() -> None:
    text = Text(name="x").fit([pl.Series([None, None], dtype=pl.String)])
    assert text.vocabulary_ == ()
    assert text.rows_ == 0
    encoder = text.encoder(4)
    values, mask = torch.zeros(2, 1, dtype=torch.int32), torch.tensor([[True], [False]])
    assert encoder(Field(values, mask)).values.isfinite().all()


def test_a_large_cell_is_truncated_and_counted() -> None:
    text = Text(name="x", max_words=50).fit([NEWS])
    cells = pl.Series(["the team " * 500_000, "x" * 5_000_000, "the " * 50, "the " * 51, None])
    started = time.perf_counter()
    column = text.encode(cells)
    begun = text.encode(pl.Series(["the team " * 25, "x" * 40, "the " * 50, "the " * 50, None]))
    np.testing.assert_array_equal(column.values, begun.values)  # as if nothing came after the fiftieth word
    np.testing.assert_array_equal(column.offsets, begun.offsets)
    assert text.count_anomalies(cells) == {"text longer than 50 words, truncated": 3}
    assert text.count_anomalies(NEWS) == {}
    assert time.perf_counter() - started < 10


def test_many_rows_are_encoded_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    text = Text(name="x").fit([NEWS])
    many = pl.concat([NEWS] * 20)
    whole = text.encode(many)
    monkeypatch.setattr("deepglass.features._ngrams._SLICE_BYTES", 100)
    parts = text.encode(many)
    np.testing.assert_array_equal(whole.values, parts.values)
    np.testing.assert_array_equal(whole.offsets, parts.offsets)


def test_state_round_trips_as_json() -> None:
    text = Text(name="x", ngrams=1).fit([NEWS])
    again = from_state(json.loads(json.dumps(text.state())))
    assert again == text
    assert again.settings() == {"name": "x", "ngrams": 1}


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ([f"Review number {i}: it was not {i % 7} times as good as that" for i in range(60)], "text"),
        ([f"Smith, Mr. {'abcdefgh'[i % 8]}{'klmnop'[i % 6]}{i}" for i in range(60)], "text"),
        ([f"A/{i * 37 % 1000} PC" for i in range(60)], "text"),
        (["red", "green", "blue"] * 20, "category"),
        ([f"2020-01-{1 + i % 28:02d}" for i in range(60)], "date"),
        ([f"{i * 3.7:.2f} €".replace(".", ",") for i in range(60)], "number"),
    ],
)
def test_kind_inference_of_texts(cells: list[str], kind: str) -> None:
    assert infer_type(pl.Series(cells), "x")[0] == kind


@pytest.mark.parametrize("cells", [[f"images/{i}.png" for i in range(60)], [f"{i}.wav" for i in range(60)]])
def test_paths_are_not_texts(cells: list[str]) -> None:
    assert Text.infer_type(pl.Series(cells), "x").score < 0.5


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(max_size=30) | st.none(), min_size=1, max_size=8))
def test_any_text_can_be_encoded(cells: list[str | None]) -> None:
    raw = pl.Series([c if c is None else c.encode("utf8", "ignore").decode() for c in cells], dtype=pl.String)
    text = Text(name="x").fit([raw, raw])
    column = text.encode(raw)
    assert column.offsets[-1] == len(column.values)
    assert len(column) == len(cells)
    assert not len(column.values) or column.values.max() <= len(text.vocabulary_)
    np.testing.assert_array_equal(np.diff(column.offsets) > 0, column.mask)
