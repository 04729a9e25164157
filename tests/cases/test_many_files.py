"""Tables in several files, in a database, and settings that are texts."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import polars as pl
import pytest
from conftest import Command

import deepglass
from deepglass.cli.options import parse_settings
from deepglass.data.sources import SourceOptions, read
from deepglass.errors import SourceError
from deepglass.spec.spec import Spec


def season(year: int, rows: int = 30) -> pl.DataFrame:
    return pl.DataFrame({"home": ["A", "B", "C"] * (rows // 3), "goals": [(i + year) % 5 for i in range(rows)]})


@pytest.fixture
def seasons(tmp_path: Path) -> Path:
    folder = tmp_path / "seasons"
    folder.mkdir()
    for year in (2019, 2020, 2021):
        season(year).write_csv(folder / f"{year}.csv")
    return folder


def test_a_folder_a_pattern_and_a_list(seasons: Path) -> None:
    expected = pl.concat([season(year) for year in (2019, 2020, 2021)])
    paths = [str(seasons / f"{year}.csv") for year in (2019, 2020, 2021)]
    for source in (seasons, f"{seasons}/*.csv", f"{seasons}/20[12]*.csv", paths, [Path(p) for p in paths]):
        table = read(source)
        assert table["goals"].to_list() == expected["goals"].to_list()
        assert (table["file"][0], table.excluded) == ("2019.csv", ("file",))


def test_a_column_that_one_file_lacks_and_other_columns(seasons: Path) -> None:
    wide = [f"c{i}" for i in range(9)]
    for name, columns in (("1.csv", wide), ("2.csv", wide[:8])):
        pl.DataFrame({c: [1.5, 2.5] for c in columns}).write_csv(seasons.parent / name)
    table = read([seasons.parent / "1.csv", seasons.parent / "2.csv"])
    assert table["c8"].to_list() == [1.5, 2.5, None, None]
    with pytest.raises(SourceError, match=r"\[mismatched-files\] 2019.csv and 1.csv differ in columns"):
        read([seasons.parent / "1.csv", seasons / "2019.csv"])
    with pytest.raises(SourceError, match="not-found"):
        read([seasons / "2019.csv", seasons / "2018.csv"])


def test_shards(tmp_path: Path) -> None:
    for split, count in (("train", 3), ("test", 1)):
        for i in range(count):
            season(i).write_parquet(tmp_path / f"{split}-{i:05}-of-{count:05}.parquet")
    table = read(tmp_path)
    assert (list(table.split).count("train"), list(table.split).count("test")) == (90, 30)
    assert table.names == ["home", "goals"]
    assert len(read(f"{tmp_path}/train-*.parquet")) == 90


def test_a_run_of_several_files_can_be_opened_again(seasons: Path, tmp_path: Path) -> None:
    for i, source in enumerate((f"{seasons}/*.csv", [str(p) for p in sorted(seasons.iterdir())])):
        run = deepglass.train(source, "goals", out=tmp_path / f"run{i}", steps=3, baselines=False)
        assert len(deepglass.Run(run.path).context.data.table) == 90


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    base = sqlite3.connect(tmp_path / "shop.db")
    base.execute("CREATE TABLE orders (id INTEGER, price REAL, city TEXT)")
    base.executemany(
        "INSERT INTO orders VALUES (?, ?, ?)", [(2**60 + i, i / 2, "NA" if i % 2 else None) for i in range(40)]
    )
    base.execute('CREATE TABLE "odd ""name" (x)')
    base.execute("CREATE VIEW cheap AS SELECT * FROM orders WHERE price < 5")
    base.execute(
        "CREATE VIEW endless AS WITH RECURSIVE t(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM t) SELECT x FROM t"
    )
    base.commit()
    base.close()
    return tmp_path / "shop.db"


def test_databases(shop: Path) -> None:
    table = read(f"sqlite:{shop}:orders")
    assert (table["id"][1], table["price"][3], table["city"][:2].to_list()) == (2**60 + 1, 1.5, [None, "NA"])
    assert len(read(f"sqlite:{shop}:cheap")) == 10
    assert read(f"sqlite:{shop}:SELECT city, count(*) AS n FROM orders GROUP BY city")["n"].to_list() == [20, 20]
    for source, code, text in (
        (f"sqlite:{shop}", "bad-value", "it has orders"),
        (str(shop), "bad-value", "it has orders"),
        (f"sqlite:{shop}:order", "bad-value", "did you mean 'orders'"),
        (f"sqlite:{shop}:endless", "unreadable-file", "not authorized"),
        (f"sqlite:{shop}:SELECT load_extension('x')", "bad-value", "not authorized"),
        (f"sqlite:{shop}:SELECT nothing FROM orders", "bad-value", "nothing"),
        (f'sqlite:{shop}:odd "name', "no-rows", "x"),
        (f"sqlite:{shop}:DROP TABLE orders", "bad-value", "no table"),
        (f"sqlite:{shop.parent}/none.db:a", "not-found", "none.db"),
    ):
        with pytest.raises(SourceError, match=text) as error:
            read(source)
        assert error.value.code == code


def test_a_run_of_a_database(shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    spec = Spec.from_dict({"data": "sqlite:shop.db:orders"}, tmp_path)
    assert spec.data.source == f"sqlite:{shop}:orders"
    run = deepglass.train("sqlite:shop.db:orders", "price", out=tmp_path / "run", steps=3, baselines=False)
    assert len(deepglass.Run(run.path).context.data.table) == 40


@pytest.mark.parametrize(
    ("pair", "value"),
    [
        ("data.delimiter=;", ";"), ("data.delimiter=|", "|"), ("data.quote='", "'"), ("data.sheet=01", "01"),
        ("data.missing=[]", []), ("data.missing=-", ["-"]), ("data.missing=[null, -999, .]", ["null", "-999", "."]),
        ('data.keep=["a, b", nil]', ["a, b", "nil"]), ("data.keep=NA", ["NA"]), ("data.decimal=,", ","),
    ],
)  # fmt: skip
def test_texts_of_the_command_line_are_literal(pair: str, value: object) -> None:
    settings = parse_settings([pair], None, None, None, None)
    assert settings == {pair.partition("=")[0]: value}


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://joe:s3cret@db.example.org:5432/shop", "postgresql://...: databases"),
        ("postgresql+psycopg2://joe:s3c@r?t@db/shop?password=s3cret", "postgresql+psycopg2://...: databases"),
        ("MySQL://joe:s3cret@db/shop", "mysql://...: databases"),
        ("https://joe:s3cret@example.org/a.csv?token=s3cret", "https://...: addresses are not read"),
    ],
)
def test_addresses_are_refused_without_their_password(
    address: str, shown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_text("a,y\n" + "1,2\n3,5\n" * 10)
    for words in (["inspect", address], ["train", address, "--target", "y"], ["train", "a.csv", "--test", address]):
        done = command(*words)
        assert done.code == 2
        assert f"[bad-value] {shown}" in done.err
        assert "s3c" not in done.out + done.err
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(b"s3c" in content for content in written)


def test_characters_by_name(tmp_path: Path, command: Command) -> None:
    (tmp_path / "a.csv").write_text('a\tb\n1\t"x\n2\ty"\n3\tz\n')
    for delimiter in ("tab", "\\t", "\t"):
        table = read(tmp_path / "a.csv", options=SourceOptions(delimiter=delimiter, quote="none"))
        assert table["b"].to_list() == ['"x', 'y"', "z"]
    result = command("inspect", tmp_path / "a.csv", "data.delimiter=tab", "data.missing=[]", "data.quote=none")
    assert result.code == 0
