"""Two-dimensional toy distributions: `synthetic:ring`, `synthetic:moons`, `synthetic:spirals` and others.

A generative model of them can be inspected in a scatter plot. The sets are deterministic.
"""

from collections.abc import Callable

import numpy as np
import polars as pl

from deepglass.data.table import Note, Table

ROWS = 5_000
RADIUS = 2.0
SPREAD = 0.1  # standard deviation of the noise
GAP = 0.4  # between the clouds
TURNS = 1.25  # of a spiral's arm


def ring(rows: int = ROWS, seed: int = 0) -> Table:
    """Points around a circle, uniform in angle.

    Shapes:
        x, y: (rows,) float; the radius is Normal with mean `RADIUS` and deviation `SPREAD`.
    """
    random = np.random.default_rng(seed)
    angle = random.uniform(0, 2 * np.pi, rows)
    radius = random.normal(RADIUS, SPREAD, rows)
    return _table("ring", radius * np.cos(angle), radius * np.sin(angle))


def moons(rows: int = ROWS, seed: int = 0) -> Table:
    """Two interleaving half circles; the class is the half circle."""
    random = np.random.default_rng(seed)
    lower = random.random(rows) < 0.5
    angle = random.uniform(0, np.pi, rows)
    x = np.where(lower, 1 - np.cos(angle), np.cos(angle)) + random.normal(0, SPREAD / 2, rows)
    y = np.where(lower, 0.5 - np.sin(angle), np.sin(angle)) + random.normal(0, SPREAD / 2, rows)
    return _table("moons", x, y, pl.Series("moon", np.where(lower, "lower", "upper")))


def spirals(rows: int = ROWS, seed: int = 0) -> Table:
    """Two interleaving spirals; the class is the arm."""
    random = np.random.default_rng(seed)
    second = random.random(rows) < 0.5
    position = np.sqrt(random.uniform(0.02, 1, rows))  # from 0 to 1 along the arm, of even density
    angle = 2 * np.pi * TURNS * position + np.pi * second
    x = RADIUS * position * np.cos(angle) + random.normal(0, SPREAD / 2, rows)
    y = RADIUS * position * np.sin(angle) + random.normal(0, SPREAD / 2, rows)
    return _table("spirals", x, y, pl.Series("arm", np.where(second, "second", "first")))


def clouds(rows: int = 1_000, seed: int = 0) -> Table:
    """Two clouds of points that a line separates; the class is the cloud."""
    random = np.random.default_rng(seed)
    second = np.arange(rows) % 2 == 1
    points = random.normal(0, 0.6, (rows, 2))
    across = np.array([0.8, 0.6])  # of length 1, at a right angle to the line
    distance = GAP / 2 + np.abs(points @ across - 0.5)  # of each point from the line
    points += np.outer(np.where(second, distance, -distance) - points @ across, across)
    return _table("clouds", points[:, 0], points[:, 1], pl.Series("cloud", np.where(second, "second", "first")))


def curves(rows: int = 1_000, seed: int = 0) -> Table:
    """Two curves, one above the other, that no line separates; the class is the curve."""
    random = np.random.default_rng(seed)
    upper = np.arange(rows) % 2 == 1
    x = random.uniform(-2, 2, rows)
    y = 0.5 * x**2 + np.where(upper, 0.25, -0.25) + random.normal(0, SPREAD / 2, rows)
    return _table("curves", x, y, pl.Series("curve", np.where(upper, "upper", "lower")))


def _table(name: str, x: np.ndarray, y: np.ndarray, label: pl.Series | None = None) -> Table:
    columns = {"x": pl.Series("x", x), "y": pl.Series("y", y)}
    kinds = {"x": "number", "y": "number"}
    if label is not None:
        columns[label.name] = label
        kinds[label.name] = "category"
    return Table(
        columns,
        f"synthetic:{name}",
        (
            Note(
                "points",
                f"{len(x):,} in the plane",
                f"synthetic, with noise of a standard deviation of at most {SPREAD}",
            ),
        ),
        target=None if label is None else label.name,
        kinds=kinds,
    )


TOY_SETS: dict[str, Callable[..., Table]] = {
    "ring": ring,
    "moons": moons,
    "spirals": spirals,
    "clouds": clouds,
    "curves": curves,
}
