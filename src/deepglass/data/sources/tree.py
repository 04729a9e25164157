"""What lies below a folder of annotated pictures: its files, the parts that its folders name, the classes' names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import yaml

from deepglass.data.sources.base import PARTS, PICTURES, SPLITS, Findings, entries, natural
from deepglass.errors import SourceError
from deepglass.features.base import Media

_ROBOFLOW = ("_annotations.", "_classes.", "_darknet.")  # these begin with an underscore, as leavings do elsewhere
_NAME_FILES = re.compile(r"(^|[-_])(classes|class|class_names|labels?|names|codes|categories|darknet)$", re.IGNORECASE)
_NAME_ENDINGS = (".txt", ".names", ".labels", ".csv", ".yaml", ".yml")
_MOST_NAMES = 1000  # classes; a larger file is something else
_MOST_BYTES = 2**20  # of a file of names


@dataclass(frozen=True)
class Tree:
    """The files below a folder, as paths from it on, in natural order."""

    folder: Path
    files: tuple[str, ...]
    empty: tuple[str, ...] = ()  # folders without files

    @staticmethod
    def of(folder: Path) -> Tree:
        found = sorted(_walk(folder), key=natural)
        return Tree(folder, tuple(f for f in found if f[-1] != "/"), tuple(f[:-1] for f in found if f[-1] == "/"))

    @cached_property
    def pictures(self) -> tuple[str, ...]:
        return tuple(f for f in self.files if ending(f) in PICTURES)

    def ending_in(self, *endings: str) -> list[str]:
        return [f for f in self.files if ending(f) in endings]

    def without(self, files: Iterable[str]) -> Tree:
        left_out = set(files)
        return Tree(self.folder, tuple(f for f in self.files if f not in left_out), self.empty)

    def media(self, name: str) -> Media:
        return Media(name, self.folder / name)

    def text(self, name: str) -> str:
        """A file's text; bytes that are none become question marks."""
        try:
            return (self.folder / name).read_text("utf-8-sig", errors="replace")
        except OSError as error:
            raise SourceError("unreadable-file", f"{name}: cannot be read ({error.strerror})") from error


def _walk(folder: Path, above: str = "") -> Iterator[str]:
    found = entries(folder)
    if not found and above:
        yield above
    for entry in found:
        if entry.is_dir():
            yield from _walk(folder / entry.name, f"{above}{entry.name}/")
        elif entry.is_file():
            yield above + entry.name
    for path in sorted(folder.glob("_*")):
        if path.name.startswith(_ROBOFLOW) and path.is_file():
            yield above + path.name


def ending(name: str) -> str:
    """Of a file's name, in small letters: ".png"."""
    last = name.rpartition("/")[2]
    return "." + last.rpartition(".")[2].lower() if "." in last else ""


def stem(name: str) -> str:
    """A file's name without folders and ending."""
    last = name.rpartition("/")[2]
    return last.rpartition(".")[0] or last


def folders(name: str) -> list[str]:
    return name.split("/")[:-1]


class Places:
    """Finds the picture that another file is about: of its name, in the folder that answers to its own.

    Folders answer to each other that differ in a word such as images, labels or masks; a name that only one picture
    has is found wherever that is.
    """

    def __init__(self, pictures: Sequence[str]) -> None:
        self.exact = set(pictures)
        self.by_place: dict[tuple[str, ...], str] = {}
        self.by_stem: dict[str, list[str]] = {}
        self.by_name: dict[str, list[str]] = {}
        for picture in pictures:
            self.by_place.setdefault((*bare_folders(picture), stem(picture)), picture)
            self.by_stem.setdefault(stem(picture), []).append(picture)
            self.by_name.setdefault(picture.rpartition("/")[2], []).append(picture)

    def find(self, file: str) -> str | None:
        """The picture of an annotation file's name."""
        beside = [p for p in self.by_stem.get(stem(file), ()) if folders(p) == folders(file)]
        return beside[0] if beside else self.by_place.get((*bare_folders(file), stem(file))) or self._only(stem(file))

    def named(self, path: str, near: str = "") -> str | None:
        """The picture that a path means, perhaps one of another machine, perhaps without its ending.

        Args:
            near: the file that names it; of several pictures the one in its folder, or in that of its part, is meant.
        """
        path = path.strip().replace("\\", "/")
        pieces = [piece for piece in path.split("/") if piece not in ("", ".")]
        for start in range(len(pieces)):
            if (tail := "/".join(pieces[start:])) in self.exact:
                return tail
        last = pieces[-1] if pieces else ""
        same = self.by_name.get(last) or self.by_stem.get(last) or []
        if len(same) < 2:
            return same[0] if same else None
        tails = [p for p in same if pieces[-2:-1] == folders(p)[-1:]]
        beside = [
            p
            for p in same
            if near and (folders(p) == folders(near) or part_of(p) == (part_of(near) or part_of(f"{stem(near)}/")))
        ]
        return next((some[0] for some in (tails, beside) if len(some) == 1), None)

    def _only(self, word: str) -> str | None:
        same = self.by_stem.get(word, [])
        return same[0] if len(same) == 1 else None


_ROLE = re.compile(
    r"(.*?)[-_ ]?(?:images?|imgs?|jpegimages|pictures?|photos?|rgb|frames|labels?|annots?|annotations?|xmls?|txts?|yolo"
    r"|voc|box(?:es)?|bboxes)",
    re.IGNORECASE,
)


def bare_folders(name: str) -> tuple[str, ...]:
    """The folders above a file without the words for what it is: ("train",) of images/train/1.jpg."""
    bare = [match[1] if (match := _ROLE.fullmatch(folder)) else folder for folder in folders(name)]
    return tuple(folder for folder in bare if folder)


