"""A table of raw values: what every source becomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from deepglass.data.environments import Environment
from deepglass.errors import SourceError, near_miss
from deepglass.features.base import Raw, take_raw


class Note(NamedTuple):
    """One thing that was recognised in a source, and why: `Note("delimiter", "';'", "in each of 200 lines")`."""

    what: str
    value: str
    why: str


class Skipped(NamedTuple):
    """Something that was left out: a file or a row, and the reason."""

    name: str
    reason: str


@dataclass(frozen=True)
class Table:
    """Named columns of raw values, all of one length.

    Args:
        columns: name -> polars Series (null = missing), array (N, ...) or list of lazy files.
        name: what the user calls the source, for messages.
        notes: what was recognised when it was read.
        skipped: files and rows that were left out.
        split: (N,) of "train", "valid", "test" where the source brings its own split.
        target: the column that the source itself marks as the answer, such as the class of a class folder.
        kinds: kinds that the source itself knows, such as {"image": "image"}.
        aside: columns that are no inputs unless the spec names them, as they give the answer away or only say where a
            row is from.
        hints: settings that the source itself knows for a column, such as {"mask": {"names": ["sky", "road"]}}.
        environment: the world that the rows are seen in, for kinds of learning that act.
    """

    columns: Mapping[str, Raw]
    name: str = "table"
    notes: tuple[Note, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    split: np.ndarray | None = None
    target: str | None = None
    kinds: Mapping[str, str] = field(default_factory=dict)
    aside: tuple[str, ...] = ()
    hints: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    environment: Environment | None = None

    def __len__(self) -> int:
        return next((len(raw) for raw in self.columns.values()), 0)

    @property
    def names(self) -> list[str]:
        return list(self.columns)

    def __getitem__(self, name: str) -> Raw:
        if name not in self.columns:
            raise SourceError("unknown-column", f"no column {name!r} in {self.name}{near_miss(name, self.columns)}")
        return self.columns[name]

    def take(self, rows: np.ndarray) -> Table:
        """Some rows, in the order given."""
        if np.array_equal(rows, np.arange(len(self))):
            return self
        columns = {name: take_raw(raw, rows) for name, raw in self.columns.items()}
        return replace(self, columns=columns, split=None if self.split is None else self.split[rows])

    def with_columns(self, columns: Mapping[str, Raw]) -> Table:
        """The same table with these columns added or replaced."""
        return replace(self, columns={**self.columns, **columns})

    def row(self, i: int) -> dict[str, Any]:
        """One row as plain values; media as their names."""
        return {name: _plain(raw[i]) for name, raw in self.columns.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, pl.Series):
        return value.to_list()
    return value.item() if isinstance(value, np.generic) else getattr(value, "name", value)
