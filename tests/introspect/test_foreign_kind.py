"""Kinds of data that are defined outside of the package go through data checks, explanations, map and report."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor, nn

import deepglass
from deepglass.features._cell_statistics import Statistic
from deepglass.features.base import Column, Feature, Raw, TypeGuess
from deepglass.features.outputs.base import Calibration, Output, PredictedRow, Prediction, PredictionArrays
from deepglass.metrics.table import METRICS, Metric
from deepglass.nn.encoders_heads import LinearHead, Rescale, VectorEncoder
from deepglass.nn.explanation_targets import ExplanationTarget
from deepglass.nn.tokens import Field, Tokens
from deepglass.projection.projection import projection_map, projection_points
from deepglass.run.context import RunContext

SIDE = 4


class SketchEncoder(nn.Module):
    """Pixels (B, 1, Y, X) to one token."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.flat = VectorEncoder(Rescale(0.0, 1.0), SIDE * SIDE, dim)
        self.shape = self.flat.shape

    def forward(self, field: Field) -> Tokens:
        tokens: Tokens = self.flat(Field(field.values.flatten(1), field.mask))
        return tokens


@dataclass(frozen=True, kw_only=True)
class Sketch(Feature):
    """A drawing as text: `..#./.##./..../....`."""

    is_image: ClassVar[bool] = True

    @classmethod
    def infer_type(cls, raw: Raw, name: str) -> TypeGuess | None:
        return None

    @classmethod
    def statistics(cls, raw: Raw) -> list[Statistic]:
        return [Statistic("ink", np.array([np.nan if text is None else text.count("#") for text in raw], float))]

    def fit(self, chunks: Iterable[Raw]) -> Sketch:
        return self

    def encode(self, raw: Raw) -> Column:
        texts = [text or "" for text in raw]
        rows = [[float(c == "#") for c in text.replace("/", "")] or [0.0] * SIDE**2 for text in texts]
        values = np.array(rows, np.float32).reshape(-1, 1, SIDE, SIDE)
        return Column(values, np.array([bool(text) for text in texts], bool))

    def encoder(self, dim: int) -> nn.Module:
        return SketchEncoder(dim)

    def pixels(self, codes: np.ndarray) -> np.ndarray:
        return (255 * codes).astype(np.uint8).transpose(1, 2, 0)


class AnglePrediction(Prediction):
    """A direction; params: (B, 2)."""

    def __init__(self, params: Tensor) -> None:
        self.params = params

    def loss(self, target: Field) -> Tensor:
        return (self.params - target.values).square().sum(1)

    def mode(self) -> dict[str, Tensor]:
        return {"direction": self.params.float()}

    def ensemble_mean(self, members: int) -> AnglePrediction:
        return AnglePrediction(self.params.reshape(-1, members, 2).mean(1))


@dataclass(frozen=True, kw_only=True)
class AngleOutput(Output):
    """An angle in degrees."""

    metric: ClassVar[Metric] = METRICS["mae"]

    @classmethod
    def infer_type(cls, raw: Raw, name: str) -> TypeGuess | None:
        return None

    def fit(self, chunks: Iterable[Raw]) -> AngleOutput:
        return self

    def encode(self, raw: Raw) -> Column:
        radians = np.radians(np.array([np.nan if v is None else v for v in raw], float))
        values = np.stack([np.cos(radians), np.sin(radians)], 1).astype(np.float32)
        return Column(np.nan_to_num(values), np.isfinite(radians))

    def encoder(self, dim: int) -> nn.Module:
        raise NotImplementedError

    def head(self, dim: int) -> nn.Module:
        return LinearHead(dim, [0.0, 0.0])

    def prediction(self, params: Tensor) -> Prediction:
        return AnglePrediction(params)

    def score(self, best: PredictionArrays, truth: Column, calibration: Calibration | None = None) -> dict[str, float]:
        difference = _degrees(best["direction"]) - _degrees(truth.values)
        return {"mae": float(np.abs((difference + 180) % 360 - 180)[truth.mask].mean())}

    def baseline(self, truth: Column) -> PredictionArrays:
        return {"direction": truth.values[truth.mask].mean(0, keepdims=True)}

    def decode(self, best: PredictionArrays, calibration: Calibration | None = None) -> list[dict[str, Any]]:
        return [{"value": round(v, 1)} for v in _degrees(best["direction"]).tolist()]

    def explanation_target(self, row: PredictedRow) -> ExplanationTarget:
        return ExplanationTarget(("east", "north"), self.name, lambda p: p.params)


