"""Linear threshold unit: the mistake-driven rule, and the margin of two classes.

Shapes: x (N, D) rows, the last value 1 for the bias; y (N,) labels -1 or 1; w (D,) weights.
"""

import torch
from torch import Tensor

MARGIN_STEPS = 2_000
MARGIN_TOLERANCE = 1e-3  # relative


def next_mistake(x: Tensor, y: Tensor, w: Tensor, start: int) -> int | None:
    """The first row from `start` on that is not on its side of the line; None without one."""
    wrong = (y[start:] * (x[start:] @ w) <= 0).nonzero()
    return start + int(wrong[0]) if len(wrong) else None


def margin_of(x: Tensor, y: Tensor, w: Tensor) -> float:
    """Smallest distance of a row from the line, negative for a row on the wrong side; 0 without weights."""
    length = float(w.norm())
    return float((y * (x @ w)).min()) / length if length > 0 and len(x) else 0.0


def largest_margin(x: Tensor, y: Tensor) -> float:
    """The largest margin of any line, at least within a thousandth of it; 0 or less where none separates the rows.

    It is the distance of the origin from the convex hull of the rows y x, whose nearest point is searched.

    Source: Gilbert, 1966, SIAM Journal on Control 4 (algorithm of Frank and Wolfe for this distance).
    """
    rows = y[:, None] * x
    nearest, best = rows.mean(0), -torch.inf
    for _ in range(MARGIN_STEPS):
        products = rows @ nearest
        length = float(nearest.norm())
        if length < 1e-9:
            break
        i = int(products.argmin())
        best = max(best, float(products[i]) / length)
        if length - best < MARGIN_TOLERANCE * length:
            break
        towards = nearest - rows[i]
        share = (nearest @ towards) / towards.square().sum().clamp_min(1e-12)
        nearest = nearest - share.clamp(0, 1) * towards
    return best if best > -torch.inf else 0.0
