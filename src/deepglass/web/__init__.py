"""What every page of deepglass has: colours and type (`style.css`), light and dark (`theme.js`).

It stands below the report, which writes both into its file, and below the pages that are served, which link to them.
"""

from importlib.resources import files

STYLE = files(__name__).joinpath("style.css")
THEME = files(__name__).joinpath("theme.js")
