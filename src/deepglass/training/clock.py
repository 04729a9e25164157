"""The only reader of time: how long a run may still be."""

from __future__ import annotations

import math
import time

from deepglass.training.plan import Plan, StepCosts, reserve_seconds

LOOK_EVERY = 10  # steps between looks at the loss and the clock: reading a loss waits for the device


class Clock:
    """Says how long a run may still be.

    Args:
        budget: seconds in all, counted from the making of the clock.
    """

    def __init__(self, budget: float) -> None:
        self.budget = budget
        self.start = time.perf_counter()
        self.costs = StepCosts(0.0, 0.0)
        self.most_steps = 0
        self._looked = (0, 0.0)
        self._next_look = 0.0

    def elapsed(self) -> float:
        return time.perf_counter() - self.start

    def begin(self, step: int, costs: StepCosts, most_steps: int) -> None:
        self.costs, self.most_steps = costs, most_steps
        self._looked = (step, self.elapsed())
        self._next_look = self.elapsed() + self.budget / 40

    def late(self) -> bool:
        """Whether it is time to look, however few steps were done: slow ones must not overrun the budget."""
        return self.elapsed() >= self._next_look

    def evaluated(self, seconds: float, step: int) -> None:
        """An evaluation took so long; it does not count for the pace of the steps."""
        self.costs = self.costs._replace(evaluation=max(seconds, 0.5 * self.costs.evaluation))
        self._looked = (self._looked[0], self._looked[1] + seconds)

    def length(self, plan: Plan, step: int) -> int | None:
        """A new length of the run, where the present one misses the budget by more than a fiftieth."""
        now = self.elapsed()
        left = self.budget - reserve_seconds(self.budget, self.costs) - now
        if left <= 0:
            return step
        if now < self._next_look and left > self.budget / 20:
            return None
        steps, seconds = step - self._looked[0], now - self._looked[1]
        if not steps or seconds <= 0 or (steps < LOOK_EVERY and seconds < self.budget / 40):
            return None
        pace = seconds / steps
        if steps < LOOK_EVERY:  # one slow step may be the machine's whim: what was known before counts as some steps
            pace = (seconds + LOOK_EVERY * self.costs.step) / (steps + LOOK_EVERY)
        self.costs = self.costs._replace(step=pace)
        self._looked, self._next_look = (step, now), now + self.budget / 40
        evaluations = max(plan.last_step - 1, step) // plan.evaluate_every - step // plan.evaluate_every
        fits = step + max(0, math.floor((left - evaluations * self.costs.evaluation) / pace))
        fits = min(fits, self.most_steps)
        if fits > plan.last_step and plan.progress(step) > 0.95:
            return None  # the rate is nearly zero: more steps would only wait
        off = abs(fits - plan.last_step) / max(plan.last_step - step, 1)
        return fits if off > 0.02 else None
