"""Report sections on text and audio: players, attention, omission without samples."""

from __future__ import annotations

import io
import re
from base64 import b64decode
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile
from PIL import Image as Pillow
from report_values import base, checked

import deepglass
from deepglass.features._display import spectrogram
from deepglass.introspect.attention import DecoderAttention, EncoderAttention
from deepglass.mel import Frames
from deepglass.report.examples import OutputExamples
from deepglass.report.sections.attention import OutputAttention
from deepglass.report.sections.audio import MAX_BYTES, AudioRow, playable_wav
from deepglass.report.sections.texts import longest_copy

EVIL = '<script>alert("1")</script>&\''
RATE = 8_000
QUICK = {"baselines": False, "training": {"threads": 1, "steps": 2}}


def tones(rows: int = 40, seconds: float = 0.4) -> dict[str, object]:
    """High and low sine waves."""
    time = np.arange(int(seconds * RATE)) / RATE
    hertz = np.where(np.arange(rows) % 2, 300, 1200)
    waves = 0.5 * np.sin(2 * np.pi * hertz[:, None] * time)
    return {"sound": waves.astype(np.float32), "pitch": ["low" if h == 300 else "high" for h in hertz]}


def reported(run: deepglass.Run, source: object) -> tuple[str, str]:
    """The report with and without rows."""
    shown, hidden = (deepglass.report(run, samples=s, source=source).read_text() for s in (True, False))
    return shown, hidden


# -- audio -----------------------------------------------------------------------------------------------------------


def test_audio_can_be_played_and_left_out(tmp_path: Path) -> None:
    source = tones(20, seconds=4.0)
    run = deepglass.train(source, "pitch", out=tmp_path / "run", kinds={"sound": "audio"}, **QUICK)
    shown, hidden = reported(run, source)
    assert "Audio examples" in shown
    waves = re.findall(r"data:audio/wav;base64,([^\"]+)", shown)
    assert 1 <= len(waves) <= 12
    samples, rate = soundfile.read(io.BytesIO(b64decode(waves[0])), dtype="int16")
    assert (rate, len(samples)) == (RATE, 3 * RATE), "of a long sound the beginning"
    row = int(re.search(r"spectrogram of row (\d+)", shown)[1])  # type: ignore[index]
    np.testing.assert_allclose(samples, source["sound"][row][: 3 * RATE] * 32767, atol=2)  # type: ignore[index]
    assert "the first 3.0 of 4.0 s" in shown
    assert "Audio examples" not in hidden
    assert "data:audio" not in hidden


def test_transcripts_are_shown_with_the_truth(tmp_path: Path) -> None:
    source = tones()
    run = deepglass.train(
        source, "pitch", out=tmp_path / "run", kinds={"sound": "audio", "pitch": "text"}, network={"width": 8}, **QUICK
    )
    shown, _ = reported(run, source)
    assert re.search(r'<audio.*?</audio>\s*<p>.*?</p><p class="truth">true: <mark>(low|high)</mark></p>', shown, re.S)


@pytest.mark.parametrize(("rate", "heard"), [(4_000, 8_000), (8_000, 8_000), (44_100, 16_000)])
def test_wav_files_have_a_sample_rate_that_browsers_support(rate: int, heard: int) -> None:
    wave = (8_000 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)).astype(np.int16)
    samples, found = soundfile.read(io.BytesIO(playable_wav(wave, rate)))
    assert found == heard
    assert abs(int(np.abs(np.fft.rfft(samples)).argmax()) - 440 * len(samples) / heard) <= 1


def test_a_high_frequency_is_bright_at_the_top_of_the_spectrogram() -> None:
    wave = (8_000 * np.sin(2 * np.pi * 3_000 * np.arange(RATE) / RATE)).astype(np.int16)
    picture = Pillow.open(io.BytesIO(spectrogram(wave, Frames(RATE, 200, 80, 40)))).convert("L")
    light = np.asarray(picture, float).mean(1)
    assert light.argmax() < len(light) / 4
    silent = Pillow.open(io.BytesIO(spectrogram(np.zeros(5, np.int16), Frames(RATE, 200, 80, 40))))
    assert silent.size == (1, 40)