def _degrees(direction: np.ndarray) -> np.ndarray:
    return np.degrees(np.arctan2(direction[:, 1].astype(float), direction[:, 0].astype(float))) % 360


KINDS = {"sketch": f"{__name__}:Sketch", "angle": f"{__name__}:AngleOutput"}


def sketches(rows: int = 240) -> pl.DataFrame:
    """Drawings with their mark in the direction of the angle; `dark` ones have more ink."""
    random = np.random.default_rng(0)
    drawings, angles, dark = [], [], []
    for i in range(rows):
        y, x = random.integers(0, SIDE, 2)
        pixels = np.full((SIDE, SIDE), ".")
        pixels[y, x] = "#"
        if i % 2:
            pixels[random.integers(0, SIDE)] = "#"
        drawings.append("/".join("".join(row) for row in pixels))
        angles.append(round(float(np.degrees(np.arctan2(1.5 - y, x - 1.5)) % 360), 1))
        dark.append("dark" if i % 2 else "light")
    return pl.DataFrame({"sketch": drawings, "size": random.normal(size=rows), "angle": angles, "dark": dark})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> deepglass.Run:
    out = tmp_path_factory.mktemp("foreign") / "run"
    small = {"training": {"threads": 1}, "network": {"trunk": "mlp", "width": 32, "depth": 1, "ensemble_size": 1}}
    frame = sketches().drop("dark")
    return deepglass.train(frame, "angle", kinds=KINDS, out=out, steps=150, baselines=True, **small)


def test_data_checks_use_the_statistics_of_a_foreign_kind() -> None:
    frame = sketches().drop("angle")
    inspection = deepglass.inspect(frame, "dark", kinds={"sketch": KINDS["sketch"]})
    leak = next(f for f in inspection.findings if f.kind == "leak")
    assert "sketch: its ink alone tells 100 % of the labels of dark" in leak.text


def test_a_run_of_foreign_kinds_learns_and_has_baselines(run: deepglass.Run) -> None:
    assert run.metrics["test"]["angle"]["mae"] < 60  # 90 by chance
    assert "constant" in run.metrics["baselines"]["angle"]


def test_a_prediction_of_a_foreign_kind_is_explained(run: deepglass.Run) -> None:
    frame = sketches().drop("dark")
    for fast in (False, True):
        (row,) = deepglass.explain(run, frame, which=1, fast=fast)
        explanation = row["angle"]
        parts = {p["part"]: p for p in explanation["attributions"]}
        assert set(parts) == {"sketch", "size"}
        assert parts["sketch"]["value"] == frame["sketch"][0]
        assert abs(parts["sketch"]["weight"]) > abs(parts["size"]["weight"])
        assert [t["target"] for t in explanation.get("targets", [])] == ([] if fast else ["east", "north"])


def test_the_map_shows_the_images_of_a_foreign_kind(run: deepglass.Run) -> None:
    context = RunContext.open(run.path, source=sketches().drop("dark"))
    embedded = projection_points(context)
    assert embedded is not None
    items = projection_map(context, embedded).items
    assert items is not None
    assert items.sprites is not None
    assert items.sprites.size == (SIDE, SIDE)
    assert len(deepglass.embed(run, sketches()).vectors) == 240


def test_the_report_of_a_run_of_foreign_kinds_shows_its_rows(run: deepglass.Run) -> None:
    html = Path(deepglass.report(run, source=sketches().drop("dark"))).read_text("utf-8")
    assert re.search(r"<h2[^>]*>[^<]*(Embedding map)", html)
    assert "sketch" in html
    assert "angle" in html
    assert torch.is_grad_enabled()
