"""Classes that are far rarer than the others, or have too few examples to be learned."""

from collections.abc import Iterator

import numpy as np

from deepglass.doctor.base import DataContext, Finding, Target, join_limited
from deepglass.formatting import plain_percent

MIN_SHARE = 0.1  # of the rarer of two classes; of more classes, relative to equal shares
MIN_EXAMPLES = 10  # of a class


def imbalance(context: DataContext) -> Iterator[Finding]:
    """One finding per output with a rare class."""
    for target, names, counts in _class_counts(context):
        rows = counts.sum()
        if len(counts) > 1 and (count := counts.min()) < MIN_SHARE * rows / (len(counts) / 2):
            share = plain_percent(count / rows) if count >= 0.001 * rows else f"{count:,}"
            rarest_class = f"{names[counts.argmin()]!r} is {share} of the {rows:,} rows"
            text = f"{target.name}: {rarest_class}; the threshold is tuned on validation rows, nothing is reweighted"
            yield context.finding("imbalance", [], [target.column], 1.0, text)


def few_examples(context: DataContext) -> Iterator[Finding]:
    """One finding per output with such classes."""
    for target, names, counts in _class_counts(context):
        few = np.flatnonzero(counts < MIN_EXAMPLES)
        if len(few):
            classes = join_limited([f"{names[k]!r}" for k in few[np.argsort(counts[few], kind="stable")]])
            have = "1 class has" if len(few) == 1 else f"{len(few)} classes have"
            text = f"{target.name}: {have} fewer than {MIN_EXAMPLES} examples ({classes})"
            rows = np.flatnonzero(np.isin(target.values, few))
            yield context.finding("few_examples", rows, [target.column], 1.0, text)


def _class_counts(context: DataContext) -> Iterator[tuple[Target, tuple[str, ...], np.ndarray]]:
    """Targets with classes, the names of these, and the number of rows of each."""
    for target in context.targets:
        if target.classes is not None:
            codes = target.values[np.isfinite(target.values)].astype(int)
            yield target, target.classes, np.bincount(codes, minlength=len(target.classes))
