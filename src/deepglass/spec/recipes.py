"""Recipes: specs that come with deepglass, each with the test metrics that it should reach.

A recipe is a spec file, run by `deepglass train recipe:digits-lenet5`. Its first comment says what it shows; comments
such as `# expect: label.accuracy >= 0.99` state the expected test metrics.
"""

import re
from pathlib import Path
from typing import NamedTuple

from deepglass.errors import SpecError, near_miss

PREFIX = "recipe:"
_EXPECT = re.compile(r"#\s*expect:\s*(\S+)\.(\w+)\s*(>=|<=)\s*(-?[\d.]+)\s*$")


class Expected(NamedTuple):
    """A bound on a test metric of a recipe: an upper bound where lower is better, else a lower bound."""

    output: str
    metric: str
    value: float
    upper: bool

    def reached(self, value: float) -> bool:
        return value <= self.value if self.upper else value >= self.value

    def __str__(self) -> str:
        return f"{self.output}.{self.metric} {'<=' if self.upper else '>='} {self.value:g}"


def folder() -> Path:
    """The folder of the recipes: in an installed package, or beside `src` in a checkout."""
    package = Path(__file__).parents[1]
    installed = package / "recipes"
    return installed if installed.is_dir() else package.parents[1] / "recipes"


def names() -> list[str]:
    """Names of all recipes."""
    return sorted(path.stem for path in folder().glob("*.yaml"))


def locate(name: str) -> Path:
    """The file of a recipe.

    Raises:
        SpecError: `unknown-name`, with the near miss.
    """
    if name not in names():
        raise SpecError("unknown-name", f"no recipe {name!r}{near_miss(name, names())}; see `deepglass list recipes`")
    return folder() / f"{name}.yaml"


def about(name: str) -> str:
    """What a recipe shows: its first comment."""
    return locate(name).read_text("utf-8").partition("\n")[0].removeprefix("#").strip()


def expected(name: str) -> list[Expected]:
    """The bounds on the test metrics of a recipe."""
    matches = (_EXPECT.match(line.strip()) for line in locate(name).read_text("utf-8").splitlines())
    return [Expected(m[1], m[2], float(m[4]), m[3] == "<=") for m in matches if m]
