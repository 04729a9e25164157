"""How often the verdict of a report on a network is wrong, over simulated test sets.

    python benchmarks/verdicts.py [--runs 1000]

`equal`: share of the runs in which one of three equally good models is called better or worse than the other two.
`better`: share of those in which a model that makes a third less errors than both is called better.
Each run draws its own test rows; some are hard for all models. No network is trained: the test sees errors alone.
"""

import argparse
import time

import numpy as np

from deepglass.metrics.paired import PairedTest, compare_errors, compare_scores, compare_shares
from deepglass.report.verdict import compare_models

ROWS = (10, 25, 50, 100, 400)  # test rows


def classes(random: np.random.Generator, rows: int, gain: float) -> list[PairedTest]:
    """Accuracy: McNemar's test. The first model errs `1 - gain` times as often."""
    error = np.where(random.random(rows) < 0.3, 0.5, 0.05)
    right = [random.random(rows) >= error * factor for factor in (1 - gain, 1, 1)]
    return [compare_shares(right[0], other) for other in right[1:]]


def numbers(random: np.random.Generator, rows: int, gain: float) -> list[PairedTest]:
    """Squared errors: permutation test."""
    scale = random.lognormal(0, 0.5, rows)
    errors = [factor * (scale * random.standard_t(3, rows)) ** 2 for factor in (1 - gain, 1, 1)]
    return [compare_errors(errors[0], other) for other in errors[1:]]


def masks(random: np.random.Generator, rows: int, gain: float) -> list[PairedTest]:
    """IoU of all pixels: randomisation test of a metric that is no mean over rows."""
    size = random.lognormal(3, 1, rows)
    missed = [size * factor * random.beta(2, 8, rows) for factor in (1 - gain, 1, 1)]
    pixels = [np.stack([size - pixels, size + pixels]) for pixels in missed]
    tests = []
    for other in pixels[1:]:
        both = np.concatenate([pixels[0], other], 1)
        test = compare_scores(lambda index, both=both: float(np.divide(*both[:, index].sum(1))), rows)
        assert test is not None
        tests.append(test)
    return tests


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    runs = parser.parse_args().runs
    started = time.process_time()
    print(f"{'':10}{'rows':>6}{'equal':>8}{'better':>8}")
    for kind in (classes, numbers, masks):
        for rows in ROWS:
            random = np.random.default_rng(rows)
            equal = [compare_models(kind(random, rows, 0.0)) in ("better", "worse") for _ in range(runs)]
            better = [compare_models(kind(random, rows, 1 / 3)) == "better" for _ in range(runs)]
            print(f"{kind.__name__:10}{rows:6}{np.mean(equal):8.1%}{np.mean(better):8.1%}", flush=True)
    print(f"{runs} runs, {time.process_time() - started:.0f} s of processor time")


if __name__ == "__main__":
    main()
