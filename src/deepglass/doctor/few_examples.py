"""Classes with too few examples to be learned."""

import numpy as np

from deepglass.doctor.base import DataContext, Finding, join_limited

MIN_EXAMPLES = 10  # of a class


def few_examples(context: DataContext) -> list[Finding]:
    """One finding per output with such classes."""
    findings = []
    for target, counts in context.class_counts():
        few = np.flatnonzero(counts < MIN_EXAMPLES)
        if len(few) and target.classes is not None:
            names = join_limited([f"{target.classes[k]!r}" for k in few[np.argsort(counts[few], kind="stable")]])
            have = "1 class has" if len(few) == 1 else f"{len(few)} classes have"
            text = f"{target.name}: {have} fewer than {MIN_EXAMPLES} examples ({names})"
            rows = np.flatnonzero(np.isin(target.values, few))
            findings.append(context.finding("few_examples", rows, [target.column], 1.0, text))
    return findings
