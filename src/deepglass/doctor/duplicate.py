"""Duplicate rows, within a split and across splits: equal rows, near-equal texts, the same image or sound again."""

from collections.abc import Iterator

import numpy as np

from deepglass.doctor.base import DataContext, Finding
from deepglass.doctor.near_duplicates import connected_groups

MAX_GROUPS, MAX_NAMED = 3, 3  # groups, and rows of each, that are named


def duplicate(context: DataContext) -> Iterator[Finding]:
    """One finding for all groups of equal rows."""
    if groups := duplicate_groups(context):
        copies = sum(len(g) - 1 for g in groups)
        summary = "1 row repeats another" if copies == 1 else f"{copies:,} rows repeat others"
        details = _contradictions(context, groups)
        yield _finding(context, "duplicate", groups, summary, context.source_rows, details)


def split_duplicate(context: DataContext) -> Iterator[Finding]:
    """One finding for test and validation rows that also occur in training, which inflates the metrics."""
    if context.split is not None and (groups := leaking_groups(context)):
        split = context.split[np.concatenate(groups)]
        held_out = {name: int((split == name).sum()) for name in ("test", "valid")}
        counts = " and ".join(f"{n:,} of the {name} rows" for name, n in held_out.items() if n)
        origin = "the split" if context.split_source else "the random split"
        occur = "occurs" if sum(held_out.values()) == 1 else "occur"
        summary = f"{counts} {occur} in another split too, by {origin}"
        named = np.concatenate([g[:MAX_NAMED] for g in groups[:MAX_GROUPS]])
        names = np.full(len(context.split), "", object)
        names[named] = [f"{context.source_rows[i]} ({context.split[i]})" for i in named]
        yield _finding(context, "split_duplicate", groups, summary, names)


def _finding(
    context: DataContext, kind: str, groups: list[np.ndarray], summary: str, names: np.ndarray, details: str = ""
) -> Finding:
    """The finding of groups of equal rows, the first of which are named.

    Args:
        names: (N,) of the rows.
    """
    examples = ", ".join(" = ".join(str(names[i]) for i in g[:MAX_NAMED]) for g in groups[:MAX_GROUPS])
    more = f", and {len(groups) - MAX_GROUPS:,} more" if len(groups) > MAX_GROUPS else ""
    same = "the same or nearly the same" if context.duplicates.near else "the same"
    text = f"{summary} ({same} {context.duplicates.by}): rows {examples}{more}{details}"
    columns = [f.column for f in context.inputs] if len(context.inputs) <= 3 else []
    rows = np.concatenate(groups)
    return context.finding(kind, rows, columns, context.duplicates.confidence, text, f"data.fix=[{kind}]")


def duplicate_groups(context: DataContext) -> list[np.ndarray]:
    """Groups of equal rows; rows that name the same file with different labels are none."""
    pairs, same_file = context.duplicates.pairs, context.duplicates.same_file
    if len(pairs) and same_file.any():
        pairs = pairs[~same_file | _equal_labels(context, pairs)]
    return connected_groups(pairs, len(context.table))


def leaking_groups(context: DataContext) -> list[np.ndarray]:
    """Groups of equal rows in more than one split."""
    if context.split is None:
        return []
    pairs = context.duplicates.pairs
    groups = connected_groups(pairs[(context.split[pairs] != "").all(1)], len(context.table))
    return [g for g in groups if len(np.unique(context.split[g])) > 1]


def _equal_labels(context: DataContext, pairs: np.ndarray) -> np.ndarray:
    equal = np.ones(len(pairs), bool)
    for feature in context.outputs:
        raw = context.table[feature.column]
        equal &= np.array([str(raw[int(a)]) == str(raw[int(b)]) for a, b in pairs], bool)
    return equal


def _contradictions(context: DataContext, groups: list[np.ndarray]) -> str:
    """How many groups have contradicting class labels."""
    count = sum(
        any(len(np.unique(t.values[g][np.isfinite(t.values[g])])) > 1 for t in context.targets if t.classes is not None)
        for g in groups
    )
    return f"; in {count:,} of these groups the labels differ" if count else ""
