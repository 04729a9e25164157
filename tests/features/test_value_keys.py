"""Keys of categorical values: the implementations for few and for many values agree."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepglass.features._value_keys import as_keys, count_unseen, to_codes

TEXTS = st.one_of(
    st.none(), st.sampled_from([" 3", "3.0", "yes", "No", "TRUE", "NA", "?", "", "x"]), st.text(max_size=6)
)
NUMBERS = st.one_of(st.none(), st.floats(width=64), st.integers(-(2**40), 2**40).map(float))


@pytest.mark.parametrize("type_", ["string", "integer", "number", "boolean"])
@settings(max_examples=60, deadline=None)
@given(
    texts=st.lists(TEXTS, max_size=8), numbers=st.lists(NUMBERS, max_size=8), flags=st.lists(st.booleans(), max_size=4)
)
def test_keys_of_few_and_many_values_agree(type_, texts, numbers, flags) -> None:
    for series in (
        pl.Series(values=texts, dtype=pl.String),
        pl.Series(values=numbers, dtype=pl.Float64),
        pl.Series(values=flags, dtype=pl.Boolean),
        pl.Series(values=[int(f) for f in flags], dtype=pl.Int64),
    ):
        many = pl.concat([series] * 40)  # more rows than are converted one by one
        assert as_keys(series, type_).to_list() == as_keys(many, type_)[: len(series)].to_list()


def test_codes_of_few_and_of_many_agree() -> None:
    keys = pl.Series(values=["a", None, "c", "b", "z"] * 20)
    few = pl.Series(values=["a", None, "c", "b", "z"])
    assert to_codes(keys, ("a", "b", "c")).tolist() == to_codes(few, ("a", "b", "c")).tolist() * 20
    assert count_unseen(keys, ("a", "b", "c")) == {"unseen category": 20}
    assert count_unseen(few, ("a", "b", "c")) == {"unseen category": 1}