# -- the split ---------------------------------------------------------------------------------------------------


def part_of(name: str) -> str | None:
    """The part that a folder above a file names: "train" of images/train2017/1.jpg."""
    for folder in folders(name):
        word = re.sub(r"[-_ ]?(\d+|images?|imgs?)$", "", folder.lower())
        if word in SPLITS:
            return SPLITS[word]
    return None


def split_by(parts: Iterable[str | None], why: str, findings: Findings) -> np.ndarray | None:
    """The source's own split, where each row has a part and there are two of them or more."""
    found = list(parts)
    if None in found or len(set(found)) < 2:
        return None
    split = np.array(found, dtype="U5")
    counts = ", ".join(f"{part} {(split == part).sum()}" for part in PARTS if (split == part).any())
    findings.note("split", counts, f"given by {why}")
    return _held_out(split, findings)


def listed_parts(tree: Tree, names: Sequence[str], prefer: str) -> tuple[list[str | None], str] | None:
    """The part of each picture by lists such as ImageSets/Main/train.txt; None without two such lists.

    Args:
        prefer: a word in the folder of the lists that are meant, where there are several.
    """
    lists = [f for f in tree.files if ending(f) in (".txt", ".lst") and stem(f).lower() in SPLITS]
    above = sorted({tuple(folders(f)) for f in lists}, key=lambda place: (prefer not in "/".join(place).lower(), place))
    stems = {stem(name) for name in names}
    for place in above:
        part_by: dict[str, str] = {}
        for file in (f for f in lists if tuple(folders(f)) == place):
            for line in tree.text(file).splitlines():
                word = line.strip().replace("\\", "/").rpartition("/")[2]
                for key in (word, stem(word)):
                    if key in stems:
                        part_by.setdefault(key, SPLITS[stem(file).lower()])
                        break
        if len(set(part_by.values())) > 1:
            where = "/".join(place) or "its folder"
            return [part_by.get(stem(name)) for name in names], f"the lists in {where}"
    return None


def _held_out(split: np.ndarray, findings: Findings) -> np.ndarray:
    """Where only training and validation are given, what was held out is the test; validation is cut from training."""
    if set(split) != {"train", "valid"}:
        return split
    findings.note("test", "its validation part", "there is no test part; validation rows are drawn from training")
    return np.where(split == "valid", "test", split)


# -- names of classes --------------------------------------------------------------------------------------------


def class_names(tree: Tree, sort: str, findings: Findings) -> tuple[dict[int, str], str]:
    """The classes' names by number, and the file that they are from ("" for none).

    Args:
        sort: "mask" or "box": of several files the one that is called so comes first, and never the other's.
    """
    other = {"mask": "box", "box": "mask"}[sort]
    files = [f for f in tree.files if is_name_file(f) and other not in stem(f).lower()]
    files.sort(key=lambda f: (sort not in stem(f).lower(), f.count("/"), "class" not in stem(f).lower()))
    for file in files:
        if (tree.folder / file).stat().st_size > _MOST_BYTES:
            continue
        if names := _parse(file, tree.text(file), findings):
            findings.note("class names", shown(names.values()), f"from {file}")
            return names, file
    return {}, ""


def shown(names: Iterable[str], most: int = 12) -> str:
    """The first of some names, for a note."""
    listed = list(names)
    return f"{len(listed)}: {', '.join(listed[:most])}" + (", ..." if len(listed) > most else "")


def is_name_file(file: str) -> bool:
    """Whether a file is called as those that name classes."""
    if ending(file) in (".yaml", ".yml"):
        return True
    return ending(file) in _NAME_ENDINGS and bool(ending(file) == ".names" or _NAME_FILES.search(stem(file)))


def _parse(file: str, text: str, findings: Findings) -> dict[int, str]:
    parsers: Mapping[str, Callable[[str, str, Findings], dict[int, str]]] = {
        ".yaml": _of_yaml,
        ".yml": _of_yaml,
        ".csv": _of_csv,
    }
    names = parsers.get(ending(file), _of_lines)(file, text, findings)
    return names if len(names) <= _MOST_NAMES else {}


def _of_lines(file: str, text: str, findings: Findings) -> dict[int, str]:
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
            findings.skip(f"{file}, line {i}", "no number and name of a class")
        elif int(match[1]) in names:
            findings.skip(f"{file}, line {i}", f"a second name for class {match[1]}")
        else:
            names[int(match[1])] = match[2].strip()
    return names


def _of_csv(file: str, text: str, findings: Findings) -> dict[int, str]:
    """Rows of a number and a name, with a header, in either order; else names in their order."""
    rows = [[cell.strip() for cell in line.split(",")] for line in text.splitlines() if line.strip()]
    pairs = [(row[0], row[1]) if row[0].isdigit() else (row[1], row[0]) for row in rows if len(row) == 2]
    names = {int(number): name for number, name in pairs if number.isdigit()}
    if names:
        return names
    header = len(rows) > 1 and rows[0][0].lower() in ("name", "class", "label", "class_name")
    return {i: row[0] for i, row in enumerate(rows[header:])}


def _of_yaml(file: str, text: str, findings: Findings) -> dict[int, str]:
    """The `names` of a YOLO data file: a list, or number -> name."""
    try:
        loaded = yaml.safe_load(text)
    except yaml.YAMLError as error:
        findings.skip(file, f"not YAML ({str(error).splitlines()[0]})")
        return {}
    names = loaded.get("names") if isinstance(loaded, dict) else None
    if isinstance(names, list):
        return {i: str(name) for i, name in enumerate(names)}
    return {int(k): str(v) for k, v in names.items() if str(k).isdigit()} if isinstance(names, dict) else {}
