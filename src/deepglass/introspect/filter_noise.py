"""Whether the filters of a layer show anything, or look like random weights."""

import numpy as np

MAX_NOISE_ERRORS = 3  # standard errors, below which neighbouring weights are not correlated


def why_left_out(weights: np.ndarray) -> str:
    """Why filters say nothing to the eye: of one pixel, or as if drawn at random; empty where they do.

    Neighbouring weights of a random filter are not correlated; over n pairs their correlation has a standard error
    of the root of 1/n.

    Shapes:
        weights: (N, C, Y, X).
    """
    if weights.shape[-2:] == (1, 1):
        return "they are of one pixel each"
    centred = weights - weights.mean((-2, -1), keepdims=True)
    pairs = [(centred[..., 1:, :], centred[..., :-1, :]), (centred[..., 1:], centred[..., :-1])]
    products = np.concatenate([(a * b).ravel() for a, b in pairs])
    # centring a filter of n weights makes each pair correlate by -1 / (n - 1)
    expected = -1 / max(weights[0, 0].size - 1, 1)
    correlation = products.mean() / max(float(np.square(centred).mean()), 1e-12)
    if abs(correlation - expected) < MAX_NOISE_ERRORS / np.sqrt(len(products)):
        return "they cannot be told from random ones: training has hardly changed them"
    return ""
