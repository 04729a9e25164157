"""The stored past of entities, and their last rows before a time, whichever of several columns named them.

The past is a frame in order of time: `entity0` and so on, `time`, `even`, `outcome`, and the numbers of its columns.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from deepglass.data.history_columns import ScorePair
from deepglass.data.ratings import Meetings, starts_of

OUTCOME, EVEN, TIME = "outcome", "even", "time"


class PastRows(NamedTuple):
    """For each query its past rows, in order of time, one query after the other.

    Shapes:
        counts: (Q,) int, their number; at most `last`.
        totals: (Q,) int, the number of all past rows.
        rows, roles: (sum of counts,) int, index of the row, and of the column that named the entity there.
    """

    counts: np.ndarray
    totals: np.ndarray
    rows: np.ndarray
    roles: np.ndarray


class RowIndex:
    """Rows by entity and time, for `past_rows`.

    Args:
        entities: (N, R) int, the entities of each row by column; -1: none.
        times: (N,) float.
    """

    def __init__(self, entities: np.ndarray, times: np.ndarray) -> None:
        self._times = np.unique(times)
        roles = np.tile(np.arange(entities.shape[1]), len(entities))
        rows = np.repeat(np.arange(len(entities)), entities.shape[1])
        keys = self._keys(entities.reshape(-1), np.repeat(times, entities.shape[1]))
        order = np.argsort(keys, kind="stable")
        order = order[np.searchsorted(keys[order], 0) :]  # without rows of no entity
        self._sorted, self._rows, self._roles = keys[order], rows[order], roles[order]

    def past_rows(self, entities: np.ndarray, times: np.ndarray, last: int) -> PastRows:
        """The last rows of entities (Q,) strictly before times (Q,); none for the entity -1."""
        end = np.searchsorted(self._sorted, self._keys(entities, times))
        first = np.searchsorted(self._sorted, self._keys(entities, np.full(len(times), -np.inf)))
        begin = np.maximum(first, end - last)
        counts = end - begin
        offsets = np.cumsum(counts) - counts
        places = np.repeat(begin - offsets, counts) + np.arange(counts.sum())
        return PastRows(counts, end - first, self._rows[places], self._roles[places])

    def _keys(self, entities: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Numbers that order by entity, then time; below 0 without an entity."""
        ranks = np.searchsorted(self._times, times)
        return np.where(entities < 0, -1, entities.astype(np.int64) * (len(self._times) + 1) + ranks)


def means_of(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The mean of each query's values, those of one query after those of another, (Q,); NaN without any."""
    queries = np.repeat(np.arange(len(counts)), counts)
    present = ~np.isnan(values)
    sums = np.bincount(queries[present], values[present], len(counts))
    numbers = np.bincount(queries[present], minlength=len(counts))
    return np.divide(sums, numbers, out=np.full(len(counts), np.nan), where=numbers > 0)


def nested(steps: np.ndarray, counts: np.ndarray) -> pl.Series:
    """Steps (sum of counts, F) as a Series of a list of vectors for each query; null without steps."""
    frame = pl.DataFrame({"query": np.repeat(np.arange(len(counts)), counts), "step": steps.astype(np.float32)})
    lists = frame.group_by("query", maintain_order=True).agg("step")
    queries = pl.DataFrame({"query": np.arange(len(counts))})
    return queries.join(lists, on="query", how="left", maintain_order="left")["step"]


def codes_of(frames: list[pl.DataFrame], entities: Sequence[str]) -> list[np.ndarray]:
    """The entities of each frame as whole numbers (N, R), the same name the same number; -1: none."""
    names = [f"entity{i}" for i in range(len(entities))]
    distinct = pl.concat([frame[name] for frame in frames for name in names]).drop_nulls().unique().sort()
    numbers = pl.DataFrame({"name": distinct, "code": np.arange(len(distinct))})
    coded = []
    for frame in frames:
        columns = [
            frame.select(n).join(numbers, left_on=n, right_on="name", how="left", maintain_order="left")["code"]
            for n in names
        ]
        coded.append(np.stack([c.fill_null(-1).to_numpy() for c in columns], 1))
    return coded


def meetings_of(frame: pl.DataFrame, codes: np.ndarray) -> Meetings:
    """The rows of a frame in order of time; all without an entity share one more."""
    codes = np.where(codes < 0, codes.max(initial=-1) + 1, codes)
    return Meetings(codes[:, 0], codes[:, 1], starts_of(frame[TIME].to_numpy()), frame[EVEN].to_numpy())


def scores_of(frame: pl.DataFrame, pair: ScorePair) -> np.ndarray:
    """The numbers of a pair of columns, (N, 2) float64."""
    columns = frame.select(value_name(pair.first, 0), value_name(pair.second, 0))
    return columns.fill_null(np.nan).to_numpy().astype(np.float64)


def value_name(column: str, i: int) -> str:
    """The column of the stored past with a number of a column."""
    return f"value:{column}:{i}"
