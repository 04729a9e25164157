"""Rows that are equal or nearly so, found without comparing each with each.

Source: Indyk and Motwani, 1998, STOC (hashing by random planes: near rows fall on the same side of most of them).
"""

from __future__ import annotations

import numpy as np

TABLES = 8  # hashes, any of which may bring two rows together
PLANES = 14  # a hash has so many bits; each splits the rows in half
NEIGHBOURS = 12  # rows compared with each one within its bucket, nearest along one direction first
COARSE = 16  # directions in which rows are compared before they are compared in full
ALL = 1500  # rows up to which each is compared with each


def near_pairs(values: np.ndarray, least: float) -> np.ndarray:
    """Pairs of rows whose correlation is at least `least`.

    Rows without any variation are compared by value: they are alike only if they are equal.

    Shapes:
        values: (N, F) float; returns: (P, 2) int64, the smaller row first.
    """
    x = values.astype(np.float32)
    spread = x.std(1)
    flat = spread < 1e-6 * (1 + np.abs(x).max(1, initial=0))
    unit = (x - x.mean(1, keepdims=True)) / np.maximum(spread, 1e-12)[:, None] / np.sqrt(x.shape[1])
    rows = np.flatnonzero(~flat)
    found = rows[_near(unit[rows], least)] if len(rows) > 1 else np.zeros((0, 2), np.int64)
    return np.concatenate([found, equal_pairs(x[:, 0], np.flatnonzero(flat))])


def equal_pairs(keys: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Each row beside the first with the same key, (P, 2); among `rows` only."""
    if len(rows) < 2:
        return np.zeros((0, 2), np.int64)
    _, first, inverse = np.unique(keys[rows], return_index=True, return_inverse=True)
    heads = first[inverse]
    later = np.flatnonzero(heads != np.arange(len(rows)))
    return np.stack([rows[heads[later]], rows[later]], 1).astype(np.int64)


def groups_of(pairs: np.ndarray, count: int) -> list[np.ndarray]:
    """Rows that hang together by pairs, each group ascending; the groups by their first row."""
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


def _near(unit: np.ndarray, least: float) -> np.ndarray:
    """Pairs of unit rows (n, F) whose product is at least `least`."""
    n = len(unit)
    if n <= ALL:
        a, b = np.nonzero(np.triu(unit @ unit.T >= least, 1))
        return np.stack([a, b], 1)
    centred = unit - unit.mean(0)
    random = np.random.default_rng(0)
    coarse = centred @ _directions(random, unit.shape[1], COARSE)
    reach = 3 * np.sqrt(2 * (1 - least)) + 1e-6  # a random direction stretches a small difference hardly more
    found = []
    for _ in range(TABLES):
        sides = centred @ _directions(random, unit.shape[1], PLANES)
        bits = sides > np.median(sides, axis=0)
        key = bits @ (1 << np.arange(PLANES))
        order = np.lexsort((coarse[:, 0], key))
        for step in range(1, NEIGHBOURS + 1):
            a, b = order[:-step], order[step:]
            same = key[a] == key[b]
            a, b = a[same], b[same]
            close = np.abs(coarse[a] - coarse[b]).max(1, initial=0) <= reach
            a, b = a[close], b[close]
            if len(a):
                alike = np.einsum("nf,nf->n", unit[a], unit[b]) >= least
                found.append(np.stack([np.minimum(a, b), np.maximum(a, b)], 1)[alike])
    return np.unique(np.concatenate(found), axis=0) if found else np.zeros((0, 2), np.int64)


def _directions(random: np.random.Generator, width: int, count: int) -> np.ndarray:
    return random.normal(size=(width, count)).astype(np.float32)
