"""`make demo`: real handwritten digits, from scikit-learn's own bundle, to a trained and reported network."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

import deepglass
from deepglass.cli.show import Bar, answer, drawn
from deepglass.data.sources import read
from deepglass.errors import DeepglassError
from deepglass.run.folder import Folder

SECONDS = 15
SHOWN = 4


def main() -> None:
    """Train for a quarter of a minute, show some test digits with their answers, say where the report is."""
    started = time.perf_counter()
    out = Folder.next_free("demo")
    run = deepglass.train("sklearn:digits", time=SECONDS, out=out, callbacks=[Bar()])
    test = run.metrics["test"]["label"]
    print(f"\ntest accuracy {test['accuracy']:.4f} on {_test_rows(out)} digits that it has never seen; some of them:\n")
    rows = run.folder.split().filter(split="test")["row"].to_numpy()[:SHOWN]
    pictures = read("sklearn:digits").take(rows)["image"]
    answers = run.predict({"image": pictures})
    for row in zip(*(drawn(np.asarray(picture)) for picture in pictures), strict=True):
        print("   ".join(row))
    width = 2 * np.asarray(pictures).shape[2]
    print("   ".join(f"{answer(a['label']):^{width}}" for a in answers))
    print(f"\n{time.perf_counter() - started:.0f} s in all. The report, to be opened in a browser:")
    print(f"  {(Path.cwd() / out / 'report.html')}")


def _test_rows(run: Path) -> int:
    return deepglass.Run(run).folder.split().filter(split="test").height


if __name__ == "__main__":
    try:
        main()
    except DeepglassError as error:
        raise SystemExit(f"error: {error}") from error
