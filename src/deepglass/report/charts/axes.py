"""Axes of charts; `charts.html` draws them."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from deepglass.formatting import finite

MAX_VALUE, MIN_VALUE = 1e250, 1e-250  # beyond these, differences and ratios of floats overflow
WIDTH, HEIGHT = 460, 290
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 10, 42
TALL, FLOOR = 390, 346  # height of a chart on a square, and where its x axis is
GLYPH = 7.2  # width of a tick's digit in the drawing's units, on the large side


@dataclass(frozen=True)
class Axis:
    """Maps values to positions in the drawing; ticks are at 1, 2 or 5 times a power of ten.

    Args:
        low: the value at `start`.
        high: the value at `end`; more than `low`.
        start: position of the low end.
        end: position of the high end, which may be the smaller number (upward).
        log: equal factors have equal lengths.
        share: ticks are in per cent.
        whole: ticks are whole numbers.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False
    share: bool = False
    whole: bool = False

    def __call__(self, value: float) -> float:
        if self.log:
            low = math.log(self.low)
            part = (math.log(max(value, self.low)) - low) / (math.log(self.high) - low)
        else:
            part = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return round(self.start + part * (self.end - self.start), 1)

    def ticks(self, about: int = 5) -> list[tuple[float, str]]:
        """Round values within the axis, with their labels."""
        if self.log:
            return self._log_ticks(about)
        if not self.high - self.low > 1e-12 * abs(self.high):  # no ticks in between: they differ by rounding alone
            return [(self.low, self._label(self.low, abs(self.low) or 1.0))]
        step = _round_step((self.high - self.low) / (about + 1.5))
        step = max(step, 1.0) if self.whole else step
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [(i * step, self._label(i * step, step)) for i in range(first, last + 1)]

    def spaced_ticks(self, about: int = 5) -> list[tuple[float, str]]:
        """Positions and labels of the ticks whose labels do not overlap."""
        spaced, free = [], -math.inf
        for value, name in self.ticks(about):
            at, half = self(value), len(name) * GLYPH / 2
            if at - half >= free:
                free = at + half + GLYPH
                spaced.append((at, name))
        return spaced

    def _log_ticks(self, about: int) -> list[tuple[float, str]]:
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        stride = max(1, math.ceil((last - first) / about))
        digits = (1, 2, 5) if last - first <= 2 else (1,)
        values = [d * 10.0**e for e in range(first, last + 1, stride) for d in digits]
        inside = [v for v in values if self.low * 0.999 <= v <= self.high * 1.001]
        if len(inside) < 2:
            inside = [self.low, self.high]
        return [(v, _compact(v, v)) for v in inside]

    def _label(self, value: float, step: float) -> str:
        if not self.share:
            return _compact(value, step)
        decimals = max(0, -math.floor(math.log10(step * 100) + 1e-9))
        return f"{100 * value:.{decimals}f}\N{NO-BREAK SPACE}%".replace("-", "−")


def axis(
    values: Iterable[float],
    start: float,
    end: float,
    *,
    zero: bool = False,
    log: bool = False,
    share: bool = False,
    room: float = 0.04,
) -> Axis:
    """An axis that holds all finite values.

    Args:
        values: what it must hold.
        start: position of the low end.
        end: position of the high end.
        zero: it begins (or ends) at zero.
        log: equal factors have equal lengths; only where all values are positive.
        share: values are shares of 1: ticks are in per cent, and the axis stays within 0 and 1.
        room: what is added at each end, as a share of the length.
    """
    finite_values = np.asarray([v for v in values if finite(v)], dtype=float).clip(-MAX_VALUE, MAX_VALUE)
    low, high = (float(finite_values.min()), float(finite_values.max())) if len(finite_values) else (0.0, 1.0)
    if log and low > 0:
        low, high = max(low, MIN_VALUE), max(high, MIN_VALUE)
        factor = math.exp(max(math.log(high) - math.log(low), math.log(1.5)) * room)
        return Axis(low / factor, max(high, low * 1.5) * factor, start, end, log=True)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    if high - low <= max(1e-12 * max(abs(low), abs(high)), MIN_VALUE):
        size = abs(high) if abs(high) > MIN_VALUE else 1.0
        low, high = (0.0, size) if zero else (low - size / 2, high + size / 2)
    margin = room * (high - low)
    low, high = (low if zero and low == 0 else low - margin), (high if zero and high == 0 else high + margin)
    if share and len(finite_values) and finite_values.min() >= 0 and finite_values.max() <= 1:
        low, high = max(low, 0.0), min(high, 1.0)
    return Axis(low, high, start, end, share=share)


UNIT_SQUARE = (Axis(0, 1, LEFT, WIDTH - RIGHT, share=True), Axis(0, 1, FLOOR, TOP + 6, share=True))


def _round_step(step: float) -> float:
    power = 10.0 ** math.floor(math.log10(step))
    return next(d * power for d in (1, 2, 5, 10) if d * power >= step * 0.999)


def _compact(value: float, step: float) -> str:
    """A tick's label, as short as the step allows: `1.5M`, `20k`, `0.05`, `1e-5`."""
    size = abs(value)
    if size < step * 1e-6:
        return "0"
    for unit, sign in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if size >= unit and (unit > 1e3 or size >= 1e4 or step >= 1e3):
            if size / unit >= 1e4:
                break
            decimals = max(0, -math.floor(math.log10(step / unit) + 1e-9))
            return f"{value / unit:.{min(decimals, 3)}f}{sign}".replace("-", "−")
    if size >= 1e12 or size < 1e-4:
        places = max(0, math.floor(math.log10(size)) - math.floor(math.log10(step) + 1e-9))
        mantissa, exponent = f"{value:.{min(places, 3)}e}".split("e")
        return f"{mantissa}e{int(exponent)}".replace("-", "−")
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    separator = "," if size >= 9999.5 else ""  # below, it may be a year
    return f"{value:{separator}.{min(decimals, 6)}f}".replace("-", "−")
