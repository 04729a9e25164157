"""The operations of a training step that look at the whole batch, in a process that has a part of its rows.

The random numbers of rows (dropout, noise, masks) are those of the whole batch, from the generator that all processes
have in the same state: each takes those of its rows. So neither they nor the state of the generator depend on the
number of processes.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from deepglass.nn.tokens import Draw, WholeBatch, part_of
from deepglass.training.distributed.batch_norm import batch_norm
from deepglass.training.distributed.processes import ProcessGroup
from deepglass.training.distributed.split import RowPart


class SplitBatch(WholeBatch):
    """A batch of which this process has a part.

    Args:
        parts: as of `SplitLoader`.
    """

    def __init__(self, parts: tuple[RowPart, ...], processes: ProcessGroup) -> None:
        self.parts, self.processes = parts, processes
        self._draws_of: tuple[RowPart, ...] | None = parts  # None: of something that all processes hold

    @contextmanager
    def computed(self) -> Iterator[None]:
        """Compute a loss inside the block."""
        with part_of(self), _Intercept(self):
            yield

    def total(self, value: Tensor) -> Tensor:
        return self.processes.total(value)

    def maximum(self, value: Tensor) -> Tensor:
        return value.new_tensor(self.processes.maxima(float(value))[0])

    def mean(self, rows: Tensor) -> Tensor:
        return self.total(rows.sum(0)) / self.total(torch.tensor(len(rows)))

    def denominator(self, count: Tensor) -> Tensor:
        own, total = self.parts[0]
        return self.total(count).clamp_min(1) * (len(own) / total)

    def gather(self, rows: Tensor) -> Tensor:
        gathered: Tensor = _Gather.apply(rows, self.processes)
        return gathered

    def own(self, rows: Tensor) -> Tensor:
        return rows[self.parts[0].rows.to(rows.device)]

    def draw(self, shape: torch.Size, make: Draw) -> Tensor:
        with torch._C.DisableTorchFunction():
            if self._draws_of is None:
                return make(shape)
            part, each = self._part_with(shape)
            rows = make(torch.Size((part.total * each, *shape[1:])))
            index = part.rows
            if each > 1:  # several items of a row follow each other
                index = (index[:, None] * each + torch.arange(each)).flatten()
            return rows[index.to(rows.device)]

    def _part_with(self, shape: torch.Size) -> tuple[RowPart, int]:
        """The part whose rows random numbers of this shape are of, and their number per row."""
        rows = shape[0] if len(shape) else 0
        for part in self._draws_of or ():
            if rows == len(part.rows):
                return part, 1
        whole = self.parts[0]
        if self._draws_of == (whole,) and rows and rows % len(whole.rows) == 0:
            return whole, rows // len(whole.rows)
        raise RuntimeError(
            f"random numbers of shape {tuple(shape)} in a training step are not of {len(whole.rows)} rows, so that "
            "several processes would draw others than one; see WholeBatch in deepglass.nn.tokens"
        )

    @contextmanager
    def same_draws(self) -> Iterator[None]:
        before, self._draws_of = self._draws_of, None
        try:
            yield
        finally:
            self._draws_of = before

    @contextmanager
    def ragged_draws(self, count: int) -> Iterator[None]:
        counts = [len(part) for part in self.processes.gather(torch.zeros(count, 1))]
        start = sum(counts[: self.processes.rank])
        part = RowPart(torch.arange(start, start + count), sum(counts))
        before, self._draws_of = self._draws_of, (part,)
        try:
            yield
        finally:
            self._draws_of = before


class _Gather(torch.autograd.Function):
    """The rows of all processes; the gradient of a row is the sum of those in all processes."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, processes: ProcessGroup) -> Tensor:
        parts = processes.gather(rows)
        ctx.processes, ctx.counts = processes, [len(part) for part in parts]
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        total = ctx.processes.total(gradients[0])
        return total.split(ctx.counts)[ctx.processes.rank], None


Handler = Callable[..., Any]


