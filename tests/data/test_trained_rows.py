"""Hashes of rows: equal for equal content, however it is stored."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from deepglass.data.sources import read
from deepglass.data.table import Table
from deepglass.data.trained_rows import row_hashes

FRAME = pl.DataFrame(
    {
        "number": [0.1, 2.0, None, 1e300, -3.25],
        "count": [1, 2, 3, None, 5],
        "id": [2**60 + 1, 2**60 + 2, 3, 4, 5],
        "word": ["a", "b b", None, "é", "1e3"],
        "flag": [True, False, True, None, False],
        "day": pl.Series(["2020-01-05", "2020-01-06", None, "1999-12-31", "2020-02-29"]).str.to_date(),
    }
)


def _hashes(source: object, columns: tuple[str, ...] = tuple(FRAME.columns)) -> list[int]:
    return list(row_hashes(read(source), columns))


def test_rows_are_equal_in_csv_parquet_and_a_frame(tmp_path: Path) -> None:
    FRAME.write_csv(tmp_path / "rows.csv")
    FRAME.write_parquet(tmp_path / "rows.parquet")
    expected = _hashes(FRAME)
    assert len(set(expected)) == len(FRAME)
    assert _hashes(str(tmp_path / "rows.csv")) == expected
    assert _hashes(str(tmp_path / "rows.parquet")) == expected
    assert _hashes(FRAME, tuple(reversed(FRAME.columns))) == expected


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([3], [3.0]),
        ([3.0], ["3"]),
        (np.array([0.1], np.float32), [0.1]),
        ([None], ["NA"]),
        ([float("nan")], [None]),
        ([2**60 + 1], [str(2**60 + 1)]),
    ],
)
def test_the_same_cell_written_in_two_ways(a: list[object], b: list[object]) -> None:
    hashes = [row_hashes(Table({"x": pl.Series(values)}), ["x"])[0] for values in (a, b)]
    assert hashes[0] == hashes[1]


@pytest.mark.parametrize(
    ("a", "b"), [([1], [2]), (["a"], ["A"]), ([2**60], [2**60 + 1]), ([None], [0]), ([0.1], [0.2])]
)
def test_other_cells_have_other_hashes(a: list[object], b: list[object]) -> None:
    hashes = [row_hashes(Table({"x": pl.Series(values)}), ["x"])[0] for values in (a, b)]
    assert hashes[0] != hashes[1]


def test_the_column_belongs_to_the_cell() -> None:
    table = Table({"x": pl.Series([1, 2]), "y": pl.Series([2, 1])})
    assert len(set(row_hashes(table, ["x", "y"]))) == 2


def test_an_image_is_known_wherever_it_lies(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for folder in ("one/cat", "two/dog"):
        (tmp_path / folder).mkdir(parents=True)
    for i in range(3):
        image = Image.fromarray(rng.integers(0, 255, (8, 8, 3), np.uint8))
        image.save(tmp_path / f"one/cat/{i}.png")
        image.save(tmp_path / f"two/dog/copy{i}.png")
    hashes = [sorted(row_hashes(read(str(tmp_path / name)), ["image"])) for name in ("one", "two")]
    assert hashes[0] == hashes[1]
    assert len(set(hashes[0])) == 3


def test_vectors_and_sequences() -> None:
    table = Table(
        {"v": np.arange(12, dtype=np.float64).reshape(4, 3) // 6, "s": pl.Series([[1, 2], [1, 2], [1], None])}
    )
    assert len(set(row_hashes(table, ["v"]))) == 2
    assert len(set(row_hashes(table, ["s"]))) == 3
