"""Classifier two-sample test: whether a classifier separates two samples on held-out rows.

It also finds differences that no single column shows, such as usual values in unusual combinations.

Source: Lopez-Paz and Oquab, 2017, arXiv 1610.06545, section 3. Ours measures the area under the ROC curve, which does
not depend on the sizes of the samples, with the bound of Mann and Whitney, 1947, Annals of Mathematical Statistics 18.
"""

from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from deepglass.metrics import roc_auc

MAX_ROWS = 4_000  # of a sample
MAX_VALUES = 30  # of an unordered column; the rarer ones are merged


class TwoSampleTest(NamedTuple):
    """Result of the test.

    Args:
        auc: 0.5 where the samples cannot be separated, 1 where they always are.
        bound: what chance exceeds with the probability `significance`.
        drops: (F,) permutation importance: the drop of the AUC when a column is permuted.
    """

    auc: float
    bound: float
    drops: np.ndarray


def two_sample_test(
    x: np.ndarray, unordered: np.ndarray, second: np.ndarray, held_out: np.ndarray, significance: float
) -> TwoSampleTest:
    """Fit gradient-boosted trees on one half of the rows to predict the sample, and measure the AUC on the other.

    Args:
        x: values; codes where `unordered`; NaN = missing.
        second: whether a row belongs to the second sample.
        held_out: whether a row is held out from the fit. Rows of one group or of neighbouring days must be on one
            side, else the classifier recognises them.
        significance: probability that chance exceeds the bound.

    Shapes:
        x: (N, F) float; unordered: (F,) bool; second, held_out: (N,) bool.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    random = np.random.default_rng(0)
    x = x.copy()
    for k in np.flatnonzero(unordered).tolist():
        x[:, k] = _merge_rare(x[:, k])
    at = {(a, b): np.flatnonzero((second == a) & (held_out == b)) for a in (False, True) for b in (False, True)}
    at = {k: np.sort(random.permutation(rows)[: MAX_ROWS // 2]) for k, rows in at.items()}
    fitted = np.concatenate([at[False, False], at[True, False]])
    x[:, np.isnan(x[fitted]).all(0)] = 0.0  # the model cannot bin a column without values
    model = HistGradientBoostingClassifier(
        max_iter=60,
        max_leaf_nodes=15,
        categorical_features=unordered,
        class_weight="balanced",
        early_stopping=False,
        random_state=0,
    )
    model.fit(x[fitted], second[fitted])
    rows = np.concatenate([at[False, True], at[True, True]])
    held, truth = x[rows], second[rows]
    auc = roc_auc(truth, model.decision_function(held))
    drops = np.zeros(x.shape[1])
    for k in range(x.shape[1]):
        permuted = held.copy()
        permuted[:, k] = random.permutation(permuted[:, k])
        drops[k] = auc - roc_auc(truth, model.decision_function(permuted))
    n, m = len(at[False, True]), len(at[True, True])
    spread = float(np.sqrt((n + m + 1) / (12 * n * m)))
    return TwoSampleTest(auc, 0.5 - NormalDist().inv_cdf(significance) * spread, drops)


def _merge_rare(codes: np.ndarray) -> np.ndarray:
    """Codes by descending frequency; all beyond the first `MAX_VALUES` become one."""
    present = np.isfinite(codes)
    values, index, counts = np.unique(codes[present], return_inverse=True, return_counts=True)
    rank = np.empty(len(values))
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(values))
    merged = np.full(len(codes), np.nan)
    merged[present] = np.minimum(rank, MAX_VALUES)[index]
    return merged
