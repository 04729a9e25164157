"""Sentences with their tags, parallel texts, plain texts, captions and recordings as tables."""

from __future__ import annotations

import gzip
import json
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from deepglass.data.sources import SourceOptions, read
from deepglass.data.table import Table
from deepglass.errors import SourceError
from deepglass.prepare.columns import infer_columns
from deepglass.prepare.rows import assign_split, choose_split
from deepglass.spec.data_spec import DataSpec
from deepglass.spec.spec import FeatureSpec, Spec


def write(path: Path, text: str | bytes, encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    raw = text if isinstance(text, bytes) else text.encode(encoding)
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)
    return path


def noted(table: Table, what: str) -> str:
    return next((note.value for note in table.notes if note.what == what), "")


def parts(table: Table) -> dict[str, int]:
    return {} if table.split is None else {part: int((table.split == part).sum()) for part in np.unique(table.split)}


def refused(code: str, source: object) -> str:
    with pytest.raises(SourceError) as error:
        read(source)
    assert error.value.code == code, error.value
    return str(error.value)


# -- CoNLL-U -----------------------------------------------------------------------------------------------------


def word(number: str, form: str, tag: str, xpos: str = "_") -> str:
    return f"{number}\t{form}\t{form.lower()}\t{tag}\t{xpos}\t_\t0\troot\t_\t_\n"


SENTENCES = (
    "# text = Don't go\n"
    + word("1-2", "Don't", "_")
    + word("1", "Do", "AUX", "VBP")
    + word("2", "n't", "PART", "RB")
    + word("2.1", "you", "PRON", "PRP")
    + word("3", "go", "VERB", "VB")
    + "\n"
    + word("1", "_", "SYM")
    + word("2", "Yes", "INTJ")
)


@pytest.mark.parametrize("name", ["a.conllu", "a.conllu.gz"])
def test_sentences_with_tags(tmp_path: Path, name: str) -> None:
    table = read(write(tmp_path / name, SENTENCES))
    assert table["words"].to_list() == [["Do", "n't", "go"], ["_", "Yes"]]
    assert table["tags"].to_list() == [["AUX", "PART", "VERB"], ["SYM", "INTJ"]]
    assert table["xpos"].to_list() == [["VBP", "RB", "VB"], None]
    assert table["lemmas"].to_list() == [["do", "n't", "go"], ["_", "yes"]]
    assert (table.target, table.kinds["words"], table.kinds["tags"]) == ("tags", "text", "tags")
    assert {"tags", "xpos", "lemmas"} <= set(table.excluded), "they would give the answer away"


def test_lists_of_equal_lengths_are_words_and_tags(tmp_path: Path) -> None:
    words = [["Ada", "met", "Bob"], ["rain"], ["it", "rained"], ["he", "met", "a", "cat"]] * 5
    rows = [{"ner": ["O"] * len(w), "tokens": [*w[:-1], f"{w[-1]}{i}"], "id": i} for i, w in enumerate(words)]
    lines = [json.dumps(row) for row in rows]
    table = read(write(tmp_path / "ner.jsonl", "\n".join(lines)))
    assert (table.target, table.kinds, table.excluded) == ("ner", {"tokens": "text", "ner": "tags"}, ("ner",))
    rows[3]["ner"] = ["O"]
    table = read(write(tmp_path / "sets.jsonl", "\n".join(map(json.dumps, rows))))
    assert (table.target, table.kinds) == (None, {}), "one row of other lengths: they are not in line"


def test_a_malformed_line_drops_its_sentence(tmp_path: Path) -> None:
    cut = SENTENCES + "\n" + word("1", "A", "DET") + "2\tbroken\tline\n" + word("3", "x", "X") + "\n" + SENTENCES
    joined = cut + "\n" + word("1", "One", "NUM") + word("1", "Two", "NUM") + "\n" + word("x", "y", "X")
    table = read(write(tmp_path / "a.conllu", joined))
    assert len(table) == 4
    assert [s.name for s in table.skipped] == ["line 12", "line 26", "line 28"]
    assert "3 cells instead of 10" in table.skipped[0].reason
    assert "expected word 2, got '1'" in table.skipped[1].reason
    assert "line 1: 2 cells" in refused("unreadable-file", write(tmp_path / "b.conllu", "no\tsentence\n"))
    refused("empty-source", write(tmp_path / "c.conllu", ""))


