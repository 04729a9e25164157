"""Rows that stand more than once: equal rows, texts that hardly differ, the same picture or sound again."""

from __future__ import annotations

import numpy as np

from deepglass.doctor.base import Finding
from deepglass.doctor.base import DataContext
from deepglass.doctor.near_duplicates import groups_of

SHOWN = 3


def duplicate(case: DataContext) -> list[Finding]:
    groups = duplicates(case)
    if not groups:
        return []
    rows = np.concatenate(groups)
    copies = len(rows) - len(groups)
    shown = ", ".join(" = ".join(str(case.places[r]) for r in g[:3]) for g in groups[:SHOWN])
    more = f", and {len(groups) - SHOWN:,} more" if len(groups) > SHOWN else ""
    times = "1 row repeats another" if copies == 1 else f"{copies:,} rows repeat others"
    text = f"{times} (the same {case.same.by}): rows {shown}{more}{_contradictions(case, groups)}"
    columns = [f.column for f in case.inputs] if len(case.inputs) <= 3 else []
    return [case.finding("duplicate", rows, columns, case.same.sure, text, "data.fix=[duplicate]")]


def duplicates(case: DataContext) -> list[np.ndarray]:
    """Groups of rows that are one and the same; rows that name one file, but answer differently, are none."""
    pairs, shared = case.same.pairs, case.same.shared
    if len(pairs) and shared.any():
        pairs = pairs[~shared | _equal_answers(case, pairs)]
    return groups_of(pairs, len(case.table))


def _equal_answers(case: DataContext, pairs: np.ndarray) -> np.ndarray:
    equal = np.ones(len(pairs), bool)
    for feature in case.outputs:
        raw = case.table[feature.column]
        equal &= np.array([str(raw[int(a)]) == str(raw[int(b)]) for a, b in pairs], bool)
    return equal


def _contradictions(case: DataContext, groups: list[np.ndarray]) -> str:
    """How many of the groups have more than one class, which no network can learn."""
    count = sum(
        any(len(np.unique(t.values[g][np.isfinite(t.values[g])])) > 1 for t in case.targets if t.classes is not None)
        for g in groups
    )
    return f"; in {count:,} of these groups the answers differ" if count else ""
