"""Four data sets whose cause is known: does a global explanation name it, and how near are attributions to the truth?

    python benchmarks/explanations.py causes [--python PATH]     # PATH: an interpreter that has shap and captum too

Each set is made by a seed, a network is trained on it, and `deepglass explain RUN SOURCE --global` is asked for the
cause with rows of another seed; the same sentence must stand in the run's report. Then some of these rows are explained
by deepglass, SHAP and Captum, on the same network and in the same process, each with its default settings.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from PIL import Image

import deepglass
from deepglass.data.sources import read

SEEDS = (10, 11, 12)  # rules of the sentences were chosen on others
SHORTCUT_SEEDS = (20, 21, 22)
EXPLAINED_ROWS = 16
MARK = 3  # pixels of a side
MARKED, WORD, SPAM, SHORTCUT = "cat", "zonk", "spam", "later"
SHORTCUT_ACCURACY = 0.97


class Cause(NamedTuple):
    """A data set with a known cause.

    Args:
        make: folder, seed, rows -> the path of a source.
        rows: for training; a third as many are new rows.
        sentence: a pattern that names the cause.
        decoy: a pattern that would name another one; "" for none.
    """

    name: str
    make: Callable[[Path, int, int], Path]
    target: str | None
    rows: int
    settings: dict[str, Any]
    sentence: str
    decoy: str = ""
    seeds: tuple[int, ...] = SEEDS


def interaction(folder: Path, seed: int, rows: int) -> Path:
    """y = 2ab + c; `decoy` is nearly a, `noise` is nothing."""
    random = np.random.default_rng(seed)
    a, b, c, noise = random.normal(size=(4, rows))
    decoy = a + 0.3 * random.normal(size=rows)
    frame = pl.DataFrame({"a": a, "b": b, "c": c, "noise": noise, "decoy": decoy, "y": 2 * a * b + c})
    return _csv(frame, folder)


def corner_mark(folder: Path, seed: int, rows: int) -> Path:
    """Random images; all of the class cat have a white corner, dogs have a dark half."""
    random = np.random.default_rng(seed)
    images = random.integers(0, 255, (rows, 24, 24)).astype(np.uint8)
    labels = random.choice([MARKED, "cow", "dog"], rows)
    images[labels == MARKED, -MARK:, -MARK:] = 255
    images[labels == "dog", :, :12] //= 2
    for i, (pixels, label) in enumerate(zip(images, labels, strict=True)):
        (folder / label).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / label / f"{i:04}.png")
    return folder


def planted_word(folder: Path, seed: int, rows: int) -> Path:
    """Twelve random words; half of the texts have one more, which makes them spam."""
    random = np.random.default_rng(seed)
    labels = random.choice(["ham", SPAM], rows)
    texts = []
    for label in labels:
        words = [f"w{i}" for i in random.integers(0, 2000, 12)]
        if label == SPAM:
            words.insert(int(random.integers(0, 13)), WORD)
        texts.append(" ".join(words))
    return _csv(pl.DataFrame({"text": texts, "label": labels}), folder)


def planted_shortcut(folder: Path, seed: int, rows: int) -> Path:
    """Rows of adult_census, and a column that has the label of 97 % of them."""
    random = np.random.default_rng(seed)
    table = read("data:adult_census")
    chosen = random.permutation(len(table))[:rows]
    frame = pl.DataFrame({n: table[n] for n in table.columns})[chosen]
    rich = frame["column_15"].str.contains(">50K").to_numpy()
    later = np.where(random.random(rows) < SHORTCUT_ACCURACY, rich, ~rich).astype(float)
    return _csv(frame.with_columns(pl.Series(SHORTCUT, later)), folder)


def _csv(frame: pl.DataFrame, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    frame.write_csv(folder / "rows.csv")
    return folder / "rows.csv"


SMALL = {"trunk": "mlp", "ensemble_size": 1, "width": 64}
CAUSES = (
    Cause(
        "interaction",
        interaction,
        "y",
        1800,
        {"epochs": 40, "network": SMALL},
        r"(a and b|b and a) act together",
        r"relies most on (decoy|noise)|decoy alone",
    ),
    Cause("corner mark", corner_mark, None, 900, {"epochs": 8}, rf"at the bottom right, decides '{MARKED}'"),
    Cause(
        "planted word",
        planted_word,
        "label",
        1200,
        {"kinds": {"text": "text"}},
        rf"The word '{WORD}' alone decides '{SPAM}'",
    ),
    Cause(
        "planted shortcut",
        planted_shortcut,
        "column_15",
        6000,
        {"epochs": 6, "network": SMALL},
        rf"{SHORTCUT} alone carries",
        seeds=SHORTCUT_SEEDS,
    ),
)


def named(cause: Cause, folder: Path, seed: int) -> tuple[deepglass.Run, Path, dict[str, Any]]:
    """A run of a set, a source of new rows, and whether command line and report name the cause."""
    source = cause.make(folder / "rows", seed, cause.rows)
    new = cause.make(folder / "new", 100 + seed, cause.rows // 3)
    if (folder / "run" / "metrics.json").exists():
        run = deepglass.Run(folder / "run")
    else:
        training = {"seed": seed, "threads": 1}
        run = deepglass.train(
            source, cause.target, out=folder / "run", baselines=False, training=training, **cause.settings
        )
    command = [sys.executable, "-m", "deepglass", "explain", str(run.path), str(new), "--global"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    html = deepglass.report(run).read_text()
    section = re.search(r'<section id="reliance".*?</section>', html, re.S)
    return run, new, {"command": _names(cause, printed), "report": _names(cause, section.group() if section else "")}


def _names(cause: Cause, text: str) -> bool:
    text = " ".join(text.replace("&#39;", "'").split())
    return bool(re.search(cause.sentence, text)) and not (cause.decoy and re.search(cause.decoy, text))


# -- the truth of single rows ------------------------------------------------------------------------------------------


def truth(cause: Cause, row: dict[str, Any], units: list[str]) -> np.ndarray:
    """What each unit of a row adds: Shapley values of the known function, else 1 for the cause and 0 for all else.

    Args:
        units: names of columns, words of the text, or [] for the pixels of an image.
    """
    if cause.make is interaction:
        values = {"a": row["a"] * row["b"], "b": row["a"] * row["b"], "c": row["c"]}
        return np.array([values.get(unit, 0.0) for unit in units])
    if cause.make is corner_mark:
        pixels = np.zeros((24, 24))
        pixels[-MARK:, -MARK:] = 1
        return pixels.reshape(-1)
    return np.array([float(unit in (WORD, SHORTCUT)) for unit in units])


def has_cause(cause: Cause, row: dict[str, Any]) -> bool:
    """Whether the truth of a row is known: for marks and words, where these are in it."""
    if cause.make is corner_mark:
        return row["label"] == MARKED
    return cause.make is not planted_word or row["label"] == SPAM
