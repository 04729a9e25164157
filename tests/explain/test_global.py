"""What a run relies on over all rows is named: interactions, decoys, shortcuts, marks and words."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from conftest import Command

import deepglass
from deepglass.errors import SpecError

SMALL = {"trunk": "mlp", "ensemble_size": 1, "width": 64}
QUICK = {"baselines": False, "training": {"threads": 1}}


def products(rows: int = 1200) -> pl.DataFrame:
    """y is a product and a sum; `decoy` is nearly `a`, `noise` is nothing."""
    random = np.random.default_rng(0)
    a, b, c, noise = random.normal(size=(4, rows))
    decoy = a + 0.3 * random.normal(size=rows)
    return pl.DataFrame({"a": a, "b": b, "c": c, "noise": noise, "decoy": decoy, "y": 2 * a * b + c})


@pytest.fixture(scope="module")
def product_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[pl.DataFrame, deepglass.Run]:
    frame = products()
    folder = tmp_path_factory.mktemp("products")
    frame.write_csv(folder / "products.csv")
    run = deepglass.train(folder / "products.csv", "y", epochs=40, out=folder / "run", network=SMALL, **QUICK)
    return frame, run


def test_an_interaction_is_named_and_noise_is_last(product_run: tuple[pl.DataFrame, deepglass.Run]) -> None:
    _, run = product_run
    (told,) = deepglass.explain_globally(run)
    assert {i.input for i in told.inputs[:2]} == {"a", "b"}
    assert abs(next(i for i in told.inputs if i.input == "noise").permutation.value) < 0.05
    assert told.interaction is not None
    assert set(told.interaction.inputs) == {"a", "b"}
    assert told.interaction.h > 0.8
    assert any("act together" in s for s in told.sentences)
    assert not any("alone carries" in s for s in told.sentences)


def test_the_command_prints_and_writes_the_same(
    product_run: tuple[pl.DataFrame, deepglass.Run], command: Command, tmp_path: Path
) -> None:
    _, run = product_run
    assert "act together" in command("explain", run.path, "--global").out
    assert json.loads(command("explain", run.path, "--global", "--json").out)["y"]["metric"] == "r2"
    command("explain", run.path, "--global", "--out", tmp_path / "e.json")
    written = json.loads((tmp_path / "e.json").read_text())
    assert written["y"]["rows"] == 120


def test_rows_of_a_further_source_are_used_and_learned_ones_left_out(
    product_run: tuple[pl.DataFrame, deepglass.Run],
) -> None:
    frame, run = product_run
    with pytest.warns(deepglass.errors.DataWarning, match="has learned from"):
        (told,) = deepglass.explain_globally(run, frame)
    assert told.rows == 120


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--global", "--rows", "0-2"], "--rows and --fast"),
        (["--global", "--out", "x.csv"], "expected a .json file"),
        ([], "expected rows to explain"),
    ],
)
def test_wrong_options_are_refused(
    words: list[str], expected: str, product_run: tuple[pl.DataFrame, deepglass.Run], command: Command
) -> None:
    done = command("explain", product_run[1].path, *words)
    assert done.code == 2
    assert expected in done.err


def test_too_few_labelled_rows_are_refused(product_run: tuple[pl.DataFrame, deepglass.Run]) -> None:
    with pytest.raises(SpecError, match="at least 20 rows"):
        deepglass.explain_globally(product_run[1], products(1300)[1290:])


def test_a_shortcut_is_named(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(1500, 5))
    label = x[:, 0] + x[:, 1] + random.normal(size=1500) > 0
    told = np.where(random.random(1500) < 0.97, label, ~label)
    frame = pl.DataFrame({f"x{i}": x[:, i] for i in range(5)} | {"later": told.astype(float), "label": label})
    run = deepglass.train(frame, "label", epochs=8, network=SMALL, out=tmp_path / "run", **QUICK)
    explanation = told_of(run, frame)
    assert explanation.inputs[0].input == "later"
    assert any(s.startswith("later alone carries the prediction") for s in explanation.sentences)


def told_of(run: deepglass.Run, source: Any) -> Any:
    from deepglass.explain.explain_globally import explain_test_rows

    (told,) = explain_test_rows(run.context_of(source))
    return told


def test_a_corner_mark_is_named(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    images = random.integers(0, 255, (600, 24, 24)).astype(np.uint8)
    label = random.choice(["cat", "cow", "dog"], 600)
    images[label == "cat", 21:, 21:] = 255
    images[label == "dog", :, :12] //= 2
    source = {"image": images, "label": label}
    run = deepglass.train(source, "label", epochs=6, out=tmp_path / "run", **QUICK)
    told = told_of(run, source)
    (patches,) = told.patches
    assert patches.loss.shape == (8, 8)
    assert any("at the bottom right, decides 'cat'" in s for s in told.sentences)
    html = (deepglass.report(run, source=source)).read_text()
    assert "heat map of cat" in html
    assert patches.clear >= {"cat"}
    assert "at the bottom right, decides" in html


@pytest.mark.parametrize("make", [lambda text, k: f"{text} zonk" if k == "spam" else text])
def test_a_planted_word_is_named(make: Callable[[str, str], str], tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    label = random.choice(["ham", "spam"], 900)
    words = np.array([f"w{i}" for i in range(60)])
    texts = [make(" ".join(random.choice(words, 8)), k) for k in label]
    frame = pl.DataFrame({"text": texts, "label": label})
    run = deepglass.train(frame, "label", epochs=20, kinds={"text": "text"}, out=tmp_path / "run", **QUICK)
    told = told_of(run, frame)
    assert any(s.startswith("The word 'zonk' alone decides 'spam'") for s in told.sentences)


def test_times_of_a_sequence_are_compared(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    sequences = random.normal(size=(400, 32))
    label = np.where(sequences[:, 24:28].mean(1) > 0, "up", "down")
    frame = pl.DataFrame({"wave": sequences.tolist(), "label": label})
    run = deepglass.train(
        frame, "label", kinds={"wave": "sequence"}, epochs=8, network="tcn", out=tmp_path / "run", **QUICK
    )
    told = told_of(run, frame)
    values = [e.value for e in told.times["wave"]]
    assert int(np.argmax(values)) == 6
    (profile,) = told.profiles
    assert (6, 6) in profile.regions
    assert profile.span(6, 6) == "steps 24-27"
    assert any("of the attribution lies in steps 24-27" in s for s in told.sentences)
