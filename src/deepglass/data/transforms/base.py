"""What a table transform is: `TableTransform`, a fitted step between source and features.

source -> Table --TableTransform.apply--> Table with added or replaced columns --features--> encoded columns
"""

import dataclasses
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import polars as pl

from deepglass.data.table import Note, Table
from deepglass.errors import SpecError
from deepglass.features.base import restore_kind
from deepglass.registry import Registry


@dataclass(frozen=True, kw_only=True)
class TableTransform(ABC):
    """A transformation of a table that is fitted on the training rows and applied wherever a run reads rows.

    A subclass is a frozen dataclass. Its fields are the settings of the spec; fields whose names end in `_` are learned
    by `fit` and begin as None. The run folder stores all fields as JSON, in which a tuple becomes a list and a key of a
    dict becomes text; `fit` must learn values that mean the same afterwards.

    Args:
        added_: columns that `apply` adds, as a run stores them.
    """

    added_: tuple[str, ...] = ()

    @property
    @abstractmethod
    def source_columns(self) -> tuple[str, ...]:
        """Columns that `apply` reads; those that rows for prediction lack are filled with missing values."""

    @abstractmethod
    def fit(self, table: Table) -> Self:
        """A copy with its learned fields.

        Args:
            table: the training rows, with their targets.
        """

    @property
    def optional_columns(self) -> tuple[str, ...]:
        """Those of `source_columns` that rows for prediction may lack without a word."""
        return ()

    def fit_split(self, table: Table, train: np.ndarray) -> Self:
        """A copy with its learned fields; for transforms that read the rows of all splits.

        Args:
            table: all rows, with their targets.
            train: indices of the training rows.
        """
        return self.fit(table.take(train))

    def frame(self) -> pl.DataFrame | None:
        """Rows that `apply` needs, which the run stores as a parquet file; None: none."""
        return None

    def with_frame(self, frame: pl.DataFrame) -> Self:
        """A copy with the rows of `frame`, of a stored run."""
        raise NotImplementedError

    def notes(self, table: Table) -> tuple[Note, ...]:
        """What to tell about the rows of the source, after fitting."""
        return ()

    def count_anomalies(self, table: Table) -> dict[str, int]:
        """What is unusual in new rows -> number of rows."""
        return {}

    @abstractmethod
    def apply(self, table: Table) -> Table:
        """The same rows with added or replaced columns, such as `table.with_columns({"mean": ...})`.

        Args:
            table: any rows; it need not have the columns of outputs, which may not be changed.
        """

    @property
    def kind(self) -> str:
        """Name in the registry, or `module:Class`."""
        return TRANSFORMS.name_of(type(self))

    def state(self) -> dict[str, Any]:
        """Settings and learned fields but `frame` as plain JSON; `transform_from_state` reads it.

        Raises:
            SpecError: `bad-value` for a learned field that is not JSON.
        """
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        fields = {name: value for name, value in fields.items() if not isinstance(value, pl.DataFrame)}
        try:
            return {"kind": self.kind, **json.loads(json.dumps(fields, allow_nan=False))}
        except (TypeError, ValueError) as error:
            raise SpecError("bad-value", f"data.transforms: {self.kind}: expected fields of JSON ({error})") from error


def transform_from_state(state: Mapping[str, Any], where: str) -> TableTransform:
    """A table transform from its `state`; arguments and errors as of `features.base.from_state`."""
    return restore_kind(TRANSFORMS, state, where)


TRANSFORMS: Registry[TableTransform] = Registry("deepglass.data.transforms", "TableTransform", "table transform")
