"""Shapley values of the columns of a table.

The value of a coalition is the mean prediction with the coalition's columns from the row and the others from background
rows. So the Shapley values add up to the prediction for the row less the mean prediction for the background.

Source: Shapley, 1953; Strumbelj and Kononenko, 2010, JMLR 11 (sampled permutations); Lundberg and Lee, 2017, arXiv
1705.07874; antithetic permutations: Mitchell et al., 2022, arXiv 2104.12199.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from deepglass.explain.checks import Completeness
from deepglass.nn.tokens import Field

MAX_EXACT = 7  # columns up to which all coalitions are evaluated
MAX_PREDICTIONS = 8_000  # for one row
BATCH = 2_048

Inputs = Mapping[str, Field]
Score = Callable[[Inputs], Tensor]
"""Inputs of B rows -> targets (B, Q)."""


class ShapleyValues(NamedTuple):
    """Shapley values of F columns for Q targets.

    Args:
        values: (Q, F).
        by_background: (M, F, Q) of each background row alone; `values` are their mean.
        completeness: of their sums; the baseline is the mean over the background.
        exact: whether all coalitions were evaluated.
    """

    values: np.ndarray
    by_background: np.ndarray
    completeness: Completeness
    exact: bool

    def errors(self, targets: slice) -> np.ndarray | None:
        """Standard errors over the background rows, (1 + Q, F): of the sum of some targets, then of each of them.

        They are those of the permutations too, where these are sampled: a background row has its own.

        Returns:
            None with a single background row.
        """
        each = self.by_background[:, :, targets]
        if len(each) < 2:
            return None
        each = np.concatenate([each.sum(2, keepdims=True), each], 2)
        return each.std(0, ddof=1).T / math.sqrt(len(each))


def combine(row: Inputs, background: Inputs, columns: Sequence[str], keep: Tensor, index: Tensor) -> dict[str, Field]:
    """Rows with some columns from `row` and the others from background rows.

    Shapes:
        keep: (B, F) bool, True = from the row; index: (B,) which background row.
    """
    result = {}
    for f, name in enumerate(columns):
        own, other = row[name], background[name].take(index)
        chosen = keep[:, f]
        values = torch.where(chosen.view(-1, *(1 for _ in own.values.shape[1:])), own.values, other.values)
        result[name] = Field(values, torch.where(chosen, own.mask, other.mask))
    return result


def shapley_values(
    score: Score, row: Inputs, background: Inputs, columns: Sequence[str], seed: int = 0
) -> ShapleyValues:
    """The Shapley value of each column, exact up to `MAX_EXACT` columns, else sampled.

    Args:
        row: one row.
        background: training rows.
    """
    m, n = len(background[columns[0]].mask), len(columns)
    if n <= MAX_EXACT:
        return _exact(score, row, background, columns, m)
    m = min(m, max(2, MAX_PREDICTIONS // (2 * n)))
    return _sampled(score, row, background, columns, m, np.random.default_rng(seed))


def _exact(score: Score, row: Inputs, background: Inputs, columns: Sequence[str], m: int) -> ShapleyValues:
    n = len(columns)
    m = min(m, max(2, MAX_PREDICTIONS // 2**n))
    bits = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
    keep = torch.from_numpy(bits.astype(bool)).repeat_interleave(m, 0)
    scores = coalition_scores(score, row, background, columns, keep, torch.arange(m).repeat(2**n))
    scores = scores.reshape(2**n, m, -1)
    size = bits.sum(1)
    weight = np.array([math.factorial(s) * math.factorial(n - s - 1) / math.factorial(n) if s < n else 0 for s in size])
    each = np.zeros((n, m, scores.shape[2]))
    for f in range(n):
        without = np.flatnonzero(bits[:, f] == 0)
        gains = scores[without + (1 << f)] - scores[without]
        each[f] = np.tensordot(weight[without], gains, 1)
    return _summary(each, scores[-1].mean(0), scores[0].mean(0), exact=True)


def _sampled(
    score: Score, row: Inputs, background: Inputs, columns: Sequence[str], m: int, random: np.random.Generator
) -> ShapleyValues:
    """One random permutation and its reverse per background row."""
    n = len(columns)
    orders = np.stack([random.permutation(n) for _ in range(m)])
    orders = np.concatenate([orders, orders[:, ::-1]])  # (2m, n)
    rank = np.argsort(orders, 1)  # position of each column
    keep = rank[:, None, :] < np.arange(n + 1)[None, :, None]  # (2m, n + 1, n)
    index = np.tile(np.arange(m), 2)[:, None].repeat(n + 1, 1)
    flat = torch.from_numpy(keep.reshape(-1, n))
    scores = coalition_scores(score, row, background, columns, flat, torch.from_numpy(index.reshape(-1)))
    scores = scores.reshape(2 * m, n + 1, -1)
    gains = np.diff(scores, axis=1)  # (2m, n, Q), by position
    by_column = np.take_along_axis(gains, rank[..., None], 1)
    each = (by_column[:m] + by_column[m:]).transpose(1, 0, 2) / 2  # (n, m, Q)
    return _summary(each, scores[:, -1].mean(0), scores[:, 0].mean(0), exact=False)


def _summary(each: np.ndarray, score: np.ndarray, baseline: np.ndarray, exact: bool) -> ShapleyValues:
    """Shapley values from those of each background row, (F, M, Q)."""
    values = each.mean(1).T
    completeness = Completeness(score, baseline, score - baseline - values.sum(1))
    return ShapleyValues(values, each.transpose(1, 0, 2), completeness, exact)


def coalition_scores(
    score: Score, row: Inputs, background: Inputs, columns: Sequence[str], keep: Tensor, index: Tensor
) -> np.ndarray:
    """The targets of many combined rows, (B, Q) float64; equal ones are predicted once."""
    # where all columns are the row's, the background row does not matter
    keys = torch.cat([keep.long(), torch.where(keep.all(1), 0, index)[:, None]], 1)
    distinct, inverse = torch.unique(keys, dim=0, return_inverse=True)
    device = row[columns[0]].mask.device
    keep, index = distinct[:, :-1].bool().to(device), distinct[:, -1].to(device)
    with torch.inference_mode():
        chunks = zip(keep.split(BATCH), index.split(BATCH), strict=True)
        scores = [score(combine(row, background, columns, *chunk)).double().cpu() for chunk in chunks]
    return torch.cat(scores).numpy()[inverse.numpy()]
