"""Duplicates across splits: test or validation rows that also occur in training, which inflates the metrics."""

from __future__ import annotations

import numpy as np

from deepglass.doctor.base import DataContext, Finding
from deepglass.doctor.near_duplicates import connected_groups

MAX_GROUPS = 3  # that are named


def split_duplicate(context: DataContext) -> list[Finding]:
    """One finding for all groups."""
    groups = leaking_groups(context)
    if not groups or context.split is None:
        return []
    rows = np.concatenate(groups)
    held = {split: int((context.split[rows] == split).sum()) for split in ("test", "valid")}
    counts = " and ".join(f"{n:,} of the {split} rows" for split, n in held.items() if n)
    shown = ", ".join(
        " = ".join(f"{context.source_rows[r]} ({context.split[r]})" for r in g[:3]) for g in groups[:MAX_GROUPS]
    )
    more = f", and {len(groups) - MAX_GROUPS:,} more" if len(groups) > MAX_GROUPS else ""
    origin = "the split" if context.split_source else "the random split"
    occur = "occurs" if sum(held.values()) == 1 else "occur"
    text = f"{counts} {occur} in another split too, by {origin} (the same {context.duplicates.by}): rows {shown}{more}"
    columns = [f.column for f in context.inputs] if len(context.inputs) <= 3 else []
    return [
        context.finding(
            "split_duplicate", rows, columns, context.duplicates.confidence, text, "data.fix=[split_duplicate]"
        )
    ]


def leaking_groups(context: DataContext) -> list[np.ndarray]:
    """Groups of equal rows in more than one split."""
    if context.split is None:
        return []
    used = context.split != ""
    pairs = context.duplicates.pairs
    pairs = pairs[used[pairs].all(1)] if len(pairs) else pairs
    groups = connected_groups(pairs, len(context.table))
    return [g for g in groups if len(np.unique(context.split[g])) > 1]
