"""The search for rows that are near in every column, beside a comparison of all pairs."""

import numpy as np
import pytest

from deepglass.doctor.near_copies import _pairs_within


@pytest.mark.parametrize("width", [3, 10, 14])
@pytest.mark.parametrize("equal", [1, 4, 7], ids=lambda n: f"first {n} columns equal")
def test_pairs_are_those_of_all_comparisons(width: int, equal: int) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(600, width))
    x[:, :equal] = x[:, :1]
    x[500:] = x[:100] + random.uniform(-0.1, 0.1, (100, width))
    near = _pairs_within(x, 0.08, 100 * len(x))
    assert near is not None
    distances = np.abs(x[:, None] - x[None]).max(2)
    expected = np.argwhere(np.triu(distances <= 0.08, 1))
    assert {tuple(sorted(p)) for p in near.pairs.tolist()} == set(map(tuple, expected.tolist()))
    np.testing.assert_allclose(sorted(near.distances), sorted(distances[tuple(expected.T)]))


def test_a_lattice_has_too_many_pairs() -> None:
    assert _pairs_within(np.zeros((100, 4)), 0.08, 1000) is None
