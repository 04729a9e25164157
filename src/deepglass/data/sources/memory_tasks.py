"""Long-range memory tasks on sequences: `synthetic:copy-100`, `synthetic:parity-50`, `synthetic:adding-100`.

The number is the lag, in steps. All sequences of a set have one length; the sets are deterministic.

Source: Hochreiter and Schmidhuber, 1997, Neural Computation 9(8), experiments 3 and 4.
"""

from collections.abc import Callable

import numpy as np
import polars as pl

from deepglass.data.table import Note, Table
from deepglass.errors import SourceError

ROWS = 5_000
LAGS = (1, 1000)  # smallest and largest; beyond 1,000 steps a set takes more than 160 MB
SYMBOLS = 4
DISTRACTORS = 4
DEFAULT_LAG = {"copy": 60, "parity": 10, "adding": 50}


def copy(lag: int = DEFAULT_LAG["copy"], rows: int = ROWS, seed: int = 0) -> Table:
    """Copy task: the class is the first symbol, followed by `lag` distractors.

    Shapes:
        sequence: (rows, lag + 1, SYMBOLS + DISTRACTORS), one-hot; a distractor is never one of the first symbols.
    """
    random = np.random.default_rng(seed)
    first = random.integers(SYMBOLS, size=(rows, 1))
    others = random.integers(SYMBOLS, SYMBOLS + DISTRACTORS, size=(rows, lag))
    codes = np.concatenate([first, others], 1)
    sequence = np.eye(SYMBOLS + DISTRACTORS, dtype=np.float32)[codes]
    target = pl.Series("first", [f"symbol {k}" for k in first[:, 0]])
    return _table("copy", lag, sequence, target, "category", random)


def parity(lag: int = DEFAULT_LAG["parity"], rows: int = ROWS, seed: int = 0) -> Table:
    """Parity task: whether the number of -1 among `lag` steps of +1 and -1 is odd or even.

    Shapes:
        sequence: (rows, lag, 1).
    """
    random = np.random.default_rng(seed)
    sequence = random.choice(np.array([-1, 1], np.float32), (rows, lag, 1))
    odd = (sequence[:, :, 0] < 0).sum(1) % 2 == 1
    target = pl.Series("parity", np.where(odd, "odd", "even"))
    return _table("parity", lag, sequence, target, "category", random)


def adding(lag: int = DEFAULT_LAG["adding"], rows: int = ROWS, seed: int = 0) -> Table:
    """Adding task: the sum of the two marked values, one in each half of a sequence.

    Shapes:
        sequence: (rows, max(lag, 2), 2): a value, uniform in 0..1, and its marker, 0 or 1.
    """
    random = np.random.default_rng(seed)
    steps = max(lag, 2)
    value = random.uniform(0, 1, (rows, steps)).astype(np.float32)
    marker = np.zeros_like(value)
    every = np.arange(rows)
    marker[every, random.integers(0, steps // 2, rows)] = 1
    marker[every, random.integers(steps // 2, steps, rows)] = 1
    target = pl.Series("sum", (value * marker).sum(1).astype(np.float64))
    return _table("adding", lag, np.stack([value, marker], 2), target, "number", random)


MEMORY_TASKS: dict[str, Callable[..., Table]] = {"copy": copy, "parity": parity, "adding": adding}


def with_lag(name: str) -> Table | None:
    """The data set of a name such as `copy-100`; None if it is not a memory task.

    Raises:
        SourceError: `bad-value` for a lag that is no number or outside `LAGS`.
    """
    task, dash, lag = name.partition("-")
    if task not in MEMORY_TASKS:
        return None
    if not dash:
        return MEMORY_TASKS[task]()
    low, high = LAGS
    if not (lag.isascii() and lag.isdigit() and low <= int(lag) <= high):
        text = f"expected a lag of {low} to {high} steps, as in synthetic:{task}-100, got {lag!r}"
        raise SourceError("bad-value", f"synthetic:{name}: {text}")
    return MEMORY_TASKS[task](int(lag))


def _table(
    task: str, lag: int, sequence: np.ndarray, target: pl.Series, kind: str, random: np.random.Generator
) -> Table:
    split = random.choice(["train", "valid", "test"], len(sequence), p=[0.8, 0.1, 0.1]).astype("U5")
    return Table(
        {"sequence": sequence, target.name: target},
        f"synthetic:{task}-{lag}",
        (Note("sequence", f"{sequence.shape[1]} steps", f"synthetic, with a lag of {lag}"),),
        split=split,
        kinds={"sequence": "sequence", target.name: kind},
    )
