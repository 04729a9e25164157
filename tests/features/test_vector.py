"""Vectors: arrays, lists, and missing entries."""

import numpy as np
import polars as pl
import pytest
import torch

from deepglass.errors import SourceError
from deepglass.features.base import Raw
from deepglass.features.outputs.vector import VectorOutput
from deepglass.nn.tokens import Field

ARRAY = np.array([[1.0, 2.0], [np.nan, 4.0], [np.nan, np.nan], [5.0, 6.0]])


@pytest.mark.parametrize(
    "raw",
    [
        ARRAY,
        pl.Series([[1.0, 2.0], [None, 4.0], None, [5.0, 6.0]]),
        pl.Series([[1.0, 2.0], [float("nan"), 4.0], None, [5.0, 6.0]], dtype=pl.Array(pl.Float64, 2)),
        pl.Series([[1, 2], [None, 4], [None, None], [5, 6]]),
    ],
)
def test_vector_formats(raw: Raw) -> None:
    feature = VectorOutput(name="x").fit([raw])
    assert feature.mean_ == (3.0, 4.0)
    assert feature.low_ == (1.0, 2.0)
    assert feature.high_ == (5.0, 6.0)
    column = feature.encode(raw)
    np.testing.assert_array_equal(column.values, ARRAY.astype(np.float32))
    assert column.mask.tolist() == [True, True, False, True]


def test_missing_entries_are_left_out_of_the_loss_and_give_finite_gradients() -> None:
    feature = VectorOutput(name="x").fit([ARRAY])
    column = feature.encode(ARRAY)
    field = Field(torch.from_numpy(column.values).requires_grad_(), torch.from_numpy(column.mask))
    feature.encoder(4)(field).values.sum().backward()
    assert torch.isfinite(field.values.grad).all()
    params = torch.zeros(4, 2, requires_grad=True)
    loss = feature.prediction(params).loss(Field(torch.from_numpy(column.values), field.mask))
    loss.sum().backward()
    assert loss[1] == 0
    assert torch.isfinite(loss).all()
    assert torch.isfinite(params.grad).all()


def test_other_lengths_are_rejected() -> None:
    with pytest.raises(SourceError, match=r"\[bad-value\] column 'x', row 1: expected 2 numbers.* not 1"):
        VectorOutput(name="x").fit([pl.Series([[1, 2], [1]])])
    with pytest.raises(SourceError, match="expected 2 numbers a row, not 3"):
        VectorOutput(name="x").fit([ARRAY]).encode(np.zeros((1, 3)))
    with pytest.raises(SourceError, match="expected lists of numbers, not String"):
        VectorOutput(name="x").fit([pl.Series(["a"])])


def test_constant_target_is_rejected() -> None:
    same = np.ones((4, 2))
    feature = VectorOutput(name="x").fit([same])
    with pytest.raises(SourceError, match=r"\[constant-target\] here: .*'x'"):
        feature.check_target(feature.encode(same), "here")
