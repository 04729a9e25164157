"""Split of the rows into training, validation and test rows."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from deepglass.constraints import Seed
from deepglass.data.missing import is_null
from deepglass.data.table import Table
from deepglass.dates import parse_dates, to_dates
from deepglass.errors import SourceError, SpecError, near_miss
from deepglass.features.base import Raw
from deepglass.formatting import plain_percent
from deepglass.parsing import MISSING, is_missing, parse_numbers, to_numbers

MAX_FOLDS = 1_000  # each trains a network
_MAX_CLASSES = 1_000  # of a target that is stratified by; with more, whole numbers are quantities
_MIN_ROWS_PER_CLASS = 5  # on average


@dataclass(frozen=True)
class Split:
    """Split settings. The same settings and rows always give the same split.

    Args:
        test: share of test rows, in [0, 1).
        valid: share of validation rows, in [0, 1).
        by: "random", stratified by the target's classes; "predefined" by the source; "order": the last rows of the
            source are the test; "time:COLUMN": those of the last times (files: by the numbers in their names);
            "group:COLUMN": no group is in two splits. None: "predefined" if the source has a split, else "random".
        seed: random seed of the split; training has its own.
        folds: number of cross-validation folds, one of which is the test.
        fold: index of that fold; None: one run per fold.
        file: a table with the split of each row of the source in its column `split`: "train", "valid" or "test", empty
            for a row that is not used; with a column `row` of indices in the source only of these rows. The
            split.parquet of a run is one.
        rows: numbers of training, validation and test rows in the order of the source; further rows are not used.

    Raises:
        SpecError: `bad-value` for a setting outside its range.

    Example:
        train = table.take(np.flatnonzero(Split(by="time:date").assign(table) == "train"))
    """

    test: float = 0.1
    valid: float = 0.1
    by: str | None = None
    seed: Seed = 0
    folds: int | None = None
    fold: int | None = None
    rows: tuple[int, int, int] | None = None
    file: str | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**63:
            raise _bad(f"expected a seed of at least 0, got {self.seed}")
        if not (0 <= self.test < 1 and 0 <= self.valid < 1 and self.test + self.valid < 1):
            raise _bad(f"expected test + valid below 1, to leave training rows, got {self.test} and {self.valid}")
        if self.file is not None and (self.by not in (None, "predefined") or self.folds or self.rows):
            raise _bad("file: gives the split of each row; leave out by, folds and rows")
        word, colon, column = (self.by or "random").partition(":")
        if word not in ("random", "predefined", "order", "time", "group") or (word in ("time", "group")) != bool(
            colon and column
        ):
            raise _bad(f"expected by: random, predefined, order, time:COLUMN or group:COLUMN, got {self.by!r}")
        if self.folds is not None:
            if not 2 <= self.folds <= MAX_FOLDS or not 0 <= (self.fold or 0) < self.folds:
                raise _bad(
                    f"expected at least 2 folds (at most {MAX_FOLDS:,}) and 0 <= fold < folds, "
                    f"got folds {self.folds}, fold {self.fold}"
                )
            if word in ("time", "predefined", "order") or self.rows is not None:
                raise _bad(f"folds need by: random or by: group:COLUMN, got {self.by or 'rows'}")
        if isinstance(self.rows, list):  # as YAML gives it
            object.__setattr__(self, "rows", tuple(self.rows))
        if self.rows is not None and (len(self.rows) != 3 or min(self.rows) < 0 or self.rows[0] == 0):
            raise _bad(f"expected rows: [train, valid, test], got {list(self.rows)}")

    def assign(self, table: Table, target_raw: Raw | None = None, stratify: bool = True) -> np.ndarray:
        """The split of each row.

        Args:
            target_raw: the target; rows without a target are training rows, never test rows.
            stratify: keep the class frequencies of the target in each split.

        Shapes:
            returns: (N,) of "train", "valid", "test"; "" for a row that is not used.

        Raises:
            SourceError: `too-few-rows`, `unknown-column`.
            SpecError: `bad-value`.
        """
        if not len(table):
            raise SourceError("no-rows", f"{table.name}: expected rows to split, got none")
        if self.rows is not None:
            return _in_order(self.rows, table)
        by = self.by or ("predefined" if table.split is not None and self.folds is None else "random")
        word, _, column = by.partition(":")
        labelled = np.ones(len(table), bool) if target_raw is None else ~is_null(target_raw)
        classes = _classes(target_raw) if stratify else None
        if word == "predefined":
            return self._by_source(table, classes, labelled)
        if word == "order":
            last = self._count(self.test, len(table), table)
            before = self._count(self.valid, len(table), table, len(table) - last)
            return _in_order((len(table) - last - before, before, last), table)
        if word == "time":
            return self._by_time(table, column)
        rng = np.random.default_rng(self.seed)
        if word == "group":
            return self._by_group(table, column, rng)
        split = np.full(len(table), "train", "U5")
        rows = _stratified_order(np.flatnonzero(labelled), classes, rng)
        if self.folds is not None:
            _check_enough(len(rows), self.folds, f"{self.folds} folds", table)
            test = np.array_split(rows, self.folds)[self.fold or 0]
        else:
            test = rows[: self._count(self.test, len(rows), table)]
        split[test] = "test"
        left = labelled.copy()
        left[test] = False
        rest = _stratified_order(np.flatnonzero(left), classes, rng)
        split[rest[: self._count(self.valid, len(rows), table, len(rest))]] = "valid"
        return split

    def _count(self, share: float, rows: int, table: Table, left: int | None = None) -> int:
        """Number of rows of a split: at least one if its share is above 0, and at least one row left over."""
        count = max(1, round(share * rows)) if share else 0
        _check_enough(rows if left is None else left, count + 1, f"a split of {plain_percent(share, 0)}", table)
        return count

    def _by_source(self, table: Table, classes: np.ndarray | None, labelled: np.ndarray) -> np.ndarray:
        """The predefined split; a missing test or validation split is drawn from its training rows."""
        if table.split is None:
            text = f"{table.name} has no predefined split; expected random, time:COLUMN or group:COLUMN"
            raise SpecError("bad-value", f"data.split.by: {text}")
        split = np.asarray(table.split).astype("U5")
        rng = np.random.default_rng(self.seed)
        for name, share in (("test", self.test), ("valid", self.valid)):
            if share and not (split == name).any():
                rows = _stratified_order(np.flatnonzero((split == "train") & labelled), classes, rng)
                split[rows[: self._count(share, len(rows), table)]] = name
        if not (split == "train").any():
            raise SourceError("too-few-rows", f"{table.name}: its predefined split has no training rows")
        return split

    def _by_time(self, table: Table, column: str) -> np.ndarray:
        """The last times are the test, those before them validation; rows of the same time stay together."""
        times = times_of(table, column, f"data.split.by: time:{column}")
        dated = np.flatnonzero(~np.isnan(times))
        values, inverse, counts = np.unique(times[dated], return_inverse=True, return_counts=True)
        shares = {name: share for name, share in (("test", self.test), ("valid", self.valid)) if share}
        _check_enough(len(values), 1 + len(shares), f"a split by {column!r}, counting different times", table)
        before = np.concatenate([[0], np.cumsum(counts)])  # rows before each different time
        split_of_time = np.full(len(values), "train", "U5")
        end = len(values)
        for i, (name, share) in enumerate(shares.items()):
            starts = np.arange(len(shares) - i, end)  # so that a time is left for each split before it
            start = starts[np.argmin(np.abs(before[end] - before[starts] - round(share * len(dated))))]
            split_of_time[start:end] = name
            end = start
        split = np.full(len(table), "train", "U5")
        split[dated] = split_of_time[inverse]
        return split

    def _by_group(self, table: Table, column: str, rng: np.random.Generator) -> np.ndarray:
        """Whole groups in random order, until a split is full; a row without a group is a group of its own."""
        raw = _column(table, column)
        if isinstance(raw, list):  # files are grouped by name
            raw = pl.Series(column, [None if item is None else item.name for item in raw], dtype=pl.String)
        if not isinstance(raw, pl.Series) or raw.dtype.is_nested():
            raise _bad(f"by: group:{column}: expected a column of single values or of files")
        groups = raw.rank("dense").cast(pl.Float64).to_numpy().copy()
        ungrouped = np.isnan(groups)
        groups[ungrouped] = len(raw) + 1 + np.arange(ungrouped.sum())
        _, inverse, counts = np.unique(groups, return_inverse=True, return_counts=True)
        order = rng.permutation(len(counts))
        num_splits = 1 + bool(self.test) + bool(self.valid) if self.folds is None else max(self.folds, 3)
        _check_enough(len(counts), num_splits, f"a split by {column!r}, counting groups", table)
        split_of_group = np.full(len(counts), "train", "U5")
        if self.folds is not None:
            split_of_group[_balanced_folds(counts, order, self.folds) == (self.fold or 0)] = "test"
            order = order[split_of_group[order] == "train"]
        else:
            order = _greedy_fill(split_of_group, counts, order, "test", self.test * len(table), 1 + bool(self.valid))
        _greedy_fill(split_of_group, counts, order, "valid", self.valid * len(table), 1)
        return split_of_group[inverse]


def _in_order(rows: tuple[int, int, int], table: Table) -> np.ndarray:
    rest = len(table) - sum(rows)
    if rest < 0:
        text = f"data.split.rows: {list(rows)} are {sum(rows)} rows, {table.name} has {len(table)}"
        raise SourceError("too-few-rows", text)
    return np.repeat(np.array(["train", "valid", "test", ""], "U5"), [*rows, rest])


def _greedy_fill(
    split_of: np.ndarray, counts: np.ndarray, order: np.ndarray, name: str, size: float, leave: int
) -> np.ndarray:
    """Assign groups to a split until it has about `size` rows; the remaining groups, at least `leave`."""
    chosen: list[int] = []
    filled = 0
    if size > 0:
        for group in order:
            if len(order) - len(chosen) > leave and (filled + counts[group] / 2 <= size):
                chosen.append(group)
                filled += counts[group]
        chosen = chosen or [order[np.argmin(counts[order])]]
        split_of[chosen] = name
    return order[~np.isin(order, chosen)]


def _balanced_folds(counts: np.ndarray, order: np.ndarray, folds: int) -> np.ndarray:
    """The fold of each group: the largest first, each into the fold with the fewest rows."""
    fold_of, filled = np.zeros(len(counts), np.int64), np.zeros(folds)
    for group in order[np.argsort(-counts[order], kind="stable")]:
        fold_of[group] = np.argmin(filled)
        filled[fold_of[group]] += counts[group]
    return fold_of


def _stratified_order(rows: np.ndarray, classes: np.ndarray | None, rng: np.random.Generator) -> np.ndarray:
    """The rows in a random order in which every range has about the overall class frequencies.

    The only row of a class comes last, as it is of more use in training.

    Args:
        classes: of all rows of the table; None: no classes.
    """
    order = rng.permutation(len(rows))
    if classes is None:
        return rows[order]
    inverse = classes[rows][order]
    counts = np.bincount(inverse)
    by_class = np.argsort(inverse, kind="stable")
    rank = np.empty(len(rows))
    rank[by_class] = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    position = (rank + rng.random(len(counts))[inverse]) / counts[inverse]
    position[counts[inverse] == 1] = 1
    return rows[order[np.argsort(position, kind="stable")]]


def _classes(raw: Raw | None) -> np.ndarray | None:
    """The target as class indices, or None if it has no classes."""
    if not isinstance(raw, pl.Series) or raw.dtype.is_nested() or raw.dtype.is_float() or raw.dtype.is_temporal():
        return None
    distinct = raw.n_unique()
    if distinct < 2 or distinct > _MAX_CLASSES or len(raw) < _MIN_ROWS_PER_CLASS * distinct:
        return None
    values = raw.drop_nulls().unique().sort()
    return raw.replace_strict(values, np.arange(1, len(values) + 1), default=0).to_numpy().astype(np.int64)


def times_of(table: Table, column: str, where: str) -> np.ndarray:
    """A column of dates or numbers as sortable floats, NaN = missing; dates are microseconds since 1970.

    Args:
        where: the setting that names the column, for messages.

    Raises:
        SourceError: `unknown-column`.
        SpecError: `bad-value` where values are neither, or of mixed kinds.
    """
    raw = _column(table, column, where)
    if isinstance(raw, np.ndarray) and raw.ndim == 1 and raw.dtype.kind in "iuf":
        return raw.astype(float)
    if isinstance(raw, list):
        return _natural_order([None if item is None else item.name for item in raw])
    if not isinstance(raw, pl.Series):
        raise SpecError("bad-value", f"{where}: expected dates or numbers, got lists")
    if raw.dtype.is_numeric():
        return raw.cast(pl.Float64).to_numpy().astype(float)
    if (dates := parse_dates(raw)) is not None:
        values, bad = to_dates(raw, dates)
        times = values.dt.epoch("us").cast(pl.Float64)
    elif (numbers := parse_numbers(raw)) is not None:
        times, bad = to_numbers(raw, numbers)
    else:
        raise SpecError("bad-value", f"{where}: expected dates or numbers, got {raw.drop_nulls().head(1).to_list()}")
    if bad:
        odd = raw.filter(times.is_null() & ~is_missing(raw, MISSING))[0]
        raise SpecError("bad-value", f"{where}: {bad} values are not dates, such as {odd!r}")
    return times.fill_null(float("nan")).to_numpy().astype(float)


def _natural_order(names: Sequence[str | None]) -> np.ndarray:
    """Rank of files by the numbers in their names, such as center_2018_07_16_17_11_43.jpg; NaN = no file."""
    present = [i for i, name in enumerate(names) if name is not None]
    numbers = {i: tuple(int(digits) for digits in re.findall(r"\d+", str(names[i]))) for i in present}
    ranks = {key: float(rank) for rank, key in enumerate(sorted(set(numbers.values())))}
    return np.array([ranks[numbers[i]] if i in numbers else np.nan for i in range(len(names))])


def _check_enough(have: int, need: int, what: str, table: Table) -> None:
    if have < need:
        raise SourceError("too-few-rows", f"{table.name}: {have} rows, expected at least {need} for {what}")


def _column(table: Table, column: str, where: str = "data.split.by") -> Raw:
    if column not in table.columns:
        text = f"{where}: no column {column!r} in {table.name}{near_miss(column, table.columns)}"
        raise SourceError("unknown-column", text)
    return table[column]


def _bad(text: str) -> SpecError:
    return SpecError("bad-value", f"data.split: {text}")
