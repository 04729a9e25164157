"""The processes that train one run together, and what they tell each other; the only user of torch.distributed.

Each process computes the losses of a part of the batch. Their gradients are summed after the backward pass, so that
all processes make the same step:

    every process:    (weight * loss).backward()
    gradient          = sum of the processes' gradients / sum of their weights           weight: rows of the loss

torchrun and others start processes with RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT in their environment. Messages go
through gloo, by the CPU.
"""

import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import cast

import torch
import torch.distributed as dist
from torch import Tensor

from deepglass.errors import Code, DeepglassError, PeerError, SpecError, TrainingError
from deepglass.failures import deepglass_error
from deepglass.training.distributed.environment import place_in_group

TIMEOUT = timedelta(hours=6)  # of waiting for a process that reads data, tests or writes the report
LARGEST = frozenset(["clock", "stop", "step_seconds", "evaluation_seconds"])  # values of which the largest counts
MEAN = frozenset(["kl"])  # values of which the mean counts; of the others that of the first process


class Processes:
    """The only process of a run.

    Attributes:
        rank: index of this process; the first one writes the run folder.
        count: number of processes.
    """

    rank = 0
    count = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes the run folder."""
        return self.rank == 0

    def back_propagate(self, loss: Tensor, parameters: Sequence[Tensor], weight: float) -> None:
        """Give the parameters the gradient of the loss, a mean over `weight` rows."""
        loss.backward()

    def reduce(self, name: str, value: float) -> float:
        """Agree on a value that steers control flow, by its name."""
        return value

    def maxima(self, *values: float) -> tuple[float, ...]:
        """The largest of the processes' values, one by one."""
        return values

    def total(self, values: Tensor) -> Tensor:
        """The sum of the processes' values."""
        return values

    def texts(self, text: str) -> list[str]:
        """The text of each process."""
        return [text]

    def send(self, content: bytes) -> bytes:
        """The content that the first process has."""
        return content

    @contextmanager
    def common_errors(self) -> Iterator[None]:
        """A block whose error in one process is raised in all of them, at its end."""
        yield

    def close(self) -> None:
        """Leave the group."""


class ProcessGroup(Processes):
    """One of several processes that are connected by gloo.

    Args:
        rank: index of this process.
        count: number of processes.
    """

    def __init__(self, rank: int, count: int) -> None:
        self.rank, self.count = rank, count
        with self._connected():
            dist.init_process_group("gloo", rank=rank, world_size=count, timeout=TIMEOUT)

    def back_propagate(self, loss: Tensor, parameters: Sequence[Tensor], weight: float) -> None:
        (loss * weight).backward()
        flat = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        used = [float(p.grad is not None) for p in parameters]
        numbers = torch.tensor([weight, *used], dtype=torch.float32, device=loss.device)
        total = self.total(torch.cat([g.flatten() for g in flat] + [numbers.to(flat[0].dtype)]))
        sums, (rows, *users) = total[: -len(numbers)], total[-len(numbers) :].tolist()
        sums /= rows or 1.0
        for p, part, users_of in zip(parameters, sums.split([p.numel() for p in parameters]), users, strict=True):
            p.grad = torch.empty_like(p).copy_(part.view(p.shape)) if users_of else None

    def reduce(self, name: str, value: float) -> float:
        if name in LARGEST:
            return self.maxima(value)[0]
        if name in MEAN:
            return float(self.total(torch.tensor([value], dtype=torch.float64))[0]) / self.count
        own = torch.tensor([value], dtype=torch.float64)
        with self._connected():
            dist.broadcast(own, 0)
        return float(own[0])

    def maxima(self, *values: float) -> tuple[float, ...]:
        largest = torch.tensor(values, dtype=torch.float64)
        with self._connected():
            dist.all_reduce(largest, dist.ReduceOp.MAX)
        return tuple(largest.tolist())

    def total(self, values: Tensor) -> Tensor:
        sums = values.detach().cpu().clone().contiguous()
        with self._connected():
            dist.all_reduce(sums)
        return sums.to(values.device)

    def gather(self, rows: Tensor) -> list[Tensor]:
        """The rows of each process, in the order of the processes; (n, ...) with an n of its own."""
        counts = [0] * self.count
        counts[self.rank] = len(rows)
        counts = self.total(torch.tensor(counts)).tolist()
        padded = rows.detach().cpu().new_zeros((max(counts), *rows.shape[1:]))
        padded[: len(rows)] = rows.detach()
        parts = [torch.empty_like(padded) for _ in counts]
        with self._connected():
            dist.all_gather(parts, padded)
        return [part[:count].to(rows.device) for part, count in zip(parts, counts, strict=True)]

    def texts(self, text: str) -> list[str]:
        own = torch.frombuffer(bytearray(text.encode() or b"\0"), dtype=torch.uint8)
        return [bytes(part.tolist()).decode().strip("\0") for part in self.gather(own)]

    def send(self, content: bytes) -> bytes:
        (size,) = self.maxima(len(content) if self.is_first else 0)
        message = torch.zeros(int(size), dtype=torch.uint8)
        if self.is_first and size:
            message = torch.frombuffer(bytearray(content), dtype=torch.uint8)
        with self._connected():
            dist.broadcast(message, 0)
        return message.numpy().tobytes()

    @contextmanager
    def common_errors(self) -> Iterator[None]:
        failure: DeepglassError | None = None
        try:
            yield
        except PeerError:  # all processes have it already
            raise
        except Exception as error:
            failure = deepglass_error(error)
        described = "" if failure is None else f"{failure.code}\n{failure.exit_code}\n{failure.message}"
        for rank, text in enumerate(self.texts(described)):
            if text and (rank != self.rank or failure is None):
                code, exit_code, message = text.split("\n", 2)
                raise PeerError(cast(Code, code), message, int(exit_code))
            if text and failure is not None:
                raise failure

    def close(self) -> None:
        if dist.is_initialized():
            dist.destroy_process_group()

    @contextmanager
    def _connected(self) -> Iterator[None]:
        """A block of messages, whose failure means that another process has ended."""
        try:
            yield
        except RuntimeError as error:
            text = f"process {self.rank} of {self.count}: another process has ended"
            raise TrainingError("lost-process", text) from error


@contextmanager
def joined() -> Iterator[Processes]:
    """The processes of the environment, connected inside the block.

    Raises:
        SpecError: as `place_in_group`.
    """
    place = place_in_group()
    processes = ProcessGroup(place.rank, place.size) if place.size > 1 else Processes()
    try:
        yield processes
    finally:
        processes.close()


def was_restarted(processes: Processes) -> bool:
    """Whether torchrun has started the processes again, after one of them had failed."""
    return processes.count > 1 and os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") != "0"


def check_same(processes: Processes, facts: Mapping[str, str]) -> None:
    """Raises: SpecError: `mismatched-files` where a fact, such as the data, differs between the processes."""
    for name, fact in facts.items():
        texts = processes.texts(f"{fact}\n{socket.gethostname()}")
        values, hosts = zip(*(text.rsplit("\n", 1) for text in texts), strict=True)
        other = next((rank for rank, value in enumerate(values) if value != values[0]), None)
        if other is not None:
            where = f"process {other} on {hosts[other]} and process 0 on {hosts[0]}"
            text = f"{name} differ between {where} ({values[other]:.60} and {values[0]:.60})"
            text += "; give all processes the same files and settings"
            raise SpecError("mismatched-files", text) if processes.is_first else PeerError("mismatched-files", text, 2)