def test_a_treebank_defines_its_split(tmp_path: Path) -> None:
    for part in ("train", "dev", "test"):
        write(tmp_path / f"x-ud-{part}.conllu.gz", SENTENCES + "\n1\tx\n")
    table = read(tmp_path)
    assert parts(table) == {"train": 2, "valid": 2, "test": 2}
    assert table.skipped[1].name == "x-ud-dev.conllu.gz: line 11"


# -- parallel text -----------------------------------------------------------------------------------------------


def test_parallel_texts(tmp_path: Path) -> None:
    for stem in ("train", "val", "test_2016_flickr"):
        write(tmp_path / f"{stem}.en.gz", f"a {stem}\n\nIt said:\u2028yes\n")
        write(tmp_path / f"{stem}.fr.gz", f"un {stem}\r\ndeux\r\ntrois")
    write(tmp_path / "README.txt", "about this\n")
    table = read(tmp_path)
    assert (table.names, dict(table.kinds)) == (["en", "fr"], {"en": "text", "fr": "text"})
    assert table["en"].to_list()[:3] == ["a train", None, "It said:\u2028yes"]
    assert table["fr"].to_list()[-3:] == ["un test_2016_flickr", "deux", "trois"]
    assert parts(table) == {"train": 3, "valid": 3, "test": 3}
    assert read(tmp_path, columns=["source", "answer"]).names == ["source", "answer"]


def test_parallel_texts_without_split_and_with_empty_lines(tmp_path: Path) -> None:
    write(tmp_path / "corpus.en", "one\ntwo\n")
    write(tmp_path / "corpus.de", "größer\nzwei\n", "cp1252")
    table = read(tmp_path)
    assert (table["de"].to_list(), table.split) == (["größer", "zwei"], None)
    for name in ("train.en", "train.de", "train.fr", "test.en", "test.de"):
        write(tmp_path / name, "x\n")
    table = read(tmp_path)
    assert table["fr"].to_list() == ["x", None]
    assert table.skipped[0].name == "corpus.*"


def test_parallel_texts_of_unequal_length(tmp_path: Path) -> None:
    write(tmp_path / "train.en", "one\ntwo\n")
    write(tmp_path / "train.fr", "un\n")
    assert "train.en has 2 lines, train.fr 1" in refused("mismatched-files", tmp_path)


# -- plain text --------------------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pieces=st.lists(
        st.sampled_from(["a", "word ", "é, ", '"', "\n", "\n\n", "  ", "\t\n", "x" * 1200, "long words " * 150]),
        max_size=12,
    )
)
@example(pieces=["\t\n"] * 5 + ['"', "\n", "a"])
def test_rows_of_a_plain_text_are_the_text(tmp_path: Path, pieces: list[str]) -> None:
    text = "An opening of words without a table\n" + "".join(pieces)
    try:
        table = read(write(tmp_path / "any.txt", text))
    except SourceError as error:  # tabs alone in the other lines make it a table's head
        if error.code != "no-rows":
            raise
        return
    if table.names == ["text"]:
        rows = table["text"].to_list()
        assert "".join(rows) == text
        assert all(row.strip() and max(map(len, row.split("\n"))) <= 1_010 for row in rows)


