"""Learning-rate schedules: the factor of the peak learning rate at each point of a run.

    factor = schedule("cosine", warmup=0.1)
    factor(0.05), factor(0.1), factor(1.0)      # 0.5, 1.0, 0.0

A schedule is a function of progress alone, so a run of any length follows the same curve.
"""

import math
from collections.abc import Callable
from functools import partial

from deepglass.errors import SpecError, near_miss

Schedule = Callable[[float], float]
"""Progress in [0, 1] -> factor of the peak in [0, 1]."""


def constant(progress: float) -> float:
    """The peak learning rate throughout."""
    return 1.0


def linear(progress: float) -> float:
    """Linear decay from 1 to 0."""
    return 1 - progress


def cosine(progress: float) -> float:
    """Cosine decay from 1 to 0. Source: Loshchilov & Hutter, 2017, arXiv 1608.03983, without restarts."""
    return (1 + math.cos(math.pi * progress)) / 2


def step(progress: float) -> float:
    """Step decay: 0.1 after half of the run, 0.01 after three quarters. Source: He et al., 2016, arXiv 1512.03385."""
    return 1.0 if progress < 0.5 else 0.1 if progress < 0.75 else 0.01


def exponential(progress: float) -> float:
    """Exponential decay to 0.001."""
    return 0.001**progress


def trapezoid(progress: float, fall: float = 0.2) -> float:
    """Constant, then linear decay to 0 over the last `fall` of the run; also called warmup-stable-decay.

    Source: Zhai et al., 2022, arXiv 2106.04560; Hagele et al., 2024, arXiv 2405.18392 (fall of 20 %).
    """
    return min(1.0, (1 - progress) / fall)


def one_cycle(progress: float, warmup: float = 0.3) -> float:
    """One-cycle: cosine from 1/25 up to 1 over `warmup`, then down to nearly 0.

    Source: Smith & Topin, 2019, arXiv 1708.07120, with cosines instead of lines.
    """
    if progress < warmup:
        return 1 / 25 + (1 - 1 / 25) * (1 - cosine(progress / warmup))
    end = 1 / 25e4
    return end + (1 - end) * cosine((progress - warmup) / (1 - warmup))


def cos4(progress: float) -> float:
    """Four cosine cycles from 0 to 1 to 0, each twice as long as the one before; needs no warmup.

    Source: Holzmueller et al., 2024, arXiv 2407.04491, appendix A ("coslog4").
    """
    return (1 - math.cos(2 * math.pi * math.log2(1 + 15 * progress))) / 2


SCHEDULES: dict[str, Schedule] = {
    "constant": constant,
    "linear": linear,
    "cosine": cosine,
    "step": step,
    "exponential": exponential,
    "trapezoid": trapezoid,
    "one_cycle": one_cycle,
    "cos4": cos4,
}


def schedule(name: str | Schedule, warmup: float = 0.0) -> Schedule:
    """A schedule by name, with a linear warmup over the first `warmup` of the run.

    Args:
        name: one of `SCHEDULES`, or a function of progress.
        warmup: share of the run, in [0, 1). `one_cycle` has its own warmup curve of this length; `cos4` ignores it.

    Raises:
        SpecError: `unknown-name` with the near miss; `bad-value` for a warmup outside [0, 1).
    """
    if isinstance(name, str) and name not in SCHEDULES:
        raise SpecError("unknown-name", f"schedule: no schedule {name!r}{near_miss(name, SCHEDULES)}")
    if not 0 <= warmup < 1:
        raise SpecError("bad-value", f"warmup: expected a share of the run in [0, 1), got {warmup!r}")
    curve = SCHEDULES[name] if isinstance(name, str) else name
    if curve is one_cycle:
        return partial(one_cycle, warmup=warmup)
    return curve if curve is cos4 or warmup == 0 else partial(_after_warmup, curve, warmup)


def _after_warmup(curve: Schedule, warmup: float, progress: float) -> float:
    return progress / warmup if progress < warmup else curve((progress - warmup) / (1 - warmup))
