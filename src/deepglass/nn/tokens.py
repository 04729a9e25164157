"""Tokens and fields: the data that flows between the parts of a network; and the batch that they are of.

A process may hold a part of the rows of a training batch. Layers and losses that look at more than one row ask
`whole_batch` for counts over the batch, the rows of other processes, and random numbers by row; in one process each
answer is the argument itself.

    count = whole_batch().denominator(present.sum())        of a mean over the rows with a target
    z = whole_batch().gather(z)                             the rows of all processes
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor


class Field(NamedTuple):
    """Encoded values of one feature for a batch of rows, with the mask of present values.

    Shapes:
        values: (B, ...) of the feature's own dtype; bytes stay bytes.
        mask: the leading shape of `values` that can be missing, (B,) or (B, T) bool; True = present.
        rows: (B,) bool, ragged kinds only: True = present, even if empty, such as an image without boxes.
        weight: (B,) float of the row in losses, targets only; None: all have the same.
    """

    values: Tensor
    mask: Tensor
    rows: Tensor | None = None
    weight: Tensor | None = None

    @property
    def present(self) -> Tensor:
        """Whether each row has a value, (B,) bool."""
        return self.rows if self.rows is not None else self.mask.flatten(1).any(1) if self.mask.ndim > 1 else self.mask

    def to(self, device: torch.device) -> Field:
        return self._map(lambda x: x.to(device))

    def take(self, rows: Tensor) -> Field:
        """The given rows."""
        return self._map(lambda x: x[rows])

    def repeat(self, members: int) -> Field:
        """Each row repeated, for the members of an ensemble."""
        return self._map(lambda x: x.repeat_interleave(members, 0))

    def _map(self, function: Callable[[Tensor], Tensor]) -> Field:
        rows, weight = (None if x is None else function(x) for x in (self.rows, self.weight))
        return Field(function(self.values), function(self.mask), rows, weight)


Fields = Mapping[str, Field]
"""Fields by the name of their feature."""


class Tokens(NamedTuple):
    """A batch of token sequences; a plain vector is one token.

    Shapes:
        values: (B, T, D) float.
        mask: (B, T) bool; True = present. Never all False in a row: a missing input is a learned token.
        summary: (B, D) float, input of heads that need one vector per row; None: the tokens' mean.
    """

    values: Tensor
    mask: Tensor
    grid: tuple[int, ...] | None = None  # spatial or temporal layout of T, such as (Y, X)
    pyramid: tuple[Tensor, ...] | None = None  # finer maps (B, C, Y, X), finest first, for mask and box heads
    summary: Tensor | None = None

    @staticmethod
    def of_vector(x: Tensor, pyramid: tuple[Tensor, ...] | None = None) -> Tokens:
        """A vector per row, (B, D), as a single token."""
        return Tokens(x[:, None], torch.ones_like(x[:, :1], dtype=torch.bool), None, pyramid)

    def image(self) -> Tensor:
        """The values as a feature map (B, D, Y, X); a view in channels-last memory."""
        assert self.grid is not None
        assert len(self.grid) == 2
        B, _, D = self.values.shape
        return self.values.view(B, *self.grid, D).permute(0, 3, 1, 2)


def from_image(x: Tensor, pyramid: tuple[Tensor, ...] | None = None) -> Tokens:
    """A feature map (B, D, Y, X) as tokens (B, Y * X, D); a view in channels-last memory."""
    B, D, Y, X = x.shape
    values = x.permute(0, 2, 3, 1).reshape(B, Y * X, D)
    return Tokens(values, torch.ones(B, Y * X, dtype=torch.bool, device=x.device), (Y, X), pyramid)


def pool(tokens: Tokens) -> Tensor:
    """One vector per row, (B, D): the summary, or the mean of the present tokens."""
    if tokens.summary is not None:
        return tokens.summary
    if tokens.values.shape[1] == 1:
        return tokens.values[:, 0]
    weight = tokens.mask.unsqueeze(-1).to(tokens.values.dtype)
    return (tokens.values * weight).sum(1) / weight.sum(1).clamp_min(1)


@dataclass(frozen=True)
class TokenShape:
    """Static shape of an encoder's output per row; each encoder has it as `shape`."""

    count: int | None = 1  # None: it differs from batch to batch
    grid: tuple[int, ...] | None = None

    @property
    def is_image(self) -> bool:
        """Whether the tokens have rows and columns."""
        return self.grid is not None and len(self.grid) == 2


Draw = Callable[[torch.Size], Tensor]
"""Random numbers of a shape."""


class WholeBatch:
    """A batch whose rows are all here."""

    def total(self, value: Tensor) -> Tensor:
        """The sum over the processes of a value that is a sum over this process's rows; without a gradient."""
        return value

    def maximum(self, value: Tensor) -> Tensor:
        """The largest of the processes' values; without a gradient."""
        return value

    def mean(self, rows: Tensor) -> Tensor:
        """The mean over the rows of all processes; without a gradient."""
        return rows.mean(0)

    def denominator(self, count: Tensor) -> Tensor:
        """What this process divides its sum by, so that the mean over processes is the mean over the batch.

        Args:
            count: of this process; that of the whole batch is at least 1.
        """
        return count.clamp_min(1)

    def gather(self, rows: Tensor) -> Tensor:
        """The rows of all processes in their order in the batch, with gradients; `rows`: (b, ...) -> (B, ...)."""
        return rows

    def own(self, rows: Tensor) -> Tensor:
        """This process's rows of gathered ones, (B, ...) -> (b, ...)."""
        return rows

    def draw(self, shape: torch.Size, make: Draw) -> Tensor:
        """Random numbers of this process's rows, taken from those of the whole batch.

        Args:
            shape: (b, ...), of this process's rows.
            make: draws them.
        """
        return make(shape)

    def same_draws(self) -> AbstractContextManager[None]:
        """A block whose random numbers are of something that all processes hold, not of rows."""
        return nullcontext()

    def ragged_draws(self, count: int) -> AbstractContextManager[None]:
        """A block whose random numbers are of `count` items of this process, such as the tokens of its rows."""
        return nullcontext()


_CURRENT: ContextVar[WholeBatch] = ContextVar("whole_batch", default=WholeBatch())  # noqa: B039 - without a state


def whole_batch() -> WholeBatch:
    """The batch of the step that is being computed."""
    return _CURRENT.get()


@contextmanager
def part_of(batch: WholeBatch) -> Iterator[None]:
    """Compute inside the block with the rows of a part of `batch`."""
    token = _CURRENT.set(batch)
    try:
        yield
    finally:
        _CURRENT.reset(token)
