"""Encodings, comments, rows of units, and labels separated by blanks."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import CASES, needs_cases

import deepglass
from deepglass.data.sources import read
from deepglass.data.table import Table
from deepglass.errors import UserError
from deepglass.features.base import infer_type
from deepglass.features.multilabel import Multilabel


def noted(table: Table, what: str) -> str:
    return next((note.value for note in table.notes if note.what == what), "")


@needs_cases
@pytest.mark.parametrize(
    ("name", "column", "values"),
    [
        ("gbk.csv", "城市", ["北京", "上海", "广州"]),
        ("sjis.csv", "都市", ["東京", "大阪", "ソニー表"]),
        ("one_bad_byte.csv", "city", ["München"]),
    ],
)
def test_encodings(name: str, column: str, values: list[str]) -> None:
    table = read(CASES / "31-more-text" / name)
    assert len(table) == 60
    assert set(table[column]) >= set(values)


WORDS = {
    "big5": ["臺北", "高雄", "臺中市場", "今天天氣很好"],
    "gbk": ["今天天气很好", "我们去市场", "价格不高", "鑫磊公司的产品"],
    "cp949": ["서울", "부산시장", "오늘은 날씨가 좋다", "가격이 높지 않다", "우리는 시장에 간다"],
    "euc_jp": ["こんにちは", "東京のソニー", "今日は天気がいい"],
    "cp932": ["こんにちは", "東京のソニー", "今日は天気がいい"],
    "cp1251": ["Москва", "Санкт-Петербург", "цена невысокая"],
    "koi8-r": ["Москва", "Санкт-Петербург", "цена невысокая"],
    "cp1252": ["München", "Zoë", "naïve café", "Łódź".replace("Ł", "L").replace("ź", "z"), "Ærø", "“quoted”", "5 €"],
    "cp1250": ["Łódź", "Kraków", "Gdańsk", "żółty"],
    "cp852": ["Plzeň", "Žďár", "Příbram", "kůň"],
    "cp1253": ["Αθήνα", "Πάτρα", "Βόλος"],
    "cp1254": ["İstanbul", "Iğdır", "Şırnak"],
    "cp850": ["Köln", "München", "Görlitz"],
    "mac_roman": ["Orléans", "Besançon", "l’été"],
    "cp866": ["Москва", "Тверь", "цена"],
}


@pytest.mark.parametrize("encoding", WORDS)
def test_further_encodings(tmp_path: Path, encoding: str) -> None:
    lines = [f"{word},{i}" for i, word in enumerate(WORDS[encoding] * 9)]
    (tmp_path / "a.csv").write_bytes("\n".join(["word,n", *lines]).encode(encoding))
    assert read(tmp_path / "a.csv")["word"].to_list() == WORDS[encoding] * 9


def test_a_few_wrong_bytes_of_utf8(tmp_path: Path) -> None:
    content = "word,n\n" + "".join(f"Straße nach Köln {i},{i}\n" for i in range(50))
    (tmp_path / "a.csv").write_bytes(content.encode() + b"Stra\xdfe,7\n" + b"K\xf6ln,8\n")
    table = read(tmp_path / "a.csv")
    assert table["word"][-2:].to_list() == ["Straße", "Köln"]
    assert "2 single bytes" in next(note.why for note in table.notes if note.what == "encoding")


@needs_cases
def test_comments_and_units_above_the_data() -> None:
    table = read(CASES / "04-headers" / "comment.csv")
    assert (table.names, len(table), noted(table, "preamble")) == (["a", "b"], 30, "2 lines")
    table = read(CASES / "04-headers" / "units.csv")
    assert (table.names, len(table), noted(table, "units")) == (["time", "speed", "torque"], 40, "[s], [km/h], [Nm]")
    assert [str(table[name].dtype) for name in table.names] == ["Int64", "Float64", "Int64"]


@pytest.mark.parametrize(
    ("text", "names", "rows"),
    [
        ("# by tool, 2024\n# more\na,b\n1,2\n3,4\n", ["a", "b"], 2),
        ("#a,b\n1,2\n3,4\n", ["a", "b"], 2),
        ("% one, two\n%a,b\n1,2\n3,4\n", ["a", "b"], 2),
        ("// made by X, Y\na,b\n1,2\n3,4\n", ["a", "b"], 2),
        ("# only words\n1,2\n3,4\n5,6\n", ["column_1", "column_2"], 3),
        ("t,v\ns,m/s\n1,2\n3,4\n5,6\n", ["t", "v"], 3),
        ("t,name\n(s),\n1,a\n3,b\n5,c\n", ["t", "name"], 3),
        ("size,name\nbig,x\n1,a\n3,b\n5,c\n", ["size", "name"], 4),  # one word may be a value
        ("Operator;Ann\nStation;4\n\nt;u;i\n(s);(V);(A)\n" + "1;2;3\n" * 12, ["t", "u", "i"], 12),
        ("! buoy\n! m, s\nt,h,p\n1,2,3\n3,4,5\n5,6,7\n", ["t", "h", "p"], 3),
    ],
)
def test_further_comments_and_units(tmp_path: Path, text: str, names: list[str], rows: int) -> None:
    (tmp_path / "a.csv").write_text(text)
    table = read(tmp_path / "a.csv")
    assert (table.names, len(table)) == (names, rows)


@needs_cases
def test_labels_between_blanks() -> None:
    raw = read(CASES / "31-more-text" / "planet.csv")["tags"]
    assert infer_type(raw, "tags")[0] == "multilabel"
    labels = Multilabel(name="tags").fit([raw])
    assert set(labels.vocabulary_) == {word for text in raw for word in text.split()}


def test_two_words_are_no_labels(tmp_path: Path) -> None:
    cities = ["New York", "Los Angeles", "Rome", "San Francisco", "Oslo", "San Diego"] * 30
    sentences = [f"the film {i} was good and the end of part {i % 11} too" for i in range(180)]
    lines = [f"{city},{sentence}" for city, sentence in zip(cities, sentences, strict=True)]
    (tmp_path / "a.csv").write_text("\n".join(["city,review", *lines]))
    table = read(tmp_path / "a.csv")
    assert [infer_type(table[name], name)[0] for name in table.names] == ["category", "text"]
    assert Multilabel(name="city").fit([table["city"]]).class_names[0] in cities


def test_a_text_without_a_target_is_told_what_it_can_be_trained_for(tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_text("".join(f"line {i} of the words of a book\n" for i in range(40)))
    with pytest.raises(UserError, match=r"--target.*text.*--objective next_token.*cbow"):
        deepglass.train(tmp_path / "book.txt", out=tmp_path / "run", steps=1)
