"""Tables from polars frames and arrays: column names, missing values, inferred types."""

from collections.abc import Collection, Iterable, Mapping, Sequence, Sized
from dataclasses import replace

import numpy as np
import polars as pl

from deepglass.data.sources.base import SPLIT_WORDS, ReadLog, SourceOptions
from deepglass.data.sources.footer import without_footer
from deepglass.data.sources.stored_files import stored_series
from deepglass.data.sources.text_columns import note_dates, type_texts
from deepglass.data.sources.token_tags import with_tags
from deepglass.data.table import Table
from deepglass.dates import parse_dates
from deepglass.errors import SourceError
from deepglass.features.base import Raw
from deepglass.parsing import ALWAYS_MISSING, MISSING, is_missing, parse_numbers, to_numbers


def check_names(names: Sequence[str], source: str) -> list[str]:
    """Column names, stripped and checked for duplicates.

    Raises:
        SourceError: `duplicate-column`, with the positions of both.
    """
    cleaned = [name.strip() or f"column_{i}" for i, name in enumerate(names, 1)]
    first: dict[str, int] = {}
    for i, name in enumerate(cleaned, 1):
        if first.setdefault(name, i) < i:
            raise SourceError(
                "duplicate-column",
                f"{source}: columns {first[name]} and {i} are both called {name!r}; "
                f"rename one of them, or name all {len(names)} with --columns",
            )
    return cleaned


def check_lengths(columns: Mapping[str, Sized], what: str) -> None:
    """Raise `mismatched-files` for columns that differ in length; `what` names them in the message."""
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise SourceError("mismatched-files", f"{what} differ in length: {lengths}")


def column_names(names: Sequence[str], columns: Sequence[str] | None, source: str) -> list[str]:
    """The names of --columns, or those of the source."""
    if columns is None:
        return check_names(names, source)
    if len(columns) != len(names):
        own = ", ".join(names[:8])
        text = f"--columns: expected {len(names)} names, one for each column of {source} ({own}), got {len(columns)}"
        raise SourceError("bad-value", text)
    return check_names(columns, "--columns")


def numbered(width: int) -> list[str]:
    """Names for the columns of a table that has none."""
    return [f"column_{i}" for i in range(1, width + 1)]


def table_from_frame(frame: pl.DataFrame, source: str, log: ReadLog, *, columns: Sequence[str] | None = None) -> Table:
    """A table from a polars frame of typed columns. Texts stay as they are, but `?` and the like are missing values.

    Args:
        frame: the cells.
        source: name of the source, for messages.
        log: of the reader.
        columns: names from --columns.

    Raises:
        SourceError: `empty-source` without columns, `no-rows` without rows.
    """
    frame = _named(frame, source, columns)
    stored = {s.name: column for s in frame if (column := stored_series(s)) is not None}
    for name, (_, kind) in stored.items():
        log.note("files", f"{frame.height:,} in {name}", f"its cells hold {kind} files")
    plain = _unnested(frame.drop(stored), source) if len(stored) < frame.width else pl.DataFrame()
    table = _table([_note_format(_set_missing_null(s, log), log) for s in plain], source, log)
    if not stored:
        return table
    files = {name: raw for name, (raw, _) in stored.items()}
    order = [name for column in frame.columns for name in (column, *_fields(column, table.names))]
    columns_of = {name: raw for name in order if (raw := files.get(name, table.columns.get(name))) is not None}
    return replace(table, columns=columns_of, kinds={**table.kinds, **{n: kind for n, (_, kind) in stored.items()}})


def _fields(column: str, names: Sequence[str]) -> list[str]:
    """The columns that hold the fields of a struct."""
    return [name for name in names if name.startswith(f"{column}.")]


def table_from_texts(
    frame: pl.DataFrame,
    source: str,
    log: ReadLog,
    options: SourceOptions,
    number_texts: Collection[str] = (),
    semicolons: bool = False,
) -> Table:
    """A table from a frame whose cells were text; arguments and errors as of `table_from_frame` and `type_texts`."""
    typed = type_texts(without_footer(_named(frame, source, None), log), options, log, number_texts, semicolons)
    return replace(_table(typed.columns, source, log), values=typed.values)


def _named(frame: pl.DataFrame, source: str, columns: Sequence[str] | None) -> pl.DataFrame:
    if not frame.width:
        raise SourceError("empty-source", f"{source}: there are no columns in it")
    if not frame.height:
        raise SourceError("no-rows", f"{source}: it has column names ({', '.join(frame.columns[:8])}) but no rows")
    return frame.rename(dict(zip(frame.columns, column_names(frame.columns, columns, source), strict=True)))


def _table(columns: Iterable[pl.Series], source: str, log: ReadLog) -> Table:
    raw_columns = {series.name: _infer_dtype(series, log) for series in columns}
    split = _split_column(raw_columns, log)
    return with_tags(Table(raw_columns, source, *log.entries, split))


def _split_column(columns: dict[str, Raw], log: ReadLog) -> np.ndarray | None:
    """The split that a column called split states; it is removed from the columns."""
    name = next((n for n in columns if n.lower() in ("split", "subset", "partition")), "")
    raw = columns.get(name)
    if not isinstance(raw, pl.Series) or raw.dtype != pl.String:
        return None
    words = raw.str.to_lowercase()
    if not words.is_in(list(SPLIT_WORDS)).fill_null(False).all() or words.n_unique() < 2:
        return None
    split = words.replace_strict(SPLIT_WORDS)
    del columns[name]
    log.note_split(split, f"given by the column {name!r}, which is not a data column")
    return split.to_numpy().astype("U5")


