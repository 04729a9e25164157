"""Synthetic memory tasks: copy, parity, adding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import deepglass
from deepglass.data.sources import read
from deepglass.data.sources.memory_tasks import SYMBOLS
from deepglass.errors import SourceError


def test_copy_task_targets_the_first_symbol():
    table = read("synthetic:copy-12")
    sequence = np.asarray(table["sequence"])
    codes = sequence.argmax(2)
    assert sequence.shape[1] == 13
    assert (sequence.sum(2) == 1).all()
    assert table["first"].to_list() == [f"symbol {k}" for k in codes[:, 0]]
    assert (codes[:, 1:] >= SYMBOLS).all()


def test_parity_task_targets_the_parity_of_negative_steps():
    table = read("synthetic:parity-9")
    for steps, answer in zip(np.asarray(table["sequence"])[:50, :, 0], table["parity"][:50], strict=True):
        assert set(steps) <= {-1.0, 1.0}
        assert len(steps) == 9
        assert answer == ("odd" if np.prod(steps) < 0 else "even")


@pytest.mark.parametrize("lag", [2, 15])
def test_adding_task_sums_one_marked_value_of_each_half(lag: int):
    table = read(f"synthetic:adding-{lag}")
    value, marker = np.moveaxis(np.asarray(table["sequence"]), 2, 0)
    assert (marker[:, : lag // 2].sum(1) == 1).all()
    assert (marker[:, lag // 2 :].sum(1) == 1).all()
    marked = value[marker == 1].reshape(-1, 2)
    assert table["sum"].to_numpy() == pytest.approx(marked.sum(1))


def test_a_synthetic_set_is_reproducible_with_its_split():
    first, again = read("synthetic:copy"), read("synthetic:copy")
    assert np.array_equal(np.asarray(first["sequence"]), np.asarray(again["sequence"]))
    assert set(first.split) == {"train", "valid", "test"}


@pytest.mark.parametrize("name", ["copy-", "copy-0", "copy-long", "adding-1000000", "parity--3"])
def test_an_invalid_lag_is_named(name: str):
    with pytest.raises(SourceError, match=f"bad-value.*synthetic:{name}: expected a lag of 1 to 1000 steps"):
        read(f"synthetic:{name}")


def test_a_near_miss_of_a_name_is_suggested():
    with pytest.raises(SourceError, match=r"unknown-name.*did you mean 'parity'"):
        read("synthetic:party")


def test_a_gru_learns_a_lag_of_ten_steps(tmp_path: Path):
    """Measured test accuracy: 1.0; chance is 0.25."""
    settings = {"network.bidirectional": False, "network.width": 32, "network.dropout": 0.0, "training.threads": 1}
    run = deepglass.train(
        "synthetic:copy-10", "first", out=tmp_path / "run", network="gru", steps=200, baselines=False, settings=settings
    )
    assert run.metrics["test"]["first"]["accuracy"] > 0.9
