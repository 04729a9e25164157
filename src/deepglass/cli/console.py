"""Consoles for stdout and stderr, and tables without a frame."""

import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence

from rich.box import SIMPLE
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table as Grid

from deepglass.cli.escaping import escaped
from deepglass.cli.streams import silence

MIN_TEXT_WIDTH = 24  # characters of the last column of a table of texts


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


def print_table(headers: Sequence[str], rows: Iterable[Sequence[str]], right: bool = True) -> None:
    """Print a table on stdout; names and headers are never cut.

    A table of numbers that the terminal is too narrow for becomes several, each with the first column; one of texts
    becomes a block of lines for each row.

    Args:
        right: numbers, to the right.
    """
    rows = [list(row) for row in rows]
    if not right:
        _print_texts(headers, rows)
        return
    words = [headers[0], *(header.replace(" ", "\n") for header in headers[1:])]
    whole = next((g for h in (headers, words) if (g := _numbers(h, rows)) is not None), None)
    for i, part in enumerate([whole] if whole is not None else _parts(words, rows)):
        if i:
            out.print()
        out.print(part)


def _print_texts(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    grid = grid_of(*headers, right=False)
    for column in grid.columns[:-1]:
        column.no_wrap = True
    grid.columns[-1].min_width = min(MIN_TEXT_WIDTH, max((len(row[-1]) for row in rows), default=0))
    for row in rows:
        grid.add_row(*row)
    if out.measure(grid, options=out.options.update(max_width=10_000)).minimum <= out.width:
        out.print(grid)
        return
    for first, *others in rows:
        out.print(first, style="bold")
        *short, last = [f"{h}: {text}" if h else text for h, text in zip(headers[1:], others, strict=True) if text]
        for text in ("; ".join(short), last):
            if text:
                print(hanging(f"  {text}", 4))


def _numbers(headers: Sequence[str], rows: Sequence[Sequence[str]], fits: bool = False) -> Grid | None:
    """A table whose cells are not broken; None where it is too wide.

    Args:
        fits: take it as it is, with long values broken: it has no more than two columns.
    """
    grid = grid_of(*headers)
    for column in grid.columns:
        column.no_wrap = not fits
    grid.columns[0].no_wrap = True
    if max(len(name) for name, *_ in (headers, *rows)) > out.width // 2:
        grid.columns[0].no_wrap = False
    for row in rows:
        grid.add_row(*row)
    width = out.measure(grid, options=out.options.update(max_width=10_000)).maximum
    return grid if fits or width <= out.width else None


def _parts(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[Grid]:
    """Tables of as many columns as fit, at least one, beside the first; without rows that are empty there."""
    start = 1
    while start < len(headers):
        grid, end = None, start
        while end < len(headers):
            named = [headers[0], *headers[start : end + 1]]
            chosen = [[row[0], *row[start : end + 1]] for row in rows if any(row[start : end + 1])]
            if (wider := _numbers(named, chosen, fits=end == start)) is None:
                break
            grid, end = wider, end + 1
        assert grid is not None  # one column always fits
        yield grid
        start = end


def hanging(text: str, indent: int) -> str:
    """Text wrapped to the terminal, with indented lines after the first."""
    return textwrap.fill(text, out.width, subsequent_indent=" " * indent, break_on_hyphens=False)
