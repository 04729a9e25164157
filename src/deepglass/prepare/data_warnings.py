"""Warnings about the prepared data: missing labels, rows left out, unusual values, memory."""

from collections.abc import Mapping, Sequence

import numpy as np

from deepglass.data.table import Table
from deepglass.errors import SourceError
from deepglass.features._reading import exceeds_memory
from deepglass.features._statistics import MAX_VALUE
from deepglass.features.base import Column, Feature, Raw, take_raw
from deepglass.features.outputs.base import Output
from deepglass.objectives._semi import SemiSupervised, no_unlabelled_rows
from deepglass.objectives.base import OBJECTIVES
from deepglass.prepare.rows import uses_unlabelled
from deepglass.prepare.uninformative import target_warning
from deepglass.spec.spec import Spec

MIN_REPORTED_BYTES = 500_000_000  # encoded inputs smaller than this are not mentioned
MAX_NAMED = 3  # rows left out that are named


def data_warnings(
    spec: Spec,
    table: Table,
    split: np.ndarray,
    inputs: Sequence[Feature],
    outputs: Sequence[Output],
    source_rows: np.ndarray,
) -> list[str]:
    """Check that the targets can be learned, and list what is unusual in the data.

    Args:
        source_rows: the row of the source of each row, for messages.

    Raises:
        SourceError, SpecError: a target that cannot be learned.
    """
    train = np.flatnonzero(split == "train")
    unlabelled_counts: list[tuple[Feature, int]] = []
    warnings: list[str] = []
    unlabelled = "without a label are learned from too" if uses_unlabelled(spec) else "have no label and are skipped"
    for feature in outputs:
        raw = take_raw(table[feature.column], train)
        column = feature.encode(raw)
        if not _has_values(column):
            _explain_unusable_target(feature, raw, table.name)
        feature.check_target(column, table.name)
        _check_usable(feature, table, source_rows)
        count = int((~column.mask).sum())
        unlabelled_counts.append((feature, count))
        if count:
            warnings.append(f"{feature.name}: {count:,} training rows {unlabelled}")
        warnings += feature.target_warnings(column)
        if text := target_warning(table[feature.column], feature.column, feature.kind):
            warnings.append(text)
    _check_unlabelled(spec.objective.name, unlabelled_counts, len(train))
    if spec.data.fix:
        warnings.append(f"fixed before training: {', '.join(spec.data.fix)} (data.fix)")
    if spec.data.drop:
        warnings.append(f"left out: {len(spec.data.drop):,} rows listed in data.drop")
    warnings += [f"left out: {s.name} ({s.reason})" for s in table.skipped[:MAX_NAMED]]
    if (more := len(table.skipped) - MAX_NAMED) > 0:
        warnings.append(f"left out: {more} more, {len(table.skipped)} in all")
    for part in (*inputs, *outputs):
        if part.sequential or part.ordered:  # truncated, infinite or too large values, tags not in training rows
            anomalies = part.count_anomalies(table[part.column])
            warnings += [f"{part.name}: {what}: {count:,}" for what, count in anomalies.items()]
    return [*warnings, *_memory(table, inputs)]


def _has_values(column: Column) -> bool:
    return bool(column.mask.any() and (column.values.dtype.kind != "f" or not np.isnan(column.values).all()))


def _check_usable(feature: Output, table: Table, source_rows: np.ndarray) -> None:
    """Raises: SourceError: `bad-value` for targets of any split that the output's settings exclude."""
    raw = table[feature.column]
    unusable, expected = feature.unusable_targets(feature.encode(raw))
    if len(rows := np.flatnonzero(unusable)):
        where = f"{table.name}, column {feature.column!r}"
        listing = ", ".join(f"row {source_rows[row]} ({raw[int(row)]})" for row in rows[:MAX_NAMED])
        more = ", ..." if len(rows) > MAX_NAMED else ""
        raise SourceError(
            "bad-value",
            f"{where}: expected {expected}, got {len(rows):,} others of {len(table):,}: {listing}{more}",
        )


def _explain_unusable_target(feature: Output, raw: Raw, source: str) -> None:
    """Raises: SourceError: `bad-value` where the training rows have values, and none can be used."""
    if anomalies := feature.count_anomalies(raw):
        counts = ", ".join(f"{what}: {count:,}" for what, count in anomalies.items())
        raise SourceError(
            "bad-value",
            f"{source}, column {feature.column!r}: none of the values in {len(raw):,} training rows can be used as a "
            f"{feature.kind} ({counts}); {_advice(anomalies)}",
        )


def _advice(anomalies: Mapping[str, int]) -> str:
    if "too large" in anomalies:
        return f"rescale them below {MAX_VALUE:.1e}, such as by their logarithm"
    return "choose another column or another kind"


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
