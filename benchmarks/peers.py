"""deepglass compared with scikit-learn on tables, and with a plain PyTorch loop on MNIST.

    python benchmarks/peers.py tables     # about 5 minutes on two cores
    python benchmarks/peers.py mnist      # about 8 minutes; also draws docs/mnist.svg

All models run one after the other on the same rows; seconds are fitting times. Results go to docs/peers.json, from
which docs/performance.md is written by hand.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import deepglass
from deepglass.baselines.flatten import flatten
from deepglass.data.sources import read
from deepglass.prepare.prepare import prepare
from deepglass.spec.spec import Spec

ROOT = Path(__file__).parent.parent
DATA = os.environ.setdefault("DEEPGLASS_DATA", str(ROOT.parent / "shared" / "data"))
RESULTS = ROOT / "docs" / "peers.json"
BUDGETS = (4, 7, 15, 30, 60)
TABLES = {
    "california_housing": ({"target": "median_house_value", "split": {"test": 0.2}}, "r2"),
    "adult_census": ({"target": "column_15"}, "roc_auc"),
}


def tables() -> dict[str, Any]:
    """scikit-learn's linear model, boosting and MLP, and deepglass in 10 and 60 seconds."""
    results = {}
    for name, (settings, metric) in TABLES.items():
        source = f"data:{name}"
        content = {"data": {"source": source, "split": settings.get("split", {})}, "outputs": [settings["target"]]}
        _, prepared = prepare(Spec.from_dict(content))
        target = prepared.outputs[0]
        results_: dict[str, Any] = {}
        for peer, fit in _sklearn_models(target.kind == "number").items():
            results_[peer] = _fit_peer(prepared, fit, metric)
        for seconds in (10, 60):
            with tempfile.TemporaryDirectory() as folder:
                run = deepglass.train(source, out=Path(folder) / "run", time=seconds, baselines=False, **settings)
                results_[f"deepglass {seconds} s"] = {
                    metric: run.metrics["test"][target.name][metric],
                    "seconds": run.metrics["seconds"]["train"],
                    "one_row_ms": _milliseconds(partial(run.predict, _row(prepared))),
                }
        results[name] = results_
        print(name, json.dumps(results_, indent=1), flush=True)
    return results


def mnist() -> dict[str, Any]:
    """Test accuracy at budgets of 4 to 60 seconds, and of a plain loop after each epoch."""
    ours = []
    for seconds in BUDGETS:
        with tempfile.TemporaryDirectory() as folder:
            run = deepglass.train("data:mnist", out=Path(folder) / "run", time=seconds, baselines=False)
            ours.append((run.metrics["seconds"]["train"], run.metrics["test"]["label"]["accuracy"]))
            print("deepglass", ours[-1], flush=True)
    plain = plain_loop(max(BUDGETS) + 40)
    (ROOT / "docs" / "mnist.svg").write_text(plot({"deepglass": ours, "plain PyTorch loop": plain}))
    return {"deepglass": ours, "plain": plain}


def plain_loop(seconds: float) -> list[tuple[float, float]]:
    """The loop of a tutorial: two convolutions, Adam, batches of 64 from a DataLoader, float32."""
    table = read("data:mnist")
    images, labels = np.asarray(table["image"]), np.asarray(table["label"])
    parts = {p: np.flatnonzero(table.split == p) for p in ("train", "test")}
    x = {p: torch.from_numpy(images[r]).float().unsqueeze(1) / 255 for p, r in parts.items()}
    y = {p: torch.from_numpy(labels[r].astype(np.int64)) for p, r in parts.items()}
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25),
        nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 10),
    )  # fmt: skip
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    loader = DataLoader(TensorDataset(x["train"], y["train"]), batch_size=64, shuffle=True)
    spent, reached = 0.0, []
    while spent < seconds:
        start = time.perf_counter()
        network.train()
        for images_batch, labels_batch in loader:
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(images_batch), labels_batch).backward()
            optimizer.step()
        spent += time.perf_counter() - start
        network.eval()
        with torch.no_grad():
            right = sum(
                int((network(a).argmax(1) == b).sum()) for a, b in zip(x["test"].split(1000), y["test"].split(1000))
            )
        reached.append((spent, right / len(y["test"])))
        print("plain", reached[-1], flush=True)
    return reached


