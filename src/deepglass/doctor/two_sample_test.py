"""Whether a model can tell two parts' rows apart, judged on rows that it has not seen: the classifier two-sample test.

It sees what no single column shows: values that are usual each, and unusual together.

Source: Lopez-Paz and Oquab, 2017, arXiv 1610.06545, section 3. Ours judges by the area under the ROC curve, which does
not depend on how many rows a part has, and bounds it as Mann and Whitney do (1947, Annals of Mathematical Statistics
18).
"""

from __future__ import annotations

from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from deepglass.metrics import roc_auc

MOST = 4_000  # rows of a part that are looked at
VALUES = 30  # of a column without order; the rarer ones are taken together


class Apart(NamedTuple):
    """How well two parts are told apart.

    Args:
        auc: 0.5 where they cannot be, 1 where they always are.
        chance: what chance reaches with the probability that was asked for.
        drops: (F,) by how much the area shrinks when a column's values are dealt out anew.
    """

    auc: float
    chance: float
    drops: np.ndarray


def told_apart(x: np.ndarray, unordered: np.ndarray, second: np.ndarray, judged: np.ndarray, certain: float) -> Apart:
    """A boosted model learns from one half of the rows which part each belongs to, and is judged on the other.

    Args:
        x: values; codes where `unordered`; NaN = missing, which tells as well.
        second: whether a row belongs to the second part.
        judged: whether a row is judged, not learned from. Rows that belong together, such as those of a group or of
            neighbouring days, must be on one side: else the model knows them again.
        certain: probability that chance reaches `Apart.chance`.

    Shapes:
        x: (N, F) float; unordered: (F,) bool; second, judged: (N,) bool.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    random = np.random.default_rng(0)
    x = x.copy()
    for k in np.flatnonzero(unordered).tolist():
        x[:, k] = _common(x[:, k])
    at = {(a, b): np.flatnonzero((second == a) & (judged == b)) for a in (False, True) for b in (False, True)}
    at = {k: np.sort(random.permutation(rows)[: MOST // 2]) for k, rows in at.items()}
    learned = np.concatenate([at[False, False], at[True, False]])
    model = HistGradientBoostingClassifier(
        max_iter=60,
        max_leaf_nodes=15,
        categorical_features=unordered,
        class_weight="balanced",
        early_stopping=False,
        random_state=0,
    )
    model.fit(x[learned], second[learned])
    seen = np.concatenate([at[False, True], at[True, True]])
    held, truth = x[seen], second[seen]
    auc = roc_auc(truth, model.decision_function(held))
    drops = np.zeros(x.shape[1])
    for k in range(x.shape[1]):
        dealt = held.copy()
        dealt[:, k] = random.permutation(dealt[:, k])
        drops[k] = auc - roc_auc(truth, model.decision_function(dealt))
    n, m = len(at[False, True]), len(at[True, True])
    spread = float(np.sqrt((n + m + 1) / (12 * n * m)))
    return Apart(auc, 0.5 - NormalDist().inv_cdf(certain) * spread, drops)


def _common(codes: np.ndarray) -> np.ndarray:
    """Codes by how frequent they are, the rare ones as one; those that occur once or so say only where they stand."""
    known = np.isfinite(codes)
    values, place, counts = np.unique(codes[known], return_inverse=True, return_counts=True)
    rank = np.empty(len(values))
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(values))
    told = np.full(len(codes), np.nan)
    told[known] = np.minimum(rank, VALUES)[place]
    return told
