"""Consoles for stdout and stderr, and tables without a frame."""

import sys
import textwrap
from collections.abc import Iterator

from rich.box import SIMPLE
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


def hanging(text: str, indent: int) -> str:
    """Text wrapped to the terminal, with indented lines after the first."""
    return textwrap.fill(text, out.width, subsequent_indent=" " * indent, break_on_hyphens=False)
