"""Class imbalance: a class that is far rarer than the others."""

from __future__ import annotations

import numpy as np

from deepglass.doctor.base import DataContext, Finding

MIN_SHARE = 0.1  # of the rarer of two classes; of more classes, relative to equal shares


def imbalance(context: DataContext) -> list[Finding]:
    """One finding per output."""
    findings = []
    for target in context.targets:
        if target.classes is None or len(target.classes) < 2:
            continue
        labels = target.values[np.isfinite(target.values)].astype(int)
        shares = np.bincount(labels, minlength=len(target.classes)) / max(len(labels), 1)
        if shares.min() < MIN_SHARE / (len(shares) / 2):
            share = f"{shares.min():.1%}" if shares.min() >= 0.001 else f"{round(shares.min() * len(labels)):,}"
            rarest = f"{target.classes[int(shares.argmin())]!r} is {share} of the {len(labels):,} rows"
            text = f"{target.name}: {rarest}; the threshold is tuned on validation rows, nothing is reweighted"
            findings.append(context.finding("imbalance", [], [target.column], 1.0, text))
    return findings
