"""Which rows are used, and the split of each row."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from deepglass.data.split import Split
from deepglass.data.table import Skipped, Table
from deepglass.errors import SourceError
from deepglass.features.base import Feature
from deepglass.features.outputs.base import Output
from deepglass.features.outputs.identity import IdentityOutput
from deepglass.features.outputs.text import TextOutput
from deepglass.objectives.base import OBJECTIVES
from deepglass.prepare.prepared_data import missing_targets
from deepglass.spec.spec import Spec


def uses_unlabelled(spec: Spec) -> bool:
    """Whether the objective learns from rows without a label too."""
    return OBJECTIVES.get(spec.objective.name, where="objective.name").uses_unlabelled


def unreadable_rows(table: Table, features: Sequence[Feature]) -> list[tuple[int, Skipped]]:
    """Rows whose file cannot be read, with its name and the reason; absent columns are skipped."""
    unreadable = []
    for feature in features:
        raw = table.columns.get(feature.column, [])
        for row, reason in feature.unreadable(raw).items():
            name = getattr(raw[row], "name", f"row {row}")
            unreadable.append((row, Skipped(name, reason.partition("] ")[2].removeprefix(f"{name}: ") or reason)))
    return unreadable


def usable_rows(
    table: Table,
    inputs: Sequence[Feature],
    outputs: Sequence[Output],
    unlabelled: bool,
    corrected_rows: Sequence[int],
) -> tuple[Table, np.ndarray]:
    """Drop rows that cannot be read, and rows without any label unless they are of use.

    Args:
        unlabelled: the objective learns from rows without a label.
        corrected_rows: rows that label corrections give a label.

    Returns:
        The remaining rows, and their indices in `table`.

    Raises:
        SourceError: `unreadable-file` where no row can be read.
    """
    usable = np.ones(len(table), bool)
    skipped: list[Skipped] = []
    columns: set[str] = set()
    for feature in (*inputs, *outputs):
        for row, item in unreadable_rows(table, [feature]):
            usable[row] = False
            skipped.append(item)
            columns.add(feature.column)
    if len(table) and not usable.any():
        raise SourceError(
            "unreadable-file",
            f"{table.name}, column {' and '.join(map(repr, sorted(columns)))}: no row has only files that can be read; "
            f"the first of {len(skipped):,} that cannot is {skipped[0].name}: {skipped[0].reason}",
        )
    if not unlabelled:
        unlabelled_rows = missing_targets(table, outputs) & ~np.isin(np.arange(len(table)), corrected_rows)
        if count := int((unlabelled_rows & usable).sum()):
            names = " or ".join(f.name for f in outputs)
            skipped.append(Skipped("1 row" if count == 1 else f"{count} rows", f"no value for {names}"))
        usable &= ~unlabelled_rows
    rows = np.flatnonzero(usable)
    if len(rows) < len(table):
        table = replace(table.take(rows), skipped=(*table.skipped, *skipped))
    return table, rows


def choose_split(spec: Spec, table: Table, outputs: Sequence[Output]) -> Split:
    """The split of the spec, or the default for this data and objective.

    Defaults: rows with a history are split by its time; objectives that read the rows as one text test on its end; an
    identity output is split by identity, so that no person is in two splits; images with several captions are split by
    image.
    """
    split = spec.data.split
    if split.by is not None or split.rows is not None or table.split is not None:
        return split
    if spec.data.history and not split.folds:
        return replace(split, by=f"time:{spec.data.history['time']}")
    if OBJECTIVES.get(spec.objective.name, where="objective.name").learns_from == "text":
        return replace(split, by="order")
    if outputs and isinstance(outputs[0], IdentityOutput):
        return replace(split, by=f"group:{outputs[0].column}")
    if outputs and isinstance(outputs[0], TextOutput) and (column := _repeated_images(table)):
        return replace(split, by=f"group:{column}")
    return split


def assign_split(split: Split, table: Table, outputs: Sequence[Output]) -> np.ndarray:
    """The split of each row, (N,) str; stratified where the first output has classes.

    Raises:
        SourceError: `too-few-rows`.
    """
    first = table[outputs[0].column] if outputs else None
    stratify = bool(outputs) and outputs[0].has_classes
    return split.assign(table, first, stratify)


def _repeated_images(table: Table) -> str | None:
    """The image column in which one file stands in several rows."""
    for name, kind in table.kinds.items():
        if kind == "image" and isinstance(raw := table[name], list):
            files = [item.name for item in raw if item is not None]
            if len(set(files)) < len(files):
                return name
    return None
