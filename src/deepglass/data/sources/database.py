"""SQLite databases: a table, a view, or the rows of a query; opened for reading only."""

import sqlite3
from pathlib import Path
from urllib.parse import quote

import polars as pl

from deepglass.data.sources.base import SQLITE, ReadLog
from deepglass.data.sources.frames import check_names, table_from_frame
from deepglass.data.sources.records import typed_series
from deepglass.data.table import Table
from deepglass.errors import SourceError, near_miss
from deepglass.files import check_regular
from deepglass.formatting import first_names

HEAD = b"SQLite format 3\x00"  # of every database
_ALLOWED = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION)  # no recursion, which may not end
_DENIED = ("load_extension", "readfile", "writefile", "edit")  # functions that reach other files
_TABLES = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND substr(name, 1, 7) <> 'sqlite_'"
_BATCH = 100_000  # rows


def locate(text: str) -> tuple[Path, str]:
    """The file, and the table or query, of `PATH`, `PATH:TABLE` or `PATH:SELECT ...`."""
    parts = text.split(":")
    for i in range(len(parts), 0, -1):
        path = Path(":".join(parts[:i])).expanduser()
        if path.is_file():
            return path, ":".join(parts[i:]).strip()
    return Path(parts[0]).expanduser(), ":".join(parts[1:]).strip()


def read_database(path: Path, query: str, source: str) -> Table:
    """The rows of a table, a view or a `SELECT` of a database. Other files and other statements are refused.

    Args:
        query: name of a table, or a query; empty for the only table.

    Raises:
        SourceError: `bad-value` for an unknown table or a query that is refused, `unreadable-file`, `no-rows`.
    """
    check_regular(path, source)
    log = ReadLog()
    is_query = query.lower().startswith(("select ", "select\n"))
    try:
        base = sqlite3.connect(f"file:{quote(str(path.resolve()))}?mode=ro", uri=True)
        try:
            names = [name for (name,) in base.execute(_TABLES)]
            statement = query if is_query else _all_rows(query, names, source, log)
            base.execute("PRAGMA trusted_schema = OFF")
            base.set_authorizer(_authorize)
            cursor = base.execute(statement)
            columns = check_names([column[0] for column in cursor.description], source)
            rows: list[tuple[object, ...]] = []
            while batch := cursor.fetchmany(_BATCH):
                rows += batch
        finally:
            base.close()
    except sqlite3.Error as error:
        text = f"{source}: expected a SQLite database and a table or SELECT of it, got: {error}"
        raise SourceError("bad-value" if is_query else "unreadable-file", text) from error
    if not rows:
        raise SourceError("no-rows", f"{source}: there are no rows of the columns {first_names(columns, 8)}")
    cells = zip(*rows, strict=True)
    frame = pl.DataFrame([typed_series(name, list(values)) for name, values in zip(columns, cells, strict=True)])
    return table_from_frame(frame, source, log)


def _all_rows(name: str, names: list[str], source: str, log: ReadLog) -> str:
    """The query for a table; without a name, for the only one."""
    if not name and len(names) == 1:
        name = names[0]
    if name not in names:
        got = f"no table {name!r}{near_miss(name, names)}" if name else f"{len(names)} tables"
        example = f"; give one, such as {SQLITE}{source.removeprefix(SQLITE)}:{names[0]}" if names and not name else ""
        raise SourceError("bad-value", f"{source}: {got}; it has {first_names(names, 12) or 'none'}{example}")
    log.note("table", name, f"of {first_names(names, 8)}")
    escaped = name.replace('"', '""')
    return f'SELECT * FROM "{escaped}"'


def _authorize(action: int, argument: str | None, name: str | None, *_: str | None) -> int:
    allowed = action in _ALLOWED and (name or "").lower() not in _DENIED
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY
