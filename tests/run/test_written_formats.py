"""New rows may be written otherwise than the training rows: dates and numbers of another country, Excel, typed."""

import datetime as dt
import warnings
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import deepglass
from deepglass.errors import DataWarning

COUNT = 120
WRITINGS = ("us.csv", "de.csv", "iso.csv", "uk.csv", "typed.parquet", "book.xlsx")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same rows in six writings."""
    folder = tmp_path_factory.mktemp("writings")
    rng = np.random.default_rng(0)
    days = [dt.date(2020, 1, 1) + dt.timedelta(days=int(i)) for i in rng.integers(0, 700, COUNT)]
    x = rng.uniform(1000, 5000, COUNT).round(2)
    y = np.array([(day - dt.date(2020, 1, 1)).days for day in days]) + x / 10

    def write(name: str, pattern: str, number: str, separator: str = ",") -> None:
        texts = [
            number.format(v).translate(str.maketrans(",.", ".,")) if separator == ";" else number.format(v) for v in x
        ]
        frame = pl.DataFrame({"day": [day.strftime(pattern) for day in days], "x": texts, "y": y.astype(int)})
        frame.write_csv(folder / name, separator=separator)

    write("us.csv", "%m/%d/%Y", "{:.2f}")
    write("de.csv", "%d.%m.%Y", "{:,.2f}", ";")
    write("iso.csv", "%Y-%m-%d", "${:,.2f}")
    write("uk.csv", "%d/%m/%Y", "{:.2f}")
    typed = pl.DataFrame({"day": days, "x": x, "y": y})
    typed.write_parquet(folder / "typed.parquet")
    typed.write_excel(folder / "book.xlsx")
    return folder


@pytest.mark.parametrize("trained_on", ["us.csv", "de.csv", "typed.parquet"])
def test_predictions_do_not_depend_on_how_the_rows_are_written(trained_on: str, folder: Path, tmp_path: Path) -> None:
    run = deepglass.train(
        str(folder / trained_on), "y", out=tmp_path / "run", steps=3, baselines=False, training={"threads": 1}
    )
    expected = run.predict_table(str(folder / trained_on))["y"].to_list()
    for name in WRITINGS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DataWarning)
            assert run.predict_table(str(folder / name))["y"].to_list() == pytest.approx(expected, rel=1e-4), name
    if trained_on == "us.csv":
        with pytest.warns(
            DataWarning, match=rf"day: read as dates written %d/%m/%Y; in training they were %m/%d/%Y \({COUNT}\)"
        ):
            run.predict(str(folder / "uk.csv"))
        assert len(run.predict({"day": "2020-05-17", "x": 2000.0})) == 1
