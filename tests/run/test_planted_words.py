"""The default network for texts and its linear baseline, where a frequent word or the order of two words decides."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import deepglass


def planted(words: list[str], label: int, random: np.random.Generator) -> None:
    """A word that only texts of class 1 have."""
    if label:
        words[random.integers(len(words))] = "zonk"


def order(words: list[str], label: int, random: np.random.Generator) -> None:
    """Two words, whose order is the class: a linear model of words cannot tell."""
    at = random.integers(len(words) - 1)
    words[at : at + 2] = ["red", "blue"] if label else ["blue", "red"]


def texts(plant: Callable[[list[str], int, np.random.Generator], None], rows: int, seed: int) -> pl.DataFrame:
    """30 words of 2,000 in each text, and 3 % wrong labels."""
    random = np.random.default_rng(seed)
    lines, labels = [], []
    for _ in range(rows):
        words, label = [f"w{i}" for i in random.integers(0, 2000, 30)], int(random.integers(2))
        plant(words, label, random)
        lines.append(" ".join(words))
        labels.append("ab"[label if random.random() > 0.03 else 1 - label])
    return pl.DataFrame({"text": lines, "label": labels})


@pytest.mark.parametrize("plant", [planted, order])
def test_the_default_network_is_as_good_as_the_linear_model(
    plant: Callable[[list[str], int, np.random.Generator], None], tmp_path: Path
) -> None:
    texts(plant, 1200, 0).write_csv(tmp_path / "train.csv")
    texts(plant, 600, 1).write_csv(tmp_path / "test.csv")
    run = deepglass.train(
        tmp_path / "train.csv",
        "label",
        test=tmp_path / "test.csv",
        kinds={"text": "text"},
        out=tmp_path / "run",
        training={"threads": 1},
    )
    accuracy = run.metrics["test"]["label"]["accuracy"]
    linear = run.metrics["baselines"]["label"]["linear"]
    assert accuracy > 0.85
    assert accuracy >= linear["accuracy"] - 0.01
    assert linear["paired_difference"] == pytest.approx(accuracy - linear["accuracy"], abs=1e-6)


def test_a_network_that_is_worse_than_its_linear_baseline_is_called_so(tmp_path: Path) -> None:
    texts(planted, 1200, 0).write_csv(tmp_path / "texts.csv")
    run = deepglass.train(
        tmp_path / "texts.csv", "label", kinds={"text": "text"}, steps=2, out=tmp_path / "run", training={"threads": 1}
    )
    assert run.metrics["baselines"]["label"]["linear"]["paired_high"] < 0
    html = (tmp_path / "run" / "report.html").read_text()
    assert "Worse than a simpler model" in html or "Not shown to be better than a constant prediction" in html
    assert "linear model reaches" in html
