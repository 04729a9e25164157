"""Report sections on images: masks, boxes, pairs, filters, augmentation, and their size."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from conftest import Command
from PIL import Image as Pillow
from report_values import base, checked, class_output, report_of, section_html

from deepglass.data.augment import Augment
from deepglass.data.batches import Batch, Dataset
from deepglass.data.table import Table
from deepglass.features.base import Column, Feature
from deepglass.features.image import Image
from deepglass.features.outputs.boxes import BoxesOutput
from deepglass.features.outputs.category import CategoryOutput
from deepglass.features.outputs.identity import IdentityOutput
from deepglass.features.outputs.image import ImageOutput
from deepglass.features.outputs.mask import MaskOutput
from deepglass.features.outputs.multilabel import MultilabelOutput
from deepglass.introspect.filter_noise import why_left_out
from deepglass.introspect.filters import ChannelPatches, Filters, LayerPatches, filters_of
from deepglass.introspect.rows import OutputRows
from deepglass.metrics.classes import ClassCurve
from deepglass.networks.network import Network
from deepglass.prepare.prepared_data import PreparedData
from deepglass.report.examples import OutputExamples
from deepglass.report.outputs import output_facts
from deepglass.report.overlays import Annotation, OutputOverlays, Overlay, OverlayBox
from deepglass.report.sections.augmentation import AugmentationFacts, AugmentedImage, augmented_images
from deepglass.report.sections.image_outputs import ImageRow, image_rows
from deepglass.report.sections.image_predictions import output_overlays
from deepglass.report.sections.per_class import OutputClasses
from deepglass.report.sections.precision_recall import precision_recall_facts
from deepglass.report.sections.verification import VerificationFacts, VerificationPair, verification_facts
from deepglass.training.augmentation import Augmentation as Change
from deepglass.web import encode_image as draw
from deepglass.web.palette import colour, css

EVIL = '<script>alert("1")</script>&\''


def noise(size: tuple[int, int] = (24, 32), seed: int = 0) -> bytes:
    return draw.photo(np.random.default_rng(seed).integers(0, 255, (*size, 3), dtype=np.uint8))


def opened(picture: bytes) -> np.ndarray:
    return np.asarray(Pillow.open(io.BytesIO(picture)).convert("RGBA"))


def mask_overlay(row: int = 7, **changes: object) -> Overlay:
    left = np.tile([0, 0, 1, -1], (3, 1))
    overlay = Overlay(
        row=row,
        image=noise(),
        size=(24, 32),
        truth=Annotation(draw.classes(left, (colour(0), colour(1)))),
        prediction=Annotation(draw.classes(1 - left, (colour(0), colour(1)))),
        wrong=draw.classes(left, ((255, 0, 0),)),
        score=0.25,
        score_name="miou",
        caption="road predicted as sky, 12 % of the image",
    )
    return replace(overlay, **changes)


def box_overlay(row: int = 3) -> Overlay:
    truth = (OverlayBox("cell", 0.1, 0.1, 0.4, 0.5, 0.8), OverlayBox("cell", 0.6, 0.6, 0.9, 0.9))
    answer = (OverlayBox("cell", 0.1, 0.1, 0.4, 0.45, 0.8), OverlayBox("dust", 0.2, 0.6, 0.3, 0.9, 0.6, False))
    faint = OverlayBox("cell", 0.5, 0.0, 0.7, 0.2, 0.1, False)
    drawn = Annotation(boxes=(*answer, faint))
    return Overlay(row=row, image=noise(), size=(24, 32), truth=Annotation(boxes=truth), prediction=drawn, score=0.5)


# -- what the page says ------------------------------------------------------------------------------------------


def test_masks_have_a_slider_and_a_legend() -> None:
    legend = (("road", css(colour(0))), ("sky", css(colour(1))))
    output = OutputOverlays(name="mask", overlays=(mask_overlay(), mask_overlay(8, typical=True)), legend=legend)
    html = checked(base({"image_predictions": (output,)}))
    assert ">Predictions on images</h2>" in html
    assert html.count('aria-label="row 7: truth to the left, prediction to the right"') == 1
    assert "road predicted as sky" in html
    assert "mean IoU 0.250" in html
    assert html.count(">typical<") == 1
    assert "#0072b2" in html
    # The image is stored once for both masks.
    assert html.count('<image id="overlay-0-0"') == html.count('href="#overlay-0-0"') == 1


def test_boxes_are_filtered_by_confidence() -> None:
    output = OutputOverlays(name="boxes", overlays=(box_overlay(),), threshold=0.5)
    html = checked(base({"image_predictions": (output,)}))
    assert "<b data-matched>1</b> of 2 true boxes" in html
    assert "<b data-false-alarms>1</b> false alarms" in html
    assert html.count('class="box false-alarm below-threshold"') == 1, "the faint one waits for the slider"
    assert (
        html.count('class="box missed"') == html.count('class="box matched"') == html.count('class="box correct"') == 1
    )


def test_classes_can_be_sorted_and_the_worst_comes_first() -> None:
    figures = {"good": {"iou": 0.9, "rows": 4.0}, "bad": {"iou": 0.1, "rows": 9.0}, "absent": {"iou": float("nan")}}
    html = checked(base({"per_class": (OutputClasses(name="mask", metrics=figures, colours={"bad": "#0072b2"}),)}))
    table = html[html.index('id="each-class-0"') :]
    places = [table.index(f'data-value="{name}"') for name in ("bad", "good", "absent")]
    assert places == sorted(places)
    assert '<th scope="col" aria-sort="ascending"><button type="button" class="sort">IoU' in table
    assert table.count('class="chip"') == 1


def test_precision_recall_curves_are_drawn() -> None:
    recall = np.linspace(0.01, 1, 100)
    curves = [ClassCurve(f"kind {i}", 1 - i / 10 * recall, recall, 1 - i / 20, 10) for i in range(6)]
    html = checked(base({"precision_recall": (precision_recall_facts("labels", curves),)}))
    assert ">Precision-recall curve</h2>" in html
    assert "mean, area 0.875" in html
    assert "kind 5, area 0.750" in html
    assert "kind 0" not in html, "only the classes with the smallest areas stand beside the mean"


def test_pairs_are_shown_with_the_threshold() -> None:
    pairs = (
        VerificationPair(noise(seed=1), noise(seed=2), (5, 1200), 0.2, True),
        VerificationPair(noise(seed=3), noise(), (6, 8), 0.3, False),
    )
    counts = {"same": (0, 2, 8), "different": (9, 1, 0)}
    rates = {"threshold": 0.4, "missed": 0.2, "alarms": 0.1}
    facts = VerificationFacts(name="who", low=-0.5, high=1.0, **counts, **rates, hardest=pairs)
    html = checked(base({"verification": (facts,)}))
    assert "Same identity, least similar" in html
    assert "rows 5 and 1,200" in html
    assert html.count(">wrong<") == 1, "the different pair stays below the threshold"
    assert "20.0\u00a0%" in html


def test_images_are_shown_side_by_side() -> None:
    output = OutputExamples("clean", (ImageRow(4, noise(), noise(), noise(), 21.5),))
    html = checked(base({"image_outputs": (output,)}))
    assert ">Image outputs</h2>" in html
    assert all(f"<figcaption>{name}</figcaption>" in html for name in ("input", "predicted", "true"))


def test_augmented_images_are_shown_with_the_original() -> None:
    version = AugmentedImage(noise(), Annotation(mask_overlay().truth.mask, (OverlayBox("cell", 0.1, 0.2, 0.5, 0.6),)))
    facts = AugmentationFacts(("flipped horizontally in half of the cases",), ((version, version, version),))
    html = checked(base({"augmentation": facts}))
    assert ">Data augmentation</h2>" in html
    assert "flipped horizontally in half of the cases" in html
    assert html.count('class="mask-layer"') == 3
    assert ">original<" in html


def test_filters_and_patches_are_shown_stage_by_stage() -> None:
    unit = ChannelPatches(3, (noise(),) * 6, "5 of 6: “horse”")
    stages = (LayerPatches("stem", (16, 16), 8, (3, 3), (unit,)), LayerPatches("last", (1, 1), 64, (32, 32), (unit,)))
    html = checked(base(own={"filters": Filters("photo", (32, 32), (noise((3, 3)),) * 8, (3, 3), stages, 900)}))
    assert ">Filters</h2>" in html
    assert "5 of 6: “horse”" in html
    assert "each sees 3\u00a0×\u00a03 pixels" in html
    assert "one position, which sees the whole image" in html


def test_class_names_are_escaped() -> None:
    box = OverlayBox(EVIL, 0.1, 0.1, 0.2, 0.2, 0.9, False)
    over = replace(
        box_overlay(),
        truth=Annotation(boxes=(box,)),
        prediction=Annotation(boxes=(box,)),
        caption=EVIL,
        score_name=EVIL,
    )
    curve = ClassCurve(EVIL, np.array([1.0, 0.0]), np.array([0.5, 1.0]), 0.5, 3)
    legend = ((EVIL, css(colour(0))),)
    own = {
        "image_predictions": (
            OutputOverlays(name=EVIL, overlays=(over,)),
            OutputOverlays(name="second", overlays=(mask_overlay(caption=EVIL),), legend=legend),
        ),
        "per_class": (OutputClasses(name=EVIL, metrics={EVIL: {EVIL: 0.5}}, colours={EVIL: "#0072b2"}),),
        "precision_recall": (precision_recall_facts(EVIL, [curve, curve]),),
    }
    outputs = (class_output(name=EVIL), class_output(name="second"))
    version = AugmentedImage(noise(), Annotation(boxes=(box,)))
    unit = ChannelPatches(0, (noise(),), EVIL)
    filters = Filters(EVIL, (8, 8), (), (3, 3), (LayerPatches(EVIL, (2, 2), 3, (3, 3), (unit,)),), 5)
    own |= {"augmentation": AugmentationFacts((EVIL,), ((version,),)), "filters": filters}
    html = checked(base(own, outputs=outputs))
    assert "<script>alert" not in html


def test_many_large_images_stay_below_ten_megabytes() -> None:
    large = np.random.default_rng(0).integers(0, 255, (360, 360, 3), dtype=np.uint8)
    places = np.random.default_rng(0).integers(0, 30, (360, 360))
    layer = draw.classes(places, tuple(colour(k) for k in range(30)))
    one = mask_overlay(image=draw.photo(large), size=(360, 360), truth=Annotation(layer), prediction=Annotation(layer))
    unit = ChannelPatches(0, (draw.photo(large, 96),) * 6)
    stage = LayerPatches("map", (4, 4), 64, (96, 96), (unit,) * 8)
    filters = Filters("photo", (360, 360), (), (3, 3), (stage,) * 5, 100)
    overlays = tuple(OutputOverlays(name=f"output {i}", overlays=(one,) * 18) for i in range(4))
    assert len(checked(base({"image_predictions": overlays}, filters=filters))) < 10_000_000


# -- from predictions to facts -----------------------------------------------------------------------------------


def prepared(picture: Image, output: Feature, pictures: np.ndarray, answers: object) -> PreparedData:
    """All rows are test rows."""
    rows = len(pictures)
    table = Table({"image": pictures, output.name: answers}, "made up")
    return PreparedData(
        table, 10 + np.arange(rows), np.full(rows, "test"), (picture,), (output,), (), (), "", np.zeros(rows, bool)
    )


def pictures_of(rows: int, size: int = 16, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (rows, size, size, 3), dtype=np.uint8)


def seen_of(
    picture: Image, output: Feature, pictures: np.ndarray, answers: object, best: dict, **calibration
) -> OutputRows:
    ready = prepared(picture, output, pictures, answers)
    inputs = {"image": picture.encode(pictures)}
    truth = output.to_input_frame(output.encode(answers), inputs)
    return OutputRows(ready, np.arange(len(pictures)), {**best, **output.context(inputs)}, truth, calibration)


def test_the_worst_mask_is_first_with_its_main_confusion() -> None:
    pictures = pictures_of(8)
    answers = np.zeros((8, 16, 16), np.uint8)
    answers[:, :, 8:] = 1
    feature = MaskOutput(name="mask", names=("road", "sky")).fit([answers])
    picture = Image(name="image").fit([pictures])
    said = feature.encode(answers).values.copy()
    said[5] = 2  # all sky
    best = {"classes": said, "confidence": np.full(said.shape, 200, np.uint8)}
    rows = seen_of(picture, feature, pictures, answers, best)
    facts = output_overlays(feature, rows)
    assert facts is not None
    worst = facts.overlays[0]
    assert worst.row == 15
    assert worst.score == pytest.approx(0.25)
    assert worst.caption == "road predicted as sky, 50\u00a0% of the image"
    assert any(o.typical and o.score == 1 for o in facts.overlays)
    assert (opened(worst.truth.mask)[0, 0] == [*colour(0), 255]).all()
    assert (opened(worst.prediction.mask)[0, 0] == [*colour(1), 255]).all()
    assert (opened(worst.wrong)[..., 3] > 0).mean() == 0.5
    assert set(feature.per_class(rows.best, rows.truth)) == {"road", "sky"}


def test_boxes_are_matched_once_each() -> None:
    pictures = pictures_of(3)
    box = {"label": "cell", "left": 0.0, "top": 0.0, "right": 8.0, "bottom": 8.0}
    answers = pl.Series("boxes", [[box], [box], []])
    feature = BoxesOutput(name="boxes").fit([answers])
    picture = Image(name="image").fit([pictures])
    half, corner = [0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1]
    best = {
        "boxes": np.array([[half, half], [corner, half], [corner, half]], np.float32),
        "scores": np.array([[0.9, 0.8], [0.7, 0.02], [0.6, 0.0]], np.float32),
        "labels": np.zeros((3, 2), np.int64),
        "mask": np.array([[True, True], [True, True], [True, False]]),
    }
    rows = seen_of(picture, feature, pictures, answers, best, threshold=0.5)
    facts = output_overlays(feature, rows)
    assert facts is not None
    by_row = {o.row: o for o in facts.overlays}
    assert [b.correct for b in by_row[10].prediction.boxes] == [True, False], "the second finds what is found already"
    assert by_row[10].truth.boxes[0].confidence == pytest.approx(0.9)
    assert by_row[11].truth.boxes[0].confidence is None
    assert by_row[10].truth.boxes[0][1:5] == pytest.approx((0, 0, 0.5, 0.5))
    assert facts.threshold == 0.5
    metrics = feature.per_class(rows.best, rows.truth, rows.calibration)
    assert metrics["cell"]["recall"] == 0.5
    assert metrics["cell"]["precision"] == 0.25
    (curve,) = feature.precision_recall(rows.best, rows.truth)
    assert curve.positives == 2


def test_multilabel_outputs_have_curves_and_mistakes() -> None:
    pictures = pictures_of(4)
    answers = pl.Series("labels", [["sea"], ["sea", "sun"], [], ["sun"]])
    feature = MultilabelOutput(name="labels").fit([answers])
    truth = feature.encode(answers).values
    odds = np.where(truth > 0, 3.0, -3.0).astype(np.float32)
    odds[2] = 3.0
    seen = seen_of(Image(name="image").fit([pictures]), feature, pictures, answers, {"log_odds": odds})
    (wrong,) = output_facts(feature, seen, {}).mistakes
    assert (wrong.row, wrong.truth) == (12, "none of them")
    assert wrong.predicted in ("sea, sun", "sun, sea")
    assert wrong.image is not None
    assert [curve.name for curve in feature.precision_recall(seen.best, seen.truth)] == ["sea", "sun"]


def test_the_hardest_pairs_are_found() -> None:
    pictures = pictures_of(6)
    answers = pl.Series("who", ["Ada", "Ada", "Bo", "Bo", "Cy", "Cy"])
    feature = IdentityOutput(name="who", embedding_dim=2).fit([answers])
    angle = np.radians([0, 10, 90, 170, 200, 205])  # the two Bos are far apart, a Bo and a Cy are near
    unit = np.stack([np.cos(angle), np.sin(angle)], 1).astype(np.float32)
    best = {"embedding": unit, "nearest": np.zeros((6, 1), int), "similarity": np.zeros((6, 1), np.float32)}
    seen = seen_of(Image(name="image").fit([pictures]), feature, pictures, answers, best, threshold=0.5)
    found = verification_facts(feature, seen)
    assert found is not None
    assert next(p.rows for p in found.hardest if p.same) == (12, 13)
    assert next(p.rows for p in found.hardest if not p.same) == (13, 14)
    assert found.missed == pytest.approx(1 / 3)
    assert sum(found.same) == 3
    assert sum(found.different) == 12


def test_predicted_images_are_shown_beside_the_input() -> None:
    pictures = pictures_of(4)
    feature, picture = ImageOutput(name="clean").fit([pictures]), Image(name="image").fit([pictures])
    codes = feature.encode(pictures).values.copy()
    codes[2] = 255 - codes[2]
    worst = image_rows(feature, seen_of(picture, feature, pictures, pictures, {"codes": codes}))[0]
    assert worst.row == 12
    assert worst.score < 15
    assert (opened(worst.truth)[..., :3] == pictures[2]).all()
    assert (opened(worst.predicted)[..., :3] == 255 - pictures[2]).all()
    assert (opened(worst.input_image)[..., :3] == pictures[2]).all()


def test_other_kinds_have_no_image_sections() -> None:
    answers = pl.Series("label", ["a", "b", "a"])
    feature = CategoryOutput(name="label").fit([answers])
    seen = seen_of(Image(name="image").fit([pictures_of(3)]), feature, pictures_of(3), answers, {})
    assert output_overlays(feature, seen) is None
    assert verification_facts(feature, seen) is None
    assert image_rows(feature, seen) == ()
    assert feature.per_class(seen.best, seen.truth) == {}
    assert feature.precision_recall(seen.best, seen.truth) == []


# -- variations and filters --------------------------------------------------------------------------------------


def test_masks_are_shown_with_the_augmented_images() -> None:
    pictures = np.zeros((6, 16, 16, 3), np.uint8)
    pictures[:, :, 4:8] = 200
    answers = (pictures[..., 0] > 0).astype(np.uint8)
    feature, picture = MaskOutput(name="mask").fit([answers]), Image(name="image").fit([pictures])
    ready = replace(prepared(picture, feature, pictures, answers), split=np.full(6, "train"))
    sheet = augmented_images(ready, Change({"image": Augment(shift=0.25, flip=True)}, (feature,)))
    assert sheet is not None
    assert sheet.changes == ("shifted by up to 25 % of the side", "flipped horizontally in half of the cases")
    assert [len(row) for row in sheet.rows] == [4] * 6
    moved = 0
    for row in sheet.rows:
        for version in row:
            bright = opened(version.image)[..., 0] > 100
            true = (opened(version.targets.mask)[..., :3] == colour(1)).all(-1)
            assert (bright == true).all()
            moved += not (bright == (opened(row[0].image)[..., 0] > 100)).all()
    assert moved > 6
    assert augmented_images(ready, None) is None


def small_network(trunk: str, size: int, **settings: object) -> tuple[Network, Dataset, np.ndarray]:
    """An untrained network with dark images that have one bright square each."""
    random = np.random.default_rng(0)
    pictures = random.integers(0, 30, (80, size, size, 3), dtype=np.uint8)
    corners = random.integers(0, size - 4, (80, 2))
    for one, (y, x) in zip(pictures, corners, strict=True):
        one[y : y + 4, x : x + 4] = 255
    labels = pl.Series("label", ["a", "b"] * 40)
    picture, label = Image(name="image").fit([pictures]), CategoryOutput(name="label").fit([labels])
    torch.manual_seed(0)
    network = Network([picture], [label], trunk, settings)
    return network, Dataset({"image": picture.encode(pictures)}, {"label": label.encode(labels)}), corners


@pytest.mark.parametrize(
    ("trunk", "least"), [("conv", 3), ("resnet", 3), ("lenet5", 3), ("alexnet", 3), ("convnext", 4), ("vit", 3)]
)
def test_receptive_fields_grow_with_depth(trunk: str, least: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deepglass.introspect.filters.MAX_SECONDS", 600)  # all images, however slow the machine
    network, data, _ = small_network(trunk, 32)
    found = filters_of(network, lambda batch: network.predictions(batch.inputs), data, "image", ["a", "b"] * 40)
    assert found is not None
    assert found.num_images == 80
    assert len(found.stages) >= least
    assert len(found.first) == min(found.stages[0].channels, 64)
    assert opened(found.first[0]).shape[:2] == found.kernel
    assert found.stages[0].field == found.kernel, "one place of the first map sees what its filter covers"
    fields = [stage.field[0] for stage in found.stages]
    assert fields == sorted(fields)
    grids = [stage.grid[0] for stage in found.stages]
    assert grids == sorted(grids, reverse=True)
    for stage in found.stages:
        for unit in stage.units:
            assert len(unit.patches) == 6
            assert opened(unit.patches[0]).shape[:2] == stage.field
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())
    html = checked(base(own={"filters": found}))
    assert len(html) < 1_500_000


def test_top_patches_contain_the_pattern_of_the_channel() -> None:
    network, data, _ = small_network("conv", 32, width=8)
    conv = next(m for m in network.modules() if isinstance(m, torch.nn.Conv2d) and m.in_channels == 3)
    with torch.no_grad():
        conv.weight[0] = 1.0  # the first channel detects brightness
    found = filters_of(network, lambda batch: network.predictions(batch.inputs), data, "image")
    assert found is not None
    unit = next(u for u in found.stages[0].units if u.channel == 0)
    assert all((opened(patch)[..., :3] == 255).all() for patch in unit.patches)


def test_filters_of_several_images_use_the_first() -> None:
    random = np.random.default_rng(0)
    cameras = {name: random.integers(0, 255, (40, 16, 16, 3), dtype=np.uint8) for name in ("left", "right")}
    labels = pl.Series("label", ["a", "b"] * 20)
    inputs = [Image(name=name).fit([pictures]) for name, pictures in cameras.items()]
    label = CategoryOutput(name="label").fit([labels])
    network = Network(inputs, [label], "conv", {})
    columns: dict[str, Column] = {f.name: f.encode(cameras[f.name]) for f in inputs}
    data = Dataset(columns, {"label": label.encode(labels)})
    found = filters_of(network, lambda batch: network.predictions(batch.inputs), data, "left")
    assert found is not None
    assert len(found.stages) >= 3
    assert all(p.requires_grad for p in network.parameters())


@pytest.mark.parametrize(
    ("weights", "why"),
    [
        (np.random.default_rng(0).normal(size=(16, 3, 5, 5)), "random"),
        (np.random.default_rng(0).uniform(-1, 1, (4, 1, 3, 3)), "random"),
        (np.random.default_rng(0).normal(size=(16, 3, 1, 1)), "one pixel"),
        (np.random.default_rng(0).normal(size=(16, 3, 1, 1)) * np.linspace(-1, 1, 25).reshape(5, 5), ""),
    ],
)
def test_filters_that_show_nothing_are_left_out_with_the_reason(weights: np.ndarray, why: str) -> None:
    reason = why_left_out(weights)
    assert (why in reason) if why else not reason
    facts = Filters(
        "image",
        (9, 9),
        (draw.png(np.zeros((8, 8, 3), np.uint8)),),
        weights.shape[-2:],
        num_filters=len(weights),
        left_out=reason,
    )
    html = section_html("filters", report_of(own={"filters": facts}))
    assert ('alt="filter 0"' in html) == (not why)
    assert ("not shown" in html) == bool(why)


@pytest.mark.parametrize("beside", [0, 3])
def test_a_linear_layer_over_pixels_shows_its_largest_weights_first(beside: int) -> None:
    """`beside`: other inputs that the layer reads after the pixels."""
    pictures = pictures_of(20, 8)
    picture = Image(name="image").fit([pictures])
    data = Dataset({"image": picture.encode(pictures)}, {})
    layer = torch.nn.Linear(192 + beside, 70)
    with torch.no_grad():
        layer.weight.copy_(0.01 * torch.randn(70, 1) * torch.linspace(-1, 1, 192 + beside))  # smooth, as learned ones
        layer.weight[5] = 0.0
        layer.weight[5, :64] = 9.0  # red, all over

    def run(batch: Batch) -> torch.Tensor:
        pixels = batch.inputs["image"].values.float().flatten(1) / 255
        return layer(torch.cat([pixels, torch.zeros(len(batch), beside)], 1))

    found = filters_of(layer, run, data, "image")
    assert found is not None
    assert (found.kernel, found.size, len(found.first), found.num_filters, found.stages) == ((8, 8), (8, 8), 64, 70, ())
    assert (opened(found.first[0])[..., :3] == (255, 128, 128)).all()
    html = checked(base(own={"filters": found}))
    assert re.search(r"64 of 70\sfilters of 8\u00a0×\u00a08 pixels, those with the largest weights", html)
    assert not layer._forward_pre_hooks


def test_layers_over_other_inputs_of_equal_width_show_no_filters() -> None:
    pictures = pictures_of(20, 8)
    picture = Image(name="image").fit([pictures])
    data = Dataset({"image": picture.encode(pictures)}, {})
    layer = torch.nn.Linear(192, 2)
    noise_alone = torch.randn(20, 192, generator=torch.Generator().manual_seed(0))
    assert filters_of(layer, lambda batch: layer(noise_alone[: len(batch)]), data, "image") is None


# -- a whole run -------------------------------------------------------------------------------------------------


def test_a_report_shows_filters_and_omits_patches_without_samples(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    steps = ("training.steps=60", "training.augment={shift: 0.1, rotate: 10}")
    assert command("train", "sklearn:digits", "--out", "digits", *steps).code == 0
    assert command("report", "digits").code == 0
    html = Path("digits/report.html").read_text()
    assert ">Filters</h2>" in html
    assert "shifted by up to 10 % of the side, rotated by up to 10°" in html
    assert html.count("patch 6") > 8
    assert command("report", "digits", "--no-samples").code == 0
    html = Path("digits/report.html").read_text()
    assert "The first filters" in html, "weights are no rows"
    assert "patch 6" not in html
    assert "Data augmentation" not in html
    assert not re.search(r'alt="row', html)
