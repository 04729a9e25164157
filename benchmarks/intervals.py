"""Prediction intervals of numbers: coverage and width beside intervals of one width, on tables of numbers.

    python benchmarks/intervals.py [--data-root DIR] [--seeds 3] [NAME ...]

Each run has its own split: 10 % validation and 20 % test rows. Coverage by fifths is that of the predicted number.
"""

import argparse
import tempfile
import time

import numpy as np
import polars as pl

import deepglass

STEPS = {"california_housing": 400, "ett": 250, "diabetes": 100, "adult_age": 250, "heteroscedastic": 400}
LEVEL_BANDS = 5
ABOVE = {"california_housing": 300_000}  # beyond which the coverage is printed too


def heteroscedastic(seed: int, count: int = 6000) -> pl.DataFrame:
    """Noise whose size depends on an input that the target's mean does not depend on."""
    generator = np.random.default_rng(100 + seed)
    x = generator.uniform(0, 1, (count, 5))
    noise = (0.1 + 2 * x[:, 1] ** 2) * generator.normal(size=count)
    return pl.DataFrame({f"x{i}": x[:, i] for i in range(5)} | {"y": 10 * x[:, 0] + 3 * np.sin(6 * x[:, 2]) + noise})


def arguments(name: str, seed: int) -> dict[str, object]:
    """Source, target and ignored columns."""
    return {
        "california_housing": {"source": "data:california_housing", "target": "median_house_value"},
        "ett": {"source": "data:ett", "target": "OT", "ignore": ["date"]},
        "diabetes": {"source": "sklearn:diabetes", "target": "target"},
        "adult_age": {"source": "data:adult_census", "target": "column_1"},
        "heteroscedastic": {"source": heteroscedastic(seed), "target": "y"},
    }[name]


def measure(name: str, seed: int, data_root: str | None) -> dict[str, object]:
    """Coverage overall and by fifths of the prediction, and width, of both kinds of intervals."""
    setting, split = arguments(name, seed), {"seed": seed, "test": 0.2, "valid": 0.1, "by": "random"}
    with tempfile.TemporaryDirectory() as folder:
        started = time.process_time()
        run = deepglass.train(
            **setting, out=folder, force=True, steps=STEPS[name], seed=seed, split=split, baselines=False,
            data_root=data_root, training={"threads": 1},
        )  # fmt: skip
        seconds = time.process_time() - started
        target = setting["target"]
        rows, calibration = pl.read_parquet(f"{folder}/predictions.parquet"), run.predictor.calibration[target]
    true, value, low, high = (rows[f"{target}.{key}"].to_numpy() for key in ("true", "value", "low", "high"))
    constant = calibration.get("constant_half_width", calibration["half_width"])
    order = np.argsort(value, kind="stable")
    result: dict[str, object] = {
        "rows": calibration["rows"],
        "seconds": seconds,
        "follows": "constant_half_width" in calibration,
    }
    for kind, below, above in (("row", low, high), ("constant", value - constant, value + constant)):
        inside = (below <= true) & (true <= above)
        result[kind] = inside.mean(), [inside[b].mean() for b in np.array_split(order, LEVEL_BANDS)]
        result[f"{kind}_width"] = (above - below).mean()
        top = np.argsort(true, kind="stable")[-len(true) // LEVEL_BANDS :]
        result[f"{kind}_top"] = inside[top].mean()
        if name in ABOVE:
            result[f"{kind}_above"] = [inside[values > ABOVE[name]].mean() for values in (true, value)]
    return result


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", default=list(STEPS))
    parser.add_argument("--data-root")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    for name in options.names:
        results = [measure(name, seed, options.data_root) for seed in range(options.seeds)]
        for kind in ("row", "constant"):
            overall = [r[kind][0] for r in results]
            bands = np.mean([r[kind][1] for r in results], 0)
            width = np.mean([r[f"{kind}_width"] / r["constant_width"] for r in results])
            top = np.mean([r[f"{kind}_top"] for r in results])
            if name in ABOVE:
                by = [", ".join(f"{100 * r[f'{kind}_above'][i]:.1f}" for r in results) for i in (0, 1)]
                print(f"{name:20}{kind:10} above {ABOVE[name]:,}: of the true value {by[0]}, of the prediction {by[1]}")
            listing = " ".join(f"{100 * b:.0f}" for b in bands)
            print(
                f"{name:20}{kind:10}{results[0]['rows']:6} rows  coverage {100 * np.mean(overall):.1f} "
                f"({', '.join(f'{100 * c:.1f}' for c in overall)})  fifths {listing}  true top fifth {100 * top:.0f}  "
                f"width {width:.2f}  follows the row in {sum(r['follows'] for r in results)}  "
                f"{np.mean([r['seconds'] for r in results]):.0f} s of processor time",
                flush=True,
            )


if __name__ == "__main__":
    main()
