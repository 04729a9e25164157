"""Shared by all pages of deepglass: style sheets, the page shell and ES modules.

`style.css` and `theme.js` are on every page. The report writes what it needs into its file, so that it works offline;
pages that are served link to the files.

dom.js         what the modules share; custom elements extend its `Part`
tip.js         the tooltip          numbers.js     numbers as `formatting.py` writes them
row_card.js    the card of a row, as `report/row_cards.html` writes it
report.js      navigation, copying, printing
tables.js      <data-table>        row_picker.js  <confusion-matrix>, <slice-table>
threshold.js   <threshold-slider>  overlays.js    <mask-overlays>, <box-overlays>
boundary.js    <decision-boundary>
map.js         <embedding-map>: view (points on a canvas, by map_painters.js), selection, and cards
label.*        the labelling page; login.html opens its URL, no_access.html is shown without it
notebook.html  results in a notebook, in the colours of its own theme
"""

import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, NamedTuple

from deepglass.formatting import printable

FOLDER = files(__name__)
REPORT_STYLES = (
    "style", "report", "charts", "tables", "row_picker", "threshold", "cards", "overlays", "images", "explanations",
)  # fmt: skip
"""Style sheets of every report, in this order; a section adds its own after them."""
IMPORT = re.compile(r'^import (?:[^\n]* from )?"\./(\w+)\.js";\n', re.M)
EXPORT = re.compile(r"^export (?=const|class|function|async)", re.M)
MAX_ROWS = 200  # of a table in a notebook


def path(name: str) -> Traversable:
    """A file of this folder."""
    return FOLDER.joinpath(name)


@cache
def asset(name: str) -> str:
    """The text of a style sheet or script of this folder; empty where there is none of this name."""
    file = path(name)
    return file.read_text("utf-8") if file.is_file() else ""


def bundle(names: Sequence[str]) -> str:
    """ES modules and all that they import as one, for a page that cannot load files; each after its imports."""
    modules: dict[str, str] = {}

    def add(name: str) -> None:
        if name not in modules:
            text = asset(f"{name}.js")
            for imported in IMPORT.findall(text):
                add(imported)
            modules[name] = EXPORT.sub("", IMPORT.sub("", text))

    for name in names:
        add(name)
    return "\n".join(modules.values())


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
