"""New rows for a trained run: from whatever holds them to encoded columns, with what is unusual counted."""

import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl

from deepglass.data.missing import is_null
from deepglass.data.sources.frames import numbered
from deepglass.data.sources.listing import natural_key
from deepglass.data.table import Table
from deepglass.data.transforms.base import TableTransform
from deepglass.errors import DataWarning, SourceError, SpecError, near_miss
from deepglass.features.base import Column, Feature, Raw
from deepglass.features.outputs.base import Output
from deepglass.formatting import first_names, plain_percent
from deepglass.limits import limits_changed
from deepglass.prepare.class_names import columns_of, with_class_names
from deepglass.prepare.derived_columns import apply_transform, derive, derive_columns
from deepglass.prepare.raw_rows import as_rows, column_of_cells, examples_of, is_row, rename_only_column
from deepglass.prepare.sample_weights import weights_to_evaluate, with_weight
from deepglass.prepare.sources import file_columns, read_like
from deepglass.spec.data_spec import DataSpec

Rows = Any  # a source, a dict, or a list of dicts

MAX_MISSING_SHARE = 0.05  # of an input's values in training, below which an absent or unreadable column is an error
MIN_EMPTY_ROWS = 10  # in fewer rows a column may be empty by chance


@dataclass
class RowReader:
    """Reads and encodes rows as a run's features and table transforms need them.

    Args:
        data: options for reading rows from files.
        ignored: columns that training ignored; rows with them get no note.
        notes: counts of unusual values in all rows so far.
        missing: input -> share of its values that were missing in training; without it absent and unreadable columns
            are missing values. Else they are errors, but for inputs that were often missing in training.
        allow_missing: columns or inputs that may be absent or unreadable.
    """

    inputs: tuple[Feature, ...]
    outputs: tuple[Output, ...]
    data: DataSpec = field(default_factory=DataSpec)
    ignored: frozenset[str] = frozenset()
    transforms: tuple[TableTransform, ...] = ()
    missing: Mapping[str, float] = field(default_factory=dict)
    allow_missing: frozenset[str] = frozenset()
    notes: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def reading(self, allow_missing: Sequence[str] = ()) -> Iterator[None]:
        """Read rows inside a `with` block: warns with `DataWarning` of what is noted about them.

        Args:
            allow_missing: columns that may be absent or unreadable.

        Raises:
            SpecError: `unknown-name` for a column that the run does not read.
        """
        names = {n for f in self.inputs for n in (f.name, *f.source_columns)}
        names |= {n for t in self.transforms for n in t.source_columns}
        for name in allow_missing:
            if name not in names:
                hint = near_miss(name, names)
                raise SpecError("unknown-name", f"--allow-missing: the run reads no column {name!r}{hint}")
        before, allowed = self.notes.copy(), self.allow_missing
        self.allow_missing = allowed | frozenset(allow_missing)
        try:
            yield
        finally:
            self.allow_missing = allowed
        for note, count in (self.notes - before).items():
            warnings.warn(f"{note} ({count:,})", DataWarning, stacklevel=4)

    def encode(self, rows: Rows) -> dict[str, Column]:
        """Encoded inputs; values that cannot be read are missing values, and counted.

        Raises:
            SourceError: as `read`, and as `check_readable` unless `rows` is a table that was read before.
        """
        table = self.read(rows)
        with limits_changed(self.data.limits):
            columns = {f.name: self._encode(f, table[f.column]) for f in self.inputs}
        if not (isinstance(rows, Table) and rows.derived) and not self.is_single(rows):
            self.check_readable(table, columns)
        return columns

    def encode_labelled(self, table: Table) -> tuple[Table, dict[str, Column], dict[str, Column]]:
        """Labelled rows as they were read, with their encoded inputs and targets.

        Raises:
            SourceError: `unknown-column` for a target that is absent; as `encode` and `_encode_targets`.
        """
        table = self._by_position(table)
        for column in (c for f in self.outputs for c in ([f.column] if table.derived else f.source_columns)):
            if column not in table.columns:
                hint = near_miss(column, table.columns)
                raise SourceError("unknown-column", f"{table.name}: no column {column!r} with labels{hint}")
        weights, note = weights_to_evaluate(table, self.data.sample_weight)
        self.notes.update({note: len(table)} if note else {})
        table = self.read(table)
        inputs = self.encode(table)
        self.check_readable(table, inputs)
        with limits_changed(self.data.limits):
            encoded = self._encode_targets(table)
            targets = {f.name: f.to_input_frame(encoded[f.name], inputs) for f in self.outputs}
            return table, inputs, {name: with_weight(column, weights) for name, column in targets.items()}

    def _encode_targets(self, table: Table) -> dict[str, Column]:
        """Encoded targets; those that cannot be read or are of no class of the run are counted.

        Raises:
            SourceError: `unreadable-column` or, where all are missing, `no-rows`, if no row can be compared.
        """
        columns = {f.name: f.encode(table[f.column]) for f in self.outputs}
        problems = []
        for output in self.outputs:
            raw, mask = table[output.column], columns[output.name].mask
            unreadable = np.flatnonzero(~mask & ~is_null(raw))
            if not len(unreadable):
                problems.append(SourceError("no-rows", f"{table.name}: column {output.column!r} has no values"))
                continue
            what = f"values of {output.column!r} that the run cannot predict, such as {examples_of(raw, unreadable)}"
            self.notes[f"not evaluated: {what}"] += len(unreadable)
            classes = f"; it predicts {first_names(output.class_names, 8)}" if output.class_names else ""
            text = f"{table.name}: no row can be evaluated: {len(unreadable):,} {what}{classes}"
            problems.append(SourceError("unreadable-column", text))
        if columns and not any(column.mask.any() for column in columns.values()):
            raise problems[0]
        return columns

    def check_readable(self, table: Table, columns: Mapping[str, Column]) -> None:
        """Raise the first of `unreadable_columns`."""
        for error in self.unreadable_columns(table, columns):
            raise error

    def unreadable_columns(self, table: Table, columns: Mapping[str, Column]) -> Iterator[SourceError]:
        """For inputs with more than half unreadable or missing values, where fewer than 5 % were so in training."""
        for feature in self.inputs:
            absent = ~columns[feature.name].mask
            if feature.has_classes or not self._is_required(feature) or absent.sum() <= len(absent) / 2:
                continue
            unreadable = np.flatnonzero(absent & ~is_null(table[feature.column]))
            if len(unreadable) > len(absent) / 2:
                what = f"cannot be read as a {feature.kind}, such as {examples_of(table[feature.column], unreadable)}"
            elif len(absent) >= MIN_EMPTY_ROWS:
                what = "are missing"
            else:
                continue
            yield SourceError(
                "unreadable-column",
                f"{table.name}: column {feature.column!r}: {int(absent.sum()):,} of {len(absent):,} values {what}; "
                f"in training {plain_percent(self.missing[feature.name])} were missing. Write them as in the "
                f"training data, or take them as missing with --allow-missing {feature.name}",
            )

    def read(self, rows: Rows) -> Table:
        """Rows as the features read them: absent columns filled with missing values and counted, transforms applied."""
        table = self.table(rows)
        if table.derived:
            return table
        if not len(table):
            raise SourceError("no-rows", "there are no rows to predict")
        names = table.names
        column_groups = [f.source_columns for f in self.inputs] + [t.source_columns for t in self.transforms]
        expected = list(dict.fromkeys(c for columns in column_groups for c in columns))
        if not set(expected) & set(names):
            raise SourceError(
                "unknown-column",
                f"{table.name}: expected some of the columns that the run learned from: {', '.join(expected[:8])}; "
                f"got {', '.join(names[:8])}",
            )
        if self.missing and not self.is_single(rows):
            self._check_present(table)
        for transform in self.transforms:
            table = self._filled(table, transform.source_columns, transform.optional_columns)
            self.notes.update(transform.count_anomalies(table))
            table = apply_transform(transform, table)
        table = self._filled(table, [c for f in self.inputs for c in f.source_columns])
        used = self.ignored.union(expected, *(f.source_columns for f in self.outputs))
        self.notes.update({f"column {name!r} is not used": len(table) for name in names if name not in used})
        return derive_columns(table, (), (*self.inputs, *self.outputs))

    def table(self, rows: Rows) -> Table:
        """Rows as a table of raw values, with names as in training."""
        rows = as_rows(rows, self.inputs)
        if isinstance(rows, Mapping) and is_row(rows, self.inputs):
            rows = [rows]
        if isinstance(rows, Sequence) and not isinstance(rows, str) and rows and isinstance(rows[0], Mapping):
            names = dict.fromkeys(k for row in rows for k in row)
            table = Table({n: column_of_cells(n, [row.get(n) for row in rows]) for n in names})
        else:
            table = self._by_position(self._renamed(read_like(self.data, rows, file_columns(self.inputs))))
        table = derive(table, self.data.derive, partly=True)
        return with_class_names(table, columns_of((*self.inputs, *self.outputs)))

    def is_single(self, rows: Rows) -> bool:
        """Whether it is one row from Python, which may leave out columns: one asks what follows from the others."""
        if isinstance(rows, Mapping):
            return is_row(rows, self.inputs)
        return isinstance(rows, list | tuple) and len(rows) == 1 and isinstance(rows[0], Mapping)

    def _encode(self, feature: Feature, raw: Raw) -> Column:
        try:
            column = feature.encode(raw)
            if not column.mask.all():
                feature, note = feature.adapted(raw)
                if note:
                    self.notes[f"{feature.name}: {note}"] += len(raw)
                    column = feature.encode(raw)
            for what, count in feature.count_anomalies(raw).items():
                self.notes[f"{feature.name}: {what}"] += count
            return column
        except pl.exceptions.PolarsError as error:
            dtype = raw.dtype if isinstance(raw, pl.Series) else type(raw).__name__
            expected = f"expected a {feature.kind}, as in training, got {dtype}"
            raise SourceError("bad-value", f"column {feature.column!r}: {expected} ({error})") from error

    def _is_required(self, feature: Feature) -> bool:
        """Whether few of an input's values were missing in training, and the user does not allow it."""
        if self.allow_missing & {feature.name, *feature.source_columns}:
            return False
        return self.missing.get(feature.name, 1.0) < MAX_MISSING_SHARE

    def absent_columns(self, table: Table) -> list[str]:
        """The columns that a table lacks and training had; without those that may be absent."""
        required = [c for f in self.inputs if self._is_required(f) for c in f.source_columns]
        for transform in self.transforms:
            optional = self.allow_missing.union(transform.optional_columns)
            required += [c for c in transform.source_columns if c not in optional]
        added = {c for t in self.transforms for c in t.added_}
        return [c for c in dict.fromkeys(required) if c not in table.columns and c not in added]

    def _check_present(self, table: Table) -> None:
        """Raise `missing-column` for `absent_columns`."""
        if not (absent := self.absent_columns(table)):
            return
        used = self.ignored.union(*(f.source_columns for f in (*self.inputs, *self.outputs)))
        others = [n for n in table.names if n not in used]
        near = near_miss(absent[0], others).removesuffix("?")
        raise SourceError(
            "missing-column",
            f"{table.name}: lacks {len(absent)} of the columns that the run learned from: {first_names(absent, 8)}"
            f"{near}. Take them as missing values with --allow-missing {absent[0]}",
        )

    def _filled(self, table: Table, columns: Sequence[str], optional: Sequence[str] = ()) -> Table:
        """The table with the columns that it lacks as missing values, which are counted unless optional."""
        absent = {c: pl.Series([None] * len(table), dtype=pl.Null) for c in columns if c not in table.columns}
        self.notes.update({f"column {c!r} is missing": len(table) for c in absent if c not in optional})
        return table.with_columns(absent) if absent else table

    def _by_position(self, table: Table) -> Table:
        """A table without names: columns without the target get the names that they had in training.

        Raises:
            SourceError: `mismatched-files` for another number of columns.
        """
        targets = {c for f in self.outputs for c in f.source_columns}
        others = self.ignored.union(*(f.source_columns for f in self.inputs)) - targets
        own, width = sorted(others, key=natural_key), len(others) + len(targets)
        nameless = table.names == numbered(len(table.names)) and others | targets == {*numbered(width)}
        if table.derived or not nameless or len(table.names) == width:
            return table
        if len(table.names) != len(own):
            raise SourceError(
                "mismatched-files",
                f"{table.name}: {len(table.names)} columns without names; expected {width} as in "
                f"training, or {len(own)} without {first_names(sorted(targets, key=natural_key), 3)}",
            )
        if own == table.names:  # the target is behind them
            return table
        self.notes["columns matched by position, as there is none for the target"] += len(table)
        return replace(table, columns=dict(zip(own, table.columns.values(), strict=True)))

    def _renamed(self, table: Table) -> Table:
        """The table with its only column of files named as the run's only input of that kind."""
        others = self.ignored.union(*(f.source_columns for f in self.outputs))
        table, renamed = rename_only_column(table, self.inputs, others)
        if renamed:
            self.notes[f"column {renamed!r} is read as {self.inputs[0].column!r}, the only input"] += len(table)
            return table
        kinds = {name: kind for name, kind in table.kinds.items() if isinstance(table[name], list)}
        name, kind = next(iter(kinds.items()), ("", ""))
        columns = [f.column for f in self.inputs if f.kind == kind]
        if len(kinds) != 1 or len(set(columns)) != 1 or columns[0] in table.columns:
            return table
        return replace(table, columns={columns[0] if n == name else n: raw for n, raw in table.columns.items()})
