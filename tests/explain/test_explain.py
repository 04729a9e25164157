"""Parts of explanations against closed forms: Shapley values, curves, word merging, regions."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from conftest import Command, made_up
from torch import Tensor

import deepglass
from deepglass.errors import SpecError
from deepglass.explain import shapley
from deepglass.explain.aggregate import strongest_region, words_in
from deepglass.explain.checks import deletion_insertion, rank_correlation
from deepglass.explain.explainer import Explainer
from deepglass.explain.files import color_strength, overlay
from deepglass.explain.reference import training_rows
from deepglass.explain.sound import important_cells, isolate, regions
from deepglass.features._explained_words import group_pieces
from deepglass.features.text import Text
from deepglass.mel import Frames
from deepglass.nn.explanation_targets import log_odds
from deepglass.nn.tokens import Field

COLUMNS = tuple("abcdefghij")


def rows(values: np.ndarray, columns: tuple[str, ...]) -> dict[str, Field]:
    """Numeric columns as fields."""
    x = torch.tensor(values, dtype=torch.float32)
    return {name: Field(x[:, i], torch.ones(len(x), dtype=torch.bool)) for i, name in enumerate(columns)}


@pytest.mark.parametrize("count", [4, 10], ids=["exact", "sampled"])
def test_attributions_of_a_linear_function_are_weight_times_difference(count: int) -> None:
    random = np.random.default_rng(0)
    columns, weights = COLUMNS[:count], random.normal(size=count)
    background, row = random.normal(size=(30, count)), random.normal(size=(1, count))

    def answered(inputs: dict[str, Field]) -> Tensor:
        return sum(float(w) * inputs[n].values for w, n in zip(weights, columns, strict=True))[:, None]

    found = shapley.shapley_values(answered, rows(row, columns), rows(background, columns), columns)
    assert found.exact == (count == 4)
    np.testing.assert_allclose(found.values[0], weights * (row[0] - background.mean(0)), atol=1e-4)
    np.testing.assert_allclose(found.completeness.gap, 0, atol=1e-5)
    errors = found.errors(slice(0, 1))
    assert errors is not None
    np.testing.assert_allclose(errors[1], np.abs(weights) * background.std(0, ddof=1) / 30**0.5, rtol=1e-4)
    np.testing.assert_allclose(errors[0], errors[1])  # the sum of one target


def test_shapley_values_of_a_product_are_equal_and_unused_inputs_get_zero() -> None:
    columns = ("a", "b", "c")
    answered = lambda inputs: (inputs["a"].values * inputs["b"].values)[:, None]  # noqa: E731
    background = np.zeros((5, 3))
    found = shapley.shapley_values(
        answered, rows(np.array([[2.0, 3.0, 9.0]]), columns), rows(background, columns), columns
    )
    np.testing.assert_allclose(found.values[0], [3, 3, 0], atol=1e-6)


def test_sampled_shapley_values_of_interactions_sum_up() -> None:
    random = np.random.default_rng(1)
    background, row = random.normal(size=(20, 10)), random.normal(size=(1, 10))

    def answered(inputs: dict[str, Field]) -> Tensor:
        x = torch.stack([inputs[n].values for n in COLUMNS], 1)
        return torch.stack([torch.tanh(x).prod(1) + x[:, 0] * x[:, 1], x.square().sum(1)], 1)

    found = shapley.shapley_values(answered, rows(row, COLUMNS), rows(background, COLUMNS), COLUMNS)
    np.testing.assert_allclose(found.completeness.score - found.completeness.baseline, found.values.sum(1), atol=1e-4)


def test_deletion_curves_follow_the_order_of_an_additive_score() -> None:
    weights = np.array([5.0, -1.0, 3.0, 0.5, 2.0])
    asked = lambda keep: keep.double().numpy() @ weights  # noqa: E731
    right, wrong = deletion_insertion(asked, weights), deletion_insertion(asked, -weights)
    assert right["deletion"] < right["deletion_random"] < wrong["deletion"]  # type: ignore[operator]
    assert right["insertion"] > right["insertion_random"] > wrong["insertion"]  # type: ignore[operator]
    assert deletion_insertion(lambda keep: np.ones(len(keep)), weights) == {}  # a constant prediction


def test_rank_correlation_depends_on_order_only() -> None:
    x = np.random.default_rng(0).normal(size=50)
    assert rank_correlation(x, np.exp(x)) == pytest.approx(1)
    assert rank_correlation(x, -x) == pytest.approx(-1)
    assert rank_correlation(x, np.zeros(50)) is None


def test_log_odds_are_exact_for_probabilities_near_one() -> None:
    logits = torch.tensor([[40.0, 0.0, 0.0]], dtype=torch.float64)
    assert float(log_odds(logits.log_softmax(-1), 0)[0]) == pytest.approx(40 - np.log(2))


def test_pieces_are_merged_into_words() -> None:
    groups, words = group_pieces(["un", "known", " cat", "s", ".", " A", "!"])
    assert [w.strip() for w in words] == ["unknown", "cats", ".", "A", "!"]
    assert groups == [0, 0, 1, 1, 2, 3, 4]


def test_attributed_words_are_those_of_the_tokenizer() -> None:
    text = Text(name="t").fit([pl.Series(["good day", "bad day, sir"])])
    assert words_in(text, "Good day, sir!") == ["Good", "day", ",", "sir", "!"]


def test_the_strongest_region_is_in_pixels_of_the_original_image() -> None:
    weights = np.zeros((40, 40))
    weights[10:14, 20:26] = 1.0
    left, top, right, bottom = strongest_region(weights, None) or (0, 0, 0, 0)
    assert 18 <= left <= 20
    assert 26 <= right <= 28
    assert 8 <= top <= 10
    assert 14 <= bottom <= 16
    frame = np.array([[0, 0, 40, 40, 400, 80]], np.float32)
    grown = strongest_region(weights, frame) or (0, 0, 0, 0)
    assert grown == pytest.approx((left * 2, top * 10, right * 2, bottom * 10))
    assert strongest_region(-weights, None) is None


def test_regions_of_audio_sum_up_and_have_frequencies() -> None:
    frames = Frames(rate=8000, size=200, hop=80, mels=40)
    cells = np.random.default_rng(0).normal(size=(2, 50, 40))
    names, weights = regions(frames, cells)
    np.testing.assert_allclose(weights.sum(1), cells.sum((1, 2)))
    assert names[0].startswith("0.00-")
    assert names[0].endswith(" Hz")


def test_masked_audio_keeps_the_selected_region() -> None:
    frames = Frames(rate=8000, size=200, hop=80, mels=40)
    time = np.arange(8000) / 8000
    wave = (8000 * (np.sin(2 * np.pi * 440 * time) + np.sin(2 * np.pi * 2500 * time))).astype(np.int16)
    whole = isolate(wave, frames, np.ones((frames.count(8000), 40), bool))
    np.testing.assert_allclose(whole[400:-400], wave[400:-400], atol=400)  # but for the ends, where windows are few
    low = np.zeros((frames.count(8000), 40), bool)
    low[:, :15] = True
    spectrum = np.abs(np.fft.rfft(isolate(wave, frames, low)[400:-400]))
    hertz = np.fft.rfftfreq(8000 - 800, 1 / 8000)
    assert spectrum[np.abs(hertz - 440) < 20].max() > 20 * spectrum[np.abs(hertz - 2500) < 20].max()


def test_selected_cells_are_few_and_positive() -> None:
    cells = -np.ones((40, 20))
    cells[10:20, 5:10] = 2.0
    kept = important_cells(cells)
    assert kept[12:18, 6:9].all()
    assert not kept[25:].any()


def test_attribution_maps_use_warm_colours_for_positive_values() -> None:
    places = np.zeros((20, 20))
    places[5, 5], places[15, 15] = 1.0, -1.0
    strength = color_strength(places)
    assert strength[5, 5] > 0.5
    assert strength[15, 15] < -0.5
    assert np.abs(strength).max() <= 1
    shown = overlay(np.full((20, 20, 1), 128, np.uint8), places, min_side=20)
    red, blue = shown[5, 5].astype(int), shown[15, 15].astype(int)
    assert red[0] > red[2]
    assert blue[2] > blue[0]


@pytest.fixture(scope="module")
def houses(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("houses")
    made_up(300).write_csv(folder / "houses.csv")
    settings = {"steps": 60, "kinds": {"sold": "category"}, "training.threads": 1}
    deepglass.train(folder / "houses.csv", ["price", "sold"], out=folder / "run", baselines=False, settings=settings)
    return folder


def test_explanations_of_a_table_are_json_that_adds_up(houses: Path) -> None:
    found = deepglass.explain(houses / "run", houses / "houses.csv", [3, 5])
    assert [row["row"] for row in found] == [3, 5]
    for row in found:
        assert set(row) == {"row", "price", "sold"}
        for name, unit in (("price", "price"), ("sold", "log-odds")):
            why = row[name]
            total = sum(part["weight"] for part in why["attributions"])
            assert why["unit"] == unit
            assert why["baseline"] + total == pytest.approx(why["score"], rel=1e-3, abs=1e-3)
            assert {part["part"] for part in why["attributions"]} == {"size", "place"}
            assert all(0 <= part["error"] < 10 * abs(total) for part in why["attributions"])
            assert abs(why["completeness_gap"]) < 1e-2 * max(abs(why["score"]), 1)
            assert len(why["nearest"]) == 3
            assert why["nearest"][0]["label"] is not None
        size = next(d for d in row["price"]["dependence"] if d["column"] == "size")
        assert size["answers"][-1] > size["answers"][0]  # larger houses cost more


def test_the_counterfactual_changes_the_prediction(houses: Path) -> None:
    row = pl.read_csv(houses / "houses.csv").drop("price", "sold").row(4, named=True)
    (found,) = deepglass.explain(houses / "run", [row])
    turn = found["sold"]["counterfactual"]
    answer = deepglass.predict(houses / "run", [{**row, **turn["to"]}])[0]["sold"]["value"]
    assert answer != found["sold"]["value"]
    assert {k: row[k] for k in turn["from"]} == turn["from"]


def test_fast_explanations_have_no_checks_and_agree_on_the_main_parts(houses: Path) -> None:
    full, fast = (deepglass.explain(houses / "run", houses / "houses.csv", [0, 1], fast=f) for f in (False, True))
    for a, b in zip(full, fast, strict=True):
        assert b["price"]["baseline"] is None
        assert "checks" not in b["price"]
        assert b["price"]["nearest"] == []
        assert a["price"]["attributions"][0]["part"] == b["price"]["attributions"][0]["part"]


def test_predictions_have_explanations_on_request(houses: Path, command: Command) -> None:
    answers = deepglass.predict(houses / "run", houses / "houses.csv", explain=True)
    plain = deepglass.predict(houses / "run", houses / "houses.csv")
    assert [a["price"]["value"] for a in answers] == [a["price"]["value"] for a in plain]
    assert {p["part"] for p in answers[0]["price"]["attributions"]} == {"size", "place"}
    run = deepglass.Run(houses / "run")
    deepglass.predict(run, [{"size": 3.0}], explain=True)
    assert run.predictor.reader.notes["column 'place' is missing"] == 1
    said = command("predict", run.path, houses / "houses.csv", "--explain").out.splitlines()
    assert len(said) == 3 * len(answers)  # two outputs below each row
    assert re.fullmatch(r"  sold: [+-]\S+ (size|place).* \(log-odds\)", said[2])


def test_without_training_data_the_rows_are_the_baseline(houses: Path, tmp_path: Path) -> None:
    frame = pl.read_csv(houses / "houses.csv")
    deepglass.train(frame, "price", out=tmp_path / "run", baselines=False, steps=5, training={"threads": 1})
    run = deepglass.Run(tmp_path / "run")  # as another process has it: a run that was just trained knows its frame
    (found, *_) = deepglass.explain(run, frame.head(20))
    assert "of the explained rows" in found["price"]["method"]
    assert found["price"]["nearest"] == []
    (known, *_) = deepglass.explain(run, frame.head(20), source=frame)
    assert "training rows" in known["price"]["method"]
    assert known["price"]["nearest"]


def test_a_run_with_image_outputs_is_rejected(tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 255, (24, 16, 16), dtype=np.uint8)
    spec = {
        "data": {"source": {"given": pictures, "wanted": pictures}},
        "inputs": ["given"],
        "outputs": [{"name": "wanted", "kind": "image"}],
        "training": {"steps": 1, "threads": 1},
    }
    run = deepglass.train(spec, out=tmp_path / "run", baselines=False)
    with pytest.raises(SpecError, match=r"\[bad-value\] explain: this run predicts wanted \(image\)"):
        Explainer(run.predictor)


def test_a_row_outside_the_source_is_an_error(houses: Path) -> None:
    with pytest.raises(SpecError, match=r"\[bad-value\] --rows: there is no row 300; there are 300, from 0"):
        deepglass.explain(houses / "run", houses / "houses.csv", [300])


def test_nearest_rows_are_training_rows(houses: Path) -> None:
    run = deepglass.Run(houses / "run")
    known = training_rows(run.context.data, max_rows=50)
    split = run.folder.split()
    train = set(split.filter(pl.col("split") == "train")["row"].to_list())
    assert len(known.source_rows) == 50
    assert set(known.source_rows.tolist()) <= train


def test_explain_on_the_command_line(houses: Path, command: Command, tmp_path: Path) -> None:
    said = command("explain", houses / "run", houses / "houses.csv", "--rows", "2,4-5", "--json")
    assert said.code == 0
    assert [row["row"] for row in json.loads(said.out)] == [2, 4, 5]
    said = command("explain", houses / "run", houses / "houses.csv", "--rows", "2")
    assert re.search(r"[+-]\S+ +± \d\S* +[+-]* +size", said.out)
    assert "standard error over the baseline's rows" in " ".join(said.out.split())
    said = command("explain", houses / "run", houses / "houses.csv", "--fast")
    assert said.code == 0
    assert said.out.count("price:") == 3  # the first three rows
    said = command("predict", houses / "run", houses / "houses.csv", "--explain", "--json")
    assert {"part", "value", "weight"} <= set(json.loads(said.out)[0]["sold"]["attributions"][0])


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--rows", "first"), "--rows: expected row indices, such as 0,1,2 or 0-9, got 'first'"),
        (("--rows", "900"), "--rows: there is no row 900"),
        (("--out", "why.png"), "--out: why.png: expected .json, or a folder"),
    ],
)
def test_wrong_arguments_state_the_expected_values(
    houses: Path, command: Command, words: tuple[str, str], text: str
) -> None:
    said = command("explain", houses / "run", houses / "houses.csv", *words)
    assert said.code == 2
    assert text in said.err
