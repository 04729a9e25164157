"""Warnings about the prepared data: missing labels, rows left out, unusual values, memory."""

from collections.abc import Sequence

import numpy as np

from deepglass.data.table import Table
from deepglass.features._allocate import exceeds_memory
from deepglass.features.base import Feature, take_raw
from deepglass.features.outputs.base import Output
from deepglass.objectives._semi import SemiSupervised, no_unlabelled_rows
from deepglass.objectives.base import OBJECTIVES
from deepglass.prepare.rows import uses_unlabelled
from deepglass.spec.spec import Spec

MIN_REPORTED_BYTES = 500_000_000  # encoded inputs smaller than this are not mentioned
MAX_NAMED = 3  # rows left out that are named


def data_warnings(
    spec: Spec, table: Table, split: np.ndarray, inputs: Sequence[Feature], outputs: Sequence[Output]
) -> list[str]:
    """Check that the targets can be learned, and list what is unusual in the data.

    Raises:
        SourceError, SpecError: a target that cannot be learned.
    """
    train = np.flatnonzero(split == "train")
    unlabelled_counts: list[tuple[Feature, int]] = []
    warnings: list[str] = []
    unlabelled = "without a label are learned from too" if uses_unlabelled(spec) else "have no label and are skipped"
    for feature in outputs:
        column = feature.encode(take_raw(table[feature.column], train))
        feature.check_target(column, table.name)
        count = int((~column.mask).sum())
        unlabelled_counts.append((feature, count))
        if count:
            warnings.append(f"{feature.name}: {count:,} training rows {unlabelled}")
        warnings += feature.target_warnings(column)
    _check_unlabelled(spec.objective.name, unlabelled_counts, len(train))
    if spec.data.fix:
        warnings.append(f"fixed before training: {', '.join(spec.data.fix)} (data.fix)")
    if spec.data.drop:
        warnings.append(f"left out: {len(spec.data.drop):,} rows listed in data.drop")
    warnings += [f"left out: {s.name} ({s.reason})" for s in table.skipped[:MAX_NAMED]]
    if (more := len(table.skipped) - MAX_NAMED) > 0:
        warnings.append(f"left out: {more} more, {len(table.skipped)} in all")
    for sequence in (f for f in (*inputs, *outputs) if f.sequential):  # truncated ones, tags not in the training rows
        anomalies = sequence.count_anomalies(table[sequence.column])
        warnings += [f"{sequence.name}: {what}: {count:,}" for what, count in anomalies.items()]
    return [*warnings, *_memory(table, inputs)]


def _memory(table: Table, inputs: Sequence[Feature]) -> list[str]:
    """Size of the encoded rows where it is large, before the memory is allocated."""
    warnings = []
    for feature in inputs:
        if (size := len(table) * feature.row_bytes) >= MIN_REPORTED_BYTES:
            storage = "in a memory-mapped file, as they do not fit into memory" if exceeds_memory(size) else "in memory"
            rows = f"{len(table):,} rows of {feature.row_bytes:,} bytes"
            warnings.append(f"{feature.name}: {rows}, {size / 1e9:.1f} GB {storage}")
    return warnings


def _check_unlabelled(objective: str, lacking: Sequence[tuple[Feature, int]], rows: int) -> None:
    """A semi-supervised objective needs rows without a label.

    Args:
        lacking: each output, and how many of the training rows lack it.
    """
    kind = OBJECTIVES.get(objective, where="objective.name")
    if not issubclass(kind, SemiSupervised):
        return
    lacking_counts = [count for feature, count in lacking if isinstance(feature, kind.pseudo_label_features)]
    if lacking_counts and not any(lacking_counts):  # without such an output, the objective says so itself
        raise no_unlabelled_rows(objective, rows)
