"""The split of a run that starts from another, which keeps the split of the rows that they share."""

from collections.abc import Sequence

import numpy as np

from deepglass.data.split import Split
from deepglass.data.table import Table
from deepglass.data.trained_rows import TrainedRows, latest_split
from deepglass.errors import SourceError, SpecError
from deepglass.features.outputs.base import Output
from deepglass.prepare.rows import assign_split


def inherit_split(
    split: Split, table: Table, outputs: Sequence[Output], ancestors: Sequence[TrainedRows]
) -> tuple[np.ndarray, list[str]]:
    """The split of each row, (N,) str, of a run that starts from another, and what to tell the user about it.

    A random split and one by groups keep the splits of the earlier runs for their rows; new rows are split as usual.
    Another split is taken as it is, without the test and validation rows that an earlier run has learned from.

    Args:
        ancestors: rows of the earlier runs, the latest first; without any the rows are split as usual.

    Raises:
        SourceError: `too-few-rows`.
        SpecError: `bad-value` for cross-validation, which tests on rows that the earlier run has learned from.
    """
    if not ancestors:
        return assign_split(split, table, outputs), []
    if split.folds is not None:
        raise SpecError(
            "bad-value",
            "data.split.folds: a run with network.init_from cannot be cross-validated, since each fold would test on "
            "rows that the earlier run has learned from; leave out one of the two",
        )
    name = ancestors[0].run
    inherited = latest_split([rows.inherited_split(table) for rows in ancestors], len(table))
    shared = inherited != ""
    if not shared.any():
        why = "" if set(ancestors[0].columns) <= set(table.columns) else f"; it has other columns than {name}"
        return assign_split(split, table, outputs), [
            f"none of the rows is a row of {name}, by the content of its inputs{why}"
        ]
    default = "random" if table.split is None else "predefined"
    by = "rows" if split.rows is not None else (split.by or default).partition(":")[0]
    if by not in ("random", "group"):
        assigned = assign_split(split, table, outputs)
        learned = (assigned == "test") & np.isin(inherited, ("train", "valid"))
        learned |= (assigned == "valid") & (inherited == "train")
        counts = ", ".join(f"{int((assigned[learned] == s).sum()):,} {s}" for s in ("test", "valid"))
        assigned[learned] = ""
        text = f"left out: {counts} rows, which {name} has learned from"
        return assigned, [text] if learned.any() else []
    assigned = inherited.copy()
    if by == "group":
        _spread_over_groups(assigned, table, (split.by or "").partition(":")[2])
    new = np.flatnonzero(assigned == "")
    if len(new):
        assigned[new] = _split_of_new_rows(split, table.take(new), outputs)
    counts = ", ".join(f"{int((assigned[shared] == s).sum()):,} {s}" for s in ("train", "valid", "test"))
    text = f"{int(shared.sum()):,} rows are rows of {name} and keep its split ({counts}); "
    return assigned, [text + f"{int((~shared).sum()):,} are new"]


def _split_of_new_rows(split: Split, table: Table, outputs: Sequence[Output]) -> np.ndarray:
    """New rows are split as usual; too few of them are training rows."""
    try:
        return assign_split(split, table, outputs)
    except SourceError as error:
        if error.code != "too-few-rows":
            raise
        return np.full(len(table), "train", "U5")


def _spread_over_groups(assigned: np.ndarray, table: Table, column: str) -> None:
    """Give the new rows of a group the split of its other rows."""
    keys = [getattr(value, "name", value) for value in table[column]]
    of_group = {key: split for key, split in zip(keys, assigned, strict=True) if split and key is not None}
    for i, key in enumerate(keys):
        if not assigned[i]:
            assigned[i] = of_group.get(key, "")
