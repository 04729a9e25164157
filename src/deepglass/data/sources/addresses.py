"""Addresses of servers, which are no sources: their passwords would enter runs, logs and messages."""

import re

from deepglass.errors import SourceError

_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_DATABASES = ("postgres", "mysql", "mariadb", "mssql", "oracle", "redshift", "clickhouse", "snowflake", "bigquery")


def check_no_address(text: str) -> None:
    """Raise an error for the address of a database or of a file on another machine, of which it shows the beginning.

    Raises:
        SourceError: `bad-value`, with the way to such rows.
    """
    if (match := _ADDRESS.match(text)) is None:
        return
    scheme = match[1].lower()
    shown = f"{scheme}://..."
    if not scheme.startswith(_DATABASES):
        raise SourceError("bad-value", f"{shown}: addresses are not read; download the file and give its path")
    way = "in Python give the rows, such as deepglass.train(polars.read_database_uri(QUERY, ADDRESS), TARGET)"
    raise SourceError(
        "bad-value",
        f"{shown}: databases on a server are not read by their address, so that no password enters a run; {way} "
        "(pip install polars connectorx), or export them to a csv or parquet file",
    )
