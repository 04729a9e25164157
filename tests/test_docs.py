"""The examples of the documentation run and print the stated output."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "docs"
TUTORIALS = sorted(FOLDER.glob("tutorials/*.md"))
DOCS = sorted(FOLDER.glob("*.md"))
PAGES = [*DOCS, *(pytest.param(page, marks=pytest.mark.slow) for page in TUTORIALS)]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
SHELL = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
WRITTEN = re.compile(r"# (\w+\.py)\n")  # a block that begins with a file's name is that file


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_examples_run_and_print_their_output(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    names: dict[str, object] = {"__name__": page.stem}
    text = page.read_text()
    for block in BLOCK.finditer(text):
        code = block[1]
        if file := WRITTEN.match(code):
            Path(file[1]).write_text(code)
            continue
        line = text.count("\n", 0, block.start()) + 1
        exec(compile("\n" * line + code, str(page), "exec"), names)
        said = [part[3:] for part in code.splitlines() if part.startswith("#> ")]
        assert capsys.readouterr().out.splitlines() == said, f"{page.name}, the block at line {line}"


@pytest.mark.slow
@pytest.mark.parametrize("page", TUTORIALS, ids=lambda p: p.name)
def test_commands_of_a_tutorial_run_as_they_are_pasted(page: Path, tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, words in {"deepglass": "-m deepglass", "python": ""}.items():
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n')
        (programs / name).chmod(0o755)
    text = page.read_text()
    for block in BLOCK.findall(text):
        if file := WRITTEN.match(block):
            (tmp_path / file[1]).write_text(block)
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    for commands in SHELL.findall(text):
        done = subprocess.run(
            ["sh", "-e"], input=commands, cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{commands}{done.stderr[-2000:]}"
