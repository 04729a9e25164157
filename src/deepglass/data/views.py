"""Weak and strong augmentation, and loaders for semi-supervised and self-supervised learning.

    weak, strong = weak_augmentation(inputs, classes), strong_augmentation(inputs, classes)
    loader = MultiViewLoader(ShuffledLoader(data, 256, seed), seed, (weak, strong))
    loader.next().inputs           # of the first view; `views` holds those of the others

Source: Sohn et al., 2020, arXiv 2001.07685 (weak and strong); Bahri et al., 2021, arXiv 2106.15147, and Yoon et al.,
2020, NeurIPS 33 (table cells with another row's value).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor

from deepglass.data.augment import Augment, is_directional
from deepglass.data.augment_text import TextAugment
from deepglass.data.batches import Batch, BatchTransform, Dataset, EpochOrder, Loader, ShuffledLoader
from deepglass.device import mix_seeds
from deepglass.errors import SpecError
from deepglass.features.audio import Audio
from deepglass.features.base import Feature
from deepglass.features.image import Image
from deepglass.features.text import Text
from deepglass.features.video import Video

AUGMENTABLE = "images, texts, or several columns of a table"  # what strong augmentation can change


@dataclass(frozen=True)
class View:
    """An augmented view of a batch's inputs.

    Args:
        images, texts: input name -> its augmentation.
        cells: input name -> share of rows that take the value of another row of the batch.
    """

    images: Mapping[str, Augment] = field(default_factory=dict)
    texts: Mapping[str, TextAugment] = field(default_factory=dict)
    cells: Mapping[str, float] = field(default_factory=dict)

    def __call__(self, batch: Batch, generator: Generator) -> Batch:
        inputs = dict(batch.inputs)
        for name, augment in self.images.items():
            inputs[name] = inputs[name]._replace(values=augment(inputs[name].values, generator))
        for name, augment_text in self.texts.items():
            inputs[name] = augment_text(inputs[name], generator)
        for name, share in self.cells.items():
            inputs[name] = inputs[name].take(_partners(len(batch), share, generator))
        return replace(batch, inputs=inputs)

    @property
    def is_identity(self) -> bool:
        return not (self.images or self.texts or self.cells)


def _partners(count: int, share: float, generator: Generator) -> Tensor:
    """Index of the row that each row's value comes from: its own, or for a share of the rows a random one."""
    draw = torch.rand(2, count, generator=generator, device=generator.device)
    own = torch.arange(count, device=generator.device)
    return torch.where(draw[0] < share, (draw[1] * count).long().clamp_max(count - 1), own)


def weak_augmentation(inputs: Sequence[Feature], classes: Sequence[str] = ()) -> View:
    """Augmentation that preserves every label: images as in supervised training, other inputs unchanged."""
    return View(images={f.name: Augment.of(*_shape(f), classes=classes) for f in _images(inputs)})


def check_augmentable(view: View, inputs: Sequence[Feature], objective: str, alternative: str) -> None:
    """Raises: SpecError: `bad-value` where strong augmentation changes none of the inputs.

    Args:
        objective: its name.
        alternative: an objective for these inputs.
    """
    if view.is_identity:
        came = ", ".join(f"{f.name} ({f.kind})" for f in inputs[:6])
        raise SpecError(
            "bad-value",
            f"objective: {objective} needs inputs that can be augmented: {AUGMENTABLE}; the inputs are {came}; take "
            f"objective={alternative}",
        )


def strong_augmentation(inputs: Sequence[Feature], classes: Sequence[str] = (), crop: float = 0.0) -> View:
    """Augmentation as strong as possible while a row stays recognisable.

    Args:
        inputs: fitted features.
        classes: the class names; directional classes forbid horizontal flips.
        crop: maximum share of an image's area that is cut away.
    """
    images = {}
    for f in _images(inputs):
        channels, _ = _shape(f)
        grey = channels == 1
        images[f.name] = Augment(
            shift=0.125,
            flip=not grey and not is_directional(classes),
            rotate=30.0 if grey else 15.0,
            scale=0.25,
            shear=0.3 if grey else 0.15,
            crop=crop,
            color_jitter=0.0 if grey else 0.4,
            random_erasing=0.35,
            noise=0.1 if grey else 0.0,
        )
    texts = {f.name: TextAugment(drop=0.25, swap=0.1) for f in inputs if isinstance(f, Text)}
    cells = {f.name: 0.3 for f in inputs if f.name not in images and f.name not in texts and not isinstance(f, Audio)}
    return View(images, texts, cells if len(cells) > 1 else {})


def _images(inputs: Sequence[Feature]) -> list[Image | Video]:
    return [f for f in inputs if isinstance(f, Image | Video)]


def _shape(image: Image | Video) -> tuple[int, tuple[int, int]]:
    assert image.channels_ is not None
    assert image.size_ is not None
    return image.channels_, image.size_


class MultiViewLoader(Loader):
    """Several augmented views of each row.

    Args:
        inner: the loader of the rows; its `transform` is None.
        views: the first gives the batch's `inputs`, the others its `views`; None: unchanged. Their randomness follows
            from the seed and the loader's position. Of two pools, only the second's rows have the other views.
    """

    def __init__(
        self, inner: ShuffledLoader | TwoPoolLoader, seed: int, views: Sequence[BatchTransform | None]
    ) -> None:
        self.inner, self.seed, self._views = inner, seed, views
        self.batches_per_epoch = inner.batches_per_epoch
        self._generator = Generator(inner.data.device)

    def next(self) -> Batch:
        self._generator.manual_seed(mix_seeds(self.seed, *self.inner.order.cursor))
        batch = self.inner.next()
        first, *others = self._views
        augmented = first(batch, self._generator) if first else batch
        rest = _from(batch, self.inner.first) if isinstance(self.inner, TwoPoolLoader) and others else batch
        views = tuple((view(rest, self._generator) if view else rest).inputs for view in others)
        return replace(augmented, views=views)

    def state_dict(self) -> dict[str, Any]:
        return self.inner.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.inner.load_state_dict(state)


class TwoPoolLoader(Loader):
    """Batches with rows of two pools, each shuffled by itself; the first pool's rows come first.

    Args:
        rows: of the two pools.
        sizes: rows a batch of each; at most as many as the pool has.
    """

    def __init__(self, data: Dataset, rows: tuple[np.ndarray, np.ndarray], sizes: tuple[int, int], seed: int) -> None:
        self.data = data
        self.pools = tuple(
            ShuffledLoader(data, size, mix_seeds(seed, 0, i), rows=r) for i, (r, size) in enumerate(zip(rows, sizes))
        )
        self.batches_per_epoch = self.pools[1].batches_per_epoch

    @property
    def first(self) -> int:
        """Number of rows of the first pool in a batch."""
        return self.pools[0].batch_size

    @property
    def order(self) -> EpochOrder:
        """The order of the second pool."""
        return self.pools[1].order

    def next(self) -> Batch:
        return self.data.batch(torch.cat([pool.order.next() for pool in self.pools]))

    def state_dict(self) -> dict[str, Any]:
        return {"first": self.pools[0].state_dict(), "second": self.pools[1].state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.pools[0].load_state_dict(state["first"])
        self.pools[1].load_state_dict(state["second"])


def _from(batch: Batch, first: int) -> Batch:
    """The rows of a batch from index `first` on."""
    rows = torch.arange(first, len(batch), device=batch.rows.device)
    inputs = {name: field.take(rows) for name, field in batch.inputs.items()}
    targets = {name: field.take(rows) for name, field in batch.targets.items()}
    return Batch(inputs, targets, batch.rows[rows])
