"""Which pictures of a batch are varied in training, how much, and what follows them.

All pictures of a row get the same map, so that what belongs together stays together: the cameras of a car, a picture
and its depth. Masks, boxes and points follow it, numbers with `negate_on_flip` change sign when flipped, and pictures
of the left and the right change places there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Generator, nn

from deepglass.config import construct
from deepglass.data.augment import Augment, is_angle, is_directional, uniform_draws, words
from deepglass.data.augment_text import TextAugment, VariedTexts
from deepglass.data.batches import Batch, BatchTransform
from deepglass.data.mixup import mixup
from deepglass.errors import SpecError
from deepglass.features.audio import Audio
from deepglass.features.base import Feature
from deepglass.features.boxes import Boxes
from deepglass.features.image import Image
from deepglass.features.mask import Mask
from deepglass.features.number import Number
from deepglass.features.outputs.base import Output
from deepglass.features.text import Text
from deepglass.features.vector import Vector
from deepglass.features.video import Video
from deepglass.hyperparameters import TrainingDefaults
from deepglass.nn.audio import AudioAugment, AudioEncoder
from deepglass.nn.tokens import Field
from deepglass.nn.warp import Warp
from deepglass.training.settings import TrainingSettings

SAFE_SOUND = AudioAugment(speed=0.15, shift=0.2, gain=6.0, noise=0.1, pitch=0.15, time_mask=0.15, frequency_mask=0.2)
MIN_EPOCHS = 1.5  # in shorter runs hardly a picture comes again
MANY_EPOCHS = 25  # from here on strong changes pay

Picture = Image | Video


@dataclass(frozen=True)
class Augmentation:
    """Varies some inputs of a batch on its device; what follows moves with the first picture, others stay.

    Args:
        changes: input name -> its changes.
        followers: features, inputs or outputs, that are warped with the first picture.
        sides: pairs of pictures that change places in a mirror.
        mixup: of `data.mixing.mixup`; 0 for none.
    """

    changes: dict[str, Augment]
    followers: tuple[Feature, ...] = ()
    sides: tuple[tuple[str, str], ...] = ()
    mixup: float = 0.0

    def __call__(self, batch: Batch, generator: Generator) -> Batch:
        inputs, targets = dict(batch.inputs), dict(batch.targets)
        drawn = uniform_draws(len(batch), generator)
        leading: Warp | None = None
        for i, (name, augment) in enumerate(self.changes.items()):
            values = inputs[name].values
            map = augment.map(drawn, (values.shape[-2], values.shape[-1])) if augment.moves else None
            inputs[name] = inputs[name]._replace(values=augment(values, generator, map))
            leading = map if i == 0 else leading
        if leading is not None:
            for feature in self.followers:
                fields = targets if feature.name in targets else inputs
                fields[feature.name] = feature.warp(fields[feature.name], leading)
            for left, right in self.sides:
                inputs[left], inputs[right] = _exchanged(inputs[left], inputs[right], leading)
        batch = replace(batch, inputs=inputs, targets=targets)
        return mixup(batch, self.mixup, generator) if self.mixup else batch


def augmentation_for(
    training: TrainingSettings,
    defaults: TrainingDefaults,
    inputs: Sequence[Feature],
    outputs: Sequence[Output],
    epochs: float,
    supports_mixup: bool = True,
) -> BatchTransform | None:
    """The augmentation of a run: what was asked for, or what is safe for these pictures and labels.

    Args:
        epochs: how often each picture is seen; changes are only worth their price where that is more than once or
            twice, and strong ones where it is often.
        supports_mixup: whether the objective's loss weighs both answers of mixed rows.

    Raises:
        SpecError: `unknown-key` or `bad-value`, with the path of the setting.
    """
    wanted = defaults.augment if training.augment is None else training.augment
    pictures = [f for f in inputs if isinstance(f, Picture)]
    texts = [f for f in inputs if isinstance(f, Text)]
    if isinstance(wanted, Mapping) and not pictures and any(isinstance(f, Audio) for f in inputs):
        return None  # `set_audio_augmentation`
    if isinstance(wanted, Mapping) and not pictures and texts:
        augment = construct(TextAugment, wanted, "training.augment")
        if augment.swap and any(f.alignable for f in outputs):
            raise SpecError("bad-value", "training.augment.swap: the answers go along with the words; leave it out")
        return VariedTexts({f.name: augment for f in texts})
    if isinstance(wanted, Mapping):
        if wanted.get("mixup") and not supports_mixup:
            raise SpecError("bad-value", "training.augment.mixup: this objective takes one answer a row; leave it out")
        return _as_asked(wanted, pictures, inputs, outputs)
    if not wanted or not pictures or (training.augment is None and epochs < MIN_EPOCHS):
        return None
    classes = [name for f in outputs for name in f.class_names]
    changes = {f.name: _safe(f, classes, outputs, epochs > MANY_EPOCHS) for f in pictures}
    numbers = [f for f in (*inputs, *outputs) if isinstance(f, Number)]
    mirrors = any(f.negate_on_flip for f in numbers)
    turning = any(is_angle(f.name) and not f.negate_on_flip for f in numbers)
    sides = _sides(pictures)
    whereabouts = any(isinstance(f, Number | Vector) for f in outputs)  # it may say where a thing is
    flip = mirrors or (all(augment.flip for augment in changes.values()) and not whereabouts)
    flip = flip and not turning and not sides.alone
    changes = {name: replace(augment, flip=flip) for name, augment in changes.items()}
    if mirrors or turning:  # a road that is seen elsewhere or askew asks for another angle
        changes = {name: replace(augment, shift=0.0, rotate=0.0, shear=0.0) for name, augment in changes.items()}
    return Augmentation(changes, _followers(inputs, outputs), sides.pairs)


def set_audio_augmentation(
    objective: nn.Module, training: TrainingSettings, defaults: TrainingDefaults, inputs: Sequence[Feature]
) -> None:
    """Tell the encoders of sounds how to vary them in training: as asked for, or as is safe for speech and noises.

    Raises:
        SpecError: `unknown-key` or `bad-value`, with the path of the setting.
    """
    wanted = defaults.augment if training.augment is None else training.augment
    if not any(isinstance(f, Audio) for f in inputs):
        return
    asked = construct(AudioAugment, wanted, "training.augment") if isinstance(wanted, Mapping) else SAFE_SOUND
    for module in objective.modules():
        if isinstance(module, AudioEncoder):
            module.augmentation = asked if wanted else None


def _as_asked(
    wanted: Mapping[str, Any], pictures: Sequence[Picture], inputs: Sequence[Feature], outputs: Sequence[Output]
) -> BatchTransform | None:
    augment = construct(Augment, wanted, "training.augment")
    if not pictures and augment != Augment(mixup=augment.mixup):
        others = ", ".join(f"{f.name} ({f.kind})" for f in inputs[:4])
        raise SpecError(
            "bad-value", f"training.augment: only pictures, sounds and texts can be varied, the inputs are {others}"
        )
    sides = _sides(pictures)
    if augment.flip and sides.alone:
        raise SpecError(
            "bad-value",
            f"training.augment.flip: {sides.alone!r} shows one side and has no picture of the same size and colours to "
            "change places with in a mirror; leave flip out",
        )
    if augment.mixup:
        _check_mixable(inputs)
    changes = {f.name: augment for f in pictures}
    return Augmentation(changes, _followers(inputs, outputs), sides.pairs, augment.mixup)


def _check_mixable(inputs: Sequence[Feature]) -> None:
    for feature in inputs:
        if not isinstance(feature, Picture | Number | Vector):
            raise SpecError(
                "bad-value",
                f"training.augment.mixup: {feature.name!r} is a {feature.kind}, which cannot be mixed; only pictures, "
                "numbers and vectors can",
            )


def _followers(inputs: Sequence[Feature], outputs: Sequence[Output]) -> tuple[Feature, ...]:
    """Inputs and outputs that lie over the picture, such as masks, and numbers that change their sign in a mirror."""
    others = [f for f in inputs if not isinstance(f, Picture)]
    return tuple(f for f in (*others, *outputs) if type(f).dense or (isinstance(f, Number) and f.negate_on_flip))


class _Sides(NamedTuple):
    """Pictures that change places in a mirror, and the first that would have to and cannot."""

    pairs: tuple[tuple[str, str], ...]
    alone: str | None


def _sides(pictures: Sequence[Picture]) -> _Sides:
    """Pictures whose names differ by left and right, such as left_camera and right_camera."""
    by_words = {tuple(words(f.name)): f for f in pictures}
    pairs, alone = [], None
    for name, one in by_words.items():
        other = by_words.get(tuple({"left": "right", "right": "left"}.get(word, word) for word in name))
        if other is one:
            continue
        if other is None or _coding(one) != _coding(other):
            alone = alone or one.name
        elif "left" in name:
            pairs.append((one.name, other.name))
    return _Sides(tuple(pairs), alone)


def _coding(picture: Picture) -> tuple[Any, ...]:
    """What two pictures must share if the codes of one are to stand for the other's."""
    return type(picture), picture.size_, picture.channels_, picture.levels_, picture.low_, picture.high_


