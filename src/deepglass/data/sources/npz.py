"""numpy files: arrays by name, such as train_images, train_labels, test_images, class_names."""

import math
import re
import struct
import tokenize
import zlib
from pathlib import Path
from typing import IO
from zipfile import BadZipFile, ZipFile, is_zipfile

import numpy as np
import polars as pl

from deepglass.data.sources.base import SPLIT_NAMES, SPLIT_WORDS, ReadLog
from deepglass.data.sources.frames import array_column, check_lengths, concat_columns
from deepglass.data.table import Table
from deepglass.errors import SourceError
from deepglass.features.base import Raw
from deepglass.files import open_file
from deepglass.limits import check_unpacked

_INPUTS = frozenset(["images", "image", "x", "data", "features", "inputs", "imgs", "pixels"])
_TARGETS = frozenset(["labels", "label", "y", "targets", "target", "classes", "class"])
_CLASS_NAMES = frozenset(["class_names", "label_names", "target_names", "names", "classes"])
MAX_NUMBER_COLUMNS = 100  # numbers a row that become a column each; more are one vector

_DAMAGED = (
    *(ValueError, TypeError, ArithmeticError, LookupError, EOFError, SyntaxError, OSError, MemoryError),
    *(RuntimeError, tokenize.TokenError, struct.error, zlib.error, BadZipFile),
)
"""Exceptions that numpy and zipfile raise on damaged files; a header is parsed as Python's literals."""


def read_npz(path: Path, source: str) -> Table:
    """The arrays of an .npz file, or the only array of an .npy file.

    Raises:
        SourceError: `unreadable-file`, `mismatched-files` for arrays of different lengths, `too-large`.
    """
    return arrays_table(_arrays(path, source), source, ReadLog())


def arrays_table(arrays: dict[str, np.ndarray], source: str, log: ReadLog) -> Table:
    """Arrays by name as a table; words such as train and test in the names give the split."""
    for name, values in arrays.items():
        check_width(values.shape, values.dtype, f"{source}: {name}")
    arrays = dict(arrays)
    class_names = next(
        (arrays.pop(k) for k in list(arrays) if k.lower() in _CLASS_NAMES and _are_words(arrays[k])), None
    )
    by_split: dict[str, dict[str, np.ndarray]] = {}
    for name, values in arrays.items():
        split_name, rest = _split_of(name)
        if values.ndim == 0:
            log.skip(name, "a single value")
        else:
            by_split.setdefault(split_name, {})[rest] = values
    if not by_split:
        raise SourceError("empty-source", f"{source}: there are no arrays in it")
    if len(by_split) > 1:
        for name in by_split.pop("", ()):
            log.skip(name, "it belongs to no split, while the other arrays name train, valid or test")
    tables = {s: _columns(by_split[s], s, source, log) for s in ("", *SPLIT_NAMES) if s in by_split}
    names = list(next(iter(tables.values())))
    for split_name, columns in tables.items():
        if list(columns) != names:
            text = f"{source}: {split_name} has {list(columns)}, another split has {names}"
            raise SourceError("mismatched-files", text)
    whole = {name: concat_columns([columns[name] for columns in tables.values()], name, source) for name in names}
    lengths = [len(columns[names[0]]) for columns in tables.values()]
    if not sum(lengths):
        raise SourceError("no-rows", f"{source}: its arrays are empty")
    target = next((name for name in ("label", "target") if name in whole), None)
    if class_names is not None and target is not None:
        whole[target] = _named(whole[target], class_names, log)
    split = np.repeat(np.array(list(tables), "U5"), lengths) if len(tables) > 1 else None
    if split is not None:
        log.note_split(split.tolist(), f"given by the arrays' names ({', '.join(arrays)})")
    kinds = {name: kind for name, kind in (("image", "image"), ("label", "category")) if name in whole}
    return Table(whole, source, *log.entries, split, target, kinds)


def _arrays(path: Path, source: str) -> dict[str, np.ndarray]:
    try:
        with open_file(path, source) as file:
            if not is_zipfile(file):
                file.seek(0)
                _check_header(file, path.stat().st_size, path.stem, source)
                file.seek(0)
                return {path.stem: np.load(file, allow_pickle=False)}
            file.seek(0)
            with ZipFile(file) as archive:
                check_unpacked(sum(info.file_size for info in archive.infolist()), path.stat().st_size, source)
                for info in archive.infolist():
                    with archive.open(info) as member:
                        _check_header(member, info.file_size, info.filename, source)
            file.seek(0)
            with np.load(file, allow_pickle=False) as loaded:
                return {name: loaded[name] for name in loaded.files}
    except _DAMAGED as error:
        reason = "it holds Python objects, which are not loaded" if "pickle" in str(error) else error
        raise SourceError("unreadable-file", f"{source}: no numpy file, or it is damaged ({reason})") from error


