"""Text tables whose first line is longer than the sample from which the dialect is detected."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

import deepglass
from deepglass.data.sources import read


def test_a_header_of_many_columns_is_read_whole(tmp_path: Path) -> None:
    path, names = tmp_path / "wide.csv", [f"c{i}" for i in range(50_000)]
    path.write_text(",".join(names) + "\n" + (",".join("1" for _ in names) + "\n") * 3)
    table = read(str(path))
    assert len(table) == 3
    assert list(table.columns) == names


def test_a_table_of_many_numbers_is_inspected() -> None:
    values = np.random.default_rng(0).normal(size=(40, 400))
    frame = pl.DataFrame({**{f"x{i}": values[:, i] for i in range(400)}, "y": values[:, 0]})
    assert len(deepglass.inspect(frame, "y").columns) == 401
