"""Near-duplicate search by locality-sensitive hashing.

Source: Indyk and Motwani, 1998, STOC; Charikar, 2002, STOC (random hyperplanes).
"""

import numpy as np
import polars as pl

NUM_TABLES = 8
NUM_BITS = 14  # of a hash; each hyperplane splits the rows in half
MAX_NEIGHBOURS = 12  # of a row within its bucket that are compared
NUM_COARSE = 16  # random directions of a first, cheap comparison
MAX_EXHAUSTIVE = 1500  # rows up to which all pairs are compared


def near_pairs(values: np.ndarray, min_correlation: float) -> np.ndarray:
    """Pairs of rows whose correlation is at least `min_correlation`.

    Constant rows are near only if they are equal.

    Shapes:
        values: (N, F) float; returns: (P, 2) int64, the smaller row first.
    """
    x = values.astype(np.float32)
    spread = x.std(1)
    flat = spread < 1e-6 * (1 + np.abs(x).max(1, initial=0))
    unit = (x - x.mean(1, keepdims=True)) / np.maximum(spread, 1e-12)[:, None] / np.sqrt(x.shape[1])
    rows = np.flatnonzero(~flat)
    pairs = rows[_near(unit[rows], min_correlation)] if len(rows) > 1 else np.zeros((0, 2), np.int64)
    return np.concatenate([pairs, equal_pairs(x[:, 0], np.flatnonzero(flat))])


def equal_pairs(keys: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Each row paired with the first of the same key, (P, 2); among `rows` only."""
    rows = rows[pl.Series(keys[rows]).is_duplicated().to_numpy()]  # few: the others need no sorting
    if len(rows) < 2:
        return np.zeros((0, 2), np.int64)
    _, first, inverse = np.unique(keys[rows], return_index=True, return_inverse=True)
    heads = first[inverse]
    later = np.flatnonzero(heads != np.arange(len(rows)))
    return np.stack([rows[heads[later]], rows[later]], 1).astype(np.int64)


def connected_groups(pairs: np.ndarray, count: int) -> list[np.ndarray]:
    """Connected components of the pairs, each in ascending order; sorted by their first row."""
    if not len(pairs):
        return []
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    graph = coo_matrix((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    _, label = connected_components(graph, directed=False)
    rows = np.unique(pairs)
    order = rows[np.argsort(label[rows], kind="stable")]
    groups = np.split(order, np.flatnonzero(np.diff(label[order])) + 1)
    return sorted(groups, key=lambda g: int(g[0]))


def _near(unit: np.ndarray, min_product: float) -> np.ndarray:
    """Pairs of unit rows (n, F) whose dot product is at least `min_product`."""
    n = len(unit)
    if n <= MAX_EXHAUSTIVE:
        a, b = np.nonzero(np.triu(unit @ unit.T >= min_product, 1))
        return np.stack([a, b], 1)
    centred = unit - unit.mean(0)
    random = np.random.default_rng(0)
    coarse = centred @ _directions(random, unit.shape[1], NUM_COARSE)
    reach = 3 * np.sqrt(2 * (1 - min_product)) + 1e-6  # a small difference is hardly longer along a random direction
    pairs = []
    for _ in range(NUM_TABLES):
        sides = centred @ _directions(random, unit.shape[1], NUM_BITS)
        bits = sides > np.median(sides, axis=0)
        key = bits @ (1 << np.arange(NUM_BITS))
        order = np.lexsort((coarse[:, 0], key))
        for step in range(1, MAX_NEIGHBOURS + 1):
            a, b = order[:-step], order[step:]
            same = key[a] == key[b]
            a, b = a[same], b[same]
            close = np.abs(coarse[a] - coarse[b]).max(1, initial=0) <= reach
            a, b = a[close], b[close]
            if len(a):
                alike = np.einsum("nf,nf->n", unit[a], unit[b]) >= min_product
                pairs.append(np.stack([np.minimum(a, b), np.maximum(a, b)], 1)[alike])
    return np.unique(np.concatenate(pairs), axis=0) if pairs else np.zeros((0, 2), np.int64)


def _directions(random: np.random.Generator, width: int, count: int) -> np.ndarray:
    return random.normal(size=(width, count)).astype(np.float32)
