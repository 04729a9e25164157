"""Completion in a shell: what it offers, and that it loads no library that takes long."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deepglass.cli import completion, main


def completed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    """What bash is told for these words, the last of which is typed in part."""
    monkeypatch.setenv("COMP_WORDS", "\n".join(["deepglass", *words]))
    monkeypatch.setenv("COMP_CWORD", str(len(words)))
    monkeypatch.setenv(completion.VARIABLE, "complete_bash")
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main.main()
    return capsys.readouterr().out.split()


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["eval"], ["evaluate"]),
        (["list", "se"], ["settings"]),
        (["train", "rec"], ["recipe:"]),
        (["train", "recipe", ":", "semi-te"], ["semi-text"]),  # bash splits at the colon
        (["train", "data", ":", "ho"], ["houses"]),
        (["train", "data:ho"], ["data:houses"]),  # in other shells
        (["train", "hou"], []),  # the shell completes names of files
        (["train", "a.csv", "--network", "lst"], ["lstm"]),
        (["train", "a.csv", "--network", "=", "lst"], ["lstm"]),
        (["train", "a.csv", "--objective", "auto"], ["autoencoder"]),
        (["train", "a.csv", "--kind", "year", "=", "dat"], ["date"]),
        (["predict", "ru"], ["runs/houses-1"]),
        (["predict", "runs/"], ["runs/houses-1"]),
        (["report", "runs/houses-1", "--map", "t"], ["tsne"]),
    ],
)
def test_names_are_completed(
    words: list[str],
    names: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "data" / "houses").mkdir(parents=True)
    run = tmp_path / "runs" / "houses-1"
    run.mkdir(parents=True)
    (run / "spec.yaml").touch()
    (tmp_path / "runs" / "no-run").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEEPGLASS_DATA", "data")
    assert completed(monkeypatch, capsys, *words) == names


def test_completion_loads_neither_torch_nor_polars() -> None:
    heavy = ["torch", "polars", "numpy", "sklearn", "rich.progress"]
    code = (
        "import atexit, sys, deepglass.cli.main as m; "
        f"atexit.register(lambda: print([n for n in {heavy} if n in sys.modules])); m.main()"
    )
    shell = {"COMP_WORDS": "deepglass\ntrain\nrecipe:semi", "COMP_CWORD": "2", completion.VARIABLE: "complete_bash"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, **shell}
    )
    *names, loaded = done.stdout.split("\n")[:-1]
    assert loaded == "[]"
    assert names == ["recipe:semi-digits", "recipe:semi-table", "recipe:semi-text"]
