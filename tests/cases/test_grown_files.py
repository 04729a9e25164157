"""A file that changes between an interruption and the resume is refused by its name."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from conftest import CASES, needs_cases

import deepglass
from deepglass.errors import SourceError
from deepglass.training.callbacks import Callback

SMALL: dict[str, Any] = {"network": {"trunk": "mlp", "width": 8, "depth": 1, "ensemble_size": 1}, "baselines": False}


class Interrupt(Callback):
    """Interrupts the training at its first evaluation."""

    def on_evaluation_end(self, record: Any) -> None:
        os.kill(os.getpid(), signal.SIGINT)


@needs_cases
def test_the_case(tmp_path: Path) -> None:
    source = tmp_path / "grow.csv"
    shutil.copy(CASES / "38-embed" / "grow.csv", source)
    content = source.read_text()
    run = deepglass.train(source, "y", out=tmp_path / "run", steps=30, callbacks=[Interrupt()], **SMALL)
    assert run.metrics["stop_reason"] == "interrupted"
    header, *lines = content.splitlines()
    others = {
        "grown": "\n".join([header, *lines, "0.5,0.5,1"]),
        "shrunk": "\n".join([header, *lines[:-1]]),
        "a further column": "\n".join([f"{header},z", *(f"{line},1" for line in lines)]),
        "other values": content.replace("0.", "0.9"),
    }
    for changed in others.values():
        source.write_text(changed)
        with pytest.raises(SourceError, match=r"\[mismatched-files\].*grow\.csv: differs from the source of the run"):
            deepglass.resume(tmp_path / "run")
    source.write_text(content)
    assert deepglass.resume(tmp_path / "run").metrics["stop_reason"] == "done"
    source.write_text(others["grown"])
    with pytest.raises(SourceError, match=r"\[mismatched-files\].*grow\.csv"):  # the rows of the run
        deepglass.embed(tmp_path / "run", source=source)
