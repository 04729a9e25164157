"""numpy's files: arrays by name, such as train_images, train_labels, test_images, class_names."""

from __future__ import annotations

import re
import zlib
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import polars as pl

from deepglass.data.sources.base import MAX_UNPACKED_BYTES, SPLIT_NAMES, SPLIT_WORDS, ReadLog
from deepglass.data.sources.frames import array_columns, concat_columns
from deepglass.data.table import Table
from deepglass.errors import SourceError
from deepglass.features.base import Raw

_INPUTS = frozenset(["images", "image", "x", "data", "features", "inputs", "imgs", "pixels"])
_TARGETS = frozenset(["labels", "label", "y", "targets", "target", "classes", "class"])
_CLASS_NAMES = frozenset(["class_names", "label_names", "target_names", "names", "classes"])
FEW = 100  # numbers a row: up to here each is a column of its own, beyond it they are one vector


def read_npz(path: Path, source: str) -> Table:
    """A .npz file, or the only array of a .npy file.

    Raises:
        SourceError: `unreadable-file`, `mismatched-files` for arrays of different lengths, `too-large`.
    """
    return arrays_table(_arrays(path, source), source, ReadLog())


def arrays_table(arrays: dict[str, np.ndarray], source: str, log: ReadLog) -> Table:
    """Arrays by name as a table; words such as train and test in the names give the split."""
    arrays = dict(arrays)
    class_names = next(
        (arrays.pop(k) for k in list(arrays) if k.lower() in _CLASS_NAMES and _are_words(arrays[k])), None
    )
    parts: dict[str, dict[str, np.ndarray]] = {}
    for name, values in arrays.items():
        part, rest = _part_of(name)
        if values.ndim == 0:
            log.skip(name, "a single value")
        else:
            parts.setdefault(part or "", {})[rest] = values
    if not parts:
        raise SourceError("empty-source", f"{source}: there are no arrays in it")
    if len(parts) > 1 and "" in parts:
        for name in parts.pop(""):
            log.skip(name, "it belongs to no part, while the other arrays name train, valid or test")
    tables = {part: _columns(parts[part], part, source, log) for part in ("", *SPLIT_NAMES) if part in parts}
    names = list(next(iter(tables.values())))
    for part, columns in tables.items():
        if list(columns) != names:
            raise SourceError("mismatched-files", f"{source}: {part} has {list(columns)}, another part has {names}")
    lengths = {part: len(next(iter(columns.values()))) for part, columns in tables.items()}
    whole = {name: concat_columns([columns[name] for columns in tables.values()], name, source) for name in names}
    target = "label" if "label" in whole else "target" if "target" in whole else None
    if class_names is not None and target is not None:
        whole[target] = _named(whole[target], class_names, log)
    split = None
    if len(tables) > 1:
        split = np.concatenate([np.full(n, part, "U5") for part, n in lengths.items()])
        counts = ", ".join(f"{part} {n}" for part, n in lengths.items())
        log.note("split", counts, f"given by the arrays' names ({', '.join(arrays)})")
    if not sum(lengths.values()):
        raise SourceError("no-rows", f"{source}: its arrays are empty")
    kinds = {"image": "image"} if "image" in whole else {}
    if target == "label":
        kinds["label"] = "category"
    return Table(whole, source, tuple(log.notes), tuple(log.skipped), split, target, kinds)


def _arrays(path: Path, source: str) -> dict[str, np.ndarray]:
    try:
        with path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return {path.stem: loaded}
            size = sum(info.file_size for info in loaded.zip.infolist())
            if size > MAX_UNPACKED_BYTES:
                raise SourceError("too-large", f"{source}: its arrays take {size / 2**30:.1f} GiB unpacked")
            return {name: loaded[name] for name in loaded.files}
    except (ValueError, OSError, EOFError, BadZipFile, zlib.error, KeyError) as error:
        reason = "it holds Python objects, which are not loaded" if "pickle" in str(error) else error
        raise SourceError("unreadable-file", f"{source}: no numpy file, or it is damaged ({reason})") from error


def _part_of(name: str) -> tuple[str | None, str]:
    """("train", "images") of train_images, x_train or X_train."""
    words = re.split(r"[_\-.]", name)
    split_words = [word for word in words if word.lower() in SPLIT_WORDS]
    if len(split_words) != 1 or len(words) == 1:
        return None, name
    return SPLIT_WORDS[split_words[0].lower()], "_".join(word for word in words if word != split_words[0])


def _columns(arrays: dict[str, np.ndarray], part: str, source: str, log: ReadLog) -> dict[str, Raw]:
    lengths = {name: len(values) for name, values in arrays.items()}
    if len(set(lengths.values())) > 1:
        of = f" in {part}" if part else ""
        raise SourceError("mismatched-files", f"{source}: its arrays differ in length{of}: {lengths}")
    inputs = [name for name in arrays if name.lower() in _INPUTS]
    targets = [name for name in arrays if name.lower() in _TARGETS]
    columns: dict[str, Raw] = {}
    for name, values in arrays.items():
        if name in inputs and len(inputs) == 1:
            columns |= input_columns(values, part, log)
        elif name in targets and len(targets) == 1:
            images = any(looks_like_images(arrays[i]) for i in inputs)
            columns |= array_columns("label" if images else "target", values)
        else:
            columns |= array_columns(name, values)
    return columns


def input_columns(values: np.ndarray, part: str, log: ReadLog) -> dict[str, Raw]:
    """The inputs (N, ...) as an image, a vector, or a column for each of a few numbers."""
    if looks_like_images(values):
        log.note("image", f"{part} {values.shape[1:]} of {values.dtype}".strip(), "bytes with two or three axes a row")
        return {"image": values}
    if values.ndim == 2 and 1 < values.shape[1] <= FEW:
        return {f"x{i}": _column(f"x{i}", values[:, i - 1]) for i in range(1, values.shape[1] + 1)}
    if values.ndim == 2 and values.shape[1] > FEW:
        log.note("x", f"{values.shape[1]} numbers a row", f"more than {FEW}: one vector instead of columns")
    return dict(array_columns("x", values))


def looks_like_images(values: np.ndarray) -> bool:
    """Bytes (N, Y, X) or (N, Y, X, C) with 1, 3 or 4 channels."""
    return values.dtype == np.uint8 and (values.ndim == 3 or (values.ndim == 4 and values.shape[-1] in (1, 3, 4)))


def _column(name: str, values: np.ndarray) -> Raw:
    return array_columns(name, values)[name]


def _are_words(values: np.ndarray) -> bool:
    return values.ndim == 1 and values.dtype.kind in "US"


def _named(raw: Raw, class_names: np.ndarray, log: ReadLog) -> Raw:
    """Class numbers as the names that the file has for them, when all have one."""
    names = [n.decode() if isinstance(n, bytes) else str(n) for n in class_names]
    if not isinstance(raw, pl.Series) or not raw.dtype.is_integer() or not raw.is_between(0, len(names) - 1).all():
        return raw
    log.note("label", ", ".join(names[:8]), "the class numbers' names, from the file")
    return pl.Series(raw.name, names, dtype=pl.String).gather(raw)
