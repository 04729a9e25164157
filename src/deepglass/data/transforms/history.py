"""Each entity's own past: for every row the last rows of its entities, strictly earlier, and online ratings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import polars as pl

from deepglass.constraints import Count
from deepglass.data.history_columns import (
    ScorePair,
    categories,
    encode,
    encode_outcomes,
    former_names,
    renamed,
    score_pairs,
    series_of,
)
from deepglass.data.pair_ratings import PairRatings
from deepglass.data.past_rows import (
    EVEN,
    OUTCOME,
    TIME,
    PastRows,
    RowIndex,
    codes_of,
    means_of,
    nested,
    scores_of,
    value_name,
)
from deepglass.data.split import times_of
from deepglass.data.table import Note, Table
from deepglass.data.transforms.base import TableTransform
from deepglass.dates import parse_dates
from deepglass.errors import SourceError, SpecError
from deepglass.features.base import Raw
from deepglass.formatting import plain_percent

DAY = 86_400e6  # microseconds
CHUNK = 100_000  # rows whose past is gathered at a time
ELO_UNIT = 400.0  # points of a rating that are 1 in a step of the sequence


@dataclass(frozen=True, kw_only=True)
class EntityHistory(TableTransform):
    """Adds what the past of each entity says: its last rows as a sequence, their means, and ratings of pairs.

    A row counts as past only where its time is strictly earlier, whichever column named the entity there. Rows of a new
    file continue the history of the run; rows without any time are predicted as of its newest row. Where two entity
    columns differ in one word (home_team, away_team), columns that differ in it too (home_score, away_score) are given
    as the entity's own and the other's, and rates of attack and defence follow from them.

    Args:
        entities: columns that name an entity each: a customer, or the two teams of a match.
        time: column of dates or numbers by which rows are ordered.
        last: number of past rows in the sequence.
        columns: numbers and categories of past rows, such as amounts, scores, or the target itself.
        rating_outcome: column with the outcome of the first of two entities: win, draw, loss, or numbers from 0 to 1;
            without it the first pair of scores says who won.
        even: column that is true where the first entity has no advantage, such as a neutral ground.
        former_names: a table with the columns `former` and `current`, by which renamed entities are recognised.
    """

    entities: tuple[str, ...]
    time: str
    last: Count = 10
    columns: tuple[str, ...] = ()
    rating_outcome: str | None = None
    even: str | None = None
    former_names: str | None = None
    names_: dict[str, str] | None = None  # former name -> current name
    values_: dict[str, list[str]] | None = None  # column -> values of a category; [] for numbers
    has_dates_: bool | None = None
    elo_: dict[str, float] | None = None
    rates_: dict[str, dict[str, float]] | None = None  # by the name of a pair
    past_: pl.DataFrame | None = None  # in order of time

    def __post_init__(self) -> None:
        if not self.entities or len(set(self.entities)) < len(self.entities):
            raise ValueError(f"entities: expected columns, each once, got {list(self.entities)}")
        if self.rating_outcome is not None and len(self.entities) != 2:
            raise ValueError(f"rating_outcome: needs two entities that meet, got {list(self.entities)}")

    @property
    def source_columns(self) -> tuple[str, ...]:
        return (*self.entities, self.time, *([self.even] if self.even else []))

    @property
    def optional_columns(self) -> tuple[str, ...]:
        return self.source_columns[len(self.entities) :]

    def frame(self) -> pl.DataFrame | None:
        return self.past_

    def with_frame(self, frame: pl.DataFrame) -> Self:
        numbers = [value_name(c, i) for c, values in (self.values_ or {}).items() for i in range(len(values) or 1)]
        types: dict[str, pl.DataType] = {f"entity{i}": pl.String() for i in range(len(self.entities))}
        types |= {TIME: pl.Float64(), EVEN: pl.Boolean()}
        types |= dict.fromkeys((*numbers, OUTCOME), pl.Float32())
        if dict(frame.schema) != types:
            raise SpecError("bad-value", f"expected the columns {', '.join(types)}, got {', '.join(frame.columns)}")
        return replace(self, past_=frame)

    @property
    def pairs(self) -> list[ScorePair]:
        """Pairs of columns with numbers of the two entities."""
        values = self.values_ or {}
        numbers = [c for c in self.columns if not values.get(c)]
        return score_pairs(self.entities, numbers)

    @staticmethod
    def sequences(settings: Mapping[str, Any]) -> list[str]:
        """The columns with past rows that the settings of a history add."""
        return [f"{entity}_history" for entity in settings.get("entities", ())]

    # -- fitting -----------------------------------------------------------------------------------------------

    def fit(self, table: Table) -> Self:
        return self.fit_split(table, np.arange(len(table)))

    def fit_split(self, table: Table, train: np.ndarray) -> Self:
        """All rows are the past of later ones; categories and settings of ratings come from the training rows."""
        time = series_of(table, self.time, "data.history.time")
        training = table.take(train)
        raws = {c: series_of(training, c, "data.history.columns") for c in self.columns}
        fitted = replace(
            self,
            names_=former_names(self.former_names) if self.former_names else {},
            values_={c: categories(raw, c) for c, raw in raws.items()},
            has_dates_=_has_dates(time),
        )
        fitted = replace(fitted, past_=fitted._past_of(table))
        if len(self.entities) != 2:
            return fitted
        ratings = PairRatings.fit(self.entities, fitted.pairs, fitted._past_of(training))
        return replace(fitted, elo_=ratings.elo, rates_=ratings.rates)

    # -- applying ----------------------------------------------------------------------------------------------

    def apply(self, table: Table) -> Table:
        past, queries = self._continued(table), self._rows_of(table)
        times = queries[TIME].to_numpy()
        if np.isnan(times).all():
            newest = past[TIME].to_numpy().max(initial=-np.inf)
            times = np.full(len(times), np.nextafter(newest if np.isfinite(newest) else 0.0, np.inf))
        past_codes, codes = codes_of([past, queries], self.entities)
        codes[np.isnan(times)] = -1
        queries = queries.with_columns(pl.Series(TIME, np.nan_to_num(times)))
        columns: dict[str, Raw] = {}
        elo = None
        if self.elo_ or self.rates_:
            ratings = PairRatings(self.entities, self.pairs, self.elo_, self.rates_ or {})
            elo, columns = ratings.columns(past, queries, past_codes, codes)
        index = RowIndex(past_codes, past[TIME].to_numpy())
        for role, entity in enumerate(self.entities):
            parts = []
            for begin in range(0, len(queries), CHUNK):
                times = queries[TIME][begin : begin + CHUNK].to_numpy()
                rows = index.past_rows(codes[begin : begin + CHUNK, role], times, self.last)
                parts.append(self._past_columns(entity, past, rows, times, elo))
            columns |= {name: _joined([part[name] for part in parts]) for name in parts[0]} if parts else {}
        return table.with_columns(columns)

    def notes(self, table: Table) -> tuple[Note, ...]:
        past, counts = self._past, self._past_names().value_counts()["count"].to_numpy()
        values = ", ".join(self.columns) or "no columns"
        what = f"{len(past):,} past rows of {len(counts):,} entities"
        notes = [Note("history", what, f"each row reads earlier rows only, by {self.time}: {values}")]
        if (once := int((counts == 1).sum())) > len(counts) / 2:
            why = (
                f"{once:,} of {len(counts):,} entities ({plain_percent(once / len(counts), 0)}) have one row, "
                f"so without a past"
            )
            notes.append(Note("history", "hardly any", why))
        return tuple(notes)

    def _past_names(self) -> pl.Series:
        """The entities of all past rows, one column after the other."""
        names = [self._past[f"entity{i}"].rename("name") for i in range(len(self.entities))]
        return pl.concat(names).drop_nulls()

    def count_anomalies(self, table: Table) -> dict[str, int]:
        queries, earlier = self._rows_of(table), self._past_names().unique().implode()
        counts = {}
        for i, entity in enumerate(self.entities):
            names = queries[f"entity{i}"]
            new = names.filter(names.is_not_null() & ~names.is_in(earlier))
            if len(new):
                counts[f"{entity}: without any past row, such as {new[0]!r}; rated as the mean"] = len(new)
        times = queries[TIME].is_nan()
        if times.any() and not times.all():
            counts[f"{self.time}: no time, so without a past"] = int(times.sum())
        return counts

    @property
    def _past(self) -> pl.DataFrame:
        if self.past_ is None:
            raise SourceError("damaged-run", "the rows that the history of this run begins with are missing")
        return self.past_

    def _rows_of(self, table: Table) -> pl.DataFrame:
        """Entities and time of each row, and whether it is even; without what only past rows have."""
        where, names = "data.history.entities", self.names_ or {}
        columns = {f"entity{i}": renamed(series_of(table, c, where), names) for i, c in enumerate(self.entities)}
        raw = series_of(table, self.time, "data.history.time")
        if raw.null_count() == len(raw):
            times = np.full(len(table), np.nan)
        else:
            times = times_of(table, self.time, "data.history.time")
            if self.has_dates_ != _has_dates(raw):
                kind = "dates" if self.has_dates_ else "numbers"
                got = f"{table.name}: data.history.time: {self.time!r}: expected {kind} as in training, got {raw.dtype}"
                raise SourceError("bad-value", got)
        even = np.zeros(len(table), bool)
        if self.even is not None and self.even in table.columns:
            even = encode(series_of(table, self.even, "data.history.even"), ["true"])[:, 0] > 0
        return pl.DataFrame(columns | {TIME: times, EVEN: even})

    def _past_of(self, table: Table) -> pl.DataFrame:
        """The rows of a table that later ones have as their past, in order of time: entities, values, outcome."""
        values = self.values_ or {}
        encoded: dict[str, np.ndarray] = {}
        for column in self.columns:
            present = column in table.columns
            raw = series_of(table, column, "data.history.columns") if present else pl.Series([None] * len(table))
            numbers = encode(raw, values.get(column, []))
            encoded |= {value_name(column, i): numbers[:, i] for i in range(numbers.shape[1])}
        frame = self._rows_of(table).with_columns(pl.Series(n, v, pl.Float32) for n, v in encoded.items())
        frame = frame.with_columns(pl.Series(OUTCOME, self._outcomes(table, frame), pl.Float32))
        names = [*encoded, *([OUTCOME] if self.rating_outcome or self.pairs else [])]
        is_stated = [pl.col(name).is_not_nan() for name in names]
        frame = frame.filter(pl.col(TIME).is_not_nan(), *([pl.any_horizontal(is_stated)] if is_stated else []))
        return frame.sort(TIME, maintain_order=True)

    def _continued(self, table: Table) -> pl.DataFrame:
        """The past of the run, and the rows of a table that it does not have."""
        if not any(c in table.columns for c in (*self.columns, self.rating_outcome)) and self.columns:
            return self._past
        keys = [*(f"entity{i}" for i in range(len(self.entities))), TIME]
        new = self._past_of(table).join(self._past, on=keys, how="anti", nulls_equal=True)
        return pl.concat([self._past, new]).sort(TIME, maintain_order=True) if len(new) else self._past

    def _outcomes(self, table: Table, frame: pl.DataFrame) -> np.ndarray:
        """The outcome of each row for the first of two entities, (N,); NaN: not stated."""
        if self.rating_outcome is not None:
            if self.rating_outcome not in table.columns:
                return np.full(len(table), np.nan)
            raw = series_of(table, self.rating_outcome, "data.history.rating_outcome")
            return encode_outcomes(raw, self.rating_outcome)
        if not self.pairs:
            return np.full(len(table), np.nan)
        scores = scores_of(frame, self.pairs[0])
        return (np.sign(scores[:, 0] - scores[:, 1]) + 1) / 2

    def _past_columns(
        self, entity: str, past: pl.DataFrame, rows: PastRows, times: np.ndarray, elo: np.ndarray | None
    ) -> dict[str, Raw]:
        """The sequence of an entity's past rows, the means of its numbers, their count, and the time since the last."""
        own_second = rows.roles == 1
        steps: dict[str, np.ndarray] = {}
        pairs = {c for pair in self.pairs for c in (pair.first, pair.second)}
        for pair in self.pairs:
            own, other = (past[value_name(c, 0)].to_numpy()[rows.rows] for c in (pair.first, pair.second))
            steps[pair.name] = np.where(own_second, other, own)
            steps[f"{pair.name}_against"] = np.where(own_second, own, other)
        for column, values in (self.values_ or {}).items():
            for i, name in enumerate(values or [""] if column not in pairs else []):
                steps[f"{column}_{name}" if name else column] = past[value_name(column, i)].to_numpy()[rows.rows]
        columns: dict[str, Raw] = {f"{entity}_mean_{n}": means_of(values, rows.counts) for n, values in steps.items()}
        for role, other in enumerate(self.entities[1:], 1):
            steps[f"as_{other}"] = (rows.roles == role).astype(np.float32)
        if elo is not None:
            steps["rating_against"] = elo[rows.rows, 1 - rows.roles] / ELO_UNIT
        since = np.repeat(times, rows.counts) - past[TIME].to_numpy()[rows.rows]
        since = since / DAY if self.has_dates_ else since
        steps["time_since"] = since
        unit = "_days" if self.has_dates_ else ""
        ends = np.cumsum(rows.counts) - 1
        last = np.where(rows.counts > 0, since[ends] if len(since) else np.nan, np.nan)
        columns |= {f"{entity}_past_rows": rows.totals, f"{entity}{unit}_since_last": last}
        if self.columns:
            columns[f"{entity}_history"] = nested(np.stack(list(steps.values()), 1), rows.counts)
        return columns


def _has_dates(raw: pl.Series) -> bool:
    return not raw.dtype.is_numeric() and parse_dates(raw) is not None


def _joined(parts: list[Raw]) -> Raw:
    """Columns of successive rows as one."""
    series = [part for part in parts if isinstance(part, pl.Series)]
    arrays = [part for part in parts if isinstance(part, np.ndarray)]
    return pl.concat(series, rechunk=False) if series else np.concatenate(arrays)