class _Intercept(TorchFunctionMode):
    """Inside the block random numbers and batch normalisation are those of the whole batch."""

    def __init__(self, batch: SplitBatch) -> None:
        super().__init__()
        self.batch = batch
        self.handlers: dict[Any, Handler] = {
            torch.rand: self._sized(torch.rand),
            torch.randn: self._sized(torch.randn),
            torch.randint: self._integers,
            torch.rand_like: self._like(Tensor.uniform_),
            torch.randn_like: self._like(Tensor.normal_),
            torch.bernoulli: self._bernoulli,
            torch.multinomial: self._multinomial,
            torch.randperm: self._refused,
            Tensor.bernoulli_: self._filled(Tensor.bernoulli_),
            Tensor.uniform_: self._filled(Tensor.uniform_),
            Tensor.normal_: self._filled(Tensor.normal_),
            Tensor.exponential_: self._filled(Tensor.exponential_),
            Tensor.random_: self._filled(Tensor.random_),
            F.dropout: self._dropout,
            F.dropout1d: self._dropout_channels,
            F.dropout2d: self._dropout_channels,
            F.dropout3d: self._dropout_channels,
            F.alpha_dropout: self._refused,
            F.feature_alpha_dropout: self._refused,
            F.batch_norm: self._batch_norm,
        }

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        handler = self.handlers.get(func)
        return func(*args, **(kwargs or {})) if handler is None else handler(*args, **(kwargs or {}))

    def _sized(self, function: Callable[..., Tensor]) -> Handler:
        def sized(*size: Any, **settings: Any) -> Tensor:
            return self.batch.draw(_size(size), lambda shape: function(shape, **settings))

        return sized

    def _integers(self, *bounds: Any, **settings: Any) -> Tensor:
        *limits, size = bounds
        return self.batch.draw(_size((size,)), lambda shape: _integers(*limits, size=shape, **settings))

    def _like(self, fill: Callable[[Tensor], Tensor]) -> Handler:
        def like(values: Tensor) -> Tensor:
            return self.batch.draw(values.shape, lambda shape: fill(_empty_like(values, shape)))

        return like

    def _filled(self, fill: Callable[..., Tensor]) -> Handler:
        def filled(values: Tensor, *arguments: Any, **settings: Any) -> Tensor:
            random = self.batch.draw(
                values.shape, lambda shape: fill(_empty_like(values, shape), *arguments, **settings)
            )
            return values.copy_(random)

        return filled

    def _bernoulli(self, p: Tensor, *, generator: Any = None) -> Tensor:
        uniform = self.batch.draw(p.shape, lambda shape: _empty_like(p, shape).uniform_(generator=generator))
        return (uniform < p).to(p.dtype)

    def _multinomial(self, p: Tensor, num_samples: int, replacement: bool = False, *, generator: Any = None) -> Tensor:
        if num_samples != 1:
            return self._refused()
        exponential = self.batch.draw(p.shape, lambda shape: _empty_like(p, shape).exponential_(generator=generator))
        return (p / exponential).argmax(-1, keepdim=True)

    def _dropout(self, x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
        if not training or not p:
            return x
        if p == 1:
            return x * 0.0
        keep = self.batch.draw(x.shape, lambda shape: _empty_like(x, shape).bernoulli_(1 - p))
        return x * keep.div_(1 - p)

    def _dropout_channels(self, x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
        if not training or not p:
            return x
        shape = torch.Size((*x.shape[:2], *(1 for _ in x.shape[2:])))
        keep = self.batch.draw(shape, lambda shape: x.new_empty(shape).bernoulli_(1 - p))
        return x * keep.div_(1 - p)

    def _batch_norm(
        self,
        x: Tensor,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Tensor:
        if not training:
            return F.batch_norm(x, running_mean, running_var, weight, bias, False, momentum, eps)
        return batch_norm(x, running_mean, running_var, weight, bias, momentum, eps, self.batch.processes)

    def _refused(self, *_: Any, **__: Any) -> Tensor:
        raise RuntimeError("a training step draws random numbers that cannot be split over several processes")


_integers: Callable[..., Tensor] = torch.randint


def _size(size: tuple[Any, ...]) -> torch.Size:
    return torch.Size(size[0] if len(size) == 1 and not isinstance(size[0], int) else size)


def _empty_like(values: Tensor, shape: torch.Size, dtype: torch.dtype | None = None) -> Tensor:
    """An empty tensor of another number of rows, in the same order of memory: random numbers are drawn along it."""
    order = sorted(range(values.ndim), key=lambda axis: (-values.stride()[axis], axis))
    empty = values.new_empty([shape[axis] for axis in order], dtype=dtype or values.dtype)
    return empty.permute([order.index(axis) for axis in range(values.ndim)])
