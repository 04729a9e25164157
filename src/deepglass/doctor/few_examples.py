"""Classes of which there are too few examples to be learned."""

from __future__ import annotations

import numpy as np

from deepglass.doctor.base import Finding
from deepglass.doctor.base import DataContext, join_limited

FEW = 10  # examples below which a class can hardly be learned


def few_examples(case: DataContext) -> list[Finding]:
    found = []
    for target in case.targets:
        if target.classes is None:
            continue
        known = np.isfinite(target.values)
        counts = np.bincount(target.values[known].astype(int), minlength=len(target.classes))
        few = np.flatnonzero(counts < FEW)
        if len(few):
            names = join_limited([f"{target.classes[k]!r}" for k in few[np.argsort(counts[few], kind="stable")]])
            have = "1 class has" if len(few) == 1 else f"{len(few)} classes have"
            text = f"{target.name}: {have} fewer than {FEW} examples ({names})"
            rows = np.flatnonzero(np.isin(target.values, few))
            found.append(case.finding("few_examples", rows, [target.column], 1.0, text))
    return found