def _exchanged(left: Field, right: Field, map: Warp) -> tuple[Field, Field]:
    """The two sides, each other's in mirrored rows."""
    picked = []
    for own, other in ((left, right), (right, left)):
        rows = map.mirrored.view(-1, *[1] * (own.values.ndim - 1))
        picked.append(
            Field(torch.where(rows, other.values, own.values), torch.where(map.mirrored, other.mask, own.mask))
        )
    return picked[0], picked[1]


def _safe(picture: Picture, classes: Sequence[str], outputs: Sequence[Output], strong: bool) -> Augment:
    assert picture.channels_ is not None
    assert picture.size_ is not None
    redrawn = any(isinstance(f, Image) for f in outputs)
    augment = Augment.of(picture.channels_, picture.size_, classes=classes, strong=strong and not redrawn)
    if redrawn:  # resampling would blur the answers
        return replace(augment, rotate=0.0, scale=0.0, shear=0.0, flip=not is_directional(classes))
    if any(isinstance(f, Mask) for f in outputs):  # few pictures, each of them thousands of labels: sizes vary
        return replace(augment, scale=0.25, color_jitter=0.2 if picture.channels_ == 3 else 0.0, random_erasing=0.0)
    if any(isinstance(f, Boxes) for f in outputs):  # a shifted picture repeats its border, things in it without a box
        return replace(augment, shift=0.0, rotate=0.0, scale=0.0, shear=0.0, random_erasing=0.0, crop=0.4)
    return augment
