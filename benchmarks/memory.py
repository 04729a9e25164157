"""Accuracy of recurrent networks on the copy task by lag, and the gradient norm over time steps.

    python benchmarks/memory.py     # about 2 minutes on one thread

Each cell is trained on `synthetic:copy` at four lags for the same number of steps. Results go to docs/memory.json and
docs/memory.svg; docs/memory.md describes them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deepglass.data.sources import read
from deepglass.nn.recurrent import Cell, Recurrent

DOCS = Path(__file__).parent.parent / "docs"
CELLS = ("rnn", "orthogonal rnn", "gru", "lstm")  # the first has a small uniform initialisation
LAGS = (10, 30, 100, 400)
SHOWN = 100  # the lag of the gradient plot
STEPS, BATCH, HIDDEN, RATE = 300, 32, 32, 5e-3
COLOURS = {"rnn": "#d55e00", "orthogonal rnn": "#cc79a7", "gru": "#009e73", "lstm": "#0072b2"}
Line = list[tuple[float, float]]


class Data(NamedTuple):
    """Shapes: x: (N, T, D) float; y: (N,) int64; test: (N,) True for rows kept from training."""

    x: Tensor
    y: Tensor
    test: Tensor


class Reader(nn.Module):
    """A recurrent layer with a linear one on its last state; gate biases are initialised for the lag.

    Shapes: x (B, T, D) -> logits (B, K).
    """

    def __init__(self, name: str, size: int, classes: int, lag: int) -> None:
        super().__init__()
        cell = cast(Cell, name.removeprefix("orthogonal "))
        self.recurrent, self.out = Recurrent(cell, size, HIDDEN, expected_lag=lag), nn.Linear(HIDDEN, classes)
        if name == "rnn":
            nn.init.uniform_(self.recurrent.layers[0][0].weight_hh_l0, -(HIDDEN**-0.5), HIDDEN**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.recurrent(x, torch.ones(x.shape[:2], dtype=torch.bool)).last)


def main() -> None:
    torch.set_num_threads(1)
    results = []
    for lag in LAGS:
        data = load(lag)
        for cell in CELLS:
            results.append(learn(cell, data, lag) | {"cell": cell, "lag": lag})
            print(cell, lag, f"{results[-1]['accuracy']:.3f}", f"{results[-1]['seconds']:.0f} s", flush=True)
    settings = {"steps": STEPS, "batch_size": BATCH, "hidden": HIDDEN, "learning_rate": RATE}
    (DOCS / "memory.json").write_text(json.dumps({"settings": settings, "runs": results}, indent=1) + "\n")
    (DOCS / "memory.svg").write_text(draw(results))


def load(lag: int) -> Data:
    table = read(f"synthetic:copy-{lag}")
    names = sorted(set(table["first"]))
    y = torch.tensor([names.index(name) for name in table["first"]])
    return Data(torch.from_numpy(np.asarray(table["sequence"])), y, torch.from_numpy(table.split == "test"))


def learn(cell: str, data: Data, lag: int) -> dict[str, object]:
    """Test accuracy after `STEPS`, and the gradient norm at each time step before and after training."""
    torch.manual_seed(0)
    reader = Reader(cell, data.x.shape[2], int(data.y.max()) + 1, lag)
    x, y = data.x[~data.test], data.y[~data.test]
    before = gradients(reader, data)
    optimizer = torch.optim.Adam(reader.parameters(), RATE)
    start = time.perf_counter()
    for _ in range(STEPS):
        rows = torch.randint(len(x), (BATCH,))
        optimizer.zero_grad()
        F.cross_entropy(reader(x[rows]), y[rows]).backward()
        nn.utils.clip_grad_norm_(reader.parameters(), 1.0)
        optimizer.step()
    seconds = time.perf_counter() - start
    with torch.inference_mode():
        accuracy = (reader(data.x[data.test]).argmax(1) == data.y[data.test]).double().mean().item()
    return {"accuracy": accuracy, "seconds": seconds, "before": before, "after": gradients(reader, data)}


def gradients(reader: Reader, data: Data) -> list[float]:
    """Norm of the loss gradient at each input step, mean of 64 test rows, last step first."""
    x = data.x[data.test][:64].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(F.cross_entropy(reader(x), data.y[data.test][:64], reduction="sum"), x)
    return gradient.norm(dim=2).mean(0).flip(0).tolist()


def draw(results: list[dict]) -> str:
    """Plots of accuracy over lag, and of the gradient norm over steps before the end (dashed: before training)."""
    scores = {(c, ""): [(float(np.log10(r["lag"])), r["accuracy"]) for r in results if r["cell"] == c] for c in CELLS}
    sizes: dict[tuple[str, str], Line] = {}
    for run in (r for r in results if r["lag"] == SHOWN):
        for when, dash in (("before", "4 4"), ("after", "")):
            sizes[run["cell"], dash] = [(t, max(np.log10(g + 1e-30), -16)) for t, g in enumerate(run[when])]
    low = np.floor(min(y for line in sizes.values() for _, y in line))
    high = np.ceil(max(y for line in sizes.values() for _, y in line))
    powers = {float(p): f"1e{p:.0f}" for p in np.arange(low, high + 1, 2)}
    left = panel(60, "Accuracy by lag (chance 0.25)", "lag, steps", scores, {float(np.log10(n)): str(n) for n in LAGS},
                 {0.0: "0", 0.25: "0.25", 0.5: "0.5", 0.75: "0.75", 1.0: "1"})  # fmt: skip
    right = panel(450, f"Gradient by input at lag {SHOWN}", "steps back; dashed: before training", sizes,
                  {float(t): str(t) for t in range(0, SHOWN + 1, 25)}, powers)  # fmt: skip
    key = [f'<text x="{60 + 115 * i}" y="352" fill="{COLOURS[c]}">{c}</text>' for i, c in enumerate(CELLS)]
    head = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 780 360" font-family="sans-serif" font-size="13">'
    return "\n".join([head, '<rect width="780" height="360" fill="white"/>', *left, *right, *key, "</svg>"]) + "\n"


def panel(
    left: float, title: str, below: str, lines: dict[tuple[str, str], Line], xs: dict[float, str], ys: dict[float, str]
) -> list[str]:
    """Lines by (cell, dashes) in a box 310 wide, with ticks at `xs` and `ys`."""

    def place(value: float, ticks: dict[float, str], start: float, end: float) -> float:
        return start + (value - min(ticks)) / (max(ticks) - min(ticks)) * (end - start)

    across: Callable[[float], float] = lambda x: place(x, xs, left, left + 310)  # noqa: E731
    down: Callable[[float], float] = lambda y: place(y, ys, 290, 30)  # noqa: E731
    parts = [f'<text x="{left}" y="18">{title}</text>']
    parts.append(f'<text x="{left + 155}" y="328" text-anchor="middle">{below}</text>')
    for x, text in xs.items():
        parts.append(f'<text x="{across(x):.1f}" y="308" text-anchor="middle">{text}</text>')
    for y, text in ys.items():
        at = down(y)
        parts.append(f'<line x1="{left}" x2="{left + 310}" y1="{at:.1f}" y2="{at:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 6}" y="{at + 4:.1f}" text-anchor="end">{text}</text>')
    for (cell, dash), line in lines.items():
        points = " ".join(f"{across(x):.1f},{down(y):.1f}" for x, y in line)
        style = f'stroke="{COLOURS[cell]}" stroke-width="2" stroke-dasharray="{dash}"'
        parts.append(f'<polyline points="{points}" fill="none" {style}/>')
    return parts


if __name__ == "__main__":
    main()
