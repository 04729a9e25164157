"""Rows that a run was trained on, recognised by a hash of their content in other files.

A hash depends on what cells mean, not on how they are stored: a row has the same one in a csv file, a parquet file and
a frame, and an image wherever its file lies.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from deepglass.data.table import Table
from deepglass.features.base import Media, Raw
from deepglass.files import open_file
from deepglass.parsing import MISSING, is_missing

MAX_FLOAT_INTEGER = 2**53  # whole numbers from here on are compared as text, since float64 rounds them
_CHUNK = 2**20  # bytes at the start and at the end of a file that are hashed, with its size
ANCESTORS = "ancestors.parquet"
ANCESTOR_COLUMNS: dict[str, pl.DataType] = {
    "generation": pl.Int32(),
    "run": pl.String(),
    "columns": pl.List(pl.String()),
    "hash": pl.UInt64(),
    "split": pl.String(),
}
MAX_REPEATED = 0.05  # share of rows with the same inputs as another, up to which inputs identify a row
SPLIT_ORDER = ("", "test", "valid", "train")  # a row that is in two splits counts for the later one


class TrainedRows(NamedTuple):
    """The rows of a run.

    Args:
        run: name of its folder.
        columns: that are hashed: those that inputs and table transforms read.
        hashes: (N,) uint64, of `row_hashes`.
        split: (N,) of "train", "valid", "test" and "" for rows that were not used.
    """

    run: str
    columns: tuple[str, ...]
    hashes: np.ndarray
    split: np.ndarray

    def split_of(self, table: Table) -> np.ndarray:
        """The split of the rows of a table that are rows of the run, (N,); "" for other rows, and where it is unclear.

        Where many rows of the run have the same inputs as another one, as in a table of few categories, only inputs
        that occur once identify a row.
        """
        hashes = self._hashes_of(table)
        if hashes is None:
            return np.full(len(table), "", "U5")
        own, counts, split = self._by_hash()
        index = np.searchsorted(own, hashes).clip(max=len(own) - 1)
        is_own = own[index] == hashes
        if not self._identifies(counts):
            is_own &= counts[index] == 1
        return np.where(is_own, split[index], "")

    def inherited_split(self, table: Table) -> np.ndarray:
        """The split to use again for the rows of a table that are rows of the run, (N,); "" for new rows.

        Of rows with the same inputs, each takes the split of one row of the run, as long as there is one; more of them
        are new rows where inputs do not identify a row.
        """
        hashes = self._hashes_of(table)
        if hashes is None:
            return np.full(len(table), "", "U5")
        own, counts, split = self._by_hash()
        order = np.argsort(self.hashes, kind="stable")
        starts = np.concatenate([[0], np.cumsum(counts)])[:-1]
        index = np.searchsorted(own, hashes).clip(max=len(own) - 1)
        occurrence = occurrences(hashes)
        is_own = own[index] == hashes
        one_each = is_own & (occurrence < counts[index])
        position = np.where(one_each, starts[index] + occurrence, 0)
        inherited = np.where(one_each, self.split[order[position]], "")
        if self._identifies(counts):
            inherited = np.where(is_own & ~one_each, split[index], inherited)
        return inherited

    def _hashes_of(self, table: Table) -> np.ndarray | None:
        """None if the table cannot hold rows of the run."""
        if not len(self.hashes) or not set(self.columns) <= set(table.columns):
            return None
        return row_hashes(table, self.columns)

    def _by_hash(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The different hashes, sorted; the number of rows of each, and their split."""
        own, inverse, counts = np.unique(self.hashes, return_inverse=True, return_counts=True)
        codes = np.zeros(len(own), np.int64)
        np.maximum.at(codes, inverse, _codes(self.split))
        return own, counts, np.array(SPLIT_ORDER)[codes]

    def _identifies(self, counts: np.ndarray) -> bool:
        return bool(counts[counts > 1].sum() <= MAX_REPEATED * counts.sum())


def split_of(runs: Sequence[TrainedRows], table: Table) -> np.ndarray:
    """As `TrainedRows.split_of`, over several runs."""
    return latest_split([rows.split_of(table) for rows in runs], len(table))


def latest_split(splits: Sequence[np.ndarray], rows: int) -> np.ndarray:
    codes = np.max([_codes(s) for s in splits], 0) if splits else np.zeros(rows, np.int64)
    return np.array(SPLIT_ORDER)[codes]


def _codes(split: np.ndarray) -> np.ndarray:
    """Positions in `SPLIT_ORDER`."""
    return np.select([split == name for name in SPLIT_ORDER], range(len(SPLIT_ORDER)), 0)


def occurrences(hashes: np.ndarray) -> np.ndarray:
    """How many equal hashes come before each, (N,) int64."""
    order = np.argsort(hashes, kind="stable")
    sorted_hashes = hashes[order]
    starts = np.concatenate([[True], sorted_hashes[1:] != sorted_hashes[:-1]])
    positions = np.arange(len(hashes))
    occurrence = np.empty(len(hashes), np.int64)
    occurrence[order] = positions - np.maximum.accumulate(np.where(starts, positions, 0))
    return occurrence


