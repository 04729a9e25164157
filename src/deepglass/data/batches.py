"""Data set of encoded columns, batches, and the shuffling loader."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Generator, Tensor

from deepglass.data.environments import Environment
from deepglass.device import mix_seeds
from deepglass.features.base import Column
from deepglass.nn.tokens import Field

BUCKET_BATCHES = 16  # batches whose rows are sorted by length together
MAX_EVALUATION_BYTES = 8_000_000  # of encoded inputs in one batch of an evaluation
MIN_STACKED = 500  # columns of one type from which their rows are read by one operation instead of one each


class Mix(NamedTuple):
    """Mixup of a batch: the target of row i is `weight[i]` its own and `1 - weight[i]` its partner's.

    Args:
        targets: feature name -> targets of the rows that each row is mixed with.

    Shapes:
        weight: (B,) float, from 0.5 to 1.
    """

    targets: Mapping[str, Field]
    weight: Tensor

    def take(self, rows: Tensor) -> Mix:
        """That of the given rows."""
        return Mix({name: field.take(rows) for name, field in self.targets.items()}, self.weight[rows])


@dataclass(frozen=True)
class Batch:
    """Inputs and targets of some rows by feature name, and the rows' indices in their data set.

    Args:
        inputs, targets: feature name -> values and mask.
        rows: indices in the data set.
        mix: the partners' targets and the weights of mixup; `targets` are the rows' own.
        views: inputs of the same rows, augmented differently.

    Shapes:
        rows: (B,) int64.
    """

    inputs: Mapping[str, Field]
    targets: Mapping[str, Field]
    rows: Tensor
    mix: Mix | None = None
    views: tuple[Mapping[str, Field], ...] = ()

    def __len__(self) -> int:
        return len(self.rows)


class Dataset:
    """Encoded columns of one split as tensors; bytes stay bytes, memory-mapped columns stay on disk.

    Args:
        inputs, targets: columns by feature name, all of one length.
        device: of the batches.
        environment: what an agent acts in; None for other data.
    """

    def __init__(
        self,
        inputs: Mapping[str, Column],
        targets: Mapping[str, Column],
        device: torch.device | str = "cpu",
        environment: Environment | None = None,
    ) -> None:
        self.device, self.environment = torch.device(device), environment
        self.inputs = {n: _TensorColumn(c, self.device) for n, c in inputs.items()}
        self.targets = {n: _TensorColumn(c, self.device) for n, c in targets.items()}
        self.truth = dict(targets)
        self._length = len(next(iter({**inputs, **targets}.values())))

    def __len__(self) -> int:
        return self._length

    @property
    def columns(self) -> dict[str, Column]:
        """The encoded inputs."""
        return {n: store.column for n, store in self.inputs.items()}

    def batch(self, rows: Tensor) -> Batch:
        """The batch of the rows with these indices."""
        rows = rows.to(self.device)
        stacked = {n: field for columns in self._stacked for n, field in columns.take(rows).items()}
        inputs = {n: stacked[n] if n in stacked else store.take(rows) for n, store in self.inputs.items()}
        return Batch(inputs, {n: store.take(rows) for n, store in self.targets.items()}, rows)

    def batches(self, size: int) -> Iterator[Batch]:
        """All rows in order, in smaller batches where rows are large: feature maps take many times their memory."""
        return map(self.batch, self.batch_rows(size))

    def batch_rows(self, size: int) -> tuple[Tensor, ...]:
        """The indices of the rows of each of `batches`."""
        size = max(1, min(size, MAX_EVALUATION_BYTES // max(self._row_bytes, 1)))
        return torch.arange(len(self)).split(size)

    @cached_property
    def _stacked(self) -> list[_StackedColumns]:
        """Thousands of columns of one value a row, by type."""
        groups: dict[torch.dtype, list[str]] = {}
        for name, store in self.inputs.items():
            if store.offsets is None and store.weight is None and store.values.ndim == store.mask.ndim == 1:
                groups.setdefault(store.values.dtype, []).append(name)
        return [
            _StackedColumns({n: self.inputs[n] for n in names})
            for names in groups.values()
            if len(names) >= MIN_STACKED
        ]

    @cached_property
    def _row_bytes(self) -> int:
        """Bytes of all inputs per row."""
        return sum(store.row_bytes for store in self.inputs.values())

    @property
    def lengths(self) -> Tensor | None:
        """Total length of each row's ragged inputs, (N,); None without ragged inputs."""
        ragged = [store.offsets.diff() for store in self.inputs.values() if store.offsets is not None]
        return torch.stack(ragged).sum(0).cpu() if ragged else None

    def subset(self, rows: np.ndarray) -> Dataset:
        """A data set of some of the rows."""
        inputs = {n: store.column.take(rows) for n, store in self.inputs.items()}
        targets = {n: column.take(rows) for n, column in self.truth.items()}
        return Dataset(inputs, targets, self.device, self.environment)


