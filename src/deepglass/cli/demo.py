"""`make demo`: train a network on the handwritten digits of scikit-learn and write its report."""

import time
from pathlib import Path

import numpy as np

import deepglass
from deepglass.cli.progress import ProgressBar
from deepglass.data.sources import read
from deepglass.errors import DeepglassError
from deepglass.formatting import prediction_line
from deepglass.run.folder import Folder

TRAINING_SECONDS = 15
SHOWN_DIGITS = 4
SHADES = " .:-=+*#%@"


def main() -> None:
    """Train for 15 seconds, print some test digits with their predictions and the path of the report."""
    started = time.perf_counter()
    out = Folder.claim("demo", Path("runs"))
    run = deepglass.train("sklearn:digits", time=TRAINING_SECONDS, out=out, callbacks=[ProgressBar()])
    test = run.metrics["test"]["label"]
    rows = run.folder.split().filter(split="test")["row"].to_numpy()
    print(f"\ntest accuracy {test['accuracy']:.4f} on {len(rows)} test digits; some of them:\n")
    images = read("sklearn:digits").take(rows[:SHOWN_DIGITS])["image"]
    predictions = run.predict({"image": images})
    for row in zip(*(_image_lines(np.asarray(image)) for image in images), strict=True):
        print("   ".join(row))
    width = 2 * np.asarray(images).shape[2]
    print("   ".join(f"{prediction_line(p['label']):^{width}}" for p in predictions))
    print(f"\n{time.perf_counter() - started:.0f} s in all. Open the report in a browser:")
    print(f"  {Path.cwd() / out / 'report.html'}")


def _image_lines(image: np.ndarray, width: int = 16) -> list[str]:
    """A grey image (Y, X) as lines of text, two characters per pixel to keep the aspect ratio."""
    step = max(1, -(-image.shape[1] // width))
    small = image[::step, ::step].astype(float)
    levels = (small / max(small.max(), 1) * (len(SHADES) - 1)).astype(int)
    return ["".join(SHADES[v] * 2 for v in row) for row in levels]


if __name__ == "__main__":
    try:
        main()
    except DeepglassError as error:
        raise SystemExit(f"error: {error}") from error