def test_plain_texts_and_other_txt_files(tmp_path: Path) -> None:
    text = "\n\nOnce upon,\n\n  a time\nNA\nthere was"
    for name in ("a.txt", "b.txt.gz"):
        table = read(write(tmp_path / name, text))
        assert table["text"].to_list() == ["\n\nOnce upon,\n\n", "  a time\n", "NA\n", "there was"]
        assert dict(table.kinds) == {"text": "text"}
    wide = read(write(tmp_path / "line.txt", "some words " * 20_000))["text"]
    assert wide.str.len_chars().max() <= 1_000
    assert wide.str.ends_with(" ").all(), "it is cut at spaces"
    assert read(write(tmp_path / "old.txt", "Zoë was here\nand là\n", "cp1252"))["text"][0] == "Zoë was here\n"
    assert read(write(tmp_path / "numbers.txt", "1\n2\n3\n"))["column_1"].to_list() == [1, 2, 3]
    names = write(tmp_path / "names.txt", "Ann Lee\nBob Ray\n")
    assert read(names, columns=["name"])["name"].to_list() == ["Ann Lee", "Bob Ray"]
    assert read(names, options=SourceOptions(header=True))["Ann Lee"].to_list() == ["Bob Ray"]
    assert read(write(tmp_path / "names.csv", "name\nAnn Lee\nBob Ray\n"))["name"].to_list() == ["Ann Lee", "Bob Ray"]
    refused("empty-source", write(tmp_path / "blank.txt", " \n\n"))
    refused("unreadable-file", write(tmp_path / "zero.txt", b"\x00\x01\x02abc" * 50))


def test_a_folder_of_texts(tmp_path: Path) -> None:
    write(tmp_path / "b.txt", "second text\n")
    write(tmp_path / "a.txt", "first text\nof two lines\n")
    write(tmp_path / "more" / "c.txt", "third\n")
    table = read(tmp_path)
    assert table["document"].to_list() == ["a.txt", "a.txt", "b.txt"]
    assert "".join(table["text"]) == "first text\nof two lines\nsecond text\n"
    assert table.excluded == ("document",)
    assert [(s.name, "1 more texts" in s.reason) for s in table.skipped] == [("more/", True)]
    write(tmp_path / "b.txt", "1,2\n3,4\n")
    refused("mismatched-files", tmp_path)


def test_texts_with_split_files(tmp_path: Path) -> None:
    for part in ("train", "valid", "test"):
        write(tmp_path / f"{part}.txt", f"a text to {part}\n")
    table = read(tmp_path)
    assert (table.names, parts(table)) == (["text"], {"train": 1, "valid": 1, "test": 1})


def test_long_and_empty_texts_in_cells(tmp_path: Path) -> None:
    long = "many words, " * 900_000
    write(tmp_path / "a.csv", f'text,label\n"{long}",a\n,b\n" ",a\nshort,b\n')
    start = time.process_time()
    table = read(tmp_path / "a.csv")
    assert time.process_time() - start < 5
    assert table["text"].to_list() == [long, None, None, "short"]
    assert table["label"].to_list() == ["a", "b", "a", "b"]


# -- captions and recordings -------------------------------------------------------------------------------------


def pictures_with_captions(folder: Path, parts_of: dict[str, int]) -> None:
    lines = ["split,image,caption"]
    for part, count in parts_of.items():
        for i in range(count):
            (folder / "Images").mkdir(parents=True, exist_ok=True)
            Image.new("L", (4, 4), i).save(folder / "Images" / f"{part}{i}.png")
            lines += [f"{part},{part}{i}.png,a dog number {j} runs ." for j in range(2)]
    write(folder / "captions.csv", "\n".join(lines) + "\n")


def test_captions(tmp_path: Path) -> None:
    pictures_with_captions(tmp_path, {"train": 12, "dev": 3})
    write(tmp_path / "All.token.txt", "train0.png#0\ta dog\ntrain0.png#1\ta cat\n")
    for table in (read(tmp_path), read(tmp_path / "captions.csv")):
        assert (table.target, dict(table.kinds)) == ("caption", {"image": "image", "caption": "text"})
        assert parts(table) == {"train": 20, "valid": 4, "test": 6}
        part_of = {(m.name, p) for m, p in zip(table["image"], table.split, strict=True)}
        assert len(part_of) == 15, "an image's captions are in one part"
        assert noted(table, "captions") == "All.token.txt is not read"


