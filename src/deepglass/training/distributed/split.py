"""A part of each training batch for each process.

All processes draw the same batches, with the same augmentation, and take the rows of their part.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from deepglass.data.batches import Batch, Loader
from deepglass.errors import SourceError, SpecError
from deepglass.nn.tokens import Field
from deepglass.training.distributed.processes import ProcessGroup


class RowPart(NamedTuple):
    """Rows of a process in a batch.

    Shapes:
        rows: (b,) int64, their indices.
    """

    rows: Tensor
    total: int


def part_of_rows(total: int, rank: int, count: int) -> Tensor:
    """The indices of a process's rows, contiguous; the numbers of rows differ by one at most."""
    return torch.arange(rank * total // count, (rank + 1) * total // count)


class SplitLoader(Loader):
    """The rows of this process of each batch of another loader, whose position is the same in all processes.

    Args:
        inner: the loader of whole batches.

    Attributes:
        parts: of the last batch: all rows, and those with several views where not all have them.
    """

    def __init__(self, inner: Loader, processes: ProcessGroup) -> None:
        self.inner, self.processes = inner, processes
        self.batches_per_epoch = inner.batches_per_epoch
        self.parts: tuple[RowPart, ...] = ()

    def next(self) -> Batch:
        batch = self.inner.next()
        rest = len(_first_field(batch.views[0]).values) if batch.views else 0
        first = len(batch) - rest if rest else len(batch)
        own = self._rows(first) if first else torch.arange(0)
        viewed = self._rows(rest) if rest else torch.arange(0)
        index = torch.cat([own, first + viewed])
        self.parts = (RowPart(index, len(batch)),)
        if rest and first:
            self.parts += (RowPart(viewed, rest),)
        index, viewed = index.to(batch.rows.device), viewed.to(batch.rows.device)
        return replace(
            batch,
            inputs=_take(batch.inputs, index),
            targets=_take(batch.targets, index),
            rows=batch.rows[index],
            mix=None if batch.mix is None else batch.mix.take(index),
            views=tuple(_take(view, viewed) for view in batch.views),
        )

    def state_dict(self) -> dict[str, Any]:
        return self.inner.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.inner.load_state_dict(state)

    def _rows(self, total: int) -> Tensor:
        rank, count = self.processes.rank, self.processes.count
        if total < count:
            text = f"training.batch_size: {total} rows of a batch cannot be split over {count} processes"
            raise SpecError("bad-value", f"{text}; take a larger batch_size, or fewer processes")
        return part_of_rows(total, rank, count)


def _take(fields: Mapping[str, Field], rows: Tensor) -> dict[str, Field]:
    return {name: field.take(rows) for name, field in fields.items()}


def _first_field(fields: Mapping[str, Field]) -> Field:
    return next(iter(fields.values()))


def check_rows(rows: int, batch_size: int, count: int) -> None:
    """Raises: SourceError, SpecError: where training rows or a batch are fewer than the processes."""
    if rows < count:
        raise SourceError("too-few-rows", f"{rows} training rows cannot be split over {count} processes; take fewer")
    if batch_size < count:
        text = f"training.batch_size: a batch of {batch_size} cannot be split over {count} processes"
        raise SpecError("bad-value", f"{text}; take at least {count}, or fewer processes")
