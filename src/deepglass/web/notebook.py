"""Results as HTML for notebooks: titles, sentences and tables, in the colours of the notebook's own theme."""

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

from deepglass.formatting import printable

MAX_ROWS = 200  # of a table


class NotebookBlock(NamedTuple):
    """A title with a sentence, above a table."""

    title: str
    text: str = ""
    head: Sequence[str] = ()
    rows: Sequence[Sequence[Any]] = ()


def notebook_html(*blocks: NotebookBlock) -> str:
    """The blocks below each other; a table of more than 200 rows is cut, and says so."""
    html: str = _template().render(blocks=[_cut(block) for block in blocks])
    return html


def _cut(block: NotebookBlock) -> NotebookBlock:
    if (more := len(block.rows) - MAX_ROWS) <= 0:
        return block
    return block._replace(rows=[*block.rows[:MAX_ROWS], [f"and {more:,} more"]])


@cache
def _template() -> Any:
    """The template; jinja2 is loaded here, since only notebooks show results as HTML."""
    from jinja2 import Environment, PackageLoader

    environment = Environment(
        loader=PackageLoader("deepglass.web", ""),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: printable(str(value)),
    )
    return environment.get_template("notebook.html")
