"""Recipes: specs that come with deepglass, each with the figure that it should reach.

A recipe is an ordinary spec (`deepglass train recipe:digits-lenet5` or its file). Its first comment says what it shows,
and comments such as `# expect: label.accuracy >= 0.99` say what its test figures should be.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from deepglass.errors import SpecError, near_miss

PREFIX = "recipe:"
_EXPECT = re.compile(r"#\s*expect:\s*(\S+)\.(\w+)\s*(>=|<=)\s*(-?[\d.]+)\s*$")


class Expected(NamedTuple):
    """A figure that a recipe should reach, `most` where less is better."""

    output: str
    metric: str
    value: float
    most: bool

    def reached(self, value: float) -> bool:
        return value <= self.value if self.most else value >= self.value

    def __str__(self) -> str:
        return f"{self.output}.{self.metric} {'<=' if self.most else '>='} {self.value:g}"


def folder() -> Path:
    """Where the recipes lie: in the package when it was installed, beside `src` in a checkout."""
    package = Path(__file__).parents[1]
    installed = package / "recipes"
    return installed if installed.is_dir() else package.parents[1] / "recipes"


def names() -> list[str]:
    """All recipes."""
    return sorted(path.stem for path in folder().glob("*.yaml"))


def locate(name: str) -> Path:
    """The file of a recipe.

    Raises:
        SpecError: `unknown-name`, with the near miss.
    """
    if name not in names():
        raise SpecError("unknown-name", f"no recipe {name!r}{near_miss(name, names())}; `deepglass list recipes`")
    return folder() / f"{name}.yaml"


def about(name: str) -> str:
    """What a recipe shows: its first comment."""
    first = locate(name).read_text("utf-8").partition("\n")[0]
    return first.removeprefix("#").strip()


def expected(name: str) -> list[Expected]:
    """The figures that a recipe should reach."""
    found = (_EXPECT.match(line.strip()) for line in locate(name).read_text("utf-8").splitlines())
    return [Expected(m[1], m[2], float(m[4]), m[3] == "<=") for m in found if m]
