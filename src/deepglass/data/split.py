"""Which rows are learned from, which steer the training, and which are kept for the test."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from deepglass.data.missing import missing
from deepglass.data.table import Table
from deepglass.errors import SourceError, SpecError
from deepglass.features.base import Raw
from deepglass.parsing import is_missing, parse_dates, parse_numbers, to_dates, to_numbers

_MOST_CLASSES = 1_000  # of a target that is stratified by; beyond it a whole number is a quantity
_LEAST_A_CLASS = 5  # rows a class, on average


@dataclass(frozen=True)
class Split:
    """How rows are divided. The same settings, seed and rows always give the same parts.

    Args:
        test: share of the rows kept for the test, from 0 to 1.
        valid: share of the rows that steer the training, from 0 to 1.
        by: "random"; "given" by the source; "order" keeps the source's last rows for the test; "time:COLUMN" those of
            the last times, for files by the numbers in their names; "group:COLUMN" has no group in two parts. None:
            "given" where the source brings a split, else "random".
        seed: of the division alone; that of the training is another.
        folds: number of equal folds, one of which is the test.
        fold: which of them, from 0; None: each in its turn, a run each.
        rows: numbers of train, valid and test rows in the order of the source; rows beyond them are not used.

    Raises:
        SpecError: `bad-value` for a setting outside its range.

    Example:
        parts = Split(test=0.2, by="time:date").assign(table)
        train = table.take(np.flatnonzero(parts == "train"))
    """

    test: float = 0.1
    valid: float = 0.1
    by: str | None = None
    seed: int = 0
    folds: int | None = None
    fold: int | None = None
    rows: tuple[int, int, int] | None = None

    def __post_init__(self) -> None:
        if not (0 <= self.test < 1 and 0 <= self.valid < 1 and self.test + self.valid < 1):
            raise _bad(f"expected shares that leave rows to train on, got test {self.test} and valid {self.valid}")
        word, colon, column = (self.by or "random").partition(":")
        if word not in ("random", "given", "order", "time", "group") or (word in ("time", "group")) != bool(
            colon and column
        ):
            raise _bad(f"expected by: random, given, order, time:COLUMN or group:COLUMN, got {self.by!r}")
        if self.folds is not None:
            if self.folds < 2 or not 0 <= (self.fold or 0) < self.folds:
                raise _bad(f"expected at least 2 folds and a fold below them, got folds {self.folds}, fold {self.fold}")
            if word in ("time", "given", "order") or self.rows is not None:
                raise _bad(f"folds go with random and group:COLUMN, not with {self.by or 'rows'}")
        if isinstance(self.rows, list):  # as YAML gives it
            object.__setattr__(self, "rows", tuple(self.rows))
        if self.rows is not None and (len(self.rows) != 3 or min(self.rows) < 0 or self.rows[0] == 0):
            raise _bad(f"expected rows: [train, valid, test], got {list(self.rows)}")

    def assign(self, table: Table, target_raw: Raw | None = None, stratify: bool = True) -> np.ndarray:
        """The part of each row.

        Args:
            target_raw: the target; rows that miss it are trained on (or left out by the objective), never tested.
            stratify: keep the shares of the target's classes in each part, where it has classes.

        Shapes:
            returns: (N,) of "train", "valid", "test"; "" for a row that is not used.

        Raises:
            SourceError: `too-few-rows`, `unknown-column`.
            SpecError: `bad-value`.
        """
        if not len(table):
            raise SourceError("no-rows", f"{table.name}: there are no rows to split")
        if self.rows is not None:
            return _in_order(self.rows, table)
        by = self.by or ("given" if table.split is not None and self.folds is None else "random")
        word, _, column = by.partition(":")
        labelled = np.ones(len(table), bool) if target_raw is None else ~missing(target_raw)
        classes = _classes(target_raw) if stratify else None
        if word == "given":
            return self._given(table, classes, labelled)
        if word == "order":
            last = self._count(self.test, len(table), table)
            before = self._count(self.valid, len(table), table, len(table) - last)
            return _in_order((len(table) - last - before, before, last), table)
        if word == "time":
            return self._by_time(table, column)
        rng = np.random.default_rng(self.seed)
        if word == "group":
            return self._by_group(table, column, rng)
        parts = np.full(len(table), "train", "U5")
        rows = np.flatnonzero(labelled)
        rows = rows[_mixed(None if classes is None else classes[rows], len(rows), rng)]
        if self.folds is not None:
            _check_enough(len(rows), self.folds, f"{self.folds} folds", table)
            test = np.array_split(rows, self.folds)[self.fold or 0]
        else:
            test = rows[: self._count(self.test, len(rows), table)]
        parts[test] = "test"
        rest = np.setdiff1d(rows, test)
        rest = rest[_mixed(None if classes is None else classes[rest], len(rest), rng)]
        parts[rest[: self._count(self.valid, len(rows), table, len(rest))]] = "valid"
        return parts

    def _count(self, share: float, rows: int, table: Table, left: int | None = None) -> int:
        """The rows of a part: at least one where a share is asked for, and at least one left over."""
        count = max(1, round(share * rows)) if share else 0
        _check_enough(rows if left is None else left, count + 1, f"a part of {share:.0%}", table)
        return count

    def _given(self, table: Table, classes: np.ndarray | None, labelled: np.ndarray) -> np.ndarray:
        """The source's own parts; one that it lacks is cut out of its training rows."""
        if table.split is None:
            raise SpecError("bad-value", f"data.split.by: {table.name} brings no split of its own; expected random, "
                            "time:COLUMN or group:COLUMN")  # fmt: skip
        parts = np.asarray(table.split).astype("U5")
        rng = np.random.default_rng(self.seed)
        for part, share in (("test", self.test), ("valid", self.valid)):
            rows = np.flatnonzero((parts == "train") & labelled)
            if share and not (parts == part).any():
                rows = rows[_mixed(None if classes is None else classes[rows], len(rows), rng)]
                parts[rows[: self._count(share, len(rows), table)]] = part
        if not (parts == "train").any():
            raise SourceError("too-few-rows", f"{table.name}: its own split has no training rows")
        return parts

    def _by_time(self, table: Table, column: str) -> np.ndarray:
        """The last times are the test, those before them valid; rows of one time stay together."""
        times = _times(table, column)
        known = np.flatnonzero(~np.isnan(times))
        values, inverse, counts = np.unique(times[known], return_inverse=True, return_counts=True)
        sizes = [round(self.test * len(known)), round(self.valid * len(known))]
        wanted = [part for part, share in (("test", self.test), ("valid", self.valid)) if share]
        _check_enough(len(values), 1 + len(wanted), f"a split by {column!r}, counting different times", table)
        before = np.concatenate([[0], np.cumsum(counts)])  # rows before each different time
        part_of = np.full(len(values), "train", "U5")
        end = len(values)
        for part in wanted:
            size = sizes[0] if part == "test" else sizes[1]
            least = 1 if part == wanted[-1] else len(wanted)  # times that must stay in front
            starts = np.arange(least, end)
            start = starts[np.argmin(np.abs(before[end] - before[starts] - size))]
            part_of[start:end] = part
            end = start
        parts = np.full(len(table), "train", "U5")
        parts[known] = part_of[inverse]
        return parts

    def _by_group(self, table: Table, column: str, rng: np.random.Generator) -> np.ndarray:
        """Whole groups in random order, until a part is full; a row without a group is one of its own."""
        raw = table[column]
        if isinstance(raw, list):  # files, by their names
            raw = pl.Series(column, [None if item is None else item.name for item in raw], dtype=pl.String)
        if not isinstance(raw, pl.Series) or raw.dtype.is_nested():
            raise _bad(f"by: group:{column} needs a column of single values or of files")
        groups = (
            raw.rank("dense").to_numpy().astype(float) if raw.null_count() < len(raw) else np.full(len(raw), np.nan)
        )
        alone = np.isnan(groups)
        groups[alone] = len(raw) + 1 + np.arange(alone.sum())
        _, inverse, counts = np.unique(groups, return_inverse=True, return_counts=True)
        order = rng.permutation(len(counts))
        parts_asked = 1 + bool(self.test) + bool(self.valid) if self.folds is None else max(self.folds, 3)
        _check_enough(len(counts), parts_asked, f"a split by {column!r}, counting groups", table)
        part_of = np.full(len(counts), "train", "U5")
        if self.folds is not None:
            part_of[_even(counts, order, self.folds) == (self.fold or 0)] = "test"
            order = order[part_of[order] == "train"]
        else:
            order = _fill(part_of, counts, order, "test", self.test * len(table), 1 + bool(self.valid))
        _fill(part_of, counts, order, "valid", self.valid * len(table), 1)
        return part_of[inverse]


