"""Names of classes that the data have as codes: `outputs.y.names: {0: cat, 1: dog}` or `[cat, dog]`.

The names replace the codes where rows are read, in training as for new rows, so that all that follows has the names.
Rows may have the names as well.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import polars as pl

from deepglass.data.table import Table
from deepglass.features._classes import ClassFeature, CodeNames, code_texts
from deepglass.features._value_keys import as_keys, value_type
from deepglass.features.base import Feature, Raw
from deepglass.spec.spec import Spec

CLASS_KINDS = ("binary", "category")


class NamedColumn(NamedTuple):
    """A column of codes, their names, and whether it is certain that its kind has classes."""

    column: str
    names: CodeNames
    has_classes: bool


def named_columns(spec: Spec) -> list[NamedColumn]:
    """The columns for which a spec names classes."""
    entries = [(f.column, f.kind or spec.kind_of(f.name), f.settings) for f in (*spec.outputs, *spec.inputs)]
    entries += [(column, spec.kind_of(column), spec.kind_settings(column)) for column in spec.kinds]
    return [
        NamedColumn(column, settings["names"], kind is not None)
        for column, kind, settings in entries
        if isinstance(settings.get("names"), Mapping | list | tuple) and kind in (None, *CLASS_KINDS)
    ]


def columns_of(features: Iterable[Feature]) -> list[NamedColumn]:
    """The same of fitted features."""
    return [NamedColumn(f.column, f.names, True) for f in features if isinstance(f, ClassFeature) and f.names]


def with_class_names(table: Table, columns: Iterable[NamedColumn]) -> Table:
    """The table with names instead of codes; columns that it lacks are left to later checks."""
    if table.derived:  # of rows that were read before
        return table
    named = {c.column: _named(table[c.column], c) for c in columns if c.column in table.columns}
    return table.with_columns(named) if named else table


def _named(raw: Raw, column: NamedColumn) -> Raw:
    """Values with a name as their name, other values as they are; lists and files are no codes."""
    type_ = value_type(raw)
    if type_ is None or (type_ == "string" and not column.has_classes and not isinstance(column.names, Mapping)):
        return raw
    keys = as_keys(raw, type_)
    names = column.names.items() if isinstance(column.names, Mapping) else enumerate(column.names)
    by_text = {text: str(name) for code, name in reversed(list(names)) for text in code_texts(code)}
    replaced = {text: by_text.get(text, by_text.get(text.lower(), text)) for text in keys.drop_nulls().unique()}
    return keys.replace_strict(replaced, default=None, return_dtype=pl.String) if replaced else keys
