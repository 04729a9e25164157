"""A table of raw values: the result of reading any source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from deepglass.data.environments import Environment
from deepglass.errors import SourceError, near_miss
from deepglass.features.base import Raw, take_raw


class Note(NamedTuple):
    """Something detected in a source, and why: `Note("delimiter", "';'", "in each of 200 lines")`."""

    what: str
    value: str
    why: str


class Skipped(NamedTuple):
    """A file or row that was skipped, and the reason."""

    name: str
    reason: str


@dataclass(frozen=True)
class Table:
    """Named columns of raw values, all of one length.

    Args:
        columns: name -> polars Series (null = missing), array (N, ...) or list of lazy files.
        name: the user's name for the source, for messages.
        notes: what was detected when it was read.
        skipped: files and rows that were skipped.
        split: (N,) of "train", "valid", "test" where the source has a predefined split.
        target: the target column, where the source marks it, such as the class of a class folder.
        kinds: column -> feature type, where the source determines it, such as {"image": "image"}.
        excluded: columns that are inputs only if the spec names them: they leak the target or say where a row is from.
        values: column -> texts that look missing and are values, such as {"country": ("NA",)}.
        hints: column -> feature settings that the source determines, such as {"mask": {"names": ["sky", "road"]}}.
        environment: that the rows were observed in, for reinforcement learning.
        folder: that paths in its cells start from; None for Python objects, whose paths are the user's own.
        roots: further folders that its cells may name; None where it is from an archive, which may name none.
        derived: whether it has the columns of table transforms and of features that read several columns.
    """

    columns: Mapping[str, Raw]
    name: str = "table"
    notes: tuple[Note, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    split: np.ndarray | None = None
    target: str | None = None
    kinds: Mapping[str, str] = field(default_factory=dict)
    excluded: tuple[str, ...] = ()
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    hints: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    environment: Environment | None = None
    folder: Path | None = None
    roots: tuple[Path, ...] | None = ()
    derived: bool = False

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
        """The rows with these indices, in this order."""
        if np.array_equal(rows, np.arange(len(self))):
            return self
        index = pl.Series(rows, dtype=pl.get_index_type())  # converted once, not by each of thousands of columns
        columns = {
            n: raw[index] if isinstance(raw, pl.Series) else take_raw(raw, rows) for n, raw in self.columns.items()
        }
        return replace(self, columns=columns, split=None if self.split is None else self.split[rows])

    def with_columns(self, columns: Mapping[str, Raw]) -> Table:
        """A copy with these columns added or replaced."""
        return replace(self, columns={**self.columns, **columns})

    def row(self, i: int) -> dict[str, Any]:
        """One row as plain values; media files as their names."""
        return {name: _plain(raw[i]) for name, raw in self.columns.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, pl.Series):
        return value.to_list()
    return value.item() if isinstance(value, np.generic) else getattr(value, "name", value)
