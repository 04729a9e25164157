"""Which pictures of a batch are varied in training, and how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Generator

from deepglass.config import construct
from deepglass.data.augment import Augment
from deepglass.data.batches import Batch, Change
from deepglass.features.base import Feature
from deepglass.features.image import Image
from deepglass.networks.trunks.base import Recipe
from deepglass.nn.tokens import Field
from deepglass.run.spec import TrainingSpec

MIN_EPOCHS = 1.5  # in shorter runs hardly a picture comes again


@dataclass(frozen=True)
class Varied:
    """Varies some inputs of a batch on its device; spatial targets follow the first picture, others stay."""

    changes: dict[str, Augment]
    followers: tuple[Feature, ...] = ()

    def __call__(self, batch: Batch, generator: Generator) -> Batch:
        inputs, targets = dict(batch.inputs), dict(batch.targets)
        for i, (name, augment) in enumerate(self.changes.items()):
            values = inputs[name].values
            map = augment.draw(len(values), (values.shape[-2], values.shape[-1]), generator) if augment.moves else None
            inputs[name] = Field(augment(values, generator, map), inputs[name].mask)
            if i == 0 and map is not None:
                targets |= {f.name: f.warp(targets[f.name], map) for f in self.followers}
        return replace(batch, inputs=inputs, targets=targets)


def change_for(
    training: TrainingSpec, recipe: Recipe, inputs: Sequence[Feature], outputs: Sequence[Feature], epochs: float
) -> Change | None:
    """The augmentation of a run: what was asked for, or what is safe for these pictures and labels.

    Args:
        epochs: how often each picture is seen; changes are only worth their price where that is more than once or
            twice, and strong ones where it is often.
    """
    wanted = recipe.augment if training.augment is None else training.augment
    pictures = [f for f in inputs if isinstance(f, Image)]
    if wanted is False or not pictures:
        return None
    if isinstance(wanted, bool):
        if training.augment is None and epochs < MIN_EPOCHS:
            return None
        classes = [name for f in outputs for name in f.class_names]
        changes = {f.name: _safe(f, classes, epochs > 25) for f in pictures}
    else:
        changes = {f.name: construct(Augment, wanted, "training.augment") for f in pictures}
    return Varied(changes, tuple(f for f in outputs if type(f).spatial))


def _safe(picture: Image, classes: Sequence[str], strong: bool) -> Augment:
    assert picture.channels_ is not None
    assert picture.size_ is not None
    return Augment.of(picture.channels_, picture.size_, classes=classes, strong=strong)