def test_captions_keep_their_split(tmp_path: Path) -> None:
    pictures_with_captions(tmp_path, {"train": 2, "dev": 1, "test": 1})
    assert parts(read(tmp_path)) == {"train": 4, "valid": 2, "test": 2}


def test_a_random_split_keeps_captions_of_an_image_together(tmp_path: Path) -> None:
    pictures_with_captions(tmp_path, {"train": 20})
    lines = (tmp_path / "captions.csv").read_text().replace("train,", "").replace("split,", "")
    (tmp_path / "captions.csv").unlink()
    write(tmp_path / "captions.txt", lines)
    table, spec = read(tmp_path), Spec(data=DataSpec(source="t"))
    outputs = infer_columns(table, spec)[2]
    split = assign_split(choose_split(spec, table, outputs), table, outputs)
    part_of = {(m.name, p) for m, p in zip(table["image"], split, strict=True)}
    assert len(part_of) == 20
    assert {p for _, p in part_of} == {"train", "valid", "test"}


def test_numeric_image_names_are_not_numbers(tmp_path: Path) -> None:
    for i in range(3):
        Image.new("L", (4, 4), i).save(tmp_path / f"{i}.png")
    table = read(write(tmp_path / "list.csv", "image,size\n0.png,1\n1.png,2\n2.png,3\n"))
    assert table.kinds["image"] == "image"
    assert "numbers" not in {note.what for note in table.notes}


def test_a_caption_column_without_images_is_a_column(tmp_path: Path) -> None:
    assert read(write(tmp_path / "a.csv", "caption,size\na dog,1\na cat,2\n")).target is None


def test_recordings_with_labels_in_their_names(tmp_path: Path) -> None:
    for name in ("3_ann_0", "7_bob_1", "3_bob_0"):
        write(tmp_path / "recordings" / f"{name}.wav", b"RIFF")
    table = read(tmp_path, filename_pattern="{digit}_{speaker}_{take}")
    assert (table.names, dict(table.kinds)) == (["audio", "digit", "speaker", "take"], {"audio": "audio"})
    assert table.excluded == ("digit", "speaker", "take")


def test_excluded_columns_are_inputs_only_on_request() -> None:
    table = Table({n: pl.Series(n, list("abcb")) for n in ("x", "y", "z")}, target="y", excluded=("y", "z"))
    answers = {"x": "input", "y": "output", "z": "ignored"}
    assert {t.name: t.role for t in infer_columns(table, Spec(data=DataSpec(source="t")))[0]} == answers
    asked = Spec(data=DataSpec(source="t"), inputs=(FeatureSpec("z"),), outputs=(FeatureSpec("x"),))
    assert {t.name: t.role for t in infer_columns(table, asked)[0]} == {"x": "output", "z": "input"}


TAGS = ("tags", "xpos", "lemmas")


# -- the real sets -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "columns", "rows", "split"),
    [
        ("ud_english_ewt", ["words", *TAGS], 16_622, {"train": 12_544, "valid": 2_001, "test": 2_077}),
        ("multi30k", ["de", "en", "fr"], 31_014, {"train": 29_000, "valid": 1_014, "test": 1_000}),
        ("flickr8k", ["image", "caption"], 7_500, {"train": 5_400, "valid": 600, "test": 1_500}),
        ("tiny_shakespeare", ["text"], 32_777, {}),
    ],
)
def test_real_sets(data_root: Path, name: str, columns: list[str], rows: int, split: dict[str, int]) -> None:
    table = read(f"data:{name}", data_root=data_root)
    assert (table.names, len(table), parts(table)) == (columns, rows, split)


def test_a_real_text_round_trips(data_root: Path) -> None:
    for name in ("tiny_shakespeare/input.txt", "english_text/text8_prefix.txt", "english_text/gutenberg/dracula.txt"):
        assert "".join(read(data_root / name)["text"]) == (data_root / name).read_text("utf-8")
