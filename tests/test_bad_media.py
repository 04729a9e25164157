"""Damaged or huge texts and audio files: named with file and row, counted, and read in bounded memory."""

from __future__ import annotations

import tracemalloc
import wave
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile
from conftest import Command, CommandResult

from deepglass.features.text import Text

RATE = 8_000
MEGABYTE = 1_000_000


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def refused(said: CommandResult, code: str, *names: str) -> None:
    assert said.code == 2, said
    error = said.err.splitlines()[-1]
    assert error.startswith(f"error: [{code}]"), said.err
    assert all(name in error for name in names), error
    assert not Path("run").exists(), "nothing was trained, so there is no run"


def plain(said: CommandResult) -> str:
    """The output of a command without line breaks."""
    assert said.code == 0, said.err
    return " ".join(said.err.split())


# -- texts -----------------------------------------------------------------------------------------------------------


def reviews(path: str, *more: bytes, rows: int = 40) -> None:
    lines = [b"good and fine,yes" if i % 2 else b"bad and dull,no" for i in range(rows)]
    Path(path).write_bytes(b"\n".join([b"text,label", *lines, *more]) + b"\n")


@pytest.mark.parametrize("network", ["bag", "gru"])
def test_empty_and_huge_texts(command: Command, network: str) -> None:
    long = b"very good " * MEGABYTE
    reviews("a.csv", b",yes", b'"' + long + b'",no')
    words = ["--kind", "text=text", "--target", "label", "--network", network, "--steps", 1, "--out", "run"]
    assert "text: text longer than 1,000 words, truncated: 1" in plain(command("train", "a.csv", *words))
    said = command("predict", "run", "a.csv", "--json")
    assert said.code == 0, said.err
    assert said.out.count('"confidence"') == 42, "an empty and a huge text are answered as well"


@pytest.mark.parametrize("unit", ["ngrams", "words", "pieces", "characters", "bytes"])
def test_huge_texts_are_truncated(unit: str) -> None:
    feature = Text(name="t", tokenization=unit).fit([pl.Series(["good", "very good"])])  # type: ignore[arg-type]
    texts = pl.Series(["very good " * MEGABYTE, "", None])
    tracemalloc.start()
    column = feature.encode(texts)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert column.values.nbytes < 50_000
    assert most < 400 * MEGABYTE, "the text itself is 10 MB"
    assert column.offsets is not None
    assert np.diff(column.offsets).tolist()[1:] == [0, 0]


@pytest.mark.parametrize(
    ("text", "encoding"), [("größer,ja", "cp1252"), ("größer,ja", "utf-16"), ("größer,ja", "utf-8-sig")]
)
def test_encodings_are_recognised(command: Command, text: str, encoding: str) -> None:
    content = "text,label\n" + "".join(f"{text}\nkleiner als {i},nein\n" for i in range(30))
    Path("a.csv").write_bytes(content.encode(encoding))
    words = ["--kind", "text=text", "--target", "label", "--steps", 1, "--out", "run"]
    assert command("train", "a.csv", *words).code == 0
    assert "größer" in Path("run/features.json").read_text("utf-8")


def test_binary_files_are_rejected_as_text(command: Command) -> None:
    Path("a.txt").write_bytes(b"\x00\x01\x02abc" * 50)
    refused(command("train", "a.txt", "--objective", "next_token", "--out", "run"), "unreadable-file", "a.txt")


def test_parallel_files_of_unequal_length(command: Command) -> None:
    Path("pairs").mkdir()
    Path("pairs/train.en").write_text("one\n" * 40)
    Path("pairs/train.fr").write_text("un\n" * 39)
    said = command("train", "pairs", "--target", "fr", "--out", "run")
    refused(said, "mismatched-files", "train.en has 40 lines", "train.fr 39")


def sentence(*words: tuple[str, str]) -> str:
    lines = (f"{i}\t{word}\t{word}\t{tag}\t_\t_\t0\troot\t_\t_\n" for i, (word, tag) in enumerate(words, 1))
    return "".join(lines) + "\n"


