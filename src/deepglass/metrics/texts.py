"""Text metrics."""

import math
from collections.abc import Hashable, Sequence

import numpy as np


def error_rate(truth: Sequence[Sequence[Hashable]], predicted: Sequence[Sequence[Hashable]]) -> float:
    """Edit distance to the target per unit of the target.

    The word error rate for lists of words, the character error rate for texts; may exceed 1.

    Source: Levenshtein, 1966, Soviet Physics Doklady 10.
    """
    total = sum(map(len, truth))
    return sum(edits(t, f) for t, f in zip(truth, predicted, strict=True)) / total if total else math.nan


def edits(a: Sequence[Hashable], b: Sequence[Hashable]) -> int:
    """Levenshtein distance: least insertions, deletions and substitutions between two sequences."""
    codes: dict[Hashable, int] = {}
    x = np.array([codes.setdefault(item, len(codes)) for item in a])
    positions = np.arange(len(a) + 1)
    row = positions
    for item in b:
        new = np.empty_like(row)
        new[0] = row[0] + 1
        np.minimum(row[1:] + 1, row[:-1] + (x != codes.get(item, -1)), out=new[1:])
        row = np.minimum.accumulate(new - positions) + positions  # an insertion costs 1 per position
    return int(row[-1])


def bleu(truth: Sequence[str], predicted: Sequence[str]) -> float:
    """Corpus BLEU, 0 to 100.

    Source: Papineni et al., 2002, ACL; as sacrebleu takes it (Post, 2018, arXiv 1804.08771), which must be installed.
    """
    import sacrebleu

    return float(sacrebleu.corpus_bleu(list(predicted), [list(truth)]).score)
