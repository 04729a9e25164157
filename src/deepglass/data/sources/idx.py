"""The idx files of MNIST and its relatives, plain or packed with gzip.

Source: Y. LeCun, C. Cortes, C. Burges, The MNIST database: two zero bytes, a type, the number of axes, the length of
each as a big-endian 32-bit number, then the values.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from deepglass.data.sources.base import SPLIT_NAMES, SPLIT_WORDS, ReadLog
from deepglass.data.sources.text_bytes import load_bytes
from deepglass.data.table import Table
from deepglass.errors import SourceError

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_NAME = re.compile(r"(?P<stem>.*?)[-_.]?(?P<what>images?|labels?)[-_.]idx(?P<axes>[1-4])[-_.]u?byte(\.gz)?$")


def is_idx(path: Path) -> bool:
    """Whether a file's name is one of an idx file, such as train-images-idx3-ubyte.gz."""
    return bool(_NAME.match(path.name.lower()))


def _parsed(path: Path) -> tuple[str, str]:
    """("train", "image") of train-images-idx3-ubyte.gz."""
    match = _NAME.match(path.name.lower())
    assert match is not None, path
    return match["stem"], match["what"].rstrip("s")


def read_idx(path: Path, source: str) -> np.ndarray:
    """The array of one file.

    Raises:
        SourceError: `unreadable-file` when it is no idx file or is cut off.
    """
    data = load_bytes(path, source)
    head = data[:4].tobytes()
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _TYPES:
        raise SourceError("unreadable-file", f"{source}: not an idx file; it begins with {head!r}")
    axes = head[3]
    if len(data) < 4 + 4 * axes:
        raise SourceError("unreadable-file", f"{source}: the header of the idx file is cut off")
    shape = struct.unpack(f">{axes}I", data[4 : 4 + 4 * axes].tobytes())
    dtype = np.dtype(_TYPES[head[2]])
    expected = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    body = data[4 + 4 * axes :]
    if len(body) != expected:
        raise SourceError(
            "unreadable-file",
            f"{source}: expected {expected} bytes for shape {shape}, found {len(body)}; it is cut off",
        )
    values = np.frombuffer(body, dtype).reshape(shape)
    return values.astype(dtype.newbyteorder("="), copy=False)


def read_idx_files(files: Sequence[Path], source: str) -> Table:
    """Pairs of image and label files as one table, the split from their names.

    Raises:
        SourceError: `mismatched-files` when one of a pair is missing or has another length.
    """
    log = ReadLog()
    pairs: dict[str, dict[str, Path]] = {}
    for path in files:
        stem, what = _parsed(path)
        if what in pairs.setdefault(stem, {}):
            log.skip(path.name, f"there is {pairs[stem][what].name} as well")
            continue
        pairs[stem][what] = path
    images, labels, split = [], [], []
    for stem in sorted(pairs, key=_part_of):
        image, label = _pair(pairs[stem], source)
        images.append(image)
        labels.append(label)
        split.append(np.full(len(image), SPLIT_NAMES[_part_of(stem)], "U5"))
        log.note("idx", pairs[stem]["image"].name, f"{len(image)} images {image.shape[1:]} of {image.dtype}")
    shapes = {image.shape[1:] for image in images}
    if len(shapes) > 1:
        raise SourceError("mismatched-files", f"{source}: its images differ in shape: {sorted(shapes)}")
    whole = np.concatenate(split)
    if len(pairs) > 1:
        counts = ", ".join(f"{part} {(whole == part).sum()}" for part in SPLIT_NAMES if (whole == part).any())
        log.note("split", counts, f"given by the files' names ({', '.join(sorted(pairs))})")
    return Table(
        {
            "image": images[0] if len(images) == 1 else np.concatenate(images),
            "label": pl.Series("label", np.concatenate(labels).astype(np.int64)),
        },
        source,
        tuple(log.notes),
        tuple(log.skipped),
        whole if len(np.unique(whole)) > 1 else None,
        "label",
        {"image": "image", "label": "category"},
    )


def partners(path: Path) -> list[Path]:
    """An idx file and the one that belongs to it, where it lies beside it."""
    stem, _ = _parsed(path)
    beside = sorted(p for p in path.parent.iterdir() if is_idx(p) and _parsed(p)[0] == stem)
    return [path, *(p for p in beside if p != path)]


def _pair(pair: dict[str, Path], source: str) -> tuple[np.ndarray, np.ndarray]:
    if len(pair) < 2:
        (what, path), other = next(iter(pair.items())), "labels" if "image" in pair else "images"
        raise SourceError(
            "mismatched-files", f"{source}: {path.name} has {what}s, but its file of {other} is not there"
        )
    image, label = (read_idx(pair[what], pair[what].name) for what in ("image", "label"))
    if len(image) != len(label):
        raise SourceError(
            "mismatched-files",
            f"{source}: {pair['image'].name} has {len(image)} images, {pair['label'].name} has {len(label)} labels",
        )
    if not len(image):
        raise SourceError("no-rows", f"{source}: {pair['image'].name} has no images")
    return image, label


def _part_of(stem: str) -> int:
    words = [SPLIT_WORDS[word] for word in re.split(r"[-_. ]", stem) if word in SPLIT_WORDS]
    return SPLIT_NAMES.index(words[-1]) if words else 0
