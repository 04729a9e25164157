"""Duplicates across splits: test or validation rows that also occur in training, which inflates the metrics."""

import numpy as np

from deepglass.doctor.base import DataContext, Finding
from deepglass.doctor.duplicate import groups_finding
from deepglass.doctor.near_duplicates import connected_groups


def split_duplicate(context: DataContext) -> list[Finding]:
    """One finding for all groups."""
    groups = leaking_groups(context)
    if not groups or context.split is None:
        return []
    split = context.split[np.concatenate(groups)]
    held_out = {name: int((split == name).sum()) for name in ("test", "valid")}
    counts = " and ".join(f"{n:,} of the {name} rows" for name, n in held_out.items() if n)
    origin = "the split" if context.split_source else "the random split"
    occur = "occurs" if sum(held_out.values()) == 1 else "occur"
    summary = f"{counts} {occur} in another split too, by {origin}"
    names = np.array([f"{row} ({name})" for row, name in zip(context.source_rows, context.split, strict=True)])
    return [groups_finding(context, "split_duplicate", groups, summary, names)]


def leaking_groups(context: DataContext) -> list[np.ndarray]:
    """Groups of equal rows in more than one split."""
    if context.split is None:
        return []
    used = context.split != ""
    pairs = context.duplicates.pairs
    pairs = pairs[used[pairs].all(1)] if len(pairs) else pairs
    groups = connected_groups(pairs, len(context.table))
    return [g for g in groups if len(np.unique(context.split[g])) > 1]