def _check_header(file: IO[bytes], size: int, name: str, source: str) -> None:
    """Check that an array has the size that its header states, before memory for it is allocated.

    Raises:
        SourceError: `unreadable-file`; `bad-value` for rows without values.
        ValueError: for a header that is damaged.
    """
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    if dtype.hasobject:
        raise ValueError("pickle")
    if any(side < 0 for side in shape) or math.prod(shape) * dtype.itemsize != size - file.tell():
        raise SourceError(
            "unreadable-file",
            f"{source}: {name} states {' x '.join(map(str, shape))} values of {dtype}, "
            f"{math.prod(shape) * dtype.itemsize:,} bytes, but has {size - file.tell():,}; it is cut off or damaged",
        )
    check_width(shape, dtype, f"{source}: {name}")


def check_width(shape: tuple[int, ...], dtype: np.dtype, where: str) -> None:
    """Raise `bad-value` for an array whose rows hold no values."""
    if shape and shape[0] and not math.prod(shape[1:]) * dtype.itemsize:
        raise SourceError("bad-value", f"{where}: expected rows with values, got the shape {shape} of {dtype}")


def _split_of(name: str) -> tuple[str, str]:
    """("train", "images") of train_images, x_train or X_train; ("", name) of a name without a split."""
    words = re.split(r"[_\-.]", name)
    split_words = [word for word in words if word.lower() in SPLIT_WORDS]
    if len(split_words) != 1 or len(words) == 1:
        return "", name
    return SPLIT_WORDS[split_words[0].lower()], "_".join(word for word in words if word != split_words[0])


def _columns(arrays: dict[str, np.ndarray], split: str, source: str, log: ReadLog) -> dict[str, Raw]:
    """The columns of the arrays of one split."""
    check_lengths(arrays, f"{source}: its arrays{f' of {split}' if split else ''}")
    inputs = [name for name in arrays if name.lower() in _INPUTS]
    targets = [name for name in arrays if name.lower() in _TARGETS]
    columns: dict[str, Raw] = {}
    for name, values in arrays.items():
        if [name] == inputs:
            columns |= input_columns(values, split, log)
            continue
        if [name] == targets:
            name = "label" if any(looks_like_images(arrays[i]) for i in inputs) else "target"
        columns[name] = array_column(name, values)
    return columns


def input_columns(values: np.ndarray, split: str, log: ReadLog) -> dict[str, Raw]:
    """The inputs (N, ...) as an image, a vector, or a column for each of a few numbers."""
    if looks_like_images(values):
        log.note("image", f"{split} {values.shape[1:]} of {values.dtype}".strip(), "bytes with two or three axes a row")
        return {"image": values}
    if values.ndim == 2 and 1 < values.shape[1] <= MAX_NUMBER_COLUMNS:
        return {f"x{i}": array_column(f"x{i}", column) for i, column in enumerate(values.T, 1)}
    if values.ndim == 2 and values.shape[1] > MAX_NUMBER_COLUMNS:
        why = f"more than {MAX_NUMBER_COLUMNS}: one vector instead of columns"
        log.note("x", f"{values.shape[1]} numbers a row", why)
    return {"x": array_column("x", values)}


def looks_like_images(values: np.ndarray) -> bool:
    """Bytes (N, Y, X) or (N, Y, X, C) with 1, 3 or 4 channels."""
    return values.dtype == np.uint8 and (values.ndim == 3 or (values.ndim == 4 and values.shape[-1] in (1, 3, 4)))


def _are_words(values: np.ndarray) -> bool:
    return values.ndim == 1 and values.dtype.kind in "US"


def _named(raw: Raw, class_names: np.ndarray, log: ReadLog) -> Raw:
    """Class indices as the class names of the file, if all have one."""
    names = [n.decode() if isinstance(n, bytes) else str(n) for n in class_names]
    if not isinstance(raw, pl.Series) or not raw.dtype.is_integer() or not raw.is_between(0, len(names) - 1).all():
        return raw
    log.note("label", ", ".join(names[:8]), "the class names of the file")
    return pl.Series(raw.name, names, dtype=pl.String).gather(raw)