def ancestor_table(ancestors: Sequence[TrainedRows]) -> pl.DataFrame:
    """The rows of earlier runs; generation 1 is the run that this one starts from."""
    tables = [
        pl.DataFrame({"hash": rows.hashes, "split": list(rows.split)}).with_columns(
            generation=pl.lit(generation, pl.Int32),
            run=pl.lit(rows.run),
            columns=pl.lit(list(rows.columns), pl.List(pl.String)),
        )
        for generation, rows in enumerate(ancestors, 1)
    ]
    return pl.concat(tables)


def read_ancestors(table: pl.DataFrame) -> list[TrainedRows]:
    """The runs of such a table, the latest first."""
    return [
        TrainedRows(
            rows["run"][0], tuple(rows["columns"][0]), rows["hash"].to_numpy(), rows["split"].to_numpy().astype("U5")
        )
        for rows in table.partition_by("generation", maintain_order=True)
    ]


# -- hashes ----------------------------------------------------------------------------------------------------------


def row_hashes(table: Table, columns: Iterable[str]) -> np.ndarray:
    """A hash per row of the cells of some columns; their order does not matter.

    Numbers are equal if they are so in float32, or as integers. Missing cells are equal.

    Shapes:
        returns: (N,) uint64.

    Raises:
        SourceError: `unknown-column`, and what reading a media file raises.
    """
    hashes = np.zeros(len(table), np.uint64)
    for name in sorted(set(columns)):
        with np.errstate(over="ignore", invalid="ignore"):  # of numbers beyond float32
            cells = _cell_hashes(table[name])
        hashes += _mixed(cells ^ np.uint64(_hash(name.encode())))
    return _mixed(hashes)


def _cell_hashes(raw: Raw) -> np.ndarray:
    """(N,) uint64; 0 for a missing cell."""
    if isinstance(raw, list):
        return _hashes(None if item is None else _content(item) for item in raw)
    if isinstance(raw, np.ndarray) and raw.ndim > 1:
        rows = raw.astype(np.float32) if raw.dtype.kind == "f" else raw
        return _hashes(np.ascontiguousarray(row).tobytes() for row in rows)
    series = pl.Series(values=raw) if isinstance(raw, np.ndarray) else raw
    if series.dtype.is_nested() or series.dtype in (pl.Object, pl.Binary):
        return _hashes(None if value is None else _plain_bytes(value) for value in series.to_list())
    if series.dtype.is_numeric():
        return _number_hashes(series)
    if series.dtype.is_temporal():  # midnight is the day alone
        return _text_hashes(series.cast(pl.String).str.replace(r"[ T]00:00:00(\.0+)?$", ""))
    texts = series.cast(pl.String).str.strip_chars()
    missing = is_missing(texts, MISSING)
    numbers = texts.cast(pl.Float64, strict=False)
    is_number = (numbers.is_finite() & (numbers.abs() < MAX_FLOAT_INTEGER)).fill_null(False)
    hashes = np.where(is_number, _number_hashes(numbers), _text_hashes(texts))
    return np.where(missing, np.uint64(0), hashes)


def _number_hashes(series: pl.Series) -> np.ndarray:
    """Whole numbers by their value, others as float32."""
    numbers = series.cast(pl.Float64).to_numpy()
    whole = np.isfinite(numbers) & (np.floor(numbers) == numbers) & (np.abs(numbers) < MAX_FLOAT_INTEGER)
    bits = numbers.astype(np.float32).view(np.uint32).astype(np.uint64)
    integers = np.where(whole, numbers, 0).astype(np.int64).view(np.uint64)
    hashes = np.where(whole, _mixed(integers), _mixed(bits | np.uint64(1 << 63)))
    hashes[np.isnan(numbers)] = 0
    large = np.abs(numbers) >= MAX_FLOAT_INTEGER
    if series.dtype.is_integer() and large.any():
        hashes[large] = _text_hashes(series.filter(pl.Series(large)).cast(pl.String))
    return hashes


def _text_hashes(series: pl.Series) -> np.ndarray:
    """Each different text is hashed once."""
    texts = series.unique().drop_nulls()
    hashes = pl.Series(_hashes(text.encode() for text in texts), dtype=pl.UInt64)
    return series.replace_strict(texts, hashes, default=0, return_dtype=pl.UInt64).to_numpy()


def _content(item: Any) -> bytes:
    """The content of a file, or of an image that is open; of a long file its start, end and size."""
    if not isinstance(item, Media):
        return np.asarray(item).tobytes()
    if item.member is not None:
        return item.read()
    with open_file(item.path, item.name) as file:
        start = file.read(_CHUNK)
        size = file.seek(0, 2)
        file.seek(max(size - _CHUNK, len(start)))
        return b"%d " % size + start + file.read()


def _plain_bytes(value: Any) -> bytes:
    """A nested value; numbers as float32."""
    if isinstance(value, bytes):
        return value
    try:
        return np.asarray(value, np.float32).tobytes()
    except (TypeError, ValueError):
        return repr(value).encode()


def _hashes(contents: Iterable[bytes | None]) -> np.ndarray:
    return np.array([0 if content is None else _hash(content) for content in contents], np.uint64)


def _hash(content: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little") | 1  # 0 is a missing cell


def _mixed(x: np.ndarray) -> np.ndarray:
    """Each number spread over all bits. Source: Steele, Lea & Flood, 2014, SplitMix64."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
