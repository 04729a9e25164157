"""File tree of a folder of annotated images: matches annotation files to images, and files to splits."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from deepglass.data.sources.base import ReadLog
from deepglass.data.sources.listing import natural_key, walk
from deepglass.data.sources.split_names import split_in
from deepglass.features._reading import IMAGES
from deepglass.features.base import Media
from deepglass.files import open_file, read_file

_LABELS = re.compile(r"(^|/)(masks?|labels?|annot|annotations?|SegmentationObject)/", re.IGNORECASE)


@dataclass(frozen=True)
class FileTree:
    """The files below a folder, as paths relative to it, in natural order."""

    folder: Path
    files: tuple[str, ...]
    empty: tuple[str, ...] = ()  # folders without files
    hidden: tuple[str, ...] = ()  # files and folders that are not read

    @staticmethod
    def of(folder: Path) -> FileTree:
        hidden: list[str] = []
        names = sorted(walk(folder, hidden=hidden), key=natural_key)
        files, empty = (f for f in names if f[-1] != "/"), (f[:-1] for f in names if f[-1] == "/")
        return FileTree(folder, tuple(files), tuple(empty), tuple(hidden))

    @cached_property
    def images(self) -> tuple[str, ...]:
        return tuple(f for f in self.files if ending(f) in IMAGES)

    def ending_in(self, *endings: str) -> list[str]:
        return [f for f in self.files if ending(f) in endings]

    def without(self, files: Iterable[str]) -> FileTree:
        excluded = set(files)
        return self.only(f for f in self.files if f not in excluded)

    def only(self, files: Iterable[str]) -> FileTree:
        return replace(self, files=tuple(files))

    def below(self, masks: str) -> FileTree:
        """The files without those in folders of masks or labels other than `masks`."""
        return self.only(f for f in self.files if f.startswith(f"{masks}/") or not _LABELS.search(f))

    def skip_unread(self, log: ReadLog) -> None:
        """Log the empty folders and the hidden files."""
        log.note_hidden(self.hidden)
        for folder in self.empty:
            log.skip(f"{folder}/", "an empty folder")

    def media(self, name: str) -> Media:
        return Media(name, self.folder / name)

    def size(self, name: str) -> int:
        """Bytes of a file."""
        return (self.folder / name).stat().st_size

    def text(self, name: str) -> str:
        """A file's text; bytes that are not UTF-8 become replacement characters."""
        return read_file(self.folder / name, name).decode("utf-8-sig", errors="replace").replace("\r\n", "\n")

    def head(self, name: str, size: int) -> bytes:
        """The first bytes of a file."""
        with open_file(self.folder / name, name) as file:
            return file.read(size)


def ending(name: str) -> str:
    """The ending of a file's name in small letters: ".png"."""
    last = name.rpartition("/")[2]
    return "." + last.rpartition(".")[2].lower() if "." in last else ""


def stem(name: str) -> str:
    """A file's name without folders and ending."""
    last = unicodedata.normalize("NFC", name.rpartition("/")[2])
    return last.rpartition(".")[0] or last


def folders(name: str) -> list[str]:
    return name.split("/")[:-1]


def split_of(name: str) -> str | None:
    """The split that a parent folder names: "train" of images/train2017/1.jpg."""
    return next((match.split for folder in folders(name) if (match := split_in(folder))), None)


class FileMatcher:
    """Finds the image that an annotation file belongs to: the same name in the corresponding folder.

    Folders correspond if they differ only in a word such as images, labels or masks; a unique file name matches in
    any folder.
    """

    def __init__(self, images: Sequence[str]) -> None:
        self.exact = set(images)
        self.by_folder: dict[tuple[str, ...], str] = {}
        self.by_stem: dict[str, list[str]] = {}
        self.by_name: dict[str, list[str]] = {}
        for image in images:
            self.by_folder.setdefault((*bare_folders(image, _ROLE), stem(image)), image)
            self.by_stem.setdefault(stem(image), []).append(image)
            self.by_name.setdefault(image.rpartition("/")[2], []).append(image)

    def find(self, file: str) -> str | None:
        """The image with the name of an annotation file."""
        same = self.by_stem.get(stem(file), [])
        beside = [image for image in same if folders(image) == folders(file)]
        corresponding = self.by_folder.get((*bare_folders(file, _ROLE), stem(file)))
        return beside[0] if beside else corresponding or (same[0] if len(same) == 1 else None)

    def named(self, path: str, near: str = "") -> str | None:
        """The image that a path names, even a path of another machine or without an ending.

        Args:
            near: the file that names it; of several images, the one in its folder or in its split is meant.
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
        in_named_folder = [image for image in same if pieces[-2:-1] == folders(image)[-1:]]
        split = split_of(near) or split_of(f"{stem(near)}/")
        beside = [image for image in same if near and (folders(image) == folders(near) or split_of(image) == split)]
        return next((images[0] for images in (in_named_folder, beside) if len(images) == 1), None)


_ROLE = re.compile(
    r"(.*?)[-_ ]?(?:images?|imgs?|jpegimages|pictures?|photos?|rgb|frames|labels?|annots?|annotations?|xmls?|txts?|yolo"
    r"|voc|box(?:es)?|bboxes)",
    re.IGNORECASE,
)


def bare_folders(name: str, role: re.Pattern[str]) -> tuple[str, ...]:
    """The parent folders of a file without the words for its role: ("train",) of images/train/1.jpg."""
    bare = [match[1] if (match := role.fullmatch(folder)) else folder for folder in folders(name)]
    return tuple(folder for folder in bare if folder)
