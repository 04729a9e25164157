"""Training images before and after augmentation, with the masks and boxes that move along."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Generator

from deepglass.data.augment import Augment
from deepglass.data.batches import Batch
from deepglass.features._display import first_image
from deepglass.features.base import Feature, take_raw
from deepglass.features.boxes import Boxes
from deepglass.features.mask import Mask
from deepglass.formatting import plain_percent
from deepglass.prepare.prepared_data import PreparedData
from deepglass.report.data import ReportData, View
from deepglass.report.overlays import Annotation, OverlayBox
from deepglass.report.row_selection import evenly_spaced
from deepglass.report.sections.base import Section
from deepglass.run.fit import augmentation_of
from deepglass.training.augmentation import Augmentation
from deepglass.web import encode_image
from deepglass.web.palette import colour, css

ROWS = 6
VERSIONS = 3
MAX_SIDE = 160  # pixels


class AugmentedImage(NamedTuple):
    """An image and the targets that lie over it."""

    image: bytes
    targets: Annotation = Annotation()


@dataclass(frozen=True)
class AugmentationFacts:
    """Training images before and after augmentation.

    Args:
        changes: what is done, a phrase each.
        rows: for each image the original first, then augmented versions.
        legend: the classes of masks that are drawn over them.
    """

    changes: tuple[str, ...]
    rows: tuple[tuple[AugmentedImage, ...], ...]
    legend: tuple[tuple[str, str], ...] = ()

    def without_rows(self) -> None:
        """Nothing: all of it is rows."""


class AugmentationSection(Section):
    """A row an image: as it is, and augmented."""

    title, nav, position = "Data augmentation", "Augmentation", 20
    layer = "data"
    folded = True
    requires = ("image_input",)
    files = ("spec.yaml", "plan.json")

    def collect(self, report: ReportData) -> AugmentationFacts | None:
        context = report.context
        augmentation = augmentation_of(context.experiment, context.objective, context.plan)
        return augmented_images(context.data, augmentation)

    def view(self, facts: AugmentationFacts, report: ReportData) -> View | None:
        return {"augmentation": facts} if facts.rows else None


def augmented_images(prepared: PreparedData, transform: object) -> AugmentationFacts | None:
    """Some training images and their augmented versions; None where the run does not augment its first image.

    Args:
        transform: what a batch goes through in training.
    """
    image = first_image(prepared.inputs)
    if image is None or not isinstance(transform, Augmentation) or image.name not in transform.augmentations:
        return None
    rows = _rows(prepared, image)
    if not len(rows):
        return None
    spatial = [f for f in prepared.outputs if isinstance(f, Mask | Boxes)]
    repeated = np.repeat(rows, VERSIONS)
    batch = prepared.dataset(repeated).batch(torch.arange(len(repeated)))
    # Each version draws its own random map. Mixup is left out: it would put two training rows into one image.
    moved = dataclasses.replace(transform, mixup=0.0)(batch, Generator().manual_seed(0))
    sheet = []
    for r in range(len(rows)):
        before = _version(image, spatial, batch, r * VERSIONS)
        after = (_version(image, spatial, moved, r * VERSIONS + v) for v in range(VERSIONS))
        sheet.append((before, *after))
    masks = [f for f in spatial if isinstance(f, Mask)]
    legend = tuple((n, css(colour(k))) for k, n in enumerate(masks[0].class_names)) if masks else ()
    return AugmentationFacts(_changes(transform.augmentations[image.name], transform.mixup), tuple(sheet), legend)


def _rows(prepared: PreparedData, image: Feature) -> np.ndarray:
    """Training rows with an image, spread over the split."""
    train = prepared.rows("train")
    rows = evenly_spaced(train, ROWS)
    return rows[image.encode(take_raw(prepared.table[image.column], rows)).mask] if len(rows) else rows


def _version(image: Feature, spatial: Sequence[Mask | Boxes], batch: Batch, i: int) -> AugmentedImage:
    pixels = image.pixels(batch.inputs[image.name].values[i].numpy())
    mask, boxes = None, []
    for feature in spatial:
        target = batch.targets[feature.name]
        if isinstance(feature, Mask):
            classes = target.values[i].numpy().astype(int) - 1
            mask = encode_image.classes(classes, tuple(colour(k) for k in range(len(feature.class_names))), MAX_SIDE)
        else:
            for value in target.values[i][target.mask[i]].tolist():
                boxes.append(OverlayBox(feature.class_names[int(value[0])], *value[1:]))
    return AugmentedImage(encode_image.photo(pixels, MAX_SIDE), Annotation(mask, tuple(boxes)))


_PHRASES: Mapping[str, Callable[[Any], str]] = {
    "shift": lambda v: f"shifted by up to {plain_percent(v, 0)} of the side",
    "flip": lambda v: "flipped horizontally in half of the cases",
    "rotate": lambda v: f"rotated by up to {v:g}°",
    "scale": lambda v: f"up to {plain_percent(v, 0)} larger or smaller",
    "shear": lambda v: f"sheared by up to {plain_percent(v, 0)}",
    "crop": lambda v: f"up to {plain_percent(v, 0)} of the area cut away",
    "color_jitter": lambda v: f"colours changed by up to {plain_percent(v, 0)}",
    "random_erasing": lambda v: f"a square of {plain_percent(v, 0)} of the side blanked",
    "noise": lambda v: f"noise of {plain_percent(v, 0)} added",
}


def _changes(augment: Augment, mixup: float) -> tuple[str, ...]:
    """A phrase for each setting that is in use."""
    changes = [phrase(value) for name, phrase in _PHRASES.items() if (value := getattr(augment, name, 0))]
    return (*changes, *(["pairs of images mixed (mixup), which is not shown here"] if mixup else []))