def plot(lines: dict[str, list[tuple[float, float]]]) -> str:
    """Error against seconds, both on logarithmic axes, as SVG."""
    width, height, left, bottom = 640, 360, 70, 50
    points = [p for line in lines.values() for p in line]
    x_low, x_high = np.log10(0.8 * min(p[0] for p in points)), np.log10(1.2 * max(p[0] for p in points))
    errors = [1 - p[1] for p in points]
    y_low, y_high = np.log10(0.8 * min(errors)), np.log10(1.3 * max(errors))
    place_x = lambda s: left + (np.log10(s) - x_low) / (x_high - x_low) * (width - left - 20)  # noqa: E731
    place_y = lambda e: 20 + (np.log10(e) - y_low) / (y_high - y_low) * (height - bottom - 20)  # noqa: E731
    colours = ("#0072b2", "#d55e00")
    box = f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="13"'
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" {box}>']
    parts.append(f'<rect width="{width}" height="{height}" fill="white"/>')
    for seconds in (4, 7, 15, 30, 60, 100):
        if x_low < np.log10(seconds) < x_high:
            x = f"{place_x(seconds):.1f}"
            parts.append(f'<line x1="{x}" x2="{x}" y1="20" y2="{height - bottom}" stroke="#ddd"/>')
            parts.append(f'<text x="{x}" y="{height - bottom + 18}" text-anchor="middle">{seconds}</text>')
    for error in (0.004, 0.005, 0.007, 0.01, 0.015, 0.02, 0.03):
        if y_low < np.log10(error) < y_high:
            y, share = place_y(error), f"{100 * (1 - error):.1f} %"
            parts.append(f'<line y1="{y:.1f}" y2="{y:.1f}" x1="{left}" x2="{width - 20}" stroke="#ddd"/>')
            parts.append(f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{share}</text>')
    for (name, line), colour in zip(lines.items(), colours, strict=True):
        path = " ".join(f"{place_x(s):.1f},{place_y(1 - a):.1f}" for s, a in line)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{place_x(s):.1f}" cy="{place_y(1 - a):.1f}" r="4" fill="{colour}"/>' for s, a in line]
        s, a = line[0]
        parts.append(f'<text x="{place_x(s) + 10:.1f}" y="{place_y(1 - a) + 18:.1f}" fill="{colour}">{name}</text>')
    parts.append(f'<text x="{width / 2}" y="{height - 10}" text-anchor="middle">seconds of training, two cores</text>')
    parts.append(f'<text x="{left}" y="14">MNIST test accuracy</text></svg>')
    return "\n".join(parts) + "\n"


def _sklearn_models(numbers: bool) -> dict[str, Callable[[], Any]]:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    if numbers:
        return {
            "linear": Ridge,
            "gradient boosting": lambda: HistGradientBoostingRegressor(random_state=0),
            "scikit-learn MLP": lambda: MLPRegressor(early_stopping=True, random_state=0, max_iter=200),
        }
    return {
        "linear": lambda: LogisticRegression(max_iter=1000),
        "gradient boosting": lambda: HistGradientBoostingClassifier(random_state=0),
        "scikit-learn MLP": lambda: MLPClassifier(early_stopping=True, random_state=0),
    }


def _fit_peer(prepared: Any, make: Callable[[], Any], metric: str) -> dict[str, float]:
    """A model on one-hot categories and standardised numbers, its target standardised where it is a number."""
    from sklearn.metrics import r2_score, roc_auc_score

    target = prepared.outputs[0]
    model = make()
    flat = flatten(prepared.split_table("train"), prepared.split_table("test"), prepared.inputs)
    x = flat.linear
    if "Boosting" in type(model).__name__:
        x = flat.trees
        model.set_params(categorical_features=flat.categorical)
    y = {
        p: target.encode(prepared.split_table(p)[target.column]).values.astype(float).reshape(-1)
        for p in ("train", "test")
    }
    numbers = metric == "r2"
    shift, scale = (y["train"].mean(), y["train"].std()) if numbers else (0.0, 1.0)
    start = time.perf_counter()
    model.fit(x[0], (y["train"] - shift) / scale)
    seconds = time.perf_counter() - start
    if numbers:
        value = r2_score(y["test"], model.predict(x[1]) * scale + shift)
    else:
        value = roc_auc_score(y["test"], model.predict_proba(x[1])[:, 1])
    return {metric: float(value), "seconds": seconds, "one_row_ms": _milliseconds(lambda: model.predict(x[1][:1]))}


def _milliseconds(call: Callable[[], Any], repeats: int = 200) -> float:
    """The median of warm calls."""
    for _ in range(20):
        call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times))


def _row(prepared: Any) -> dict[str, Any]:
    row = prepared.table.row(0)
    return {f.column: row[f.column] for f in prepared.inputs}


if __name__ == "__main__":
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in sys.argv[1:] or ["tables", "mnist"]:
        results[name] = {"tables": tables, "mnist": mnist}[name]()
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
