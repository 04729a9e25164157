"""SIGINT (Ctrl-C), SIGTERM and SIGHUP: a training ends in order, anything else at once.

In a training the first signal sets an event, so that the step is finished and the run stored; the second one raises.
Outside of a training each signal raises.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = [number for name in ("SIGINT", "SIGTERM", "SIGHUP") if (number := getattr(signal, name, None)) is not None]


class Interrupted(BaseException):
    """A signal other than SIGINT, whose exception is KeyboardInterrupt.

    Args:
        signum: its number.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.signum = signum


def interruption(signum: int) -> BaseException:
    """The exception to raise for a signal."""
    return KeyboardInterrupt() if signum == signal.SIGINT else Interrupted(signum)


class StopEvent(threading.Event):
    """Set by the first signal of a training.

    Attributes:
        signum: the signal's number; None before it.
    """

    signum: int | None = None


@contextmanager
def raise_signals() -> Iterator[None]:
    """Inside the block each signal raises, except in a training."""

    def handle(signum: int, frame: FrameType | None) -> None:
        raise interruption(signum)

    with _handler(handle):
        yield


@contextmanager
def interruptible() -> Iterator[StopEvent]:
    """An event that the first signal sets, so that the loop can end in order; the second one raises at once."""
    event = StopEvent()

    def handle(signum: int, frame: FrameType | None) -> None:
        if event.is_set():
            raise interruption(signum)
        event.signum = signum
        event.set()

    with _handler(handle):
        yield event


@contextmanager
def _handler(handle: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Handle the signals by a function inside the block; those that the parent process ignores stay ignored (nohup)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous: dict[int, Any] = {}
    for signum in SIGNALS:
        if signum == signal.SIGINT or signal.getsignal(signum) != signal.SIG_IGN:
            previous[signum] = signal.signal(signum, handle)
    try:
        yield
    finally:
        for signum, before in previous.items():
            signal.signal(signum, before)
