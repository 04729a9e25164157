"""Numbers, vectors and sequences of both as input and output: each pair is learned by its default network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import deepglass

ROWS, LENGTHS = 600, (3, 6)
NUMBER, VECTOR, NUMBERS, VECTORS = "number", "vector", "sequence of numbers", "sequence of vectors"
KINDS = {NUMBER: "number", VECTOR: "vector", NUMBERS: "sequence", VECTORS: "sequence"}


def inputs() -> dict[str, list]:
    """Rows of each kind; those of the sequences are of different lengths."""
    random = np.random.default_rng(0)
    lengths = random.integers(*LENGTHS, size=ROWS, endpoint=True)
    return {
        NUMBER: random.uniform(-1, 1, ROWS).tolist(),
        VECTOR: random.uniform(-1, 1, (ROWS, 3)).tolist(),
        NUMBERS: [random.uniform(-1, 1, n).tolist() for n in lengths],
        VECTORS: [random.uniform(-1, 1, (n, 2)).tolist() for n in lengths],
    }


def entries(value: object) -> np.ndarray:
    """An input as steps (T, d) of vectors; each entry of a vector is a step."""
    steps = np.asarray(value, float)
    return steps if steps.ndim == 2 else steps.reshape(-1, 1) if steps.ndim == 1 else steps.reshape(1, 1)


def spread(value: object) -> np.ndarray:
    """Four steps for a number, else one for each entry of a vector or step of a sequence."""
    steps = np.asarray(value, float)
    return steps.reshape(-1)[:1] * np.linspace(-1, 1, 4) if steps.ndim == 0 else steps.reshape(len(steps), -1)[:, 0]


ANSWERS: dict[str, Callable[[object], object]] = {
    NUMBER: lambda x: float(entries(x)[:, 0].mean()),
    VECTOR: lambda x: [float(entries(x)[:, 0].mean()), float(-entries(x).mean())],
    NUMBERS: lambda x: (2 * spread(x) + 1).tolist(),
    VECTORS: lambda x: np.stack([spread(x), 1 - spread(x)], 1).tolist(),
}


def is_long(given: str, asked: str) -> bool:
    """Whether each position must select its entry of three, which takes longest to learn."""
    return given == VECTOR and asked in (NUMBERS, VECTORS)


PAIRINGS = [
    pytest.param(given, asked, id=f"{given} to {asked}", marks=[pytest.mark.slow] if is_long(given, asked) else [])
    for given in KINDS
    for asked in KINDS
]


@pytest.mark.parametrize(("given", "asked"), PAIRINGS)
def test_each_pairing_is_learned(given: str, asked: str, tmp_path: Path) -> None:
    steps = 350 if is_long(given, asked) else 150 if given == NUMBER else 100
    rows = inputs()[given]
    frame = pl.DataFrame({"x": rows, "y": [ANSWERS[asked](row) for row in rows]})
    spec = {"inputs": [{"name": "x", "kind": KINDS[given]}], "outputs": [{"name": "y", "kind": KINDS[asked]}]}
    run = deepglass.train(
        frame,
        out=tmp_path / "run",
        steps=steps,
        baselines=False,
        network={"width": 32},
        training={"threads": 1, "batch_size": 32},
        **spec,
    )
    assert run.metrics["test"]["y"]["r2"] > 0.8
    answer = run.predict([{"x": rows[0]}])[0]["y"]["value"]
    assert np.shape(answer) == np.shape(frame["y"].to_list()[0])
