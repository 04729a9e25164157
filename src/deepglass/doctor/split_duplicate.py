"""Rows that stand both in what is learned from and in what is held out: the figures come out too good."""

from __future__ import annotations

import numpy as np

from deepglass.doctor.base import Finding
from deepglass.doctor.base import DataContext
from deepglass.doctor.near_duplicates import groups_of

SHOWN = 3


def split_duplicate(case: DataContext) -> list[Finding]:
    groups = across(case)
    if not groups or case.split is None:
        return []
    rows = np.concatenate(groups)
    held = {part: int((case.split[rows] == part).sum()) for part in ("test", "valid")}
    said = " and ".join(f"{n:,} of the {p} rows" for p, n in held.items() if n)
    shown = ", ".join(" = ".join(f"{case.places[r]} ({case.split[r]})" for r in g[:3]) for g in groups[:SHOWN])
    more = f", and {len(groups) - SHOWN:,} more" if len(groups) > SHOWN else ""
    part = "the split" if case.given else "the random split"
    stand = "stands" if sum(held.values()) == 1 else "stand"
    text = f"{said} {stand} in another part too, by {part} (the same {case.same.by}): rows {shown}{more}"
    columns = [f.column for f in case.inputs] if len(case.inputs) <= 3 else []
    return [case.finding("split_duplicate", rows, columns, case.same.sure, text, "data.fix=[split_duplicate]")]


def across(case: DataContext) -> list[np.ndarray]:
    """Groups of the same rows that lie in more than one part."""
    if case.split is None:
        return []
    used = case.split != ""
    pairs = case.same.pairs
    pairs = pairs[used[pairs].all(1)] if len(pairs) else pairs
    groups = groups_of(pairs, len(case.table))
    return [g for g in groups if len(np.unique(case.split[g])) > 1]
