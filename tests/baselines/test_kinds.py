"""Baselines of single kinds of output, on planted data where their value is known."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import deepglass
from deepglass.baselines.simple import baselines
from deepglass.data.table import Table
from deepglass.features.base import FEATURES, Feature
from deepglass.features.boxes import SIDES
from deepglass.features.outputs.base import OUTPUTS, Output
from deepglass.metrics.paired import PairedTest
from deepglass.report.paired_baselines import comparison_with, stored_baselines


def fitted(kind: str, name: str, train: Table, **settings: object) -> Feature:
    return FEATURES.get(kind)(name=name, **settings).fit([train[name]])


def fitted_output(kind: str, name: str, train: Table, inputs: Sequence[Feature] = ()) -> Output:
    output = OUTPUTS.get(kind)(name=name).fit([train[name]])
    columns = {f.name: f.encode(train[f.column]) for f in inputs}
    return output.align_to(output.encode(train[name]), columns) if inputs else output


def sentences(rows: int, seed: int) -> Table:
    """`w3` has tag 3 of 4, but every tenth word has the next tag."""
    random = np.random.default_rng(seed)
    words = [random.integers(0, 40, random.integers(5, 12)) for _ in range(rows)]
    tags = [[f"t{(w + (random.random() < 0.1)) % 4}" for w in row] for row in words]
    return Table({"words": pl.Series([[f"w{w}" for w in row] for row in words]), "tags": pl.Series(tags)})


def test_the_most_frequent_tag_of_a_word_is_compared_sentence_by_sentence() -> None:
    train, test = sentences(400, 0), sentences(150, 1)
    words = fitted("text", "words", train, tokenization="words")
    output = fitted_output("tags", "tags", train, [words])
    right = output.baseline(output.encode(train["tags"]))
    constant = {name: np.repeat(value, len(test), axis=0) for name, value in right.items()}
    compare = comparison_with(output, {"tags": constant}, {})
    scores = baselines(train, test, [words], output, compare=compare)
    assert scores["most_frequent_tag"]["accuracy"] == pytest.approx(0.9, abs=0.02)
    assert scores["constant"]["accuracy"] == pytest.approx(0.25, abs=0.04)
    test_of = stored_baselines({"baselines": {"tags": scores}}, "tags")["most_frequent_tag"].paired
    assert isinstance(test_of, PairedTest)
    assert test_of.p_value < 1e-3  # the least of 4,000 permutations
    difference = scores["constant"]["accuracy"] - scores["most_frequent_tag"]["accuracy"]
    assert test_of.difference == pytest.approx(difference, abs=1e-6)


def scenes(rows: int, seed: int) -> Table:
    """Bright pixels are class 2, dark ones class 1 in the upper half and class 0 in the lower half."""
    random = np.random.default_rng(seed)
    bright = random.random((rows, 16, 16)) < 0.3
    images = np.where(bright, random.integers(160, 255, bright.shape), random.integers(0, 90, bright.shape))
    upper = np.broadcast_to((np.arange(16) < 8)[:, None], bright.shape)
    return Table({"image": images.astype(np.uint8), "mask": np.where(bright, 2, upper).astype(np.uint8)})


def test_colour_and_position_of_a_pixel_tell_its_class() -> None:
    train, test = scenes(60, 0), scenes(20, 1)
    scores = baselines(train, test, [fitted("image", "image", train)], fitted_output("mask", "mask", train))
    assert scores["colour_and_position"]["miou"] > 0.99
    assert scores["constant"]["miou"] < 0.3


def test_mean_boxes_find_objects_that_do_not_move() -> None:
    random = np.random.default_rng(0)
    places = {"left": [0.1, 0.1, 0.3, 0.4], "right": [0.6, 0.5, 0.9, 0.9]}

    def rows(count: int) -> Table:
        boxes = [
            [
                {
                    "label": name,
                    **dict(zip(SIDES, (20 * np.array(box) + random.normal(0, 0.1, 4)).tolist(), strict=True)),
                }
                for name, box in places.items()
            ]
            for _ in range(count)
        ]
        images = random.integers(0, 255, (count, 20, 20)).astype(np.uint8)
        return Table({"image": images, "boxes": pl.Series(boxes)})

    train, test = rows(40), rows(20)
    scores = baselines(train, test, [fitted("image", "image", train)], fitted_output("boxes", "boxes", train))
    assert scores["mean_boxes"]["map50"] > 0.99
    assert scores["constant"]["map50"] == 0


def test_the_last_value_of_a_random_walk_is_its_best_prediction() -> None:
    random = np.random.default_rng(0)
    walks = random.normal(size=(300, 24)).cumsum(1)
    table = Table({"past": pl.Series(walks[:, :20].tolist()), "next": pl.Series(walks[:, 20:22].tolist())})
    train, test = table.take(np.arange(200)), table.take(np.arange(200, 300))
    past = fitted("sequence", "past", train)
    scores = baselines(train, test, [past], fitted_output("sequence", "next", train, [past]))
    expected = 1 - 1.5 / walks[200:, 20:22].var()  # steps 1 and 2 have errors of variance 1 and 2
    assert scores["last_value"]["r2"] == pytest.approx(expected, abs=0.03)
    assert scores["constant"]["r2"] < 0.05


def test_a_linear_model_hears_the_pitch() -> None:
    random = np.random.default_rng(0)
    high = random.random(200) < 0.5
    times = np.arange(1600) / 8000
    waves = np.sin(2 * np.pi * np.where(high, 1500, 400)[:, None] * times) + random.normal(0, 0.3, (200, 1600))
    table = Table({"sound": (0.3 * waves).astype(np.float32), "label": pl.Series(high)})
    train, test = table.take(np.arange(140)), table.take(np.arange(140, 200))
    scores = baselines(train, test, [fitted("audio", "sound", train)], fitted_output("binary", "label", train))
    assert scores["linear"]["accuracy"] > 0.98
    assert scores["gradient_boosting"]["accuracy"] > 0.9


def test_n_grams_are_measured_beside_a_language_model(tmp_path: Path) -> None:
    """After "a" comes "b" or "c", then "a" again, or in one of 30 cases a new line: 0.595 bits a character."""
    random = np.random.default_rng(0)
    lines = ["".join("a" + random.choice(["b", "c"]) for _ in range(30)) for _ in range(300)]
    (tmp_path / "text.txt").write_text("\n".join(lines))
    run = deepglass.train(
        tmp_path / "text.txt", objective="next_token", steps=4, out=tmp_path / "run", training={"threads": 1}
    )
    (scores,) = run.metrics["baselines"].values()
    assert scores["n_grams"]["bits_per_character"] == pytest.approx(0.595, abs=0.02)
    html = (tmp_path / "run" / "report.html").read_text()
    assert "n-gram model" in html
