"""Consoles for stdout and stderr, and tables without a frame."""

import sys
import textwrap
from collections.abc import Iterator, Sequence

from rich.box import SIMPLE
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table as Grid

from deepglass.cli.escaping import escaped
from deepglass.cli.streams import silence


class _EscapingConsole(Console):
    """A console that escapes control characters of what it prints."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(escaped(segment.text), segment.style)


class _ErrorConsole(_EscapingConsole):
    """Goes silent where stderr was closed, so that a training goes on."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        silence(sys.stderr)


class _ResultConsole(_EscapingConsole):
    """Ends the command where stdout was closed."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


GAP = 3  # between the columns of a table

out = _ResultConsole(highlight=False, markup=False, emoji=False)  # names may look like markup, or like the code :ring:
err = _ErrorConsole(stderr=True, highlight=False, markup=False, emoji=False)


def grid_of(*headers: str, right: bool = True) -> Grid:
    """A table without a frame; with headers, a line below them and numbers to the right."""
    if not headers:
        return Grid.grid(padding=(0, 2))
    grid = Grid(box=SIMPLE, show_edge=False, pad_edge=False)
    for i, header in enumerate(headers):
        grid.add_column(header, justify="right" if right and i else "left", overflow="fold" if right else "ellipsis")
    return grid


def print_columns(headers: Sequence[str], rows: Sequence[Sequence[str]], bold: int | None = None) -> None:
    """Print a table of numbers; columns that do not fit beside the others stand in tables below, under the same names.

    Args:
        headers: a name for each column. Where the table is too wide, they break at their blanks.
        rows: the cells; the first one of a row is its name.
        bold: index of a column that is emphasised.
    """
    columns = [*zip(*rows, strict=True)] if rows else [()] * len(headers)
    cells = [max((cell_len(cell) for cell in column), default=0) for column in columns]
    widths = [max(cell, cell_len(header)) for cell, header in zip(cells, headers, strict=True)]
    if sum(widths) + GAP * (len(widths) - 1) > out.width:
        headers = [header.replace(" ", "\n") for header in headers]
        words = (max(map(cell_len, header.split("\n"))) for header in headers)
        widths = [max(cell, word) for cell, word in zip(cells, words, strict=True)]
    widths[0] = min(widths[0], max(out.width // 2, 1))
    room = max(out.width - widths[0] - GAP, 1)
    tables: list[list[int]] = [[]]
    for i in range(1, len(headers)):
        widths[i] = min(widths[i], room)
        if tables[-1] and sum(widths[j] + GAP for j in [*tables[-1], i]) > room + GAP:
            tables.append([])
        tables[-1].append(i)
    for n, table in enumerate(tables):
        shown = [0, *table]
        grid = grid_of(*(headers[i] for i in shown))
        for column, i in zip(grid.columns, shown, strict=True):
            column.width, column.vertical = widths[i], "top"
            column.style = "bold" if i == bold else ""
        for row in rows:
            grid.add_row(*(row[i] for i in shown))
        if n:
            out.print()
        out.print(grid)


def hanging(text: str, indent: int) -> str:
    """Text wrapped to the terminal, with indented lines after the first."""
    return textwrap.fill(text, out.width, subsequent_indent=" " * indent, break_on_hyphens=False)
