"""A disk that is full while an older file is replaced: the old one stays whole, and nothing half-written is left."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from conftest import Command, made_up

import deepglass

WORDS: dict[str, tuple[str, ...]] = {
    "rows.csv": ("predict", "run", "houses.csv", "--out", "rows.csv", "--force"),
    "rows.parquet": ("predict", "run", "houses.csv", "--out", "rows.parquet", "--force"),
    "points.parquet": ("embed", "run", "houses.csv", "--out", "points.parquet", "--force"),
    "houses.yaml": ("new", "houses.csv", "--target", "price", "--out", "houses.yaml", "--force"),
    "run/report.html": ("report", "run"),
    "why/explanations.json": ("explain", "run", "houses.csv", "--rows", "0", "--fast", "--out", "why", "--force"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table and a run."""
    folder = tmp_path_factory.mktemp("full")
    made_up(60).write_csv(folder / "houses.csv")
    small = {"network.width": 8, "network.ensemble_size": 1, "training.threads": 1}
    deepglass.train(folder / "houses.csv", "price", steps=4, out=folder / "run", baselines=False, settings=small)
    return folder


@pytest.mark.parametrize("name", WORDS)
def test_an_old_file_stays_whole(folder: Path, name: str, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.chdir(folder)
    assert command(*WORDS[name]).code == 0
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    monkeypatch.setattr(os, "fsync", full)
    result = command(*WORDS[name])
    assert result.code == 1
    assert "[disk-full]" in result.err
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
