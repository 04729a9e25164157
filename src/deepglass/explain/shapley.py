"""Tables: what each column adds to an answer, by Shapley's rule.

A coalition of columns is answered with their values from the row and all others from a training row; a column's share
is the mean over all orders of what its coming in changes. So the shares add up to the difference between the row's
answer and the training rows' mean answer, exactly.

Source: Shapley, 1953; Strumbelj and Kononenko, 2010, JMLR 11 (sampling of orders); Lundberg and Lee, 2017, arXiv
1705.07874; each order together with its reverse: Mitchell et al., 2022, arXiv 2104.12199.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from deepglass.nn.tokens import Field

EXACT = 7  # columns up to which all coalitions are asked
MOST_ROWS = 8_000  # that are answered for one row
AT_ONCE = 2_048

Inputs = Mapping[str, Field]
Answered = Callable[[Inputs], Tensor]
"""Inputs of B rows -> figures (B, Q)."""


@dataclass(frozen=True)
class Shares:
    """Shapes: shares, error: (Q, F), the shares of F columns and their standard errors; score, base, gap: (Q,)."""

    shares: np.ndarray
    error: np.ndarray
    score: np.ndarray
    base: np.ndarray
    gap: np.ndarray
    exact: bool


def mixed(row: Inputs, others: Inputs, columns: Sequence[str], keep: Tensor, places: Tensor) -> dict[str, Field]:
    """Rows that have some columns from `row` and the others from some of `others`.

    Shapes:
        keep: (B, F) bool, True = from the row; places: (B,) which of the others.
    """
    made = {}
    for f, name in enumerate(columns):
        own, other = row[name], others[name].take(places)
        chosen = keep[:, f]
        values = torch.where(chosen.view(-1, *(1 for _ in own.values.shape[1:])), own.values, other.values)
        made[name] = Field(values, torch.where(chosen, own.mask, other.mask))
    return made


def shares(answered: Answered, row: Inputs, others: Inputs, columns: Sequence[str], seed: int = 0) -> Shares:
    """What each column adds to the figures of a row.

    Args:
        row: one row; others: training rows.
    """
    m, n = len(others[columns[0]].mask), len(columns)
    if n <= EXACT:
        return _exact(answered, row, others, columns, m)
    m = min(m, max(2, MOST_ROWS // (2 * n)))
    return _sampled(answered, row, others, columns, m, np.random.default_rng(seed))


def _exact(answered: Answered, row: Inputs, others: Inputs, columns: Sequence[str], m: int) -> Shares:
    n = len(columns)
    m = min(m, max(2, MOST_ROWS // 2**n))
    bits = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
    keep = torch.from_numpy(bits.astype(bool)).repeat_interleave(m, 0)
    figures = figures_of(answered, row, others, columns, keep, torch.arange(m).repeat(2**n)).reshape(2**n, m, -1)
    size = bits.sum(1)
    weight = np.array([math.factorial(s) * math.factorial(n - s - 1) / math.factorial(n) if s < n else 0 for s in size])
    each = np.zeros((n, m, figures.shape[2]))
    for f in range(n):
        without = np.flatnonzero(bits[:, f] == 0)
        gains = figures[without + (1 << f)] - figures[without]
        each[f] = np.tensordot(weight[without], gains, 1)
    return _shares(each, figures[-1].mean(0), figures[0].mean(0), m, exact=True)


def _sampled(
    answered: Answered, row: Inputs, others: Inputs, columns: Sequence[str], m: int, random: np.random.Generator
) -> Shares:
    """Each training row is met in an order and in its reverse."""
    n = len(columns)
    orders = np.stack([random.permutation(n) for _ in range(m)])
    orders = np.concatenate([orders, orders[:, ::-1]])  # (2m, n)
    came = np.argsort(orders, 1)  # when each column comes
    keep = came[:, None, :] < np.arange(n + 1)[None, :, None]  # (2m, n + 1, n)
    places = np.tile(np.arange(m), 2)[:, None].repeat(n + 1, 1)
    flat = torch.from_numpy(keep.reshape(-1, n))
    figures = figures_of(answered, row, others, columns, flat, torch.from_numpy(places.reshape(-1)))
    figures = figures.reshape(2 * m, n + 1, -1)
    gains = np.diff(figures, axis=1)  # (2m, n, Q), by time
    by_column = np.take_along_axis(gains, came[..., None], 1)
    each = (by_column[:m] + by_column[m:]).transpose(1, 0, 2) / 2  # (n, m, Q)
    return _shares(each, figures[:, -1].mean(0), figures[:, 0].mean(0), m, exact=False)


def _shares(each: np.ndarray, score: np.ndarray, base: np.ndarray, m: int, exact: bool) -> Shares:
    found = each.mean(1).T
    return Shares(found, each.std(1).T / math.sqrt(m), score, base, score - base - found.sum(1), exact)


def figures_of(
    answered: Answered, row: Inputs, others: Inputs, columns: Sequence[str], keep: Tensor, places: Tensor
) -> np.ndarray:
    """Figures of many mixed rows, (B, Q) float64; equal ones are answered once."""
    different, inverse = torch.unique(_keys(keep, places), dim=0, return_inverse=True)
    keep, places = different[:, :-1].bool(), different[:, -1]
    device = row[columns[0]].mask.device
    keep, places = keep.to(device), places.to(device)
    parts = []
    for start in range(0, len(keep), AT_ONCE):
        some = slice(start, start + AT_ONCE)
        with torch.inference_mode():
            parts.append(answered(mixed(row, others, columns, keep[some], places[some])).double().cpu())
    return torch.cat(parts).numpy()[inverse.numpy()]


def _keys(keep: Tensor, places: Tensor) -> Tensor:
    """What a mixed row is made of; where all is the row's own, the other does not matter."""
    return torch.cat([keep.long(), torch.where(keep.all(1), 0, places)[:, None]], 1)
