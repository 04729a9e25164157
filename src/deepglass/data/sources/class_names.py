"""Class names by index, and class colours, from a file beside the images."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from deepglass.data.sources.base import ReadLog
from deepglass.data.sources.file_tree import FileTree, ending, stem
from deepglass.documents import parse_yaml
from deepglass.errors import UserError

_NAME_FILES = re.compile(r"(^|[-_])(classes|class|class_names|labels?|names|codes|categories|darknet)$", re.IGNORECASE)
_NAME_ENDINGS = (".txt", ".labels", ".csv")
_COLOURS = re.compile(r"colou?rs?|class_dict|labelmap|palette", re.IGNORECASE)
_NUMBERS = r"(?P<red>\d+)[\s,;]+(?P<green>\d+)[\s,;]+(?P<blue>\d+)"
_NUMBERS_NAME = re.compile(rf"\s*{_NUMBERS}[\s,;:]+(?P<name>\S.*)")
_NAME_NUMBERS = re.compile(rf"\s*(?P<name>[^,;:]*[^\s,;:])[\s,;:]+{_NUMBERS}")
_MAX_NAMES = 1000  # classes; a larger file is something else
_MAX_BYTES = 2**20  # of a file of names


def class_names(tree: FileTree, sort: str, log: ReadLog) -> tuple[dict[int, str], str]:
    """Class names by index, and the file that they are from ("" without one).

    Args:
        sort: "mask" or "box": of several files, one with this word in its name comes first; one with the other word
            is never used.
    """
    other = {"mask": "box", "box": "mask"}[sort]
    files = [f for f in tree.files if is_name_file(f) and other not in stem(f).lower()]
    files.sort(key=lambda f: (sort not in stem(f).lower(), f.count("/"), "class" not in stem(f).lower()))
    for file in files:
        if tree.size(file) <= _MAX_BYTES and (names := _parse(file, tree.text(file), log)):
            log.note("class names", list_names(names.values()), f"from {file}")
            return names, file
    return {}, ""


def list_names(names: Iterable[str], most: int = 12) -> str:
    """The number of names and the first of them, for a note."""
    listed = list(names)
    return f"{len(listed)}: {', '.join(listed[:most])}" + (", ..." if len(listed) > most else "")


def is_name_file(file: str) -> bool:
    """Whether a file has the name of a file of class names."""
    if ending(file) in (".yaml", ".yml", ".names"):
        return True
    return ending(file) in _NAME_ENDINGS and bool(_NAME_FILES.search(stem(file)))


def _parse(file: str, text: str, log: ReadLog) -> dict[int, str]:
    parsers = {".yaml": _of_yaml, ".yml": _of_yaml, ".csv": _of_csv}
    names = parsers.get(ending(file), _of_lines)(file, text, log)
    return names if len(names) <= _MAX_NAMES else {}


def _of_lines(file: str, text: str, log: ReadLog) -> dict[int, str]:
    """Lines of an index and a name; else one name per line."""
    lines = [line.strip() for line in text.rstrip().splitlines()]
    numbered = [(i, re.fullmatch(r"(\d+)[\s:,;=]+(\D.*)", line)) for i, line in enumerate(lines, 1) if line]
    fits = sum(match is not None for _, match in numbered)
    if fits * 2 <= len(numbered):
        return {i: line or f"class {i}" for i, line in enumerate(lines)}
    names: dict[int, str] = {}
    for i, match in numbered:
        if match is None:
            log.skip(f"{file}, line {i}", "expected the index and name of a class")
        elif int(match[1]) in names:
            log.skip(f"{file}, line {i}", f"a second name for class {match[1]}")
        else:
            names[int(match[1])] = match[2].strip()
    return names


def _of_csv(file: str, text: str, log: ReadLog) -> dict[int, str]:
    """Rows of an index and a name in either order, with a header; else one name per row."""
    rows = [[cell.strip() for cell in line.split(",")] for line in text.splitlines() if line.strip()]
    pairs = [row if row[0].isdigit() else row[::-1] for row in rows if len(row) == 2]
    if names := {int(index): name for index, name in pairs if index.isdigit()}:
        return names
    header = len(rows) > 1 and rows[0][0].lower() in ("name", "class", "label", "class_name")
    return {i: row[0] for i, row in enumerate(rows[header:])}


def _of_yaml(file: str, text: str, log: ReadLog) -> dict[int, str]:
    """The `names` of a YOLO data file: a list, or index -> name."""
    try:
        loaded = parse_yaml(text, file)
    except UserError as error:
        log.skip(file, str(error))
        return {}
    names = loaded.get("names") if isinstance(loaded, dict) else None
    by_index = dict(enumerate(names)) if isinstance(names, list) else names if isinstance(names, dict) else {}
    return {int(index): str(name) for index, name in by_index.items() if str(index).isdigit()}


# -- colours -----------------------------------------------------------------------------------------------------


class RGB(NamedTuple):
    """Red, green and blue, 0 to 255."""

    red: int
    green: int
    blue: int

    def __str__(self) -> str:
        return f"#{self.red:02x}{self.green:02x}{self.blue:02x}"


def class_colours(tree: FileTree, log: ReadLog) -> dict[RGB, str]:
    """The class of each colour, in the order of a file such as class_dict.csv or label_colors.txt; empty without one.

    A line has a name and three numbers, in either order.
    """
    files = [f for f in tree.files if ending(f) in (".txt", ".csv") and (is_name_file(f) or _COLOURS.search(stem(f)))]
    for file in sorted(files, key=lambda f: (not _COLOURS.search(stem(f)), f.count("/"))):
        if tree.size(file) > _MAX_BYTES:
            continue
        colours: dict[RGB, str] = {}
        faults = []
        for i, line in enumerate(tree.text(file).splitlines(), 1):
            if match := _NUMBERS_NAME.match(line) or _NAME_NUMBERS.match(line):
                colour = RGB(int(match["red"]), int(match["green"]), int(match["blue"]))
                colours.setdefault(colour, match["name"].strip())
            elif line.strip() and not line.lstrip().startswith("#") and i > 1:
                faults.append(i)
        if len(colours) > len(faults):
            for i in faults:
                log.skip(f"{file}, line {i}", "expected the name and colour of a class")
            listed = list_names(f"{name} {colour}" for colour, name in colours.items())
            log.note("class colours", listed, f"from {file}")
            return colours
    return {}
