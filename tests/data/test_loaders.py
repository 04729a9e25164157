"""Contract of the loaders: the order is a function of seed and epoch; columns may be memory-mapped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from deepglass.data.augment import Augment
from deepglass.data.batches import Batch, Dataset, Loader, ShuffledLoader
from deepglass.data.views import MultiViewLoader, TwoPoolLoader, View
from deepglass.features.base import Column
from deepglass.objectives.next_token import WindowLoader

ROWS = 40


def _images(rows: int = ROWS) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (rows, 1, 6, 6)).astype(np.uint8)


def _data(values: np.ndarray, offsets: np.ndarray | None = None, rows: int = ROWS) -> Dataset:
    present = np.ones(rows, bool)
    return Dataset({"x": Column(values, present, offsets)}, {"y": Column(np.arange(rows), present)})


def _lengths() -> np.ndarray:
    return np.r_[0, np.random.default_rng(1).integers(1, 9, ROWS).cumsum()]


def _shuffled(values: np.ndarray, seed: int) -> Loader:
    noise = Augment(noise=0.1)

    def transform(batch: Batch, generator: torch.Generator) -> Batch:
        return View({"x": noise})(batch, generator)

    return ShuffledLoader(_data(values), 8, seed, transform)


def _ragged(values: np.ndarray, seed: int) -> Loader:
    offsets = _lengths()
    return ShuffledLoader(_data(np.resize(values, offsets[-1]), offsets), 8, seed)


def _two_pools(values: np.ndarray, seed: int) -> Loader:
    return TwoPoolLoader(_data(values), (np.arange(10), np.arange(10, ROWS)), (4, 12), seed)


def _views(values: np.ndarray, seed: int) -> Loader:
    view = View({"x": Augment(shift=0.2, noise=0.1)})
    return MultiViewLoader(ShuffledLoader(_data(values), 8, seed), seed, (view, view))


def _windows(values: np.ndarray, seed: int) -> Loader:
    tokens = values.reshape(-1).astype(np.int64)
    column = Column(tokens, np.ones(1, bool), np.array([0, len(tokens)]))
    return WindowLoader(Dataset({"x": column}, {}), "x", 20, 8, seed)


LOADERS = [_shuffled, _ragged, _two_pools, _views, _windows]


def _numbers(batch: Batch) -> list[np.ndarray]:
    fields = [*batch.inputs.values(), *(f for view in batch.views for f in view.values())]
    return [batch.rows.numpy(), *(f.values.numpy() for f in fields)]


def _assert_equal(one: Batch, other: Batch) -> None:
    for a, b in zip(_numbers(one), _numbers(other), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("make", LOADERS)
def test_an_epoch_is_a_function_of_seed_and_epoch(make: Callable[[np.ndarray, int], Loader]) -> None:
    loader, epochs, states = make(_images(), 3), [], []
    for _ in range(3):
        states.append(loader.state_dict())
        epochs.append([loader.next() for _ in range(loader.batches_per_epoch)])
    for epoch in (2, 0, 1):  # in another order, each from a new loader that saw nothing before
        other = make(_images(), 3)
        other.load_state_dict(states[epoch])
        torch.manual_seed(epoch)  # no other random state may matter
        for batch in epochs[epoch]:
            _assert_equal(batch, other.next())


@pytest.mark.parametrize("make", LOADERS)
def test_epochs_and_seeds_have_different_orders(make: Callable[[np.ndarray, int], Loader]) -> None:
    def rows(loader: Loader) -> list[int]:
        return torch.cat([loader.next().rows for _ in range(loader.batches_per_epoch)]).tolist()

    one, other = make(_images(), 3), make(_images(), 4)
    first = rows(one)
    assert first != rows(one)
    assert first != rows(other)


@pytest.mark.parametrize("make", [_shuffled, _two_pools, _views])
def test_a_memory_mapped_column_gives_the_same_batches(
    make: Callable[[np.ndarray, int], Loader], tmp_path: Path
) -> None:
    np.save(tmp_path / "images.npy", _images())
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    loader, in_memory = make(mapped, 0), make(_images(), 0)
    for _ in range(2 * loader.batches_per_epoch):
        _assert_equal(in_memory.next(), loader.next())


def test_a_memory_mapped_ragged_column_gives_the_same_batches(tmp_path: Path) -> None:
    offsets = _lengths()
    values = _images(int(offsets[-1]))
    np.save(tmp_path / "images.npy", values)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    loader, in_memory = (ShuffledLoader(_data(v, offsets), 8, 0) for v in (mapped, values))
    for _ in range(2 * loader.batches_per_epoch):
        _assert_equal(in_memory.next(), loader.next())


def test_a_memory_mapped_column_is_not_copied(tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", _images())
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    data = _data(mapped)
    assert data.inputs["x"].values.data_ptr() == mapped.ctypes.data
    batch: Any = data.batch(torch.tensor([3, 1]))
    batch.inputs["x"].values.zero_()  # a batch is the loader's own
    np.testing.assert_array_equal(mapped, _images())


def test_thousands_of_columns_give_the_same_batch_as_one_column_each() -> None:
    random = np.random.default_rng(0)
    names = [f"x{i}" for i in range(600)]
    columns = {n: Column(random.normal(size=ROWS).astype(np.float32), random.random(ROWS) < 0.9) for n in names}
    columns["codes"] = Column(np.arange(ROWS), np.ones(ROWS, bool))
    rows = torch.tensor([3, 0, 39, 3])
    inputs = Dataset(columns, {}).batch(rows).inputs
    assert list(inputs) == list(columns)
    for name, column in columns.items():
        assert torch.equal(inputs[name].values, torch.from_numpy(column.values[rows.numpy()]))
        assert torch.equal(inputs[name].mask, torch.from_numpy(column.mask[rows.numpy()]))
