"""Data augmentation of a run: which inputs of a batch are augmented, how strongly, and which features follow.

All images of a row share one affine map, so that several cameras, or an image and its depth, stay aligned. Masks, boxes
and points follow the map; under a horizontal flip, numbers with `negate_on_flip` change their sign, and left and right
images are swapped.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Generator, nn

from deepglass.config import construct
from deepglass.data.augment import Augment, is_angle, is_directional, uniform_draws, words
from deepglass.data.augment_text import BatchTextAugment, TextAugment
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

DEFAULT_AUDIO = AudioAugment(speed=0.15, shift=0.2, gain=6.0, noise=0.1, pitch=0.15, time_mask=0.15, frequency_mask=0.2)
MIN_EPOCHS = 1.5  # in shorter runs few images occur twice
STRONG_EPOCHS = 25  # from here on strong augmentation pays

ImageFeature = Image | Video


@dataclass(frozen=True)
class Augmentation:
    """Augmentation of a batch on its device.

    Args:
        augmentations: input name -> its augmentation.
        followers: inputs and outputs that are warped with the first image.
        sides: pairs of left and right images, swapped under a horizontal flip.
        mixup: alpha of `data.mixup.mixup`; 0 for none.
    """

    augmentations: dict[str, Augment]
    followers: tuple[Feature, ...] = ()
    sides: tuple[tuple[str, str], ...] = ()
    mixup: float = 0.0

    def __call__(self, batch: Batch, generator: Generator) -> Batch:
        inputs, targets = dict(batch.inputs), dict(batch.targets)
        draws = uniform_draws(len(batch), generator)
        leading: Warp | None = None
        for i, (name, augment) in enumerate(self.augmentations.items()):
            values = inputs[name].values
            map = augment.map(draws, (values.shape[-2], values.shape[-1])) if augment.moves else None
            inputs[name] = inputs[name]._replace(values=augment(values, generator, map))
            leading = map if i == 0 else leading
        if leading is not None:
            for feature in self.followers:
                fields = targets if feature.name in targets else inputs
                fields[feature.name] = feature.warp(fields[feature.name], leading)
            for left, right in self.sides:
                inputs[left], inputs[right] = _swap(inputs[left], inputs[right], leading)
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
    """The augmentation of a run: as set, or a default that preserves the labels.

    Args:
        training: the settings.
        defaults: of the trunk.
        inputs, outputs: fitted features.
        epochs: of the run: augmentation pays if images are seen more than once or twice, strong one if often.
        supports_mixup: whether the objective's loss weighs both targets of mixed rows.

    Raises:
        SpecError: `unknown-key` or `bad-value`, with the path of the setting.
    """
    setting = defaults.augment if training.augment is None else training.augment
    images = [f for f in inputs if isinstance(f, ImageFeature)]
    texts = [f for f in inputs if isinstance(f, Text)]
    if isinstance(setting, Mapping) and not images and any(isinstance(f, Audio) for f in inputs):
        return None  # `set_audio_augmentation`
    if isinstance(setting, Mapping) and not images and texts:
        augment = construct(TextAugment, setting, "training.augment")
        if augment.swap and any(f.alignable for f in outputs):
            raise SpecError("bad-value", "training.augment.swap: the outputs are aligned with the tokens; remove it")
        return BatchTextAugment({f.name: augment for f in texts})
    if isinstance(setting, Mapping):
        if setting.get("mixup") and not supports_mixup:
            raise SpecError("bad-value", "training.augment.mixup: this objective does not support mixup; remove it")
        return _from_settings(setting, images, inputs, outputs)
    if not setting or not images or (training.augment is None and epochs < MIN_EPOCHS):
        return None
    classes = [name for f in outputs for name in f.class_names]
    augmentations = {f.name: _safe(f, classes, outputs, epochs > STRONG_EPOCHS) for f in images}
    numbers = [f for f in (*inputs, *outputs) if isinstance(f, Number)]
    mirrors = any(f.negate_on_flip for f in numbers)
    angles = any(is_angle(f.name) and not f.negate_on_flip for f in numbers)
    sides = _stereo_pairs(images)
    positions = any(isinstance(f, Number | Vector) for f in outputs)  # they may be coordinates
    flip = mirrors or (all(augment.flip for augment in augmentations.values()) and not positions)
    flip = flip and not angles and not sides.unpaired
    augmentations = {name: replace(augment, flip=flip) for name, augment in augmentations.items()}
    if mirrors or angles:  # a shifted or rotated road needs another steering angle
        augmentations = {n: replace(a, shift=0.0, rotate=0.0, shear=0.0) for n, a in augmentations.items()}
    return Augmentation(augmentations, _aligned_features(inputs, outputs), sides.pairs)


def set_audio_augmentation(
    objective: nn.Module, training: TrainingSettings, defaults: TrainingDefaults, inputs: Sequence[Feature]
) -> None:
    """Set the augmentation of the audio encoders: as set, or a default that preserves speech and noises.

    Raises:
        SpecError: `unknown-key` or `bad-value`, with the path of the setting.
    """
    setting = defaults.augment if training.augment is None else training.augment
    if not any(isinstance(f, Audio) for f in inputs):
        return
    augment = construct(AudioAugment, setting, "training.augment") if isinstance(setting, Mapping) else DEFAULT_AUDIO
    for module in objective.modules():
        if isinstance(module, AudioEncoder):
            module.augmentation = augment if setting else None


def _from_settings(
    setting: Mapping[str, Any], images: Sequence[ImageFeature], inputs: Sequence[Feature], outputs: Sequence[Output]
) -> BatchTransform | None:
    augment = construct(Augment, setting, "training.augment")
    if not images and augment != Augment(mixup=augment.mixup):
        others = ", ".join(f"{f.name} ({f.kind})" for f in inputs[:4])
        raise SpecError(
            "bad-value", f"training.augment: only images, audio and texts can be augmented, the inputs are {others}"
        )
    sides = _stereo_pairs(images)
    if augment.flip and sides.unpaired:
        raise SpecError(
            "bad-value",
            f"training.augment.flip: {sides.unpaired!r} shows one side, and no image of the other side has the same "
            "size and channels to be swapped with it; remove flip",
        )
    if augment.mixup:
        _check_mixable(inputs)
    augmentations = {f.name: augment for f in images}
    return Augmentation(augmentations, _aligned_features(inputs, outputs), sides.pairs, augment.mixup)


def _check_mixable(inputs: Sequence[Feature]) -> None:
    for feature in inputs:
        if not isinstance(feature, ImageFeature | Number | Vector):
            raise SpecError(
                "bad-value",
                f"training.augment.mixup: {feature.name!r} is of kind {feature.kind}; mixup supports only images, "
                "numbers and vectors",
            )


def _aligned_features(inputs: Sequence[Feature], outputs: Sequence[Output]) -> tuple[Feature, ...]:
    """Features that are aligned with the image, such as masks, and numbers that change their sign under a flip."""
    others = [f for f in inputs if not isinstance(f, ImageFeature)]
    return tuple(f for f in (*others, *outputs) if type(f).dense or (isinstance(f, Number) and f.negate_on_flip))


class _StereoPairs(NamedTuple):
    """Pairs of left and right images, and the first such image without a partner."""

    pairs: tuple[tuple[str, str], ...]
    unpaired: str | None


def _stereo_pairs(images: Sequence[ImageFeature]) -> _StereoPairs:
    """Images whose names differ in left and right, such as left_camera and right_camera."""
    by_words = {tuple(words(f.name)): f for f in images}
    pairs, unpaired = [], None
    for name, one in by_words.items():
        other = by_words.get(tuple({"left": "right", "right": "left"}.get(word, word) for word in name))
        if other is one:
            continue
        if other is None or _coding(one) != _coding(other):
            unpaired = unpaired or one.name
        elif "left" in name:
            pairs.append((one.name, other.name))
    return _StereoPairs(tuple(pairs), unpaired)


def _coding(image: ImageFeature) -> tuple[Any, ...]:
    """What two images must have in common for their codes to be interchangeable."""
    return type(image), image.size_, image.channels_, image.levels_, image.low_, image.high_


def _swap(left: Field, right: Field, map: Warp) -> tuple[Field, Field]:
    """Both sides, swapped in the rows that are flipped."""
    sides = []
    for own, other in ((left, right), (right, left)):
        rows = map.mirrored.view(-1, *[1] * (own.values.ndim - 1))
        values, mask = torch.where(rows, other.values, own.values), torch.where(map.mirrored, other.mask, own.mask)
        sides.append(own._replace(values=values, mask=mask))
    return sides[0], sides[1]


def _safe(image: ImageFeature, classes: Sequence[str], outputs: Sequence[Output], strong: bool) -> Augment:
    assert image.channels_ is not None
    assert image.size_ is not None
    image_outputs = any(isinstance(f, Image) for f in outputs)
    augment = Augment.of(image.channels_, image.size_, classes=classes, strong=strong and not image_outputs)
    if image_outputs:  # resampling would blur the targets
        return replace(augment, rotate=0.0, scale=0.0, shear=0.0, flip=not is_directional(classes))
    if any(isinstance(f, Mask) for f in outputs):  # few images with many labels each: scale varies
        return replace(augment, scale=0.25, color_jitter=0.2 if image.channels_ == 3 else 0.0, random_erasing=0.0)
    if any(isinstance(f, Boxes) for f in outputs):  # a shifted image repeats its border, with objects that have no box
        return replace(augment, shift=0.0, rotate=0.0, scale=0.0, shear=0.0, random_erasing=0.0, crop=0.4)
    return augment
