"""Environments of the user's own module in the current folder: whole-number boxes, several actions, array rewards."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from conftest import CASES

from deepglass.data.environments import run_episodes
from deepglass.data.sources import read
from deepglass.registry import allow_modules

WORLDS = CASES / "27-gym"


@pytest.mark.parametrize("name", ["DictObs", "MultiAct", "IntBox", "Start5", "InfBox", "MultiBin", "Pict", "Naked"])
def test_own_worlds(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if not WORLDS.is_dir():
        pytest.skip("the inputs of real people are not there")
    pytest.importorskip("gymnasium")
    monkeypatch.chdir(WORLDS)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p not in ("", str(WORLDS))])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    allow_modules("my_worlds")
    environment = read(f"gym:my_worlds:{name}-v0").environment
    assert environment is not None
    width = len(environment.low)
    act = (
        (lambda x: np.zeros(len(x), int)) if environment.actions else (lambda x: np.zeros((len(x), width), np.float32))
    )
    assert all(np.isfinite(episode.value) for episode in run_episodes(environment, act, 2, 0))
