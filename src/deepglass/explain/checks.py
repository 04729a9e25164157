"""Whether an explanation is true: do the parts add up, does it depend on what was learned, does the answer follow it.

Source: Sundararajan et al., 2017, arXiv 1703.01365 (completeness); Adebayo et al., 2018, arXiv 1810.03292 (explanations
of shuffled weights should be other ones); Petsiuk et al., 2018, arXiv 1806.07421 (deletion and insertion curves).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from deepglass.objectives.base import Objective

SHARES = 11  # points of a curve, from nothing taken to all
ORDERS = 4  # random ones

Asked = Callable[[Tensor], np.ndarray]
"""Which cells are kept, (B, N) bool -> the figure of each, (B,)."""


class Checks(NamedTuple):
    """What the tests of one explanation gave.

    Args:
        gap: what the parts miss of the difference that they explain, as a share of it.
        shuffled: rank correlation with the explanation by the same network with shuffled weights; near 0 is right.
        deletion: mean height of the curve while what speaks most for the answer is taken away first, 1 being the row's
            own figure and 0 that of nothing; lower is better, `deletion_random` is that of random orders.
        insertion: the same while what speaks most for it is put in first; higher is better.
    """

    gap: float | None = None
    shuffled: float | None = None
    deletion: float | None = None
    deletion_random: float | None = None
    insertion: float | None = None
    insertion_random: float | None = None

    def to_json(self) -> dict[str, float]:
        return {k: round(v, 4) for k, v in self._asdict().items() if v is not None}


def shuffled(objective: Objective, seed: int = 0) -> Objective:
    """A copy of an objective each of whose weights' entries are in a random order."""
    random = torch.Generator().manual_seed(seed)
    other = copy.deepcopy(objective)
    with torch.no_grad():
        for parameter in other.parameters():
            order = torch.randperm(parameter.numel(), generator=random).to(parameter.device)
            parameter.copy_(parameter.reshape(-1)[order].view(parameter.shape))
    return other.eval()


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float | None:
    """Spearman's, of all cells; None where one of them says the same everywhere.

    Example:
        >>> rank_correlation(np.array([1.0, 2.0, 3.0]), np.array([10.0, 30.0, 90.0]))
        1.0
    """
    ranks = [_ranks(x.reshape(-1)) for x in (a, b)]
    if len(ranks[0]) < 3 or min(r.std() for r in ranks) == 0:
        return None
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def curves(ask: Asked, weights: np.ndarray, seed: int = 0) -> dict[str, float | None]:
    """How the answer follows the cells, those first that add most, and in random orders.

    Args:
        weights: (N,) what each cell adds.
    """
    N = len(weights)
    whole, nothing = ask(torch.stack([torch.ones(N, dtype=torch.bool), torch.zeros(N, dtype=torch.bool)]))
    difference = float(whole - nothing)
    if abs(difference) < 1e-3 * (abs(float(whole)) + abs(float(nothing))) + 1e-9 or N < 2:
        return {}
    random = np.random.default_rng(seed)
    orders = [
        np.argsort(-weights * np.sign(difference), kind="stable"),
        *(random.permutation(N) for _ in range(ORDERS)),
    ]
    counts = np.round(np.linspace(0, 1, SHARES) * N).astype(int)
    place = np.stack([np.argsort(order) for order in orders])  # (1 + R, N): when each cell's turn comes
    gone = place[:, None] < counts[None, :, None]  # (1 + R, S, N)
    keep = torch.from_numpy(np.concatenate([~gone, gone]).reshape(-1, N))
    figures = (ask(keep) - float(nothing)) / difference
    heights = figures.reshape(2, len(orders), SHARES)
    areas: Any = np.trapezoid(heights, dx=1 / (SHARES - 1), axis=2)
    return {
        "deletion": float(areas[0, 0]),
        "deletion_random": float(areas[0, 1:].mean()),
        "insertion": float(areas[1, 0]),
        "insertion_random": float(areas[1, 1:].mean()),
    }


def _ranks(x: np.ndarray) -> np.ndarray:
    """Ranks, equals sharing theirs."""
    _, inverse, counts = np.unique(np.round(x, 9), return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    result: Any = ((ends - counts + ends - 1) / 2)[inverse]
    return result
