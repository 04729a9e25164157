"""Commands to a running trainer."""

import math
import threading
import time

from deepglass.errors import SpecError

_POLL_SECONDS = 0.1  # between checks for an interrupt while paused


class TrainerControl:
    """Commands to a running trainer, obeyed at the next step boundary; each may be sent from any thread.

    A callback finds it as `Callback.control`. A run that gets no command does not change by a bit.

    Example:
        >>> control = TrainerControl()
        >>> control.pause(), control.step(3), control.resume()
        (None, None, None)
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._steps_left = math.inf  # until the next pause
        self._learning_rate: float | None = None
        self._waiting = False
        self.stopped = threading.Event()

    # -- commands ----------------------------------------------------------------------------------------------

    def pause(self) -> None:
        """Wait before the next step."""
        self._set_steps(0)

    def step(self, count: int = 1) -> None:
        """Take `count` steps, then pause."""
        self._set_steps(count)

    def resume(self) -> None:
        """Go on without pauses."""
        self._set_steps(math.inf)

    def set_learning_rate(self, peak: float) -> None:
        """Use another peak learning rate; the schedule still applies, and all groups change by the same factor.

        Raises:
            SpecError: `bad-value` for a rate that is not a positive number.
        """
        if not (math.isfinite(peak) and peak > 0):
            raise SpecError("bad-value", f"learning_rate: expected a number above 0, got {peak!r}")
        self._learning_rate = peak

    def stop(self) -> None:
        """End training as Ctrl-C does: the run is finished, and can be resumed."""
        self.stopped.set()
        with self._condition:
            self._condition.notify_all()

    @property
    def is_paused(self) -> bool:
        """Whether the trainer waits for a command."""
        return self._waiting

    def _set_steps(self, count: float) -> None:
        with self._condition:
            self._steps_left = count
            self._condition.notify_all()

    # -- the trainer's side ------------------------------------------------------------------------------------

    @property
    def is_stepping(self) -> bool:
        """Whether the number of steps until the next pause is limited."""
        return self._steps_left < math.inf

    def before_step(self, interrupted: threading.Event) -> float:
        """Wait while training is paused, and count the step that follows; the seconds waited."""
        if not self.is_stepping:
            return 0.0
        start = time.perf_counter()
        with self._condition:
            self._waiting = self._steps_left <= 0
            while self._steps_left <= 0 and not (self.stopped.is_set() or interrupted.is_set()):
                self._condition.wait(_POLL_SECONDS)
            self._waiting = False
            self._steps_left -= 1
        return time.perf_counter() - start

    def take_learning_rate(self) -> float | None:
        """The peak learning rate that was set since the last call; None for none."""
        peak, self._learning_rate = self._learning_rate, None
        return peak
