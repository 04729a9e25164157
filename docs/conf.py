"""The documentation as a site: `make docs` builds it into build/docs. Nothing is fetched while it is built or read."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

import deepglass

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

project, author, copyright = "deepglass", "the deepglass authors", "the deepglass authors, Apache-2.0"
version = release = deepglass.__version__
html_title = f"deepglass {version}"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton", "notebook_pages"]
exclude_patterns = ["_build"]
myst_heading_anchors = 4
myst_links_external_new_tab = False

smartquotes = False  # would turn --time into a dash

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
napoleon_custom_sections = ["Shapes", "Source", ("Example", "example")]
default_role = "code"  # docstrings write `name` as Markdown does

html_theme = "furo"
html_static_path = ["_static"]
html_css_files, html_js_files = ["site.css"], ["site.js"]
html_copy_source = False
copybutton_prompt_text = "$ "


def setup(app: Sphinx) -> None:
    app.connect("builder-inited", _write_command_line)
    app.connect("source-read", _drop_empty_patterns)
    app.connect("autodoc-process-docstring", _as_napoleon_reads_it, priority=400)  # before napoleon


def _write_command_line(app: Sphinx) -> None:
    """Write `command_line.md` from the help of the commands, with typer's own command for this."""
    words = ["-m", "typer", "deepglass.cli.main", "utils", "docs", "--name", "deepglass", "--title", "Command line"]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=True)
    (HERE / "command_line.md").write_text(done.stdout)


def _drop_empty_patterns(app: Sphinx, page: str, source: list[str]) -> None:
    """Drop patterns such as `notebooks/*` from tables of contents where no page fits; `*` is all pages not listed."""
    lines = source[0].split("\n")
    if page == "index":
        listed = [file.stem for line in lines if re.fullmatch(r"\w+\*?", line) for file in HERE.glob(f"{line}.md")]
        others = sorted({file.stem for file in HERE.glob("*.md")} - {page, *listed})
        lines = [name for line in lines for name in (others if line == "*" else [line])]
    folder = (HERE / page).parent
    source[0] = "\n".join(x for x in lines if not re.fullmatch(r"[\w/]+\*", x) or any(folder.glob(x)))


def _as_napoleon_reads_it(app: Sphinx, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Join names of arguments over several lines, and mark examples that are no doctests as code."""
    text = "\n".join(lines)
    text = re.sub(r"(?m)^( {4}\w[\w, ]*,)\n {8}(?=\w[\w, ]*:)", r"\1 ", text)
    example = re.search(r"(?m)^Example:\n((?: {4}.*\n?|\n)+)", text)
    if example and ">>>" not in example[1]:
        code = "\n".join(f"    {line}" for line in example[1].split("\n"))
        text = text.replace(example[0], f"Example:\n    ::\n\n{code}\n", 1)
    lines[:] = text.split("\n")
