"""Boxes: letterbox, invalid boxes, metrics, calibration, and a trained detector."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

import deepglass
from deepglass.config import construct
from deepglass.data.batches import Dataset
from deepglass.data.table import Table
from deepglass.errors import SourceError, SpecError
from deepglass.features.base import Column
from deepglass.features.image import Image
from deepglass.features.outputs.boxes import BoxesOutput
from deepglass.hyperparameters import TrainingDefaults
from deepglass.networks.network import Network
from deepglass.nn.tokens import Field
from deepglass.nn.warp import Warp
from deepglass.prepare.columns import infer_columns
from deepglass.spec.spec import Spec, TrainingSettings
from deepglass.training.augmentation import augmentation_for

SIDES = ("left", "top", "right", "bottom")
BOX = pl.List(pl.Struct({"label": pl.String, **dict.fromkeys(SIDES, pl.Float64)}))


def _box(label: str | None, *sides: float) -> dict[str, object]:
    return {"label": label, **dict(zip(SIDES, sides, strict=True))}


def _series(*rows: list[dict[str, object]] | None) -> pl.Series:
    return pl.Series(list(rows), dtype=BOX)


def _fitted() -> BoxesOutput:
    return BoxesOutput(name="boxes").fit([_series([_box("cat", 0, 0, 1, 1), _box("dog", 0, 0, 1, 1)])])


def _best(boxes: np.ndarray, labels: np.ndarray, scores: np.ndarray) -> dict[str, np.ndarray]:
    return {"boxes": boxes, "scores": scores, "labels": labels, "mask": np.ones(labels.shape, bool)}


def scenes(count: int, side: int = 64, seed: int = 0) -> Table:
    """Dark images with up to three bright rectangles; the first is empty, the last is unlabelled."""
    random = np.random.default_rng(seed)
    pictures = random.integers(0, 40, (count, side, side, 3), dtype=np.uint8)
    rows: list[list[dict[str, object]] | None] = []
    for i in range(count):
        boxes = []
        for _ in range(random.integers(1, 4) if i else 0):
            width, height = random.integers(12, 32, 2)
            left, top, colour = random.integers(0, side - width), random.integers(0, side - height), random.integers(2)
            pictures[i, top : top + height, left : left + width, colour] = 220
            boxes.append(_box(("red", "green")[colour], left, top, left + width, top + height))
        rows.append(boxes)
    rows[-1] = None
    return Table({"image": pictures, "boxes": _series(*rows)}, kinds={"image": "image", "boxes": "boxes"})


def test_boxes_round_trip_through_a_letterbox() -> None:
    wide, tall = np.zeros((20, 40, 3), np.uint8), np.zeros((40, 20, 3), np.uint8)
    picture = Image(name="image", size=(40, 40)).fit([np.zeros((1, 40, 40, 3), np.uint8)])
    frames = [picture.encode(one[None]).letterbox for one in (wide, tall)]
    inputs = {"image": Column(np.zeros((2, 3, 40, 40), np.uint8), np.ones(2, bool), None, np.concatenate(frames))}
    feature = _fitted()
    raw = _series([_box("cat", 10, 5, 30, 15)], [_box("dog", 0, 0, 20, 8)])
    placed = feature.to_input_frame(feature.encode(raw), inputs)
    np.testing.assert_allclose(placed.values, [[0, 0.25, 0.375, 0.75, 0.625], [1, 0.25, 0, 0.75, 0.2]], atol=1e-6)
    best = _best(placed.values[:, None, 1:], placed.values[:, :1].astype(np.int64), np.full((2, 1), 0.9))
    decoded = feature.decode({**best, **feature.context(inputs)})
    assert [row["value"] for row in decoded] == [[{**box, "confidence": 0.9} for box in row] for row in raw.to_list()]


def test_boxes_are_clipped_at_the_border_and_dropped_outside() -> None:
    picture = Image(name="image").fit([np.zeros((1, 50, 100, 3), np.uint8)])
    inputs = {"image": picture.encode(np.zeros((1, 50, 100, 3), np.uint8))}
    feature = _fitted()
    placed = feature.to_input_frame(
        feature.encode(_series([_box("cat", -10, 0, 50, 70), _box("dog", 120, 0, 140, 9)])), inputs
    )
    np.testing.assert_allclose(placed.values, [[0, 0, 0, 0.5, 1]])
    assert placed.offsets.tolist() == [0, 1]


def test_unusable_boxes_are_dropped_and_counted() -> None:
    feature = _fitted()
    raw = _series([_box("cat", 5, 5, 5, 9), _box("cow", 0, 0, 1, 1), _box("dog", 0, 0, float("nan"), 1)], None, [])
    column = feature.encode(raw)
    assert column.offsets.tolist() == [0, 0, 0, 0]
    assert column.mask.tolist() == [True, False, True]  # the last is known to be empty, the second is not known
    assert feature.count_anomalies(raw) == {"box of an unseen class": 1, "box without an area": 2}


def test_boxes_without_labels_are_objects() -> None:
    bare = pl.Series([[dict(zip(SIDES, (0, 0, 1, 1), strict=True))]])
    assert BoxesOutput(name="b").fit([bare]).vocabulary_ == ("object",)
    assert BoxesOutput(name="b").fit([_series([_box(None, 0, 0, 1, 1)])]).vocabulary_ == ("object",)


def test_invalid_boxes_are_rejected_with_their_value() -> None:
    with pytest.raises(SourceError, match=r"bad-value.*'spots': expected lists of boxes"):
        BoxesOutput(name="spots").fit([pl.Series([[1.0, 2.0]])])
    with pytest.raises(SpecError, match=r"outputs\.b\.nms_iou: expected a number from 0 to 1, got 2"):
        construct(BoxesOutput, {"name": "b", "nms_iou": 2}, "outputs.b")
    feature = BoxesOutput(name="b").fit([_series([], [])])
    with pytest.raises(SourceError, match=r"constant-target.*no training row has a box"):
        feature.check_target(feature.encode(_series([], [])), "here")


def test_metrics_of_perfect_and_empty_predictions() -> None:
    feature = _fitted()
    truth = feature.encode(_series([_box("cat", 0.1, 0.1, 0.4, 0.4)], [_box("dog", 0.5, 0.5, 0.9, 0.9)], None))
    boxes = np.concatenate([truth.values[:, None, 1:], np.zeros((1, 1, 4), np.float32)])
    best = _best(boxes, np.array([[0], [1], [0]]), np.full((3, 1), 0.9))  # the row that is not known does not count
    assert feature.score(best, truth) == {"map50": 1.0, "map50_95": 1.0}
    constant = {name: value.repeat(3, 0) for name, value in feature.baseline(truth).items()}
    assert feature.score(constant, truth) == {"map50": 0.0, "map50_95": 0.0}
    assert feature.decode(constant)[0] == {"value": [], "confidence": 1.0}


def test_calibration_fixes_confidence_and_selects_the_threshold() -> None:
    random = np.random.default_rng(0)
    feature = _fitted()
    truth = feature.encode(_series(*[[_box("cat", 0.1, 0.1, 0.5, 0.5)]] * 300))
    right = random.random(300) < 0.6
    boxes = np.where(right[:, None, None], [[[0.1, 0.1, 0.5, 0.5]]], [[[0.6, 0.6, 0.9, 0.9]]]).astype(np.float32)
    scores = np.where(right, random.uniform(0.9, 0.99, 300), random.uniform(0.8, 0.97, 300))[:, None]
    best = _best(boxes, np.zeros((300, 1), np.int64), scores)
    calibration = feature.calibrate(best, truth)
    assert calibration["ece_before"] > 0.3
    assert calibration["ece_after"] < 0.15
    assert feature.score(best, truth, calibration)["ece"] < 0.15
    shown = [bool(row["value"]) for row in feature.decode(best, calibration)]
    assert np.mean(shown) < 0.9
    assert np.mean(right[shown]) > 0.65


def test_warp_keeps_rows_and_drops_boxes_outside() -> None:
    feature = _fitted()
    values = torch.tensor([[[1.0, 0.0, 0.1, 0.2, 0.3], [0.0, 0.6, 0.1, 0.9, 0.3]]])
    field = Field(values, torch.ones(1, 2, dtype=torch.bool), torch.ones(1, dtype=torch.bool))
    moved = feature.warp(field, Warp(torch.tensor([[[1.0, 0.0, 0.8], [0.0, 1.0, 0.0]]]), True))
    assert moved.mask.tolist() == [[False, True]]
    torch.testing.assert_close(moved.values[0, 1], torch.tensor([0.0, 0.2, 0.1, 0.5, 0.3]))
    assert moved.present.tolist() == [True]


def test_batches_distinguish_empty_from_unlabelled() -> None:
    feature = _fitted()
    batch = Dataset({}, {"boxes": feature.encode(_series([], None, [_box("cat", 0, 0, 1, 1)]))}).batch(torch.arange(3))
    assert batch.targets["boxes"].present.tolist() == [True, False, True]
    assert batch.targets["boxes"].mask.any(1).tolist() == [False, False, True]


def test_a_detector_overfits_sixteen_images() -> None:
    torch.manual_seed(0)
    table = scenes(17)
    picture = Image(name="image").fit([table["image"]])
    feature = BoxesOutput(name="boxes").fit([table["boxes"]])
    inputs = {"image": picture.encode(table["image"])}
    data = Dataset(inputs, {"boxes": feature.to_input_frame(feature.encode(table["boxes"]), inputs)})
    batch = data.batch(torch.arange(16))
    network = Network([picture], [feature], "resnet", {"width": 8, "depth": 1})
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    for _ in range(100):
        optimizer.zero_grad()
        feature.prediction(network(batch.inputs)["boxes"]).loss(batch.targets["boxes"]).mean().backward()
        optimizer.step()
    network.eval()
    with torch.inference_mode():
        best = {k: v.numpy() for k, v in network.predictions(batch.inputs)["boxes"].mode().items()}
    assert feature.score(best, data.truth["boxes"].take(np.arange(16)))["map50"] >= 0.95
    answers = feature.decode({**best, **feature.context({"image": inputs["image"].take(np.arange(16))})})
    assert answers[0]["value"] == []  # the empty image
    for box in answers[3]["value"]:
        assert any(all(abs(box[side] - true[side]) < 4 for side in SIDES) for true in table["boxes"][3].to_list())


def test_a_detection_run_has_metrics_and_a_report(tmp_path: Path) -> None:
    run = deepglass.train(
        scenes(30), "boxes", out=tmp_path / "run", network={"width": 8, "depth": 1}, training={"steps": 4, "threads": 1}
    )
    assert set(run.metrics["test"]["boxes"]) >= {"map50", "map50_95"}
    assert (tmp_path / "run" / "report.html").exists()


def test_images_are_larger_for_box_outputs() -> None:
    table = Table({"image": np.zeros((12, 200, 400, 3), np.uint8), "boxes": _series(*[[]] * 12)})
    features = {
        f.name: f for f in infer_columns(table, Spec.from_dict({"data": {"source": table}, "outputs": ["boxes"]}))[1]
    }
    assert features["image"].max_side == BoxesOutput.longest_side
    assert features["image"].fit([table["image"]]).size_ == (160, 320)


def test_images_with_boxes_are_cropped_and_not_shifted() -> None:
    picture = Image(name="image").fit([scenes(4).columns["image"]])
    change = augmentation_for(TrainingSettings(), TrainingDefaults(augment=True), [picture], [_fitted()], epochs=50)
    assert change is not None
    augment = change.augmentations["image"]
    assert augment.crop > 0
    assert augment.flip
    assert augment.shift == augment.rotate == augment.random_erasing == 0
