"""ancestors.parquet of a run folder: the rows of the runs it starts from, one line each."""

from collections.abc import Sequence

import polars as pl

from deepglass.prepare.lineage import TrainedRows

ANCESTORS = "ancestors.parquet"
ANCESTOR_COLUMNS = {"generation", "run", "columns", "hash", "split"}


def ancestor_table(ancestors: Sequence[TrainedRows]) -> pl.DataFrame:
    """The rows of earlier runs; generation 1 is the run that this one starts from."""
    tables = [
        pl.DataFrame({"hash": rows.hashes, "split": list(rows.split)}).with_columns(
            generation=pl.lit(generation, pl.Int32),
            run=pl.lit(rows.run),
            columns=pl.lit(list(rows.columns), pl.List(pl.String)),
        )
        for generation, rows in enumerate(ancestors, 1)
    ]
    return pl.concat(tables)


def read_ancestors(table: pl.DataFrame) -> list[TrainedRows]:
    """The runs of such a table, the latest first."""
    return [
        TrainedRows(
            rows["run"][0], tuple(rows["columns"][0]), rows["hash"].to_numpy(), rows["split"].to_numpy().astype("U5")
        )
        for rows in table.partition_by("generation", maintain_order=True)
    ]
