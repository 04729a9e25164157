"""The example in the help of each command is one that the command accepts."""

from __future__ import annotations

import re
import shlex

import pytest
import typer

from deepglass.cli.main import app
from deepglass.cli.options import parse_settings

GROUP = typer.main.get_command(app)
EXAMPLE = re.compile(r"^Example: deepglass (.+)$", re.MULTILINE)


@pytest.mark.parametrize("name", sorted(GROUP.commands))  # type: ignore[attr-defined]
def test_the_help_has_an_example_that_parses(name: str) -> None:
    command = GROUP.commands[name]  # type: ignore[attr-defined]
    examples = EXAMPLE.findall(command.help or "")
    assert examples, f"the help of {name} has no example"
    for example in examples:
        first, *words = shlex.split(example)
        assert first == name
        with GROUP.make_context("deepglass", [first, *words]) as parent:
            context = command.make_context(name, words, parent)
        parse_settings(context.params.get("settings"), None, context.params.get("kind"), None, None)
