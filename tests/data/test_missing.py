"""Missing values are the same in training, evaluation and `inspect`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

import deepglass
from deepglass.data.missing import is_null
from deepglass.prepare.prepare import prepare
from deepglass.spec.overrides import build_spec


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (pl.Series(["a", " ", None, "NA", "?"]), [False, True, True, False, False]),
        (pl.Series(["a", ""], dtype=pl.Categorical), [False, True]),
        (pl.Series([1.0, float("nan"), None, float("inf")]), [False, True, True, True]),
        (pl.Series([[1], None, []]), [False, True, False]),
        (np.array([[1.0, np.nan], [np.nan, np.nan]]), [False, True]),
        (np.array([0, 1]), [False, False]),
        (["file", None], [False, True]),
    ],
)
def test_missing_markers_are_the_same_for_all_users(raw: object, found: list[bool]) -> None:
    assert is_null(raw).tolist() == found  # type: ignore[arg-type]


def test_the_german_not_available_is_missing_among_words_and_numbers(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    rows = [f"{'k.A.' if i % 7 == 0 else 'Bonn' if i % 2 else 'Ulm'};{'k. A.' if i % 5 == 0 else i}" for i in range(50)]
    path.write_text("\n".join(["town;price", *rows]))
    missing = {c.name: (c.kind, c.missing) for c in deepglass.inspect(path, "price").columns}
    assert missing == {"town": ("binary", 8), "price": ("number", 10)}


def test_targets_with_only_missing_markers_are_missing() -> None:
    """Rows with the target "?" are neither trained on nor tested, and are counted once."""
    random = np.random.default_rng(0)
    x = random.normal(size=120)
    y = np.where(np.arange(120) % 4 == 0, "?", np.where(x > 0, "high", "low"))
    frame = pl.DataFrame({"x": x, "y": y})
    _, prepared = prepare(build_spec(frame, "y", {}))
    assert len(prepared.table) == 90
    assert "left out: 30 rows (no value for y)" in prepared.notes
    views = {c.name: c.missing for c in deepglass.inspect(frame, "y").columns}
    assert views == {"x": 0, "y": 30}


def test_a_column_without_values_is_left_out_with_the_reason() -> None:
    frame = pl.DataFrame({"x": np.arange(40.0) % 7, "gone": ["?", "#N/A"] * 20, "y": ["a", "b"] * 20})
    why = {t.name: t.why for t in prepare(build_spec(frame, "y", {}))[1].column_roles}
    assert why["gone"] == "no value in any row"
