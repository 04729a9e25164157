"""Shared fixtures: data sets, one thread, small synthetic tables."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import pytest
import torch

import deepglass
from deepglass.cli.main import main
from deepglass.doctor.base import Finding

HERE = Path(__file__).parent
DATA = Path(os.environ.get("DEEPGLASS_DATA", HERE.parent.parent / "shared" / "data"))
CASES = DATA.parent / "cases"  # small inputs that real people stumbled over
needs_cases = pytest.mark.skipif(not CASES.is_dir(), reason=f"the inputs of real people are not there: {CASES}")


@pytest.fixture
def cases() -> Path:
    if not CASES.is_dir():
        pytest.skip(f"the inputs of real people are not there: {CASES}")
    return CASES


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def _float32() -> Iterator[None]:
    """`precision: auto` is float32 on every CPU, so that no test depends on whether it has bfloat16 instructions."""
    with pytest.MonkeyPatch.context() as patch:
        for module in ("planning", "optimizers"):
            patch.setattr(f"deepglass.training.{module}.fast_bfloat16", lambda device: False)
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_fsync() -> Iterator[None]:
    """The files of tests need not outlast a power cut."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda descriptor: None)
        yield


@pytest.fixture
def data_root() -> Path:
    """The folder of the data sets."""
    if not DATA.is_dir():
        pytest.skip(f"the real data sets are not there: set DEEPGLASS_DATA (looked in {DATA})")
    return DATA


def made_up(rows: int = 200, seed: int = 0) -> pl.DataFrame:
    """A synthetic table: `price` depends on size and place, `sold` on price."""
    random = np.random.default_rng(seed)
    size = random.uniform(20, 200, rows)
    place = random.choice(["north", "south", "west"], rows)
    price = 1000 * size * np.where(place == "north", 2.0, 1.0) + random.normal(0, 5000, rows)
    sold = np.where(price < np.median(price), "yes", "no")
    frame = pl.DataFrame({"size": size, "place": place, "price": price, "sold": sold})
    return frame.with_columns(size=pl.when(pl.int_range(rows) % 17 == 0).then(None).otherwise(pl.col("size")))


@pytest.fixture
def table() -> pl.DataFrame:
    return made_up()


@pytest.fixture
def table_file(tmp_path: Path) -> Path:
    path = tmp_path / "houses.csv"
    made_up().write_csv(path)
    return path


def findings_by_kind(source: object, target: str | None = None, **settings: object) -> dict[str, Finding]:
    """The findings of the data checks."""
    return {f.kind: f for f in deepglass.inspect(source, target, **settings).findings}


class CommandResult(NamedTuple):
    """Exit code and output of a command."""

    code: int
    out: str
    err: str


Command = Callable[..., CommandResult]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """`command("train", "houses.csv")`: the command line in this process; one thread and no baselines in a training."""

    def call(*words: object) -> CommandResult:
        quick = ["--no-baselines", "training.threads=1"] if words[0] == "train" else []
        monkeypatch.setattr(sys, "argv", ["deepglass", *map(str, words), *quick])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        return CommandResult(int(end.value.code or 0), said.out, said.err)

    return call
