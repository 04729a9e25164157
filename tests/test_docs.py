"""The examples of the documentation run and print the stated output."""

import re
from pathlib import Path

import pytest

DOCS = sorted((Path(__file__).parent.parent / "docs").glob("*.md"))
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
WRITTEN = re.compile(r"# (\w+\.py)\n")  # a block that begins with a file's name is that file


@pytest.mark.parametrize("page", DOCS, ids=lambda p: p.name)
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
