"""Tests of an explanation's faithfulness: completeness, weight randomisation, deletion and insertion.

Source: Sundararajan et al., 2017, arXiv 1703.01365 (completeness); Adebayo et al., 2018, arXiv 1810.03292 (model
parameter randomisation); Petsiuk et al., 2018, arXiv 1806.07421 (deletion and insertion).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import torch
from torch import Tensor

from deepglass.objectives.base import Objective

CURVE_POINTS = 11  # from all units kept to none
RANDOM_ORDERS = 4

ScoreKept = Callable[[Tensor], np.ndarray]
"""Which units are kept, (B, N) bool -> the score of each variant, (B,)."""


class Completeness(NamedTuple):
    """How far the attributions of Q targets add up.

    Shapes:
        score: (Q,) of the row; baseline: (Q,) of an absent input, NaN where it was not computed; gap: (Q,) score -
            baseline - sum of the attributions.
    """

    score: np.ndarray
    baseline: np.ndarray
    gap: np.ndarray

    @property
    def relative_gap(self) -> np.ndarray:
        """The gap as a share of |score - baseline|, which counts as at least 5 % of |score| + |baseline|, (Q,)."""
        score, baseline, gap = self
        return np.abs(gap) / np.maximum(np.abs(score - baseline), 0.05 * (np.abs(score) + np.abs(baseline)) + 1e-6)

    def of(self, part: slice) -> Completeness:
        """Of some targets."""
        return Completeness(*(values[part] for values in self))

    def total_gap(self) -> float:
        """The relative gap of the summed targets."""
        return float(Completeness(*(values.sum(keepdims=True) for values in self)).relative_gap[0])


class Checks(NamedTuple):
    """Results of the tests of one explanation; None: not measured.

    Args:
        completeness_gap: |score - baseline - sum of attributions| as a share of |score - baseline|; 0 is right.
        weight_randomization: Spearman correlation with the explanation of the same network with shuffled weights; a
            value near 0 is right.
        deletion: area under the score curve while the largest attributions are removed first, 1 being the row's score
            and 0 the baseline; lower is better. `deletion_random` is the area for random orders.
        insertion: the same while they are inserted first; higher is better.
    """

    completeness_gap: float | None = None
    weight_randomization: float | None = None
    deletion: float | None = None
    deletion_random: float | None = None
    insertion: float | None = None
    insertion_random: float | None = None

    def to_json(self) -> dict[str, float]:
        return {k: round(v, 4) for k, v in self._asdict().items() if v is not None}


def randomize_weights(objective: Objective, seed: int = 0) -> Objective:
    """A copy with the entries of each parameter in a random order."""
    random = torch.Generator().manual_seed(seed)
    other = copy.deepcopy(objective)
    with torch.no_grad():
        for parameter in other.parameters():
            order = torch.randperm(parameter.numel(), generator=random).to(parameter.device)
            parameter.copy_(parameter.reshape(-1)[order].view(parameter.shape))
    return other.eval()


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float | None:
    """Spearman correlation; None where one of them is constant.

    Example:
        >>> rank_correlation(np.array([1.0, 2.0, 3.0]), np.array([10.0, 30.0, 90.0]))
        1.0
    """
    ranks = [pl.Series(np.round(x.reshape(-1), 9)).rank().to_numpy() for x in (a, b)]
    if len(ranks[0]) < 3 or min(r.std() for r in ranks) == 0:
        return None
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def deletion_insertion(score: ScoreKept, weights: np.ndarray, seed: int = 0) -> dict[str, float | None]:
    """Areas under the deletion and insertion curves, in the order of the attributions and in random orders.

    Args:
        weights: (N,) attribution of each unit.

    Returns:
        Fields of `Checks`; empty where score and baseline are equal.
    """
    N = len(weights)
    whole, baseline = score(torch.stack([torch.ones(N, dtype=torch.bool), torch.zeros(N, dtype=torch.bool)]))
    difference = float(whole - baseline)
    if abs(difference) < 1e-3 * (abs(float(whole)) + abs(float(baseline))) + 1e-9 or N < 2:
        return {}
    random = np.random.default_rng(seed)
    orders = [
        np.argsort(-weights * np.sign(difference), kind="stable"),
        *(random.permutation(N) for _ in range(RANDOM_ORDERS)),
    ]
    counts = np.round(np.linspace(0, 1, CURVE_POINTS) * N).astype(int)
    rank = np.stack([np.argsort(order) for order in orders])  # (1 + R, N)
    removed = rank[:, None] < counts[None, :, None]  # (1 + R, S, N)
    keep = torch.from_numpy(np.concatenate([~removed, removed]).reshape(-1, N))
    heights = ((score(keep) - float(baseline)) / difference).reshape(2, len(orders), CURVE_POINTS)
    areas: Any = np.trapezoid(heights, dx=1 / (CURVE_POINTS - 1), axis=2)
    return {
        "deletion": float(areas[0, 0]),
        "deletion_random": float(areas[0, 1:].mean()),
        "insertion": float(areas[1, 0]),
        "insertion_random": float(areas[1, 1:].mean()),
    }
