"""What every page of deepglass has: colours and type (`style.css`), light and dark (`theme.js`), and shared scripts.

It stands below the report, which writes all of it into its file, and below the pages that are served, which link to it.
"""

from functools import cache
from importlib.resources import files

STYLE = files(__name__).joinpath("style.css")
THEME = files(__name__).joinpath("theme.js")


@cache
def asset(name: str) -> str:
    """The text of a style sheet or script of this folder; empty where there is none of this name."""
    file = files(__name__).joinpath(name)
    return file.read_text("utf-8") if file.is_file() else ""