def _unnested(frame: pl.DataFrame, source: str) -> pl.DataFrame:
    """The frame with the fields of structs as columns `name.field`."""
    try:
        while structs := [name for name, dtype in frame.schema.items() if dtype == pl.Struct]:
            frame = frame.unnest(structs, separator=".")
    except pl.exceptions.DuplicateError as error:
        text = f"{source}: a field of {', '.join(structs)} has the name of another column; rename one of them"
        raise SourceError("duplicate-column", text) from error
    return frame


def _set_missing_null(series: pl.Series, log: ReadLog) -> pl.Series:
    """Set texts that stand for a missing value to null: among numbers and dates more than among other texts."""
    if series.dtype != pl.String:
        return series
    is_quantity = parse_numbers(series) is not None or parse_dates(series) is not None
    absent = is_missing(series, MISSING if is_quantity else ALWAYS_MISSING)
    markers = series.filter(absent).drop_nulls().str.strip_chars().unique().sort()
    if texts := [repr(marker) for marker in markers if marker]:
        log.note("missing", f"{series.name}: {', '.join(texts)}", f"read as missing in {absent.sum()} rows")
    return series.set(absent, None)


def _note_format(series: pl.Series, log: ReadLog) -> pl.Series:
    """Note what a column of text holds: numbers in some format, or dates."""
    numbers = parse_numbers(series) if series.dtype == pl.String else None
    if numbers is None:
        if series.dtype == pl.String:
            note_dates(series, log)
    elif numbers.leading_zeros:
        log.note("text", series.name, "its numbers have leading zeros, so they are codes")
    elif bad := to_numbers(series, numbers)[1]:
        log.note("mixed", series.name, f"mostly numbers, but {bad} values are not")
    else:
        log.note("numbers", series.name, f"as text with {numbers}")
    return series


def _infer_dtype(series: pl.Series, log: ReadLog) -> Raw:
    """Convert to a type that features support: numbers, bool, text, dates, lists; arrays of numbers as numpy."""
    dtype = series.dtype
    if dtype in (pl.Int128, pl.UInt128):
        whole = series.cast(pl.UInt64, strict=False)
        if whole.null_count() == series.null_count():
            return whole
    if dtype in (pl.Int128, pl.UInt128):
        log.note("text", series.name, "its integers have more than 64 bits, so they are codes")
    if dtype in (pl.Categorical, pl.Enum, pl.Time, pl.Null, pl.Int128, pl.UInt128):
        return series.cast(pl.String)
    if dtype.is_float():
        return series.fill_nan(None)
    if dtype == pl.Decimal:
        return series.cast(pl.Float64)
    if dtype == pl.Duration:
        log.note("duration", series.name, "in seconds")
        return series.dt.total_microseconds() / 1e6
    if dtype == pl.Array and series.null_count() == 0:
        return series.to_numpy()
    if dtype == pl.Object:
        return pl.Series(series.name, [None if v is None else str(v) for v in series.to_list()], dtype=pl.String)
    return series


def concat_columns(raws: Sequence[Raw], name: str, source: str) -> Raw:
    """Concatenate the values of one column in several splits, in a common type.

    Raises:
        SourceError: `mismatched-files` for arrays of different shapes, or where only some are files.
    """
    series = [raw for raw in raws if isinstance(raw, pl.Series)]
    arrays = [raw for raw in raws if isinstance(raw, np.ndarray)]
    if len(arrays) == len(raws) and len({raw.shape[1:] for raw in arrays}) == 1:
        return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
    if len(series) < len(raws) and (series or arrays):
        kinds = [f"{raw.dtype} {raw.shape[1:]}" for raw in arrays] or ["files and text"]
        raise SourceError("mismatched-files", f"{source}: {name} differs between its splits: {', '.join(kinds)}")
    if not series:
        return [item for raw in raws if isinstance(raw, list) for item in raw]
    types = {s.dtype for s in series if s.null_count() < len(s)} or {series[0].dtype}
    common = types.pop() if len(types) == 1 else pl.String if pl.String in types else pl.Float64
    return pl.concat([s.cast(common) for s in series])


def array_column(name: str, values: np.ndarray) -> Raw:
    """An array (N, ...) as a column: a Series for one value per row, else an array."""
    if 0 in values.shape[1:]:
        raise SourceError("bad-value", f"{name}: expected values in its rows, got an array of shape {values.shape}")
    values = values.reshape(len(values)) if values.ndim > 1 and values.size == len(values) else values
    if values.dtype.kind in "mM":
        values = _with_known_unit(name, values)
    if values.dtype.kind in "SO":
        values = np.array([v.decode() if isinstance(v, bytes) else v for v in values.ravel()]).reshape(values.shape)
    if values.ndim == 1:
        series = pl.Series(name, values.tolist() if values.dtype.kind in "UO" else values, strict=False)
        return series.fill_nan(None) if series.dtype.is_float() else series
    if values.dtype.kind not in "biufc":
        raise SourceError("bad-value", f"{name}: expected numbers in its {values.ndim} axes, got {values.dtype}")
    return values


def _with_known_unit(name: str, values: np.ndarray) -> np.ndarray:
    """Times in a unit that polars knows; durations as seconds."""
    unit, count = np.datetime_data(values.dtype)
    converted = values if unit in ("ms", "us", "ns") and count == 1 else values.astype(f"{values.dtype.kind}8[us]")
    is_finer = unit in ("ps", "fs", "as")  # what is lost is below a microsecond
    fits = is_finer or bool(((converted.astype(values.dtype) == values) | np.isnat(values)).all())
    if unit == "generic" or not fits:
        raise SourceError("bad-value", f"{name}: expected times whose microseconds fit 64 bits, got {values.dtype}")
    if values.dtype.kind == "M":
        return converted
    return np.where(np.isnat(values), np.nan, converted / np.timedelta64(1, "s"))
