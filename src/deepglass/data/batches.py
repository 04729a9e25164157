"""Encoded columns as compact tensors, and the batches cut from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Generator, Tensor

from deepglass.features.base import Column
from deepglass.nn.tokens import Field

POOL = 16  # batches whose rows are sorted by length among each other
AT_ONCE = 8_000_000  # bytes of encoded inputs that are evaluated together


class Mix(NamedTuple):
    """Mixup of a batch: the target of row i is `weight` its own and `1 - weight` that of row `permutation[i]`.

    Shapes:
        permutation: (B,) int64, index in the batch of the row that each row is mixed with.
        weight: (B,) float, from 0.5 to 1.
    """

    permutation: Tensor
    weight: Tensor


@dataclass(frozen=True)
class Batch:
    """Some rows: inputs and targets by name, and where the rows stand in their data set.

    Args:
        mix: which of the rows were mixed; the targets are the rows' own.
        views: the inputs of the same rows, changed otherwise.

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
    """Encoded columns of one split, in memory as tensors; bytes stay bytes.

    Args:
        inputs, targets: columns by feature name, all of one length.
        device: where batches are wanted.
    """

    def __init__(
        self, inputs: Mapping[str, Column], targets: Mapping[str, Column], device: torch.device | str = "cpu"
    ) -> None:
        self.device = torch.device(device)
        self.inputs = {n: _Store(c, self.device) for n, c in inputs.items()}
        self.targets = {n: _Store(c, self.device) for n, c in targets.items()}
        self.truth = dict(targets)
        self._length = len(next(iter({**inputs, **targets}.values())))

    def __len__(self) -> int:
        return self._length

    @property
    def columns(self) -> dict[str, Column]:
        """The encoded inputs."""
        return {n: store.column for n, store in self.inputs.items()}

    def batch(self, rows: Tensor) -> Batch:
        """The rows, cut out as index slices."""
        rows = rows.to(self.device)
        inputs = {n: store.take(rows) for n, store in self.inputs.items()}
        return Batch(inputs, {n: store.take(rows) for n, store in self.targets.items()}, rows)

    def batches(self, size: int) -> Iterator[Batch]:
        """All rows in order, fewer at a time where rows are large: maps take many times the room of their pictures."""
        row = sum(store.row_bytes for store in self.inputs.values())
        size = max(1, min(size, AT_ONCE // max(row, 1)))
        for rows in torch.arange(len(self)).split(size):
            yield self.batch(rows)

    @property
    def lengths(self) -> Tensor | None:
        """How long the inputs of each row are together, (N,); None where all are the same."""
        ragged = [store.offsets.diff() for store in self.inputs.values() if store.offsets is not None]
        return torch.stack(ragged).sum(0).cpu() if ragged else None

    def subset(self, rows: np.ndarray) -> Dataset:
        """A data set of some of the rows."""
        part = object.__new__(Dataset)
        part.device, part._length = self.device, len(rows)
        part.inputs = {n: store.subset(rows) for n, store in self.inputs.items()}
        part.targets = {n: store.subset(rows) for n, store in self.targets.items()}
        part.truth = {n: column.take(rows) for n, column in self.truth.items()}
        return part


class _Store:
    """One column as tensors."""

    def __init__(self, column: Column, device: torch.device) -> None:
        self.column = column
        self.values = torch.from_numpy(np.require(column.values, requirements=["C", "W"])).to(device)
        self.mask = torch.from_numpy(np.require(column.mask, requirements=["C", "W"])).to(device)
        self.offsets = None if column.offsets is None else torch.from_numpy(column.offsets).to(device)

    @property
    def row_bytes(self) -> int:
        """What a row takes, ragged ones on average."""
        return self.values.nbytes // max(len(self.mask), 1)

    def subset(self, rows: np.ndarray) -> _Store:
        return _Store(self.column.take(rows), self.values.device)

    def take(self, rows: Tensor) -> Field:
        if self.offsets is None:
            return Field(self.values[rows], self.mask[rows])
        start, end = self.offsets[rows], self.offsets[rows + 1]
        lengths = end - start
        longest = int(lengths.max()) if len(rows) else 0
        steps = torch.arange(max(longest, 1), device=rows.device)  # at least one place to look at
        mask = steps < lengths[:, None]  # (B, T)
        places = (start[:, None] + steps).clamp_max(max(len(self.values) - 1, 0))
        inner = self.values.shape[1:]
        values = self.values[places] if len(self.values) else self.values.new_zeros((*places.shape, *inner))
        return Field(values.masked_fill(~mask.view(*mask.shape, *(1 for _ in inner)), 0), mask, self.mask[rows])


class Cursor(NamedTuple):
    """Where a loader stands: enough to go on from there to the same batches."""

    epoch: int
    position: int


class Loader(Protocol):
    """An endless iterator over batches whose position can be saved and restored."""

    batches_per_epoch: int

    def next(self) -> Batch: ...

    def state_dict(self) -> dict[str, Any]:
        """The position: tensors (copied), and plain JSON for everything else."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...


BatchTransform = Callable[[Batch, Generator], Batch]


class ShuffledLoader(Loader):
    """Rows in a new random order each epoch; the order follows from seed and epoch alone.

    Where rows are of differing length, those of a batch are of similar length, so that little of it is padding.

    Args:
        data: where the rows come from.
        batch_size: rows a batch; the odd rest of an epoch is left for the next order.
        seed: of the order and of `transform`.
        transform: applied to each batch, such as augmentation; its randomness follows from seed, epoch and position.
        rows: draw only from these rows.
    """

    def __init__(
        self,
        data: Dataset,
        batch_size: int,
        seed: int,
        transform: BatchTransform | None = None,
        rows: np.ndarray | None = None,
    ) -> None:
        self.data = data
        self.rows = torch.arange(len(data)) if rows is None else torch.as_tensor(rows)
        self.batch_size = min(batch_size, len(self.rows))
        self.batches_per_epoch = max(len(self.rows) // self.batch_size, 1)
        self.seed, self.transform = seed, transform
        self._lengths = data.lengths
        self._cursor = Cursor(0, 0)
        self._order = self._shuffle(0)
        self._generator = Generator(data.device)

    @property
    def at(self) -> tuple[int, int]:
        """Epoch and position of the next batch."""
        return self._cursor

    def next(self) -> Batch:
        seed = mix_seeds(self.seed, *self._cursor)
        batch = self.data.batch(self.next_rows())
        if self.transform is not None:
            batch = self.transform(batch, self._generator.manual_seed(seed))
        return batch

    def next_rows(self) -> Tensor:
        """The rows of the next batch."""
        epoch, position = self._cursor
        rows = self._order[position * self.batch_size : (position + 1) * self.batch_size]
        last = position + 1 == self.batches_per_epoch
        self._cursor = Cursor(epoch + 1, 0) if last else Cursor(epoch, position + 1)
        if last:
            self._order = self._shuffle(epoch + 1)
        return rows

    def state_dict(self) -> dict[str, int]:
        return self._cursor._asdict()

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        self._cursor = Cursor(state["epoch"], state["position"])
        self._order = self._shuffle(self._cursor.epoch)

    def _shuffle(self, epoch: int) -> Tensor:
        generator = Generator().manual_seed(mix_seeds(self.seed, epoch, -1))
        order = self.rows[torch.randperm(len(self.rows), generator=generator)]
        if self._lengths is None:
            return order
        kept = order[: self.batches_per_epoch * self.batch_size]
        pools = (pool[self._lengths[pool].argsort(stable=True)] for pool in kept.split(POOL * self.batch_size))
        batches = torch.cat(list(pools)).view(self.batches_per_epoch, -1)
        return batches[torch.randperm(len(batches), generator=generator)].flatten()


def mix_seeds(seed: int, epoch: int, position: int) -> int:
    """One seed out of three numbers, far apart for neighbours."""
    return int(np.random.SeedSequence([seed, epoch, position + 1]).generate_state(1, np.uint64)[0] >> 1)
