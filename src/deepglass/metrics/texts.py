"""Answers that are texts."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import numpy as np


def error_rate(truth: Sequence[Sequence[Hashable]], predicted: Sequence[Sequence[Hashable]]) -> float:
    """Insertions, deletions and replacements that lead from what was found to the truth, a unit of the truth.

    Of lists of words it is the word error rate, of texts the character error rate; it may exceed 1.

    Source: Levenshtein, 1966, Soviet Physics Doklady 10.
    """
    total = sum(map(len, truth))
    return sum(edits(t, f) for t, f in zip(truth, predicted, strict=True)) / total if total else math.nan


def edits(a: Sequence[Hashable], b: Sequence[Hashable]) -> int:
    """The least number of insertions, deletions and replacements between two sequences."""
    codes: dict[Hashable, int] = {}
    x = np.array([codes.setdefault(item, len(codes)) for item in a])
    places = np.arange(len(a) + 1)
    row = places
    for item in b:
        new = np.empty_like(row)
        new[0] = row[0] + 1
        np.minimum(row[1:] + 1, row[:-1] + (x != codes.get(item, -1)), out=new[1:])
        row = np.minimum.accumulate(new - places) + places  # an insertion costs one for each place
    return int(row[-1])


def bleu(truth: Sequence[str], predicted: Sequence[str]) -> float:
    """How much of the n-grams of what was written stands in the truth, 0 to 100, over all rows together.

    Source: Papineni et al., 2002, ACL; as sacrebleu takes it (Post, 2018, arXiv 1804.08771), which must be installed.
    """
    import sacrebleu

    return float(sacrebleu.corpus_bleu(list(predicted), [list(truth)]).score)
