"""The name that a run has by default."""

from pathlib import Path
from typing import Any


def run_name(source: Any) -> str:
    """A short name by the source, such as `houses` for data/houses.csv."""
    name = source if isinstance(source, str) else getattr(source, "name", None) or "run"
    return Path(str(name).rpartition(":")[2].rstrip("/")).name.partition(".")[0] or "run"
