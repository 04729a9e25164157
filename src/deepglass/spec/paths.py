"""Paths in the sources of a spec: from a folder, or as the names of their files."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from deepglass.data.sources.base import SQLITE
from deepglass.values import plain

_WITHOUT_PATH = ("data:", "sklearn:", "synthetic:", "gym:", "game:", "<")  # begin sources that are no files
_OBJECTIVE_PATHS = ("features", "style_image", "word_pairs")  # settings of objectives


def anchored_source(source: Any, folder: Path) -> Any:
    """A source whose relative paths start from a folder."""
    if isinstance(source, list | tuple) and all(isinstance(path, str) for path in source):
        return [anchored_source(path, folder) for path in source]
    if isinstance(source, str) and source.startswith(SQLITE):
        database = source.removeprefix(SQLITE)
        return source if Path(database).is_absolute() else f"{SQLITE}{folder}/{database}"
    if not _is_path(source):
        return source
    path = Path(source).expanduser()
    return str(path if path.is_absolute() else folder / path)


def source_name(source: Any, names: dict[str, str]) -> Any:
    """A source with the names of its files instead of their paths.

    Args:
        names: path -> name, to which those of the source are added.
    """
    if isinstance(source, list | tuple) and all(isinstance(path, str) for path in source):
        return [source_name(path, names) for path in source]
    if isinstance(source, str) and source.startswith(SQLITE):
        path, colon, query = source.removeprefix(SQLITE).partition(":")
        return f"{SQLITE}{source_name(path, names)}{colon}{query}"
    if not _is_path(source):
        return source
    names[source] = Path(source).name
    return names[source]


def with_paths(objective: Any, function: Callable[[str], str]) -> Any:
    """The section of the objective with a function of each path in its settings."""
    settings = plain(objective.settings)
    paths = {k: function(v) for k in _OBJECTIVE_PATHS if isinstance(v := settings.get(k), str) and v}
    return replace(objective, settings={**settings, **paths}) if paths else objective


def _is_path(source: Any) -> bool:
    return isinstance(source, str) and not source.startswith(_WITHOUT_PATH)
