"""Baselines of single kinds of output, on planted data where their value is known."""

from collections.abc import Callable, Sequence
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
from deepglass.metrics.summaries import Figure
from deepglass.report.output_facts import OutputFacts
from deepglass.report.paired_baselines import comparison_with, stored_baselines
from deepglass.report.verdict import judge


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


def boxed(rows: int, seed: int = 0) -> Table:
    """Two boxes that hardly move."""
    random = np.random.default_rng(seed)
    places = {"left": [0.1, 0.1, 0.3, 0.4], "right": [0.6, 0.5, 0.9, 0.9]}
    boxes = [
        [
            {"label": name, **dict(zip(SIDES, (20 * np.array(box) + random.normal(0, 0.1, 4)).tolist(), strict=True))}
            for name, box in places.items()
        ]
        for _ in range(rows)
    ]
    return Table({"image": random.integers(0, 255, (rows, 20, 20)).astype(np.uint8), "boxes": pl.Series(boxes)})


def test_mean_boxes_find_objects_that_do_not_move() -> None:
    train, test = boxed(40), boxed(20, 1)
    scores = baselines(train, test, [fitted("image", "image", train)], fitted_output("boxes", "boxes", train))
    assert scores["mean_boxes"]["map50"] > 0.99
    assert scores["constant"]["map50"] == 0


def captions(rows: int, seed: int) -> Table:
    """The first word of the caption stands in the input, the others are the same."""
    random = np.random.default_rng(seed)
    names = random.choice(["cat", "dog", "cow", "fox", "owl"], rows)
    source = [f"a {name} of number {random.integers(1000)}" for name in names]
    return Table({"source": pl.Series(source), "caption": pl.Series([f"{name} sits on the mat" for name in names])})


def test_the_text_of_the_most_similar_row_is_a_baseline_of_texts() -> None:
    train, test = captions(60, 0), captions(30, 1)
    source = fitted("text", "source", train, tokenization="words")
    scores = baselines(train, test, [source], fitted_output("text", "caption", train))
    assert scores["nearest_row"]["accuracy"] > 0.9
    assert scores["constant"]["accuracy"] < 0.5


def labelled(rows: int, seed: int) -> Table:
    """Label a where x is positive, b where y is, c where x + y is."""
    x, y = np.random.default_rng(seed).normal(size=(2, rows))
    labels = [[n for n, v in (("a", p), ("b", q), ("c", p + q)) if v > 0] for p, q in zip(x, y, strict=True)]
    return Table({"x": pl.Series(x), "y": pl.Series(y), "labels": pl.Series(labels)})


def test_labels_have_a_linear_model_each() -> None:
    train, test = labelled(300, 0), labelled(100, 1)
    inputs = [fitted("number", name, train) for name in "xy"]
    scores = baselines(train, test, inputs, fitted_output("multilabel", "labels", train))
    assert scores["linear"]["map"] > 0.98
    assert scores["constant"]["map"] < 0.7


def walks(rows: int, seed: int) -> Table:
    walk = np.random.default_rng(seed).normal(size=(rows, 24)).cumsum(1)
    return Table({"past": pl.Series(walk[:, :20].tolist()), "next": pl.Series(walk[:, 20:22].tolist())})


@pytest.mark.parametrize(
    ("kind", "model", "make", "input_kinds", "target"),
    [
        ("mask", "colour_and_position", scenes, {"image": "image"}, "mask"),
        ("boxes", "mean_boxes", boxed, {"image": "image"}, "boxes"),
        ("sequence", "last_value", walks, {"past": "sequence"}, "next"),
        ("text", "nearest_row", captions, {"source": "text"}, "caption"),
        ("multilabel", "linear", labelled, {"x": "number", "y": "number"}, "labels"),
    ],
)
def test_each_kind_is_compared_with_its_baseline_in_pairs(
    kind: str, model: str, make: Callable[[int, int], Table], input_kinds: dict[str, str], target: str
) -> None:
    """A network that predicts the constant is as good as the constant, and clearly worse than the kind's model."""
    train, test = make(60, 0), make(30, 1)
    inputs = [fitted(k, name, train) for name, k in input_kinds.items()]
    output = fitted_output(kind, target, train)
    right = output.baseline(output.encode(train[target]))
    constant = {name: np.repeat(value, len(test), axis=0) for name, value in right.items()}
    scores = baselines(train, test, inputs, output, compare=comparison_with(output, {target: constant}, {}))
    same, other = (stored_baselines({"baselines": {target: scores}}, target)[n].paired for n in ("constant", model))
    assert same is not None
    assert (same.difference, same.p_value) == (0, 1)
    metric = output.metric.name
    assert other is not None
    assert other.difference == pytest.approx(scores["constant"][metric] - scores[model][metric], rel=1e-3)
    assert other.p_value < 0.01
    assert other.low <= other.difference <= other.high < 0
    facts = OutputFacts(
        name=target,
        metric=output.metric,
        test={metric: Figure(scores["constant"][metric])},
        test_rows=30,
        baselines=stored_baselines({"baselines": {target: scores}}, target),
    )
    assert judge(facts).outcome == "worse"


def test_the_last_value_of_a_random_walk_is_its_best_prediction() -> None:
    train, test = walks(200, 0), walks(100, 1)
    past = fitted("sequence", "past", train)
    scores = baselines(train, test, [past], fitted_output("sequence", "next", train, [past]))
    expected = 1 - 1.5 / np.array(test["next"].to_list()).var()  # steps 1 and 2 have errors of variance 1 and 2
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
    paired = stored_baselines(run.metrics, "next_token")["n_grams"].paired
    assert paired is not None
    bits = run.metrics["test"]["next_token"]["bits_per_character"]
    assert paired.difference == pytest.approx(scores["n_grams"]["bits_per_character"] - bits, abs=1e-4)
    html = (tmp_path / "run" / "report.html").read_text()
    assert "n-gram model" in html
