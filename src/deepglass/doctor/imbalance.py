"""Classes of which one is far rarer than the others."""

from __future__ import annotations

import numpy as np

from deepglass.doctor.base import Finding
from deepglass.doctor.base import DataContext

RARE = 0.1  # share of the rows, of two classes; beside that of equal shares where there are more


def imbalance(case: DataContext) -> list[Finding]:
    found = []
    for target in case.targets:
        if target.classes is None or len(target.classes) < 2:
            continue
        known = target.values[np.isfinite(target.values)].astype(int)
        shares = np.bincount(known, minlength=len(target.classes)) / max(len(known), 1)
        if shares.min() < RARE / (len(shares) / 2):
            share = f"{shares.min():.1%}" if shares.min() >= 0.001 else f"{round(shares.min() * len(known)):,}"
            rarest = f"{target.classes[int(shares.argmin())]!r} is {share} of the {len(known):,} rows"
            text = f"{target.name}: {rarest}; thresholds are moved, nothing is reweighted"
            found.append(case.finding("imbalance", [], [target.column], 1.0, text))
    return found
