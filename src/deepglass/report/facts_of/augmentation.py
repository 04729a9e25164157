"""Training pictures before and after, as the run varied them, with the masks and boxes that moved along."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Generator

from deepglass.data.augment import Augment
from deepglass.data.batches import Batch
from deepglass.features._display import first_image, to_pixels
from deepglass.features.base import take_raw
from deepglass.features.boxes import Boxes
from deepglass.features.image import Image
from deepglass.features.mask import Mask
from deepglass.prepare.prepared_data import PreparedData
from deepglass.report.image_facts import Varied, Version
from deepglass.report.overlays import Annotation, ClassColour, OverlayBox
from deepglass.training.augmentation import Augmentation as Change
from deepglass.web import encode_image as draw
from deepglass.web.palette import colour

ROWS = 6
VERSIONS = 3
LONGEST = 160  # pixels


def varied(prepared: PreparedData, change: object) -> Varied | None:
    """A sheet of some training pictures; None where the run does not vary its first picture.

    Args:
        change: what a batch goes through in training, as `training.augmentation.augmentation_for` gives it.
    """
    picture = first_image(prepared.inputs)
    if picture is None or not isinstance(change, Change) or picture.name not in change.changes:
        return None
    rows = _rows(prepared, picture)
    if not len(rows):
        return None
    spatial = [f for f in prepared.outputs if isinstance(f, Mask | Boxes)]
    repeated = np.repeat(rows, VERSIONS)
    batch = prepared.dataset(repeated).batch(torch.arange(len(repeated)))
    # Each row's versions draw their own maps. Mixing is left out: it would put two training rows into one.
    moved = dataclasses.replace(change, mixup=0.0)(batch, Generator().manual_seed(0))
    sheet = []
    for r in range(len(rows)):
        before = _version(picture, spatial, batch, r * VERSIONS)
        after = (_version(picture, spatial, moved, r * VERSIONS + v) for v in range(VERSIONS))
        sheet.append((before, *after))
    masks = [f for f in spatial if isinstance(f, Mask)]
    legend = tuple(ClassColour(n, colour(k)) for k, n in enumerate(masks[0].class_names)) if masks else ()
    return Varied(_said(change.changes[picture.name], change.mixup), tuple(sheet), legend)


def _rows(prepared: PreparedData, picture: Image) -> np.ndarray:
    """Training rows spread over the part, whose picture is there."""
    train = prepared.rows("train")
    rows = train[np.unique(np.linspace(0, len(train) - 1, min(ROWS, len(train))).astype(int))] if len(train) else train
    return rows[picture.encode(take_raw(prepared.table[picture.column], rows)).mask] if len(rows) else rows


def _version(picture: Image, spatial: list[Mask | Boxes], batch: Batch, i: int) -> Version:
    shown = to_pixels(batch.inputs[picture.name].values[i].numpy(), picture.levels_ or 255)
    mask, boxes = None, []
    for feature in spatial:
        target = batch.targets[feature.name]
        if isinstance(feature, Mask):
            places = target.values[i].numpy().astype(int) - 1
            mask = draw.classes(places, tuple(colour(k) for k in range(len(feature.class_names))), LONGEST)
        else:
            for value in target.values[i][target.mask[i]].tolist():
                boxes.append(OverlayBox(feature.class_names[int(value[0])], *value[1:]))
    return Version(draw.photo(shown, LONGEST), Annotation(mask, tuple(boxes)))


_PHRASES: Mapping[str, Callable[[Any], str]] = {
    "shift": lambda v: f"shifted by up to {v:.0%} of the side",
    "flip": lambda v: "mirrored in half of the cases",
    "rotate": lambda v: f"turned by up to {v:g}°",
    "scale": lambda v: f"up to {v:.0%} larger or smaller",
    "shear": lambda v: f"slanted by up to {v:.0%}",
    "crop": lambda v: f"up to {v:.0%} of the area cut away",
    "color_jitter": lambda v: f"colours changed by up to {v:.0%}",
    "random_erasing": lambda v: f"a square of {v:.0%} of the side blanked",
    "noise": lambda v: f"noise of {v:.0%} added",
}


def _said(augment: Augment, mixup: float) -> tuple[str, ...]:
    """What is done, a phrase for each setting that is in use."""
    done = [say(value) for name, say in _PHRASES.items() if (value := getattr(augment, name, 0))]
    return (*done, *(["pairs of pictures mixed, which is not shown here"] if mixup else []))
