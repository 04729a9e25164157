"""Sources: files, folders and Python objects become a table or an error with file and reason."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from deepglass.data.sources import SourceOptions, read
from deepglass.data.table import Table
from deepglass.errors import SourceError
from deepglass.limits import limits_changed
from deepglass.parsing import MISSING


def write(path: Path, text: str | bytes, encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return path


def rows(table: Table) -> list[dict[str, object]]:
    return [table.row(i) for i in range(len(table))]


def noted(table: Table, what: str) -> str:
    return next((note.value for note in table.notes if note.what == what), "")


def refused(code: str, source: object, **given: object) -> str:
    with pytest.raises(SourceError) as error:
        read(source, **given)
    assert error.value.code == code, error.value
    return str(error.value)


# -- text tables -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_delimiters_and_encodings(tmp_path: Path, delimiter: str, encoding: str) -> None:
    lines = [["name", "size", "price"], ["Zoë", "1", "2.5"], ["Müller; Co, |", "2", "3"], ["x", "", "4.25"]]
    text = "\n".join(delimiter.join(f'"{c}"' if delimiter in c else c for c in line) for line in lines)
    table = read(write(tmp_path / "a.csv", text + "\n", encoding))
    assert table.names == ["name", "size", "price"]
    assert table["name"].to_list() == ["Zoë", "Müller; Co, |", "x"]
    assert table["size"].to_list() == [1, 2, None]
    assert table["price"].to_list() == [2.5, 3.0, 4.25]


cells = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=8).map(str.strip)
words = cells.filter(
    lambda s: s not in MISSING and not any(c.isdigit() for c in s) and s.lower() not in ("true", "false")
)
words = words.filter(lambda s: s.lower() not in ("inf", "infinity", "-inf", "+inf", "split", "subset"))


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(st.one_of(st.none(), words, st.just('a "b", c'), st.just("two\nlines")), min_size=2, max_size=30),
    seed=st.integers(0, 99),
    delimiter=st.sampled_from(",;\t|"),
    crlf=st.booleans(),
)
def test_any_frame_round_trips(tmp_path: Path, texts: list[str | None], seed: int, delimiter: str, crlf: bool) -> None:
    rng = np.random.default_rng(seed)
    n = len(texts)
    frame = pl.DataFrame(
        {
            "number": rng.normal(size=n).round(3),
            "whole": rng.integers(-5, 10**12, n),
            "some text": pl.Series(texts, dtype=pl.String),
            "flag": rng.integers(0, 2, n).astype(bool),
            "gaps": pl.Series(
                [None if rng.random() < 0.3 else float(v) for v in rng.integers(0, 9, n)], dtype=pl.Float64
            ),
        }
    )
    path = tmp_path / f"{seed}.csv"
    frame.write_csv(path, separator=delimiter, line_terminator="\r\n" if crlf else "\n")
    table = read(path)
    assert table.names == frame.columns
    for name in ("number", "whole", "flag", "some text"):
        assert table[name].to_list() == frame[name].to_list(), name
    assert table["gaps"].cast(pl.Float64).to_list() == frame["gaps"].to_list()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(st.sampled_from(list("abé12,,;;\t|\"'\n\n\r .-+?#\\/:{}[]\0")), max_size=80),
    encoding=st.sampled_from(["utf-8", "latin-1", "utf-16"]),
    ending=st.sampled_from(["csv", "txt", "json", "jsonl"]),
)
def test_any_text_is_a_table_or_an_error(tmp_path: Path, text: str, encoding: str, ending: str) -> None:
    path = write(tmp_path / f"any.{ending}", text, encoding)
    try:
        table = read(path)
    except SourceError:
        return
    assert len(table) > 0
    assert all(len(table[name]) == len(table) for name in table.names)


def test_no_header_spaces_markers_and_an_empty_last_line(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "39, State-gov, 77516, <=50K\n50, ?, 83311, >50K\n38, Private, 215646, <=50K\n\n")
    table = read(path)
    assert table.names == ["column_1", "column_2", "column_3", "column_4"]
    assert table["column_2"].to_list() == ["State-gov", None, "Private"]
    assert table["column_3"].dtype == pl.Int64
    assert (noted(table, "header"), noted(table, "missing")) == ("none", "'?'")
    assert read(path, columns=["age", "work", "weight", "income"]).names == ["age", "work", "weight", "income"]
    assert "--columns: expected 4 names" in refused("bad-value", path, columns=["a", "b"])


def test_spaces_before_quotes(tmp_path: Path) -> None:
    table = read(write(tmp_path / "a.csv", 'a, b, c\n1, "x, y", 2\n3, "z", 4\n5, u, 6\n'))
    assert rows(table)[0] == {"a": 1, "b": "x, y", "c": 2}


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("a,b\n1,2\n", True),
        ("1,2\n3,4\n", False),
        ("name,city\nAnn,Rome\nBob,Oslo\nCid,Rome\n", True),
        ("red,big\nblue,small\nred,small\nblue,big\n", False),
        ("country,1990,1991,1992\nA,5,6,7\nB,7,8,9.5\n", True),
        ("0,1,2,3\n.5,.2,.1,7\n.1,.3,.4,9\n", True),
        (",x\n0,3\n1,4\n", True),
        ("date,v\n2020-01-01,a\n2020-01-02,b\n", True),
        ("2020-01-01,a\n2020-01-02,b\n", False),
    ],
)
def test_header_or_none(tmp_path: Path, text: str, header: bool) -> None:
    table = read(write(tmp_path / "a.csv", text))
    assert len(table) == text.count("\n") - header
    assert (noted(table, "header") == "the first line") == header
    assert read(tmp_path / "a.csv", options=SourceOptions(header=False)).names[0] == "column_1"


def test_preambles_and_formats_of_other_programs(tmp_path: Path) -> None:
    assert read(write(tmp_path / "a.csv", "# made by x\n\na,b,c\n1,2,3\n")).names == ["a", "b", "c"]
    assert read(write(tmp_path / "b.csv", "Sales of 2020\na,b,c\n1,2,3\n4,5,6\n")).names == ["a", "b", "c"]
    assert read(write(tmp_path / "c.csv", "sep=;\na;b\n1,5;2\n")).names == ["a", "b"]
    assert rows(read(write(tmp_path / "d.csv", "a,b,\n1,2,\n3,4,\n"))) == [{"a": 1, "b": 2}, {"a": 3, "b": 4}]
    r = read(write(tmp_path / "r.csv", "mpg,cyl\nMazda,21.5,6\nFiat,32,4\n"))
    assert rows(r)[1] == {"column_1": "Fiat", "mpg": 32.0, "cyl": 4}
    spaces = read(write(tmp_path / "e.txt", " 1.5   2  3\n 2.5  10  4\n11.5   7  5\n"))
    assert spaces["column_1"].to_list() == [1.5, 2.5, 11.5]
    assert read(write(tmp_path / "f.csv", "a,b\r1,2\r3,4\r"))["b"].to_list() == [2, 4]
    assert read(write(tmp_path / "g.csv", "a,b\n1,'x, y'\n2,'z, u'\n3,'v, w'\n4,'k, l'\n"))["b"][0] == "x, y"
    assert read(write(tmp_path / "h.csv", 'a,b\n1,"say \\"x\\", y"\n2,"z"\n'))["b"][0] == 'say "x", y'


def test_formats_of_numbers_and_dates_are_noted(tmp_path: Path) -> None:
    text = "price;when;zip;share\n1.234,50;31.12.2020;00501;12 %\n7,25;1.2.2021;10001;7 %\n"
    table = read(write(tmp_path / "a.csv", text))
    assert table["price"].to_list() == [1234.5, 7.25]
    assert all(table[name].dtype == pl.String for name in ("when", "zip", "share"))
    notes = {(note.what, note.value.split(":")[0]) for note in table.notes}
    assert {("numbers", "price"), ("dates", "when"), ("text", "zip"), ("numbers", "share")} <= notes


def test_types_that_change_late_in_a_file(tmp_path: Path) -> None:
    body = [f"{i},{i},,x" for i in range(12_000)] + ["odd,1.5,7,y", "3,2,99999999999999999999,z"]
    table = read(write(tmp_path / "a.csv", "mixed,floats,late,text\n" + "\n".join(body) + "\n"))
    assert table["mixed"].dtype == pl.String
    assert "1 values are not, such as 'odd'" in next(note.why for note in table.notes if note.what == "mixed")
    assert table["floats"].dtype == pl.Float64
    assert table["late"].null_count() == 12_000


def test_nan_inf_and_named_missing_values(tmp_path: Path) -> None:
    table = read(
        write(tmp_path / "a.csv", "a,b,c\n1.5,inf,-999\nnan,-inf,3\nNaN,2,4\n"),
        options=SourceOptions(missing=("-999",)),
    )
    assert table["a"].to_list() == [1.5, None, None]
    assert table["b"].to_list() == [float("inf"), float("-inf"), 2.0]
    assert table["c"].to_list() == [None, 3, 4]


def test_ragged_rows(tmp_path: Path) -> None:
    few = ["a,b"] + [f"{i},{i}" for i in range(300)]
    few[200] = "1,2,3"
    table = read(write(tmp_path / "few.csv", "\n".join(few)))
    assert (len(table), table.skipped[0].name) == (299, "line 201")
    message = refused("unreadable-file", write(tmp_path / "many.csv", "a,b\n1,2\n3\n4,5,6\n7,8\n"))
    assert "many.csv, line 3: 1 cells, expected 2" in message


def test_a_single_column(tmp_path: Path) -> None:
    table = read(write(tmp_path / "a.csv", "size\n1\n\n3\n\n"))
    assert table["size"].to_list() == [1, None, 3]
    assert len(read(write(tmp_path / "long.txt", "word " * 100_000))) == 500, "a row holds a thousand characters"
    prose = read(write(tmp_path / "a.txt", "Once, there was\na line; and, another, one\nand a third\n"))
    assert prose["text"].to_list() == ["Once, there was\n", "a line; and, another, one\n", "and a third\n"]


def test_compressed_files_and_unicode_names(tmp_path: Path) -> None:
    path = tmp_path / "größe [1]*.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n1,x\n2,y\n"))
    assert rows(read(path)) == [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]
    assert read(write(tmp_path / "数 [x].csv", "größe,名\n1,x\n2,y\n")).names == ["größe", "名"]


def test_a_column_called_split_is_the_split(tmp_path: Path) -> None:
    table = read(write(tmp_path / "a.csv", "split,x\ntrain,1\ndev,2\ntest,3\n"))
    assert (table.names, list(table.split)) == (["x"], ["train", "valid", "test"])


def test_unreadable_text_tables(tmp_path: Path) -> None:
    refused("empty-source", write(tmp_path / "empty.csv", ""))
    refused("empty-source", write(tmp_path / "blank.csv", " \n\n"))
    assert "no rows" in refused("no-rows", write(tmp_path / "header.csv", "a,b,c\n"))
    message = refused("duplicate-column", write(tmp_path / "twice.csv", "a,b,a\n1,2,3\n"))
    assert "columns 1 and 3 are both called 'a'" in message
    assert read(tmp_path / "twice.csv", columns=["a", "b", "c"]).names == ["a", "b", "c"]
    refused("unreadable-file", write(tmp_path / "cut.csv.gz", gzip.compress(b"a,b\n" + b"1,2\n" * 5000)[:-20]))
    assert "line 2: a quote" in refused("unreadable-file", write(tmp_path / "open.csv", 'a,b\n1,"x, y\n2,y\n'))
    refused("unreadable-file", write(tmp_path / "bytes.csv", b"\x00\x01\x02abc" * 50))
    refused("bad-value", tmp_path / "twice.csv", options=SourceOptions(encoding="klingon"))
    assert "did you mean 'header.csv'" in refused("not-found", tmp_path / "heade.csv")
    assert "no 'nowhere'" in refused("not-found", tmp_path / "nowhere" / "a.csv")


# -- other tables ------------------------------------------------------------------------------------------------

FRAME = pl.DataFrame(
    {
        "a": [1, 2, None],
        "b": ["x", None, "z"],
        "c": [1.5, float("nan"), 2.0],
        "day": [dt.date(2020, 1, 1)] * 3,
        "tags": [["p"], [], ["q", "r"]],
        "inner": [{"u": 1, "v": "w"}] * 3,
        "cat": pl.Series(["m", "n", "m"], dtype=pl.Categorical),
    }
)


@pytest.mark.parametrize("ending", ["parquet", "arrow", "json", "jsonl"])
def test_binary_tables_and_json(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a[1].{ending}"
    {"parquet": FRAME.write_parquet, "arrow": FRAME.write_ipc, "json": FRAME.write_json, "jsonl": FRAME.write_ndjson}[
        ending
    ](path)
    table = read(path)
    assert table.names == ["a", "b", "c", "day", "tags", "inner.u", "inner.v", "cat"]
    assert table["a"].to_list() == [1, 2, None]
    assert table["c"].to_list() == [1.5, None, 2.0]
    assert table["cat"].dtype == pl.String
    assert table["tags"].to_list() == [["p"], [], ["q", "r"]]
    refused("unreadable-file", write(tmp_path / f"bad.{ending}", b"PAR1 ARROW1 {no"))


def test_json_layouts(tmp_path: Path) -> None:
    expected = [{"a": 1, "b": "x"}, {"a": 2, "b": None}]
    for text in (
        '[{"a": 1, "b": "x"}, {"a": 2}]',
        '{"a": [1, 2], "b": ["x", null]}',
        '{"meta": 1, "rows": [{"a": 1, "b": "x"}, {"a": 2}]}',
        '{"columns": ["a", "b"], "index": [0, 1], "data": [[1, "x"], [2, null]]}',
        '{"a": 1, "b": "x"}\n{"a": 2}\n',
    ):
        assert rows(read(write(tmp_path / "a.json", text))) == expected
    mixed = read(write(tmp_path / "m.jsonl", '{"a": 1}\n{"a": "x"}\n{"a": [1]}\n'))
    assert mixed["a"].to_list() == ["1", "x", "[1]"]
    assert "line 2" in refused("unreadable-file", write(tmp_path / "b.jsonl", '{"a": 1}\n{"a":\n'))
    refused("bad-value", write(tmp_path / "c.json", "[1, 2]"))
    refused("empty-source", write(tmp_path / "d.json", "[]"))
    damaged = gzip.compress(b'[{"a": 1}]')[:12] + bytes(8)
    assert "damaged" in refused("unreadable-file", write(tmp_path / "e.json.gz", damaged))
    same_names = write(tmp_path / "f.json", '[{"a": {"b": 1}, "a.b": 2}]')
    assert "a field of a has the name of another column" in refused("duplicate-column", same_names)


def test_excel(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    sheet = book.create_sheet("data")
    for line in (["Title"], [], ["a", "b", "day"], [1, "x", dt.date(2020, 1, 2)], [2.5, "NA", dt.date(2020, 1, 3)]):
        sheet.append(line)
    book.save(tmp_path / "a.xlsx")
    table = read(tmp_path / "a.xlsx")
    assert (table["a"].to_list(), table["b"].to_list()) == ([1.0, 2.5], ["x", None])
    assert noted(table, "sheet") == "data"
    assert "did you mean 'data'" in refused("bad-value", tmp_path / "a.xlsx", options=SourceOptions(sheet="dat"))
    refused("unreadable-file", write(tmp_path / "b.xlsx", b"PK no workbook"))


def test_train_and_test_files_of_one_table(tmp_path: Path) -> None:
    write(tmp_path / "set" / "x-train.csv", "1, a, no\n2, b, yes\n3, a, no\n")
    write(tmp_path / "set" / "x-test.csv", "4, a, no.\n5, b, yes.\n")
    write(tmp_path / "set" / "README.md", "about")
    table = read(tmp_path / "set")
    assert list(table.split) == ["train"] * 3 + ["test"] * 2
    assert table["column_3"].to_list() == ["no", "yes", "no", "no", "yes"]
    assert noted(table, "full stop") == "column_3 in x-test.csv"


def test_a_test_file_without_targets_is_left_out(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", "x,y\n1,2\n3,4\n")
    write(tmp_path / "test.csv", "x\n1\n")
    write(tmp_path / "sample_submission.csv", "x,y\n1,0\n")
    table = read(tmp_path)
    assert (len(table), table.split, table.skipped[0].name) == (2, None, "test.csv")


def test_several_tables_are_listed(tmp_path: Path) -> None:
    write(tmp_path / "results.csv", "a\n1\n")
    write(tmp_path / "names.csv", "b\n1\n")
    message = refused("mismatched-files", tmp_path)
    assert f"deepglass train {tmp_path}/results.csv" in message


# -- images ------------------------------------------------------------------------------------------------------


def pictures(folder: Path, *names: str) -> None:
    for i, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4), i * 20).save(path)


def test_class_folders(tmp_path: Path) -> None:
    pictures(tmp_path, "cat/10.png", "cat/2.png", "dog/1.jpg", "dog/Ü [1].png")
    write(tmp_path / "dog" / "notes.txt", "x")
    write(tmp_path / "dog" / ".DS_Store", "x")
    write(tmp_path / "dog" / "broken.png", "no picture")
    (tmp_path / "empty").mkdir()
    table = read(tmp_path)
    assert table["label"].to_list() == ["cat", "cat", "dog", "dog", "dog"]
    assert [m.name for m in table["image"]][:2] == ["cat/2.png", "cat/10.png"]
    assert (table.target, dict(table.kinds)) == ("label", {"image": "image", "label": "category"})
    assert {s.name for s in table.skipped} == {"dog/notes.txt", "empty/"}
    assert table["image"][0].read()[:4] == b"\x89PNG"


@pytest.mark.parametrize("order", ["{part}/{label}/{i}.png", "{label}/{part}/{i}.png"])
def test_split_folders(tmp_path: Path, order: str) -> None:
    for part in ("training", "val"):
        pictures(tmp_path / "root", *(order.format(part=part, label=label, i=i) for label in "ab" for i in range(2)))
    table = read(tmp_path)
    assert sorted(zip(table.split, table["label"].to_list(), strict=True)) == sorted(
        (part, label) for part in ("train", "valid") for label in "ab" for _ in range(2)
    )


def test_labels_in_file_names(tmp_path: Path) -> None:
    pictures(tmp_path, "3_ann_0.png", "7_bob_1.png", "odd.png")
    table = read(tmp_path, filename_pattern="{digit}_{speaker}_{take}")
    assert table.names == ["image", "digit", "speaker", "take"]
    assert table["digit"].to_list() == ["3", "7"]
    assert table.skipped[0].name == "odd.png"
    assert "matches none of 3" in refused("bad-value", tmp_path, filename_pattern="{a}-{b}-{c}")
    refused("bad-value", tmp_path, filename_pattern="no braces")


def test_cells_with_paths(tmp_path: Path) -> None:
    pictures(tmp_path, "IMG/a.png", "IMG/b.png")
    write(tmp_path / "log.csv", "picture,angle\nIMG/a.png,0.5\nIMG\\b.png,-1\n,0.25\n")
    for table in (read(tmp_path), read(tmp_path / "log.csv")):
        assert table.kinds == {"picture": "image"}
        assert table["picture"][1].read()[:4] == b"\x89PNG"
        assert table["picture"][2] is None
    write(tmp_path / "log.csv", "picture,angle\na.png,0.5\nb.png,-1\n")
    assert read(tmp_path)["picture"][0].path == tmp_path / "IMG" / "a.png"


def test_unlabelled_and_single_images(tmp_path: Path) -> None:
    pictures(tmp_path, "a.png", "b.png")
    assert (read(tmp_path).names, read(tmp_path).target) == (["image"], None)
    assert len(read(tmp_path / "a.png")) == 1
    pictures(tmp_path, "cat/1.png", "dog/1.png")
    assert read(tmp_path)["label"].null_count() == 2


def test_folders_without_data(tmp_path: Path) -> None:
    refused("empty-source", tmp_path)
    write(tmp_path / "code.py", "x")
    assert "code.py" in refused("empty-source", tmp_path)
    pictures(tmp_path / "seg", "train/1.png", "trainannot/2.png")
    assert "'trainannot'" in refused("bad-value", tmp_path / "seg")


# -- arrays ------------------------------------------------------------------------------------------------------


def idx(values: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape) + values.astype(np.uint8).tobytes()


def test_idx_files(tmp_path: Path) -> None:
    images = np.arange(5 * 3 * 2, dtype=np.uint8).reshape(5, 3, 2)
    labels = np.array([1, 0, 2, 1, 0])
    for part, rows_ in (("train", slice(0, 3)), ("t10k", slice(3, 5))):
        write(tmp_path / f"{part}-images-idx3-ubyte.gz", gzip.compress(idx(images[rows_])))
        write(tmp_path / f"{part}-labels.idx1-ubyte", idx(labels[rows_]))
    table = read(tmp_path)
    assert (table["image"] == images).all()
    assert table["label"].to_list() == labels.tolist()
    assert list(table.split) == ["train"] * 3 + ["test"] * 2
    assert len(read(tmp_path / "t10k-images-idx3-ubyte.gz")) == 2
    write(tmp_path / "t10k-labels.idx1-ubyte", idx(labels))
    assert "2 images" in refused("mismatched-files", tmp_path)
    write(tmp_path / "t10k-labels.idx1-ubyte", idx(labels)[:-2])
    assert "cut off" in refused("unreadable-file", tmp_path)
    (tmp_path / "t10k-labels.idx1-ubyte").unlink()
    refused("mismatched-files", tmp_path)


def test_npz(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (6, 4, 4, 3), np.uint8)
    labels = np.array([0, 1, 2, 0, 1, 2])
    np.savez(
        tmp_path / "a.npz",
        train_images=images[:4],
        train_labels=labels[:4, None],
        test_images=images[4:],
        test_labels=labels[4:, None],
        class_names=np.array(["cat", "dog", "owl"]),
    )
    table = read(tmp_path / "a.npz")
    assert (table["image"] == images).all()
    assert table["label"].to_list() == ["cat", "dog", "owl", "cat", "dog", "owl"]
    assert (list(table.split), table.target) == (["train"] * 4 + ["test"] * 2, "label")
    np.savez_compressed(tmp_path / "b.npz", X=rng.normal(size=(5, 2)), y=np.arange(5) / 2)
    assert read(tmp_path / "b.npz").names == ["x1", "x2", "target"]
    np.savez(tmp_path / "c.npz", X=np.zeros((3, 2)), y=np.zeros(4))
    assert "differ in length" in refused("mismatched-files", tmp_path / "c.npz")
    np.savez(tmp_path / "d.npz", X=np.array([{}], dtype=object))
    assert "Python objects" in refused("unreadable-file", tmp_path / "d.npz")
    refused("unreadable-file", write(tmp_path / "e.npz", b"PK\x03\x04 nothing"))


# -- archives ----------------------------------------------------------------------------------------------------


def make_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def make_tar(path: Path, *members: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(b"\0" * member.size) if member.isfile() else None)
    return path


def test_archives_of_tables_and_images(tmp_path: Path) -> None:
    table = read(make_zip(tmp_path / "a.zip", {"a.csv": b"x,y\n1,2\n"}))
    assert (rows(table), table.name) == ([{"x": 1, "y": 2}], "a.zip")
    pictures(tmp_path / "photos", "cat/1.png", "dog/1.png")
    with tarfile.open(tmp_path / "p.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "photos", "photos")
    for _ in range(2):
        table = read(tmp_path / "p.tar.gz")
        assert table["label"].to_list() == ["cat", "dog"]
        assert table["image"][0].read()[:4] == b"\x89PNG"
    refused("empty-source", make_zip(tmp_path / "nothing.zip", {}))
    refused("unreadable-file", write(tmp_path / "bad.zip", b"PK no zip"))
    refused("unreadable-file", write(tmp_path / "bad.tar.gz", b"no tar"))


@pytest.mark.parametrize("name", ["../evil.csv", "/etc/evil.csv", "a/../../evil.csv", "C:\\evil.csv", "..\\evil.csv"])
def test_archives_with_path_traversal(tmp_path: Path, name: str) -> None:
    assert "nothing was unpacked" in refused("unsafe-archive", make_zip(tmp_path / "a.zip", {name: b"x"}))
    assert not list(tmp_path.parent.glob("evil.csv"))
    info = tarfile.TarInfo(name)
    info.size = 3
    refused("unsafe-archive", make_tar(tmp_path / "a.tar.gz", info))


def test_archives_with_links(tmp_path: Path) -> None:
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE):
        info = tarfile.TarInfo("a.csv")
        info.type, info.linkname = kind, "/etc/passwd"
        refused("unsafe-archive", make_tar(tmp_path / f"{kind!r}.tar.gz", info))
    link = zipfile.ZipInfo("a.csv")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "l.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    refused("unsafe-archive", tmp_path / "l.zip")


def test_archive_bombs(tmp_path: Path) -> None:
    with limits_changed({"free_inflation": 2**20}):
        refused("too-large", make_zip(tmp_path / "a.zip", {"a.csv": b"\0" * (32 * 2**20)}))
        info = tarfile.TarInfo("a.csv")
        info.size = 32 * 2**20
        refused("too-large", make_tar(tmp_path / "a.tar.gz", info))
        refused("too-large", write(tmp_path / "a.csv.gz", gzip.compress(b"\0" * (32 * 2**20))))


# -- names and objects -------------------------------------------------------------------------------------------


def test_bundled_sets() -> None:
    digits = read("sklearn:digits")
    assert (digits["image"].shape, digits["image"].max(), digits.target) == ((1797, 8, 8), 255, "label")
    assert read("sklearn:iris")["target"].unique().sort().to_list() == ["setosa", "versicolor", "virginica"]
    assert [len(read(f"sklearn:{n}")) for n in ("wine", "breast_cancer", "diabetes")] == [178, 569, 442]
    assert noted(read("sklearn:linnerud"), "targets") == "Weight, Waist, Pulse"
    assert "did you mean 'iris'" in refused("unknown-name", "sklearn:irs")


def test_named_sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DEEPGLASS_DATA", raising=False)
    message = refused("not-found", "data:mnist")
    assert "handwritten digits" in message
    assert "github.com/" in message
    assert "DEEPGLASS_DATA" in message
    assert "did you mean 'mnist'" in refused("not-found", "data:mnits")
    write(tmp_path / "titanic" / "titanic.csv", "a,b\n1,2\n")
    assert read("data:titanic", data_root=tmp_path).name == "data:titanic"
    monkeypatch.setenv("DEEPGLASS_DATA", str(tmp_path))
    assert len(read("data:titanic/titanic.csv")) == 1
    assert "did you mean 'titanic.csv'" in refused("not-found", "data:titanic/titanik.csv")
    refused("bad-value", "data:../x")


def test_python_objects() -> None:
    pandas = pytest.importorskip("pandas")
    columns = {"a": [1, 2, None], "b": ["x", None, "z"], "day": [dt.datetime(2020, 1, 1)] * 3}
    frame = read(pandas.DataFrame(columns))
    assert frame["a"].to_list() == [1.0, 2.0, None]
    assert frame["b"].to_list() == ["x", None, "z"]
    assert frame["day"].dtype.is_temporal()
    assert read(pl.DataFrame(columns))["a"].to_list() == [1, 2, None]
    assert read(columns)["b"].to_list() == ["x", None, "z"]
    assert rows(read([{"a": 1}, {"a": 2, "b": "x"}])) == [{"a": 1, "b": None}, {"a": 2, "b": "x"}]
    table = read({"a": np.array([1.0, np.nan]), "image": np.zeros((2, 3, 3), np.uint8)})
    assert (table["a"].to_list(), table["image"].shape) == ([1.0, None], (2, 3, 3))
    assert read(table) is table


def test_pairs_of_arrays() -> None:
    table = read((np.zeros((4, 2)), np.arange(4)))
    assert (table.names, table.target) == (["x1", "x2", "target"], "target")
    assert read((np.zeros((4, 2)), np.arange(4)), columns=["p", "q"]).names == ["p", "q", "target"]
    assert read((np.zeros((4, 200)), np.arange(4)))["x"].shape == (4, 200)
    pictures_ = read((np.zeros((4, 8, 8), np.uint8), np.array(["a", "b", "a", "b"])))
    assert (pictures_.names, pictures_.target) == (["image", "label"], "label")
    assert read((np.zeros((4, 2)), np.zeros((4, 3)))).names[2:] == ["target_1", "target_2", "target_3"]


def test_unsupported_python_objects() -> None:
    refused("bad-value", 7)
    refused("empty-source", {})
    refused("empty-source", [])
    refused("no-rows", pl.DataFrame({"a": []}))
    refused("mismatched-files", {"a": [1, 2], "b": [1]})
    refused("mismatched-files", (np.zeros((3, 2)), np.zeros(4)))


def test_numbers_at_the_end_of_the_range_give_no_raw_warning(tmp_path: Path) -> None:
    """It reached the terminal as "overflow encountered in multiply"; here warnings are errors."""
    (tmp_path / "huge.csv").write_text("a,y\n" + "\n".join(f"{i}.5,{i}.25e307" for i in range(1, 9)))
    assert read(tmp_path / "huge.csv")["y"].to_list()[1] == 2.25e307
