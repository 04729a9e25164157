"""Device, precision, random states and deterministic computation."""

from __future__ import annotations

import contextlib
import platform
import random
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np
import torch

from deepglass.errors import SpecError, near_miss

T = TypeVar("T")
R = TypeVar("R")
Precision = Literal["float32", "bfloat16"]

_NAMES = ("auto", "cpu", "cuda", "mps")


def pick(name: str = "auto") -> torch.device:
    """The device of a name; "auto" takes the first that is available of cuda, mps and cpu.

    Args:
        name: "auto", "cpu", "mps", "cuda", or one of several GPUs, such as "cuda:1".

    Raises:
        SpecError: `unknown-name`; `bad-value` for a device that this machine does not have.

    Example:
        >>> pick("cpu")
        device(type='cpu')
    """
    kind, _, index = name.partition(":")
    if kind not in _NAMES or (index and (kind != "cuda" or not index.isdecimal())):
        raise SpecError("unknown-name", f"device: no device {name!r}{near_miss(kind, _NAMES)}")
    counts = {"cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available()), "cpu": 1}
    if kind == "auto":
        return torch.device(next(k for k, count in counts.items() if count))
    if int(index or 0) >= counts[kind]:
        available = ", ".join(k if k == "cpu" else f"{count} {k}" for k, count in counts.items() if count)
        text = f"device: {name!r} is not available: this machine has {available}; choose one of them or auto"
        raise SpecError("bad-value", text)
    return torch.device(name)


def fast_bfloat16(device: torch.device) -> bool:
    """Whether training in bfloat16 is faster than in float32: the device has instructions for it."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        capabilities = torch.cpu.get_capabilities()
        return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "arm_bf16", "bf16"))
    return False


def multiplications(device: torch.device, threads: int) -> float:
    """A rough number of multiplications per second; not measured, so that the plan of a run is reproducible."""
    if device.type == "cpu":
        return 1.1e10 * threads
    return 5e12 if device.type == "cuda" else 5e11


def describe(device: torch.device) -> str:
    """The device as text, such as `cpu, 2 threads, AMD EPYC`."""
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        return f"cuda, {properties.name}, {properties.total_memory / 2**30:.0f} GiB"
    threads = torch.get_num_threads()
    plural = "" if threads == 1 else "s"
    return ", ".join(part for part in (device.type, f"{threads} thread{plural}", _processor()) if part)


def seed_everything(seed: int) -> None:
    """Seed the random generators of Python, numpy and torch, on all devices."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def mix_seeds(seed: int, epoch: int, position: int) -> int:
    """A seed derived from three numbers; neighbours give unrelated seeds."""
    return int(np.random.SeedSequence([seed, epoch, position + 1]).generate_state(1, np.uint64)[0] >> 1)


class RandomState(NamedTuple):
    """The random states of Python, numpy and torch, to be restored later."""

    python: Any
    numpy: Any
    torch: torch.Tensor
    cuda: list[torch.Tensor]

    @staticmethod
    def capture() -> RandomState:
        """The current states."""
        cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
        return RandomState(random.getstate(), np.random.get_state(), torch.get_rng_state(), cuda)

    def restore(self) -> None:
        """Set the generators back to these states."""
        random.setstate(self.python)
        np.random.set_state(self.numpy)
        torch.set_rng_state(self.torch)
        torch.cuda.set_rng_state_all(self.cuda)


@contextmanager
def autocast(device: torch.device, precision: Precision) -> Iterator[None]:
    """Compute in this precision inside the block; weights and losses stay float32.

    A generator must not `yield` inside the block: the precision would hold for its caller too.

    Raises:
        SpecError: `bad-value` for an unknown precision.
    """
    if precision not in ("float32", "bfloat16"):
        raise SpecError("bad-value", f"precision: expected 'float32' or 'bfloat16', not {precision!r}")
    with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
        yield


@contextmanager
def deterministic() -> Iterator[None]:
    """Use deterministic algorithms inside the block, so that the same seed gives the same bits.

    The CPU needs this too: with two threads, the gradient of `x[index]` is summed in the order in which they arrive.
    An operation without a deterministic kernel runs with the fast one.
    """
    before = torch.get_deterministic_debug_mode()
    settings: Any = torch.utils.deterministic
    fill, benchmark = settings.fill_uninitialized_memory, torch.backends.cudnn.benchmark
    torch.set_deterministic_debug_mode("warn")  # `use_deterministic_algorithms` loads the compiler, for 1.5 s
    settings.fill_uninitialized_memory = False  # a debugging aid, which costs a write of each new tensor
    torch.backends.cudnn.benchmark = False
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*does not have a deterministic implementation.*")
            yield
    finally:
        torch.set_deterministic_debug_mode(before)
        settings.fill_uninitialized_memory = fill
        torch.backends.cudnn.benchmark = benchmark


def _processor() -> str:
    """The name of the processor: from /proc/cpuinfo on Linux, from `platform` elsewhere."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def map_in_threads(function: Callable[[T], R], items: Sequence[T], threads: int) -> list[R]:
    """The function's values of the items, in their order, each computed by a single thread of torch."""
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            return list(pool.map(function, items))
    finally:
        torch.set_num_threads(threads)  # what a pool's thread sets is the default of later threads too
