"""Texts on the consoles."""

import pytest

from deepglass.cli import console
from deepglass.cli.console import grid_of


@pytest.mark.parametrize("name", ["out", "err"])
def test_names_that_look_like_markup_or_emoji_codes_are_printed_as_they_are(name: str) -> None:
    stream = getattr(console, name)
    text = "synthetic:ring: 5,000 rows of [b]x[/b] :smile:"
    grid = grid_of()
    grid.add_row(text)
    with stream.capture() as capture:
        stream.print(text)
        stream.print(grid)
    assert [line.strip() for line in capture.get().splitlines()] == [text, text]
