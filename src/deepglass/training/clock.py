"""Clock: adapts the number of steps to a time budget; no other module of training decides by time."""

import math
import time

from deepglass.training.plan import Plan, StepCosts, reserve_seconds

CHECK_EVERY = 10  # steps between checks of loss and clock: reading a loss waits for the device
_CHECKS = 40  # checks of the length in a whole budget


class Clock:
    """Measures the seconds per step of a run, and the number of steps that fit into its budget.

    Args:
        budget: seconds in all, counted from the construction of the clock.
    """

    def __init__(self, budget: float) -> None:
        self.budget = budget
        self.start = time.perf_counter()
        self.costs = StepCosts(0.0, 0.0)
        self.max_steps = 0
        self._last_check = (0, 0.0)  # step, seconds
        self._next_check = 0.0

    def elapsed(self) -> float:
        return time.perf_counter() - self.start

    def begin(self, step: int, costs: StepCosts, max_steps: int) -> None:
        """Start to measure the steps of training."""
        self.costs, self.max_steps = costs, max_steps
        self._last_check = (step, self.elapsed())
        self._next_check = self.elapsed() + self.budget / _CHECKS

    def is_due(self) -> bool:
        """Whether the length must be checked, however few steps were done: slow ones must not overrun the budget."""
        return self.elapsed() >= self._next_check

    def exclude(self, seconds: float) -> None:
        """Do not count these seconds: training was paused."""
        self.start += seconds

    def add_evaluation(self, seconds: float) -> None:
        """Record the cost of an evaluation; it does not count for the pace of the steps."""
        self.costs = self.costs._replace(evaluation=max(seconds, 0.5 * self.costs.evaluation))
        self._last_check = (self._last_check[0], self._last_check[1] + seconds)

    def new_length(self, plan: Plan, step: int) -> int | None:
        """A new number of steps, where the plan's misses the budget by more than 2 %; None to keep it."""
        now = self.elapsed()
        left = self.budget - reserve_seconds(self.budget, self.costs) - now
        if left <= 0:
            return step
        if now < self._next_check and left > self.budget / 20:
            return None
        steps, seconds = step - self._last_check[0], now - self._last_check[1]
        if not steps or seconds <= 0 or (steps < CHECK_EVERY and seconds < self.budget / _CHECKS):
            return None
        pace = seconds / steps
        if steps < CHECK_EVERY:  # a single slow step may be an accident: blend it with the earlier pace
            pace = (seconds + CHECK_EVERY * self.costs.step) / (steps + CHECK_EVERY)
        self.costs = self.costs._replace(step=pace)
        self._last_check, self._next_check = (step, now), now + self.budget / _CHECKS
        evaluations = max(plan.last_step - 1, step) // plan.evaluate_every - step // plan.evaluate_every
        fitting = step + max(0, math.floor((left - evaluations * self.costs.evaluation) / pace))
        fitting = min(fitting, self.max_steps)
        if fitting > plan.last_step and plan.progress(step) > 0.95:
            return None  # the learning rate is nearly zero: more steps would change nothing
        error = abs(fitting - plan.last_step) / max(plan.last_step - step, 1)
        return fitting if error > 0.02 else None
