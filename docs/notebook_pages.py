"""A Sphinx extension: notebooks (`.ipynb`) as pages, with the outputs that they hold. Nothing is run."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from docutils import nodes
from myst_parser.parsers.sphinx_ import MystParser
from sphinx.application import Sphinx

FENCE = "``````"  # longer than those in a cell


class NotebookParser(MystParser):
    """Parses a notebook as the Markdown page of its cells."""

    supported = ("ipynb",)

    def parse(self, inputstring: str, document: nodes.document) -> None:
        super().parse("\n\n".join(_cells(json.loads(inputstring))), document)


def _cells(notebook: Mapping[str, Any]) -> Iterator[str]:
    """The cells as Markdown, code with its outputs."""
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            yield source
        elif cell["cell_type"] == "code" and source.strip():
            yield _fenced("python", source)
            yield from filter(None, map(_output, cell["outputs"]))


def _output(output: Mapping[str, Any]) -> str:
    """One output: an image, HTML or text; "" for messages of a program on stderr."""
    if output["output_type"] == "stream":
        return _fenced("text", "".join(output["text"])) if output["name"] == "stdout" else ""
    data = {kind: "".join(value) for kind, value in output.get("data", {}).items() if isinstance(value, str | list)}
    if "image/png" in data:
        return f"![output](data:image/png;base64,{data['image/png'].strip()})"
    if "text/html" in data:
        return _fenced("{raw} html", f'<div class="notebook-output">{data["text/html"]}</div>')
    return _fenced("text", data.get("text/plain", ""))


def _fenced(language: str, text: str) -> str:
    return f"{FENCE}{language}\n{text.rstrip()}\n{FENCE}" if text.strip() else ""


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_source_suffix(".ipynb", "ipynb")
    app.add_source_parser(NotebookParser)
    return {"parallel_read_safe": True}