class _TensorColumn:
    """An encoded column as tensors."""

    def __init__(self, column: Column, device: torch.device) -> None:
        self.column = column
        self.values, self.mask = _tensor(column.values).to(device), _tensor(column.mask).to(device)
        self.offsets = None if column.offsets is None else _tensor(column.offsets).to(device)
        self.weight = None if column.weight is None else _tensor(column.weight).to(device)

    @property
    def row_bytes(self) -> int:
        """Bytes per row, on average for ragged columns."""
        return self.values.nbytes // max(len(self.mask), 1)

    def take(self, rows: Tensor) -> Field:
        weight = None if self.weight is None else self.weight[rows]
        if self.offsets is None:
            return Field(self.values[rows], self.mask[rows], None, weight)
        start, end = self.offsets[rows], self.offsets[rows + 1]
        lengths = end - start
        max_length = int(lengths.max()) if len(rows) else 0
        steps = torch.arange(max(max_length, 1), device=rows.device)  # at least one position
        mask = steps < lengths[:, None]  # (B, T)
        index = (start[:, None] + steps).clamp_max(max(len(self.values) - 1, 0))
        inner = self.values.shape[1:]
        values = self.values[index] if len(self.values) else self.values.new_zeros((*index.shape, *inner))
        return Field(values.masked_fill(~mask.view(*mask.shape, *(1 for _ in inner)), 0), mask, self.mask[rows], weight)


class _StackedColumns:
    """Columns of one type and one value a row, as one tensor."""

    def __init__(self, columns: Mapping[str, _TensorColumn]) -> None:
        self.names = tuple(columns)
        self.values = torch.stack([c.values for c in columns.values()])  # (columns, N)
        self.mask = torch.stack([c.mask for c in columns.values()])

    def take(self, rows: Tensor) -> dict[str, Field]:
        values, masks = self.values[:, rows].unbind(), self.mask[:, rows].unbind()
        return {n: Field(v, m) for n, v, m in zip(self.names, values, masks, strict=True)}


def _tensor(array: np.ndarray) -> Tensor:
    """A tensor that shares the array's memory; a read-only array, such as a memory-mapped one, must not be written."""
    if (array := np.ascontiguousarray(array)).flags.writeable:
        return torch.from_numpy(array)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)


class Cursor(NamedTuple):
    """Position of a loader: the epoch, and the index of the next batch in it."""

    epoch: int
    position: int


class EpochOrder:
    """Batches of indices in an order that is drawn for each epoch, and a position that can be saved and restored.

    Args:
        draw: epoch -> its order; a pure function.
        batch_size: indices per batch; an incomplete last batch of an epoch is dropped.

    Shapes:
        draw(epoch): (N,) int64, of the same N for each epoch.
    """

    def __init__(self, draw: Callable[[int], Tensor], batch_size: int) -> None:
        self._draw, self._order, self.cursor = draw, draw(0), Cursor(0, 0)
        self.batch_size = min(batch_size, len(self._order))
        self.batches_per_epoch = max(len(self._order) // self.batch_size, 1)

    def next(self) -> Tensor:
        epoch, position = self.cursor
        indices = self._order[position * self.batch_size : (position + 1) * self.batch_size]
        if position + 1 < self.batches_per_epoch:
            self.cursor = Cursor(epoch, position + 1)
        else:
            self.load_state_dict({"epoch": epoch + 1, "position": 0})
        return indices

    def state_dict(self) -> dict[str, int]:
        return self.cursor._asdict()

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        self.cursor = Cursor(state["epoch"], state["position"])
        self._order = self._draw(self.cursor.epoch)


class Loader(Protocol):
    """An endless iterator over batches whose position can be saved and restored."""

    batches_per_epoch: int

    def next(self) -> Batch: ...

    def state_dict(self) -> dict[str, Any]:
        """The position: tensors (copied), and plain JSON for everything else."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...


BatchTransform = Callable[[Batch, Generator], Batch]
"""Changes a batch at random, such as augmentation."""


class ShuffledLoader(Loader):
    """Rows in a new random order each epoch; the order is a function of seed and epoch alone.

    Ragged rows are bucketed: the rows of a batch have similar lengths, so that little of it is padding.

    Args:
        data: where the rows come from.
        batch_size: rows per batch; an incomplete last batch of an epoch is dropped.
        seed: of the order and of `transform`.
        transform: applied to each batch; its random numbers are a function of seed, epoch and position.
        rows: indices of the rows to draw from; None for all.
    """

    def __init__(
        self,
        data: Dataset,
        batch_size: int,
        seed: int,
        transform: BatchTransform | None = None,
        rows: np.ndarray | None = None,
    ) -> None:
        self.data, self.seed, self.transform = data, seed, transform
        self._rows = torch.arange(len(data)) if rows is None else torch.as_tensor(rows)
        self._lengths = data.lengths
        self.batch_size = min(batch_size, len(self._rows))
        self.order = EpochOrder(self._shuffle, self.batch_size)
        self.batches_per_epoch = self.order.batches_per_epoch
        self._generator = Generator(data.device)

    def next(self) -> Batch:
        seed = mix_seeds(self.seed, *self.order.cursor)
        batch = self.data.batch(self.order.next())
        if self.transform is not None:
            batch = self.transform(batch, self._generator.manual_seed(seed))
        return batch

    def state_dict(self) -> dict[str, int]:
        return self.order.state_dict()

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        self.order.load_state_dict(state)

    def _shuffle(self, epoch: int) -> Tensor:
        generator = Generator().manual_seed(mix_seeds(self.seed, epoch, -1))
        order = self._rows[torch.randperm(len(self._rows), generator=generator)]
        if self._lengths is None:
            return order
        num_batches = max(len(order) // self.batch_size, 1)
        whole = order[: num_batches * self.batch_size]
        buckets = whole.split(BUCKET_BATCHES * self.batch_size)
        by_length = [bucket[self._lengths[bucket].argsort(stable=True)] for bucket in buckets]
        batches = torch.cat(by_length).view(num_batches, -1)
        return batches[torch.randperm(num_batches, generator=generator)].flatten()