def test_many_audio_rows_keep_the_report_small() -> None:
    picture = spectrogram(np.zeros(800, np.int16), Frames(RATE, 200, 80, 40))
    row = AudioRow(3, bytes(96_044), picture, 3.0, EVIL, EVIL, confidence=0.5)
    html = checked(base({"audio": (OutputExamples("pitch", (row,) * 200),)}))
    assert html.count("<audio") == pytest.approx(MAX_BYTES // row.num_bytes, abs=1)
    assert len(html) < 5_000_000
    assert "<script>alert" not in html


# -- attention -------------------------------------------------------------------------------------------------------

FRENCH = {"red": "rouge", "blue": "bleu", "green": "vert", "big": "grand", "small": "petit"}


def backwards(rows: int) -> pl.DataFrame:
    """Words and their translation in reverse order."""
    random = np.random.default_rng(0)
    drawn = [random.permutation(list(FRENCH))[: random.integers(2, 5)].tolist() for _ in range(rows)]
    french = [" ".join(FRENCH[w] for w in reversed(words)) for words in drawn]
    return pl.DataFrame({"en": [" ".join(words) for words in drawn], "fr": french})


def test_cross_attention_of_a_translated_word_is_on_its_source_word(tmp_path: Path) -> None:
    source = backwards(400)
    training = {"threads": 1, "steps": 200, "learning_rate": 0.005}
    network = {"trunk": "gru", "width": 48, "dropout": 0.0}
    kinds = {"en": "text", "fr": "text"}
    run = deepglass.train(
        source, "fr", out=tmp_path / "run", kinds=kinds, network=network, training=training, baselines=False
    )
    shown, hidden = reported(run, source)
    pairs = re.findall(r"(\w+) attends most to (\w+)", shown)
    assert len(pairs) > 20
    assert np.mean([FRENCH[read] == said for said, read in pairs]) > 0.6  # chance is about a third
    assert ">Attention<" not in hidden
    assert "looked at" not in hidden


@pytest.mark.parametrize("trunk", ["transformer", "gru"])
@pytest.mark.parametrize("unit", ["words", "characters", "pieces"])
def test_attention_shares_of_words_sum_to_one_for_any_tokenization(trunk: str, unit: str, tmp_path: Path) -> None:
    source = backwards(40)
    inputs = [{"name": "en", "kind": "text", "tokenization": unit}]
    network = {"trunk": trunk, "width": 16}
    out = tmp_path / "run"
    run = deepglass.train(source, "fr", out=out, inputs=inputs, kinds={"fr": "text"}, network=network, **QUICK)
    shown, _ = reported(run, source)
    matrices = re.findall(r'<svg class="attention-matrix".*?</svg>', shown, re.S)
    assert matrices
    for matrix in matrices:
        rows = matrix.count(" attends most to ")
        names = re.findall(r">([^<>]+)</text>", matrix)
        assert {"red", "blue", "green", "big", "small"}.issuperset(names[rows:])
        shares = [int(s) for s in re.findall(r": (\d+)\N{NO-BREAK SPACE}%", matrix)]
        assert sum(shares) == pytest.approx(100 * rows, abs=3 * len(names) * rows)


def test_caption_attention_is_drawn_on_the_image(tmp_path: Path) -> None:
    pictures = np.zeros((80, 32, 32), np.uint8)
    corner = np.arange(80) % 4
    for i, place in enumerate(corner):
        y, x = 20 * (place // 2), 20 * (place % 2)
        pictures[i, y : y + 8, x : x + 8] = 200 + i % 7
    words = [f"a spot {('above', 'below')[c // 2]} on the {('left', 'right')[c % 2]}" for c in corner]
    source = {"image": pictures, "caption": words}
    training = {"threads": 1, "steps": 60, "learning_rate": 0.003, "augment": False}
    kinds = {"caption": "text"}
    out, network = tmp_path / "run", {"trunk": "conv", "width": 8}
    run = deepglass.train(source, "caption", out=out, kinds=kinds, network=network, training=training, baselines=False)
    assert run.metrics["test"]["caption"]["accuracy"] > 0.7
    shown, hidden = reported(run, source)
    strips = re.findall(r'<div class="strip">.*?</div>', shown, re.S)
    assert strips
    assert all(s.count("preserveAspectRatio") == s.count('aria-label="attention for ') >= 1 for s in strips)
    assert 'class="strip"' not in hidden


def test_encoder_attention_of_a_transformer_is_shown(tmp_path: Path) -> None:
    source = backwards(60).select("en", label=pl.col("en").str.contains("red"))
    network = {"trunk": "transformer", "width": 16}
    for pool in ("mean", "last"):
        out = tmp_path / pool
        chosen = {**network, "pool": pool}
        run = deepglass.train(source, "label", out=out, kinds={"en": "text"}, network=chosen, **QUICK)
        shown, hidden = reported(run, source)
        texts = re.findall(r'<p class="attended-text">(.*?)</p>', shown)
        assert texts
        for text in texts:
            shares = [float(s) for s in re.findall(r'title="([\d.]+)', text)]
            assert sum(shares) == pytest.approx(100, abs=1)
        assert 'class="attended-text"' not in hidden


def test_attention_texts_are_escaped_and_odd_values_rendered() -> None:
    looked = DecoderAttention(1, (EVIL, "b"), (EVIL, "d"), ((0.0, 0.0), (float("nan"), 1.0)))
    read = EncoderAttention(2, ((EVIL, 0.0), ("w" * 500, 0.0)), 7, EVIL, "no", 0.5, True)
    html = checked(base({"attention": (OutputAttention("answer", (looked,), (read,)),)}))
    assert "<script>alert" not in html
    assert "nan" not in re.sub(r"<style>.*?</style>|<script[^>]*>.*?</script>", "", html, flags=re.S)
    assert "and 7 more words" in html


def test_the_longest_copied_passage_of_generated_texts_is_measured() -> None:
    corpus = "To be, or not to be, that is the question"
    assert longest_copy("xx or not to be, yes", corpus) == len(" or not to be, ")
    assert longest_copy("zzz", corpus) == 0
