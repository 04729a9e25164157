"""Rows that a run and the runs it starts from were trained on, recognised by their content in other files."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from deepglass.data.row_hashes import row_hashes
from deepglass.data.split import Split
from deepglass.data.table import Table
from deepglass.errors import SourceError, SpecError
from deepglass.features.outputs.base import Output
from deepglass.prepare.rows import assign_split

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
    return _latest([rows.split_of(table) for rows in runs], len(table))


def inherit_split(
    split: Split, table: Table, outputs: Sequence[Output], ancestors: Sequence[TrainedRows]
) -> tuple[np.ndarray, list[str]]:
    """The split of each row, (N,) str, of a run that starts from another, and what to tell the user about it.

    A random split and one by groups keep the splits of the earlier runs for their rows; new rows are split as usual.
    Another split is taken as it is, without the test and validation rows that an earlier run has learned from.

    Args:
        ancestors: rows of the earlier runs, the latest first; without any the rows are split as usual.

    Raises:
        SourceError: `too-few-rows`.
        SpecError: `bad-value` for cross-validation, which tests on rows that the earlier run has learned from.
    """
    if not ancestors:
        return assign_split(split, table, outputs), []
    if split.folds is not None:
        raise SpecError(
            "bad-value",
            "data.split.folds: a run with network.init_from cannot be cross-validated, since each fold would test on "
            "rows that the earlier run has learned from; leave out one of the two",
        )
    name = ancestors[0].run
    inherited = _latest([rows.inherited_split(table) for rows in ancestors], len(table))
    known = inherited != ""
    if not known.any():
        why = "" if set(ancestors[0].columns) <= set(table.columns) else f"; it has other columns than {name}"
        return assign_split(split, table, outputs), [
            f"none of the rows is a row of {name}, by the content of its inputs{why}"
        ]
    default = "random" if table.split is None else "predefined"
    by = "rows" if split.rows is not None else (split.by or default).partition(":")[0]
    if by not in ("random", "group"):
        assigned = assign_split(split, table, outputs)
        learned = (assigned == "test") & np.isin(inherited, ("train", "valid"))
        learned |= (assigned == "valid") & (inherited == "train")
        counts = ", ".join(f"{int((assigned[learned] == s).sum()):,} {s}" for s in ("test", "valid"))
        assigned[learned] = ""
        text = f"left out: {counts} rows, which {name} has learned from"
        return assigned, [text] if learned.any() else []
    assigned = inherited.copy()
    if by == "group":
        _spread_over_groups(assigned, table, (split.by or "").partition(":")[2])
    new = np.flatnonzero(assigned == "")
    if len(new):
        assigned[new] = _split_of_new_rows(split, table.take(new), outputs)
    counts = ", ".join(f"{int((assigned[known] == s).sum()):,} {s}" for s in ("train", "valid", "test"))
    text = f"{int(known.sum()):,} rows are rows of {name} and keep its split ({counts}); "
    return assigned, [text + f"{int((~known).sum()):,} are new"]


def _split_of_new_rows(split: Split, table: Table, outputs: Sequence[Output]) -> np.ndarray:
    """New rows are split as usual; too few of them are training rows."""
    try:
        return assign_split(split, table, outputs)
    except SourceError as error:
        if error.code != "too-few-rows":
            raise
        return np.full(len(table), "train", "U5")


def _spread_over_groups(assigned: np.ndarray, table: Table, column: str) -> None:
    """Give the new rows of a group the split of its other rows."""
    keys = [getattr(value, "name", value) for value in table[column]]
    of_group = {key: split for key, split in zip(keys, assigned, strict=True) if split and key is not None}
    for i, key in enumerate(keys):
        if not assigned[i]:
            assigned[i] = of_group.get(key, "")


def _latest(splits: Sequence[np.ndarray], rows: int) -> np.ndarray:
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
