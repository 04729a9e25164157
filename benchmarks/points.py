"""Samples of a GAN on points in the plane over training: the figure of docs/learning/adversarial.md.

    python benchmarks/points.py [--steps 1200]     # a minute or two on one thread

Real points are grey, samples are coloured by their requested class. Writes docs/learning/points.svg.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import deepglass
from deepglass.data.sources import read
from deepglass.run.callbacks.sample_recorder import read_samples

OUT = Path(__file__).parent.parent / "docs" / "learning" / "points.svg"
SETS = ("ring", "moons", "spirals")
MOMENTS = (0.02, 0.07, 0.2, 0.5, 1.0)  # shares of the run
COLOURS = ("#0072b2", "#d55e00")
SIDE, GAP, TOP, LEFT = 150, 8, 26, 62
SHOWN = 300  # points of each class, and of the real ones
REACH = {"ring": (-2.6, 2.6, -2.6, 2.6), "moons": (-1.4, 2.4, -1.6, 2.1), "spirals": (-2.4, 2.4, -2.4, 2.4)}


def main(steps: int) -> None:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in SETS:
            settings = {"steps": steps, "threads": 1}
            out = Path(folder) / name
            run = deepglass.train(f"synthetic:{name}", objective="gan", training=settings, out=out, baselines=False)
            print(name, run.metrics["test"]["gan"], f"{run.metrics['seconds']['train']:.0f} s")
            samples = read_samples(run.folder)
            steps_recorded = sorted(samples)
            near = [min(steps_recorded, key=lambda step: abs(step - part * steps)) for part in MOMENTS]
            rows.append((name, [(step, samples[step]) for step in near]))
    OUT.write_text(draw(rows))


def draw(rows: Sequence[tuple[str, Sequence[tuple[int, dict[str, list]]]]]) -> str:
    """A row of panels per data set, a panel per step."""
    width, height = LEFT + len(MOMENTS) * (SIDE + GAP), TOP + len(rows) * (SIDE + GAP)
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">']
    parts.append(f'<rect width="{width}" height="{height}" fill="white"/>')
    for i, (name, moments) in enumerate(rows):
        top = TOP + i * (SIDE + GAP)
        parts.append(f'<text x="4" y="{top + SIDE / 2}">{name}</text>')
        table = read(f"synthetic:{name}")
        real = np.stack([np.asarray(table["x"]), np.asarray(table["y"])], 1)[:SHOWN]
        for k, (step, sheet) in enumerate(moments):
            left = LEFT + k * (SIDE + GAP)
            if i == 0:
                parts.append(f'<text x="{left + SIDE / 2}" y="18" text-anchor="middle">step {step:,}</text>')
            parts += panel(name, left, top, real, sheet)
    return "\n".join([*parts, "</svg>"]) + "\n"


def panel(name: str, left: float, top: float, real: np.ndarray, sheet: dict[str, list]) -> list[str]:
    """Real points and samples in a square."""
    points = np.stack([sheet["x"], sheet["y"]], 1)
    label = next((n for n in sheet if n not in ("x", "y")), None)
    classes = np.array(sheet[label]) if label else np.zeros(len(points))
    parts = [f'<rect x="{left}" y="{top}" width="{SIDE}" height="{SIDE}" fill="#fafafa" stroke="#ddd"/>']
    parts.append(dots(name, left, top, real, "#bbb"))
    for colour, one in zip(COLOURS, np.unique(classes), strict=False):
        parts.append(dots(name, left, top, points[classes == one][:SHOWN], colour))
    return parts


def dots(name: str, left: float, top: float, points: np.ndarray, colour: str) -> str:
    low_x, high_x, low_y, high_y = REACH[name]
    x = left + (points[:, 0] - low_x) / (high_x - low_x) * SIDE
    y = top + (high_y - points[:, 1]) / (high_y - low_y) * SIDE
    inside = (x > left) & (x < left + SIDE) & (y > top) & (y < top + SIDE)
    path = "".join(f"M{a:.1f} {b:.1f}h0" for a, b in zip(x[inside], y[inside], strict=True))
    return f'<path d="{path}" stroke="{colour}" stroke-width="2.2" stroke-linecap="round" opacity="0.7"/>'


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=1200)
    main(parser.parse_args().steps)