def _in_order(rows: tuple[int, int, int], table: Table) -> np.ndarray:
    rest = len(table) - sum(rows)
    if rest < 0:
        text = f"data.split.rows: {list(rows)} are {sum(rows)} rows, {table.name} has {len(table)}"
        raise SourceError("too-few-rows", text)
    return np.repeat(np.array(["train", "valid", "test", ""], "U5"), [*rows, rest])


def _fill(part_of: np.ndarray, counts: np.ndarray, order: np.ndarray, part: str, size: float, leave: int) -> np.ndarray:
    """Gives groups to a part until it is as near to `size` as it gets; the groups that are left."""
    taken: list[int] = []
    filled = 0
    if size > 0:
        for group in order:
            if len(order) - len(taken) > leave and (filled + counts[group] / 2 <= size):
                taken.append(group)
                filled += counts[group]
        taken = taken or [order[np.argmin(counts[order])]]
        part_of[taken] = part
    return order[~np.isin(order, taken)]


def _even(counts: np.ndarray, order: np.ndarray, folds: int) -> np.ndarray:
    """The fold of each group: the largest first, each into the fold that has the fewest rows."""
    fold_of, filled = np.zeros(len(counts), np.int64), np.zeros(folds)
    for group in order[np.argsort(-counts[order], kind="stable")]:
        fold_of[group] = np.argmin(filled)
        filled[fold_of[group]] += counts[group]
    return fold_of


