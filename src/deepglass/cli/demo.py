"""`make demo`: real handwritten digits, from scikit-learn's own bundle, to a trained and reported network."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

import deepglass
from deepglass.cli.progress import ProgressBar
from deepglass.cli.show import image_lines, prediction_line
from deepglass.data.sources import read
from deepglass.errors import DeepglassError
from deepglass.run.folder import Folder

TRAINING_SECONDS = 15
SHOWN_DIGITS = 4


def main() -> None:
    """Train for 15 seconds, print some test digits with their predictions and the path of the report."""
    started = time.perf_counter()
    out = Folder.next_free("demo")
    run = deepglass.train("sklearn:digits", time=TRAINING_SECONDS, out=out, callbacks=[ProgressBar()])
    test = run.metrics["test"]["label"]
    print(f"\ntest accuracy {test['accuracy']:.4f} on {_test_rows(out)} digits; some of them:\n")
    rows = run.folder.split().filter(split="test")["row"].to_numpy()[:SHOWN_DIGITS]
    images = read("sklearn:digits").take(rows)["image"]
    predictions = run.predict({"image": images})
    for row in zip(*(image_lines(np.asarray(image)) for image in images), strict=True):
        print("   ".join(row))
    width = 2 * np.asarray(images).shape[2]
    print("   ".join(f"{prediction_line(p['label']):^{width}}" for p in predictions))
    print(f"\n{time.perf_counter() - started:.0f} s in all. The report, to be opened in a browser:")
    print(f"  {(Path.cwd() / out / 'report.html')}")


def _test_rows(run: Path) -> int:
    return deepglass.Run(run).folder.split().filter(split="test").height


if __name__ == "__main__":
    try:
        main()
    except DeepglassError as error:
        raise SystemExit(f"error: {error}") from error
