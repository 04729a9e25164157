"""Rows that a run was trained on, recognised by their content in other files."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from deepglass.data.row_hashes import row_hashes
from deepglass.data.table import Table

ANCESTORS = "ancestors.parquet"
ANCESTOR_COLUMNS = {"generation", "run", "columns", "hash", "split"}
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