def _mixed(classes: np.ndarray | None, count: int, rng: np.random.Generator) -> np.ndarray:
    """A random order in which each stretch has about the whole's shares of the classes; single ones come last."""
    order = rng.permutation(count)
    if classes is None:
        return order
    inverse = classes[order]
    counts = np.bincount(inverse)
    by_class = np.argsort(inverse, kind="stable")
    rank = np.empty(count)
    rank[by_class] = np.arange(count) - np.repeat(np.cumsum(counts) - counts, counts)
    place = (rank + rng.random(len(counts))[inverse]) / counts[inverse]
    place[counts[inverse] == 1] = 1  # the only row of a class is worth more in training than in a test
    return order[np.argsort(place, kind="stable")]


def _classes(raw: Raw | None) -> np.ndarray | None:
    """The target as class numbers, or None where it has no classes."""
    if not isinstance(raw, pl.Series) or raw.dtype.is_nested() or raw.dtype.is_float() or raw.dtype.is_temporal():
        return None
    distinct = raw.n_unique()
    if distinct < 2 or distinct > _MOST_CLASSES or len(raw) < _LEAST_A_CLASS * distinct:
        return None
    values = raw.drop_nulls().unique().sort()
    return raw.replace_strict(values, np.arange(1, len(values) + 1), default=0).to_numpy().astype(np.int64)


def _times(table: Table, column: str) -> np.ndarray:
    """A column as sortable floats, NaN = missing."""
    raw = table[column]
    place = f"data.split.by: time:{column}"
    if isinstance(raw, np.ndarray) and raw.ndim == 1 and raw.dtype.kind in "iuf":
        return raw.astype(float)
    if isinstance(raw, list):
        return _order_of_names([None if item is None else item.name for item in raw])
    if not isinstance(raw, pl.Series):
        raise SpecError("bad-value", f"{place} needs dates or numbers")
    if raw.dtype.is_numeric():
        return raw.cast(pl.Float64).to_numpy().astype(float)
    if (dates := parse_dates(raw)) is not None:
        values, bad = to_dates(raw, dates)
        times = values.dt.epoch("us").cast(pl.Float64)
    elif (numbers := parse_numbers(raw)) is not None:
        times, bad = to_numbers(raw, numbers)
    else:
        raise SpecError("bad-value", f"{place} needs dates or numbers, got {raw.drop_nulls().head(1).to_list()}")
    if bad:
        odd = raw.filter(times.is_null() & ~is_missing(raw))[0]
        raise SpecError("bad-value", f"{place}: {bad} values are no dates, such as {odd!r}")
    return times.fill_null(float("nan")).to_numpy().astype(float)


def _order_of_names(names: Sequence[str | None]) -> np.ndarray:
    """The order of files by the numbers in their names, such as center_2018_07_16_17_11_43.jpg; NaN = no file."""
    known = [i for i, name in enumerate(names) if name is not None]
    numbers = {i: tuple(int(digits) for digits in re.findall(r"\d+", str(names[i]))) for i in known}
    ranks = {key: float(rank) for rank, key in enumerate(sorted(set(numbers.values())))}
    return np.array([ranks[numbers[i]] if i in numbers else np.nan for i in range(len(names))])


def _check_enough(have: int, need: int, what: str, table: Table) -> None:
    if have < need:
        raise SourceError("too-few-rows", f"{table.name}: {have} rows, expected at least {need} for {what}")


def _bad(text: str) -> SpecError:
    return SpecError("bad-value", f"data.split: {text}")
