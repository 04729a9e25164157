"""Class imbalance: a class that is far rarer than the others."""

from deepglass.doctor.base import DataContext, Finding

MIN_SHARE = 0.1  # of the rarer of two classes; of more classes, relative to equal shares


def imbalance(context: DataContext) -> list[Finding]:
    """One finding per output."""
    findings = []
    for target, counts in context.class_counts():
        rows, rarest = counts.sum(), int(counts.argmin()) if len(counts) else 0
        if len(counts) > 1 and counts[rarest] < MIN_SHARE * rows / (len(counts) / 2):
            assert target.classes is not None
            share = f"{counts[rarest] / rows:.1%}" if counts[rarest] >= 0.001 * rows else f"{counts[rarest]:,}"
            rarest_class = f"{target.classes[rarest]!r} is {share} of the {rows:,} rows"
            text = f"{target.name}: {rarest_class}; the threshold is tuned on validation rows, nothing is reweighted"
            findings.append(context.finding("imbalance", [], [target.column], 1.0, text))
    return findings