def test_a_malformed_line_and_a_tag_in_test_only(command: Command) -> None:
    Path("bank").mkdir()
    good = sentence(("the", "DET"), ("dog", "NOUN"))
    for part in ("train", "dev"):
        Path(f"bank/x-ud-{part}.conllu").write_text(good * 20 + "1\tbroken\tline\n\n" + good)
    Path("bank/x-ud-test.conllu").write_text(good * 5 + sentence(("oh", "INTJ"), ("dog", "NOUN")))
    said = plain(command("train", "bank", "--steps", 1, "--out", "run", "network.width=8"))
    assert "x-ud-train.conllu: line 61" in said
    assert "x-ud-dev.conllu: line 61 (3 cells instead of 10" in said
    assert "tags: unseen tag: 1" in said


# -- audio -----------------------------------------------------------------------------------------------------------


def tone(seconds: float = 0.2, hertz: float = 440.0) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * RATE)) / RATE)


def recordings(folder: str = "sounds", each: int = 10) -> None:
    for label, hertz in (("low", 200.0), ("high", 900.0)):
        Path(folder, label).mkdir(parents=True)
        for i in range(each):
            soundfile.write(f"{folder}/{label}/{i}.wav", tone(hertz=hertz + i), RATE)


def an_hour(path: str) -> None:
    """One hour at 8 bits and 8,000 samples per second."""
    with wave.open(path, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(RATE)
        for _ in range(60):
            file.writeframes(bytes([120, 136]) * (30 * RATE))


def test_damaged_long_and_many_audio_files(command: Command) -> None:
    recordings()
    soundfile.write("sounds/low/none.wav", np.zeros(0), RATE)
    soundfile.write("sounds/low/many.wav", np.stack([tone()] * 8, 1), RATE)
    an_hour("sounds/high/hour.wav")
    whole = Path("sounds/high/0.wav").read_bytes()
    Path("sounds/high/cut.wav").write_bytes(whole[: len(whole) // 2])
    tracemalloc.start()
    said = plain(command("train", "sounds", "--steps", 1, "--out", "run", "network.width=8"))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "low/none.wav (is empty: 0 samples)" in said
    assert "high/cut.wav (is truncated: expected 3,200 bytes" in said
    assert "audio: audio longer than 30 seconds, truncated: 1" in said
    assert "22 rows" in said, "eight channels and an hour are heard"
    assert most < 60 * MEGABYTE, "the hour alone is 115 MB as numbers"
    for name, what in (("low/none.wav", "0 samples"), ("high/cut.wav", "is truncated")):
        answer = command("predict", "run", f"sounds/{name}")
        assert answer.code == 2
        assert "[unreadable-file]" in answer.err
        assert name.rpartition("/")[2] in answer.err
        assert what in " ".join(answer.err.split())


# -- tables with paths of audio files --------------------------------------------------------------------------------


@pytest.mark.parametrize("folder", ["", "../", "C:\\recorder\\"])
def test_a_table_of_audio_paths(command: Command, folder: str) -> None:
    recordings()
    rows = [f"{folder}sounds/{label}/{i}.wav,{label}" for label in ("low", "high") for i in range(10)]
    table = Path("tables/all.csv") if folder == "../" else Path("all.csv")
    table.parent.mkdir(exist_ok=True)
    table.write_text("\n".join(["clip,pitch", *rows]) + "\n")
    said = command("inspect", table, "--json")
    assert '"kind": "audio"' in said.out
    said = command("train", table, "--target", "pitch", "--steps", 1, "--out", "run", "network.width=8")
    assert said.code == 0, said.err
    one = Path("one.csv")
    one.write_text("clip\nsounds/low/1.wav\nsounds/high/2.wav\n")
    answers = command("predict", "run", one, "--json")
    assert answers.code == 0, answers.err
    assert answers.out.count('"confidence"') == 2


def test_a_path_to_a_non_audio_file_is_named(command: Command) -> None:
    recordings()
    rows = [f"sounds/{label}/{i}.wav,{label}" for label in ("low", "high") for i in range(11)]
    Path("all.csv").write_text("\n".join(["clip,pitch", *rows]) + "\n")
    said = plain(command("train", "all.csv", "--target", "pitch", "--steps", 1, "--out", "run", "network.width=8"))
    assert "sounds/low/10.wav (there is no such file)" in said
    assert "20 rows" in said
