"""Three lessons of training, measured: initialisation with zeros, size of the batches, optimizers.

    python benchmarks/lessons.py [--seeds 3] [--only zeros batch-size optimizers]     # a few minutes on one thread

Each lesson is a recipe that is trained with other settings. Writes docs/learning/lessons.json and the figures
docs/learning/lesson-*.svg, from which docs/learning/lessons.md tells.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import deepglass
from deepglass.training.optimizers import OPTIMIZERS

FOLDER = Path(__file__).parent.parent / "docs" / "learning"
RESULTS = FOLDER / "lessons.json"
BATCH_SIZES = (8, 16, 32, 64, 128, 256, 512)
INITIALISATIONS = ("zeros", "default")
QUICK = {"training.threads": 1, "training.record": False, "training.checkpoint": False}
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6bb1", "#999999")
WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 620, 320, 62, 34, 120, 46

Curve = Sequence[tuple[float, float]]


def train(recipe: str, seed: int, settings: Mapping[str, Any]) -> deepglass.Run:
    """A run of a recipe with other settings, in a folder that is deleted at the end of the process."""
    out = tempfile.mkdtemp() + "/run"
    return deepglass.train(
        f"recipe:{recipe}", seed=seed, out=out, baselines=False, progress=False, settings={**QUICK, **settings}
    )


def zeros(seeds: int) -> dict[str, Any]:
    """Test accuracy, and the number of different units of the hidden layer."""
    results = {}
    for name in INITIALISATIONS:
        runs = [train("lesson-zeros", seed, {"network.initialisation": name}) for seed in range(seeds)]
        weights = [_first_weight(run) for run in runs]
        results[name] = {
            "accuracy": [run.metrics["test"]["curve"]["accuracy"] for run in runs],
            "units": [len({tuple(round(v, 5) for v in row) for row in w.tolist()}) for w in weights],
            "curve": [(e["epoch"], e["valid"]["curve"]["accuracy"]) for e in runs[0].history],
        }
    return results


def batch_size(seeds: int) -> dict[str, Any]:
    """Test error for each size of the batches, at equal epochs and equal learning rate."""
    return {str(size): _errors("lesson-batch-size", seeds, {"training.batch_size": size}) for size in BATCH_SIZES}


def optimizers(seeds: int) -> dict[str, Any]:
    """Validation loss over the epochs, and test error, of each optimizer at its default learning rate."""
    results = {}
    for name, entry in OPTIMIZERS.items():
        settings = {"training.optimizer": name, "training.learning_rate": entry.learning_rate}
        runs = [train("lesson-optimizers", seed, settings) for seed in range(seeds)]
        results[name] = {
            "learning_rate": entry.learning_rate,
            "error": [1 - run.metrics["test"]["label"]["accuracy"] for run in runs],
            "curve": [(e["epoch"], e["valid"]["label"]["log_loss"]) for e in runs[0].history],
        }
    return results


LESSONS = {"zeros": zeros, "batch-size": batch_size, "optimizers": optimizers}


def main(seeds: int, only: Sequence[str]) -> None:
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in only or LESSONS:
        started = time.process_time()
        results[name] = {"seeds": seeds, "results": LESSONS[name](seeds)}
        results[name]["processor_seconds"] = round(time.process_time() - started, 1)
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
        print(name, f"{results[name]['processor_seconds']} s", flush=True)
    figures = {"zeros": draw_zeros, "batch-size": draw_batch_size, "optimizers": draw_optimizers}
    for name, result in results.items():
        (FOLDER / f"lesson-{name}.svg").write_text(figures[name](result["results"]))


def _errors(recipe: str, seeds: int, settings: Mapping[str, Any]) -> list[float]:
    runs = [train(recipe, seed, settings) for seed in range(seeds)]
    return [1 - run.metrics["test"]["label"]["accuracy"] for run in runs]


def _first_weight(run: deepglass.Run) -> Any:
    """The weight of the hidden layer, a row for each unit."""
    return run.network.trunk.body[0].linear.weight.detach()


# -- figures ----------------------------------------------------------------------------------------------------------


def draw_zeros(results: Mapping[str, Any]) -> str:
    curves = {f"{name} ({result['units'][0]} units)": result["curve"] for name, result in results.items()}
    return chart(curves, "epoch", "validation accuracy", (0.4, 1.0))


def draw_batch_size(results: Mapping[str, Any]) -> str:
    sizes = [(i, mean(errors)) for i, errors in enumerate(results.values())]
    spreads = [(min(errors), max(errors)) for errors in results.values()]
    top = max(high for _, high in spreads) * 1.1
    return chart({"": sizes}, "rows in a batch", "test error", (0.0, top), list(results), spreads)


def draw_optimizers(results: Mapping[str, Any]) -> str:
    return chart({name: result["curve"] for name, result in results.items()}, "epoch", "validation log loss", (0, 1.5))


def chart(
    curves: Mapping[str, Curve],
    x_title: str,
    y_title: str,
    y_range: tuple[float, float],
    x_names: Sequence[str] = (),
    spreads: Sequence[tuple[float, float]] = (),
) -> str:
    """Lines with their names at the right, on a white card that suits a light and a dark page.

    Args:
        x_names: names of the positions 0, 1, ...; without them x is a number.
        spreads: lowest and highest value at each position.
    """
    top_x = max(x for curve in curves.values() for x, _ in curve) or 1
    inner_x, inner_y = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def at(x: float, y: float) -> tuple[float, float]:
        share = min(max((y - y_range[0]) / (y_range[1] - y_range[0]), 0), 1)
        return LEFT + x / top_x * inner_x, TOP + (1 - share) * inner_y

    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif"'
    parts = [f'{head} font-size="13">', f'<rect width="{WIDTH}" height="{HEIGHT}" rx="6" fill="white"/>']
    for i in range(5):
        value = y_range[0] + (y_range[1] - y_range[0]) * i / 4
        _, y = at(0, value)
        parts.append(f'<path d="M{LEFT} {y:.1f}h{inner_x}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" fill="#333">{value:.3g}</text>')
    for i, name in enumerate(x_names or [f"{top_x * i / 4:.3g}" for i in range(5)]):
        x, _ = at(i if x_names else top_x * i / 4, y_range[0])
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle" fill="#333">{name}</text>')
    for i, (low, high) in enumerate(spreads):
        (x, y), (_, y_high) = at(i, low), at(i, high)
        parts.append(f'<path d="M{x:.1f} {y:.1f}V{y_high:.1f}" stroke="#0072b2" stroke-width="5" opacity="0.3"/>')
    ends = sorted((at(*curve[-1])[1], name) for name, curve in curves.items())
    places, last = {}, 0.0
    for y, name in ends:  # names do not overlap
        last = places[name] = max(y + 4, last + 15)
    for colour, (name, curve) in zip(COLOURS, curves.items(), strict=False):
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(*point) for point in curve))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="{WIDTH - RIGHT + 8}" y="{places[name]:.1f}" fill="{colour}">{name}</text>')
    parts.append(f'<text x="{LEFT}" y="20" fill="#333">{y_title}</text>')
    parts.append(f'<text x="{LEFT + inner_x / 2}" y="{HEIGHT - 8}" text-anchor="middle" fill="#333">{x_title}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=list(LESSONS), default=[])
    arguments = parser.parse_args()
    main(arguments.seeds, arguments.only)
