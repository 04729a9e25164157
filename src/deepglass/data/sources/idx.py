"""idx files, the format of MNIST, also packed with gzip.

Source: Y. LeCun, C. Cortes, C. Burges, The MNIST database: two zero bytes, a type, the number of axes, the length of
each as a big-endian 32-bit number, then the values.
"""

import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from deepglass.data.sources.base import SPLIT_NAMES, SPLIT_WORDS, ReadLog
from deepglass.data.sources.npz import check_width
from deepglass.data.sources.text_bytes import load_bytes
from deepglass.data.table import Table
from deepglass.errors import SourceError

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_NAME = re.compile(r"(?P<stem>.*?)[-_.]?(?P<role>images?|labels?)[-_.]idx(?P<axes>[1-4])[-_.]u?byte(\.gz)?$")


def is_idx(path: Path) -> bool:
    """Whether a file has the name of an idx file, such as train-images-idx3-ubyte.gz."""
    return bool(_NAME.match(path.name.lower()))


def _stem_and_role(path: Path) -> tuple[str, str]:
    """("train", "image") of train-images-idx3-ubyte.gz."""
    match = _NAME.match(path.name.lower())
    assert match is not None, path
    return match["stem"], match["role"].rstrip("s")


def read_idx(path: Path, source: str) -> np.ndarray:
    """The array of one file.

    Raises:
        SourceError: `unreadable-file` if it is no idx file or is cut off.
    """
    data = load_bytes(path, source)
    head = data[:4].tobytes()
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _TYPES:
        raise SourceError("unreadable-file", f"{source}: no idx file; it begins with {head!r}")
    axes, dtype = head[3], np.dtype(_TYPES[head[2]])
    if len(data) < 4 + 4 * axes:
        raise SourceError("unreadable-file", f"{source}: the idx file is cut off in its head")
    shape = tuple(data[4 : 4 + 4 * axes].view(">u4").tolist())
    expected = math.prod(shape) * dtype.itemsize
    check_width(shape, dtype, source)
    body = data[4 + 4 * axes :]
    if len(body) != expected:
        text = f"{source}: expected {expected} bytes for shape {shape}, got {len(body)}; it is cut off"
        raise SourceError("unreadable-file", text)
    return np.frombuffer(body, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def read_idx_files(files: Sequence[Path], source: str) -> Table:
    """Pairs of image and label files as one table; their names give the split.

    Raises:
        SourceError: `mismatched-files` if one of a pair is missing or has another length.
    """
    log = ReadLog()
    pairs: dict[str, dict[str, Path]] = {}
    for path in files:
        stem, role = _stem_and_role(path)
        if (other := pairs.setdefault(stem, {}).setdefault(role, path)) is not path:
            log.skip(path.name, f"there is {other.name} as well")
    images, labels, split = [], [], []
    for stem in sorted(pairs, key=lambda stem: SPLIT_NAMES.index(_split_of(stem))):
        image, label = _read_pair(pairs[stem], source)
        images.append(image)
        labels.append(label)
        split += [_split_of(stem)] * len(image)
        log.note("idx", pairs[stem]["image"].name, f"{len(image)} images {image.shape[1:]} of {image.dtype}")
    shapes = {image.shape[1:] for image in images}
    if len(shapes) > 1:
        raise SourceError("mismatched-files", f"{source}: its images differ in shape: {sorted(shapes)}")
    if len(pairs) > 1:
        log.note_split(split, f"given by the files' names ({', '.join(sorted(pairs))})")
    return Table(
        {
            "image": images[0] if len(images) == 1 else np.concatenate(images),
            "label": pl.Series("label", np.concatenate(labels).astype(np.int64)),
        },
        source,
        *log.entries,
        np.array(split, "U5") if len(set(split)) > 1 else None,
        "label",
        {"image": "image", "label": "category"},
    )


def partners(path: Path) -> list[Path]:
    """An idx file and the file of the same stem beside it, if there is one."""
    stem, _ = _stem_and_role(path)
    beside = sorted(p for p in path.parent.iterdir() if is_idx(p) and _stem_and_role(p)[0] == stem)
    return [path, *(p for p in beside if p != path)]


def _read_pair(pair: dict[str, Path], source: str) -> tuple[np.ndarray, np.ndarray]:
    for role, other in (("image", "label"), ("label", "image")):
        if other not in pair:
            text = f"{source}: {pair[role].name} has {role}s, but its file of {other}s is missing"
            raise SourceError("mismatched-files", text)
    names = {role: path.name for role, path in pair.items()}
    image, label = (read_idx(pair[role], names[role]) for role in ("image", "label"))
    if len(image) != len(label):
        text = f"{source}: {names['image']} has {len(image)} images, {names['label']} has {len(label)} labels"
        raise SourceError("mismatched-files", text)
    if not len(image):
        raise SourceError("no-rows", f"{source}: {names['image']} has no images")
    return image, label


def _split_of(stem: str) -> str:
    """The split that a word of a stem means; train without one."""
    words = [SPLIT_WORDS[word] for word in re.split(r"[-_. ]", stem) if word in SPLIT_WORDS]
    return words[-1] if words else "train"
