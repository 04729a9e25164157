"""Class names by index, and class colours, from a file next to the images."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import yaml

from deepglass.data.sources.base import ReadLog
from deepglass.data.sources.file_tree import FileTree, ending, stem

_NAME_FILES = re.compile(r"(^|[-_])(classes|class|class_names|labels?|names|codes|categories|darknet)$", re.IGNORECASE)
_NAME_ENDINGS = (".txt", ".names", ".labels", ".csv", ".yaml", ".yml")
_COLOURS = re.compile(r"colou?rs?|class_dict|labelmap|palette", re.IGNORECASE)
_MAX_NAMES = 1000  # classes; a larger file is something else
_MAX_BYTES = 2**20  # of a file of names


def class_names(tree: FileTree, sort: str, log: ReadLog) -> tuple[dict[int, str], str]:
    """Class names by index, and the file that they come from ("" without one).

    Args:
        sort: "mask" or "box": of several files the one that is called so comes first, and never the other's.
    """
    other = {"mask": "box", "box": "mask"}[sort]
    files = [f for f in tree.files if is_name_file(f) and other not in stem(f).lower()]
    files.sort(key=lambda f: (sort not in stem(f).lower(), f.count("/"), "class" not in stem(f).lower()))
    for file in files:
        if (tree.folder / file).stat().st_size > _MAX_BYTES:
            continue
        if names := _parse(file, tree.text(file), log):
            log.note("class names", list_names(names.values()), f"from {file}")
            return names, file
    return {}, ""


def list_names(names: Iterable[str], most: int = 12) -> str:
    """The number of names and the first of them, for a note."""
    listed = list(names)
    return f"{len(listed)}: {', '.join(listed[:most])}" + (", ..." if len(listed) > most else "")


def is_name_file(file: str) -> bool:
    """Whether a file has the name of a file of class names."""
    if ending(file) in (".yaml", ".yml"):
        return True
    return ending(file) in _NAME_ENDINGS and bool(ending(file) == ".names" or _NAME_FILES.search(stem(file)))


def _parse(file: str, text: str, log: ReadLog) -> dict[int, str]:
    parsers: Mapping[str, Callable[[str, str, ReadLog], dict[int, str]]] = {
        ".yaml": _of_yaml,
        ".yml": _of_yaml,
        ".csv": _of_csv,
    }
    names = parsers.get(ending(file), _of_lines)(file, text, log)
    return names if len(names) <= _MAX_NAMES else {}


def _of_lines(file: str, text: str, log: ReadLog) -> dict[int, str]:
    """Lines "index name", or names whose line is their number."""
    lines = [(i, line.strip()) for i, line in enumerate(text.splitlines(), 1)]
    numbered = [(i, re.fullmatch(r"(\d+)[\s:,;=]+(\D.*)", line)) for i, line in lines if line]
    fits = sum(match is not None for _, match in numbered)
    if fits * 2 <= len(numbered):
        while lines and not lines[-1][1]:
            lines.pop()
        return {i - 1: line or f"class {i - 1}" for i, line in lines}
    names: dict[int, str] = {}
    for i, match in numbered:
        if match is None:
            log.skip(f"{file}, line {i}", "no number and name of a class")
        elif int(match[1]) in names:
            log.skip(f"{file}, line {i}", f"a second name for class {match[1]}")
        else:
            names[int(match[1])] = match[2].strip()
    return names


def _of_csv(file: str, text: str, log: ReadLog) -> dict[int, str]:
    """Rows of a number and a name, with a header, in either order; else names in their order."""
    rows = [[cell.strip() for cell in line.split(",")] for line in text.splitlines() if line.strip()]
    pairs = [(row[0], row[1]) if row[0].isdigit() else (row[1], row[0]) for row in rows if len(row) == 2]
    names = {int(number): name for number, name in pairs if number.isdigit()}
    if names:
        return names
    header = len(rows) > 1 and rows[0][0].lower() in ("name", "class", "label", "class_name")
    return {i: row[0] for i, row in enumerate(rows[header:])}


def _of_yaml(file: str, text: str, log: ReadLog) -> dict[int, str]:
    """The `names` of a YOLO data file: a list, or number -> name."""
    try:
        loaded = yaml.safe_load(text)
    except yaml.YAMLError as error:
        log.skip(file, f"not YAML ({str(error).splitlines()[0]})")
        return {}
    names = loaded.get("names") if isinstance(loaded, dict) else None
    if isinstance(names, list):
        return {i: str(name) for i, name in enumerate(names)}
    return {int(k): str(v) for k, v in names.items() if str(k).isdigit()} if isinstance(names, dict) else {}


# -- colours -----------------------------------------------------------------------------------------------------


class RGB(NamedTuple):
    """Red, green and blue, 0 to 255."""

    red: int
    green: int
    blue: int

    def __str__(self) -> str:
        return f"#{self.red:02x}{self.green:02x}{self.blue:02x}"


def class_colours(tree: FileTree, log: ReadLog) -> dict[RGB, str]:
    """The class of each colour, in the order of a file such as class_dict.csv or label_colors.txt; empty for none.

    A line has a name and three numbers, in either order.
    """
    files = [f for f in tree.files if ending(f) in (".txt", ".csv") and (is_name_file(f) or _COLOURS.search(stem(f)))]
    for file in sorted(files, key=lambda f: (not _COLOURS.search(stem(f)), f.count("/"))):
        if (tree.folder / file).stat().st_size > _MAX_BYTES:
            continue
        colours: dict[RGB, str] = {}
        odd = []
        for i, line in enumerate(tree.text(file).splitlines(), 1):
            before = re.match(r"\s*(\d+)[\s,;]+(\d+)[\s,;]+(\d+)[\s,;:]+(\S.*)", line)
            behind = re.match(r"\s*([^,;:]*[^\s,;:])[\s,;:]+(\d+)[\s,;]+(\d+)[\s,;]+(\d+)", line)
            if before:
                colours.setdefault(RGB(*map(int, before.groups()[:3])), before[4].strip())
            elif behind:
                colours.setdefault(RGB(*map(int, behind.groups()[1:])), behind[1].strip())
            elif line.strip() and not line.lstrip().startswith("#") and i > 1:
                odd.append(i)
        if len(colours) > len(odd):
            for i in odd:
                log.skip(f"{file}, line {i}", "no name and colour of a class")
            log.note(
                "class colours", list_names(f"{name} {colour}" for colour, name in colours.items()), f"from {file}"
            )
            return colours
    return {}
