"""SIGINT (Ctrl-C), SIGTERM and SIGHUP: a training ends in order, anything else at once.

In a training the first signal sets an event, so that the step is finished and the run stored; the second one does what
it does outside of a training. In a command each signal outside of a training raises; in Python only SIGINT does.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

SIGNALS = [number for name in ("SIGINT", "SIGTERM", "SIGHUP") if (number := getattr(signal, name, None)) is not None]


class Interrupted(BaseException):
    """A signal in a command, or a second one in a training.

    Args:
        signum: its number.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.signum = signum


def raise_interruption(signum: int) -> NoReturn:
    """Do what a signal does outside of a training; raise `Interrupted` where that would end the process or nothing."""
    _raise(signum, signal.getsignal(signum))


def _raise(signum: int, handler: Any, frame: FrameType | None = None) -> NoReturn:
    if callable(handler):  # that of a command, or Python's for SIGINT
        handler(signum, frame)
    raise Interrupted(signum)


class StopEvent(threading.Event):
    """Set by the first signal of a training.

    Attributes:
        signum: the signal's number; None before it.
    """

    signum: int | None = None


@contextmanager
def raise_signals() -> Iterator[None]:
    """Inside the block each signal raises `Interrupted`, except in a training."""

    def handle(signum: int, frame: FrameType | None) -> None:
        raise Interrupted(signum)

    with _handler(handle):
        yield


@contextmanager
def interruptible() -> Iterator[StopEvent]:
    """An event that the first signal sets, so that the loop can end in order; the second one raises at once."""
    event = StopEvent()

    def handle(signum: int, frame: FrameType | None) -> None:
        if event.is_set():
            _raise(signum, previous.get(signum), frame)
        event.signum = signum
        event.set()

    with _handler(handle) as previous:
        yield event


@contextmanager
def _handler(handle: Callable[[int, FrameType | None], None]) -> Iterator[dict[int, Any]]:
    """Handle the signals by a function inside the block, which gets the handlers that it replaces.

    Those that the parent process ignores stay ignored (nohup).
    """
    previous: dict[int, Any] = {}
    if threading.current_thread() is not threading.main_thread():
        yield previous
        return
    for signum in SIGNALS:
        if signum == signal.SIGINT or signal.getsignal(signum) != signal.SIG_IGN:
            previous[signum] = signal.signal(signum, handle)
    try:
        yield previous
    finally:
        for signum, before in previous.items():
            signal.signal(signum, before)
