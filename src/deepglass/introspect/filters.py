"""Filters of the first layer, and the image patches with the highest activation of channels of later layers.

Forward hooks find the feature maps (B, C, Y, X) of any network; the last map of each size is a stage. The receptive
field of a position is measured by gradients. A linear layer over all pixels has filters as large as the image, and no
stages.

Source: Zeiler and Fergus, 2013, arXiv 1311.2901 (top patches); Luo et al., 2017, arXiv 1701.04128 (effective receptive
fields).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from deepglass.data.batches import Batch, Dataset
from deepglass.features._images import to_pixels
from deepglass.introspect.filter_noise import why_left_out
from deepglass.nn.feature_maps import FeatureMap, FeatureMapRecorder
from deepglass.nn.rbm import BoltzmannMachine
from deepglass.web import encode_image

Forward = Callable[[Batch], object]
"""Runs the network once."""

MAX_PIXELS = 1_500_000  # of all images that are searched
MIN_IMAGES, MAX_IMAGES = 48, 1024  # that are searched
MAX_SECONDS = 1.5  # a slow network searches fewer images
BATCH = 64
NUM_GRADIENT_IMAGES = 32  # from whose gradients receptive fields are measured
MAX_CHANNELS, NUM_PATCHES, MAX_FILTERS = 8, 6, 64
MAX_SAME_CLASS = 2  # channels of a stage whose patches are mostly of one class
MIN_CORRELATION = 0.9  # of the input of a linear layer with the pixels
MIN_GRADIENT = 0.05  # of the largest one; pixels below it lie outside of the receptive field
PATCH_SIDE = 96  # pixels, at most


class ChannelPatches(NamedTuple):
    """A channel, the image patches with its highest activations, and the class that most of them have."""

    channel: int
    patches: tuple[bytes, ...]
    common: str = ""


@dataclass(frozen=True)
class LayerPatches:
    """A feature map and patches of some of its channels.

    Args:
        name: of its module.
        grid: its rows and columns.
        channels: their number.
        field: rows and columns of the receptive field of one position, in pixels.
        units: the channels whose highest activations stand out most.
    """

    name: str
    grid: tuple[int, int]
    channels: int
    field: tuple[int, int]
    units: tuple[ChannelPatches, ...]


@dataclass(frozen=True)
class Filters:
    """The filters of the first layer and the patches of all stages.

    Args:
        input: name of the image.
        size: its rows and columns.
        first: the first layer's filters as images; mid grey is zero.
        kernel: rows and columns of these filters.
        stages: from the finest feature map to the coarsest.
        num_images: number of images that were searched for patches.
        num_filters: of the first layer, of which `first` has at most `MAX_FILTERS`.
        left_out: why the first filters show nothing; empty where they do.
    """

    input: str
    size: tuple[int, int]
    first: tuple[bytes, ...]
    kernel: tuple[int, int]
    stages: tuple[LayerPatches, ...] = ()
    num_images: int = 0
    num_filters: int = 0
    left_out: str = ""

    def without_rows(self) -> Filters:
        """The filters alone, which are weights."""
        return replace(self, stages=())


class _Field(NamedTuple):
    """Receptive fields along one axis: position p sees `size` pixels around `start + step * p`."""

    start: float
    step: float
    size: int


class _Peaks(NamedTuple):
    """The highest activation of each image and channel, and its position in the flattened map, (N, C) each."""

    values: np.ndarray
    positions: np.ndarray


def filters_of(
    network: nn.Module, forward: Forward, data: Dataset, name: str, labels: Sequence[str] | None = None
) -> Filters | None:
    """Filters and patches of an image input; None where neither a convolution nor a linear layer reads it.

    Args:
        data: rows with images.
        name: of the input.
        labels: class name of each row, to name what the patches of a channel have in common.
    """
    codes = data.columns[name].values
    present = np.random.default_rng(0).permutation(np.flatnonzero(data.columns[name].mask))
    if not len(present):
        return None
    network.eval()
    batch = data.batch(torch.from_numpy(present[:NUM_GRADIENT_IMAGES]))
    recorder = FeatureMapRecorder(network, codes.shape[1:])
    stages = recorder.record_stages(lambda: forward(batch), len(batch))
    pixels, first_conv = recorder.conv_input, recorder.first_conv
    if not stages or pixels is None or first_conv is None:
        return _of_linear_layer(network, forward, batch, name)
    fields = [_receptive_fields(m.values, pixels, last=m is stages[-1]) for m in stages]
    peaks = _search(forward, data, present, [m.name for m in stages], recorder)
    count = max((len(p.values) for p in peaks.values()), default=0)
    searched = present[:count]
    classes = None if labels is None else [labels[i] for i in searched]
    patches = [
        _layer_patches(m, field, peaks[m.name], codes[searched], classes)
        for m, field in zip(stages, fields, strict=True)
        if m.name in peaks
    ]
    conv = network.get_submodule(first_conv)
    assert isinstance(conv, nn.Conv2d)
    weights = conv.weight.detach().float().cpu().numpy()
    layers = tuple(p for p in patches if p.units)
    size, kernel, images = codes.shape[-2:], weights.shape[-2:], _filter_images(weights)
    return Filters(name, size, images, kernel, layers, count, len(weights), why_left_out(weights))


def _of_linear_layer(network: nn.Module, forward: Forward, batch: Batch, name: str) -> Filters | None:
    """The units of the first layer that reads all pixels at once, those with the largest weights first."""
    images = batch.inputs[name].values
    codes = images.flatten(1).float()  # (B, C * Y * X)
    layers: list[nn.Linear | BoltzmannMachine] = []

    def record(module: nn.Linear | BoltzmannMachine, args: tuple[Tensor, ...]) -> None:
        if not layers and _reads(args[0], codes):
            layers.append(module)

    with ExitStack() as hooks, torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Linear | BoltzmannMachine):
                hooks.enter_context(module.register_forward_pre_hook(record))
        forward(batch)
    if not layers:
        return None
    weights = layers[0].weight[:, : codes.shape[1]].detach().float().cpu().numpy()
    weights = weights[np.argsort(-np.square(weights).sum(1), kind="stable")]
    size = (images.shape[-2], images.shape[-1])
    weights = weights.reshape(-1, *images.shape[1:])
    return Filters(name, size, _filter_images(weights), size, (), 0, len(weights), why_left_out(weights))


def _reads(inputs: Tensor, codes: Tensor) -> bool:
    """Whether the input of a layer begins with the pixels, at any scale."""
    if not inputs.numel() or inputs.shape[-1] < codes.shape[1] or inputs.numel() != len(codes) * inputs.shape[-1]:
        return False
    pixels = inputs.reshape(len(codes), -1)[:, : codes.shape[1]].float()
    both = torch.corrcoef(torch.stack([pixels.flatten(), codes.to(pixels.device).flatten()]))
    return float(both[0, 1]) > MIN_CORRELATION


# -- receptive fields ----------------------------------------------------------------------------------------------


def _receptive_fields(values: Tensor, pixels: Tensor, *, last: bool) -> tuple[_Field, _Field]:
    """Receptive fields along rows and columns, from one position of the diagonal per image."""
    B, _, Y, X = values.shape
    y, x = (np.linspace(0, side - 1, B).round().astype(int) for side in (Y, X))
    total = values[torch.arange(B), :, torch.from_numpy(y), torch.from_numpy(x)].float().sum()
    (gradient,) = torch.autograd.grad(total, pixels, retain_graph=not last)
    strength = gradient.abs().sum(1).cpu().numpy()  # (B, Y, X)
    return _receptive_field(strength.max(2), y, Y), _receptive_field(strength.max(1), x, X)


def _receptive_field(strength: np.ndarray, positions: np.ndarray, side: int) -> _Field:
    """The receptive fields along one axis, from gradients (B, pixels) at positions (B,) of a map of this side."""
    pixels = strength.shape[1]
    strong = strength > MIN_GRADIENT * strength.max(1, keepdims=True)
    reached = strong.any(1)
    low, high = strong.argmax(1), pixels - strong[:, ::-1].argmax(1)
    inside = reached & (low > 0) & (high < pixels)
    step = pixels / side
    if not reached.any():
        return _Field((step - 1) / 2, step, max(round(step), 1))
    if inside.sum() < 3 or len(np.unique(positions[inside])) < 2:  # nearly the whole image, or few positions
        width = int(np.quantile((high - low)[reached], 0.9))
        return _Field((step - 1) / 2, step, max(width, 1))
    centre = (low + high - 1)[inside] / 2
    slope, start = np.polyfit(positions[inside], centre, 1)
    return _Field(float(start), float(slope), int(np.quantile((high - low)[inside], 0.9)))


# -- patches -------------------------------------------------------------------------------------------------------


def _search(
    forward: Forward, data: Dataset, rows: np.ndarray, names: Sequence[str], recorder: FeatureMapRecorder
) -> dict[str, _Peaks]:
    """The peaks of each map over as many images as there is time for."""
    limit = int(np.clip(MAX_PIXELS // (recorder.shape[-2] * recorder.shape[-1]), MIN_IMAGES, MAX_IMAGES))
    peaks: dict[str, list[tuple[Tensor, Tensor]]] = {}
    started = time.perf_counter()
    with torch.inference_mode():
        for chunk in torch.from_numpy(rows[:limit]).split(BATCH):
            batch = data.batch(chunk)
            for m in recorder.record(partial(forward, batch), len(batch), only=names):
                values, positions = m.values.float().flatten(2).max(2)
                peaks.setdefault(m.name, []).append((values, positions))
            if time.perf_counter() - started > MAX_SECONDS:
                break
    return {n: _Peaks(*(torch.cat(p).cpu().numpy() for p in zip(*pairs, strict=True))) for n, pairs in peaks.items()}


def _layer_patches(
    m: FeatureMap, fields: tuple[_Field, _Field], peaks: _Peaks, codes: np.ndarray, labels: Sequence[str] | None
) -> LayerPatches:
    _, C, Y, X = m.values.shape
    size = (min(fields[0].size, codes.shape[-2]), min(fields[1].size, codes.shape[-1]))
    largest = int(codes.max(initial=1))
    levels = 255 if 63 < largest < 256 else max(largest, 1)  # 8 bit, unless all images are dark
    units: list[ChannelPatches] = []
    classes: Counter[str] = Counter()
    for channel in _selective_channels(peaks.values):
        top = np.argsort(-peaks.values[:, channel], kind="stable")[:NUM_PATCHES]
        name, count = Counter(labels[i] for i in top).most_common(1)[0] if labels is not None else ("", 0)
        common = count > len(top) / 2
        if common and classes[name] == MAX_SAME_CLASS:
            continue
        classes[name] += common
        positions = [divmod(int(peaks.positions[i, channel]), X) for i in top]
        patches = tuple(_patch(codes[i], at, fields, size, levels) for i, at in zip(top, positions, strict=True))
        units.append(ChannelPatches(channel, patches, f"{count} of {len(top)}: “{name}”" if common else ""))
        if len(units) == MAX_CHANNELS:
            break
    return LayerPatches(m.name, (Y, X), C, size, tuple(units))


def _selective_channels(peaks: np.ndarray) -> list[int]:
    """Channels whose highest activations stand out most, without those with the same top images as another."""
    std = peaks.std(0)
    highest = np.sort(peaks, 0)[-NUM_PATCHES:].mean(0)
    selectivity = np.where(std > 1e-6, (highest - peaks.mean(0)) / np.maximum(std, 1e-6), -np.inf)
    chosen: dict[int, set[int]] = {}  # channel -> its top images
    for channel in np.argsort(-selectivity, kind="stable").tolist():
        images = set(np.argsort(-peaks[:, channel], kind="stable")[:NUM_PATCHES].tolist())
        if np.isfinite(selectivity[channel]) and all(len(images & o) <= NUM_PATCHES // 2 for o in chosen.values()):
            chosen[channel] = images
        if len(chosen) == 4 * MAX_CHANNELS:
            break
    return list(chosen)


def _patch(
    codes: np.ndarray, position: tuple[int, int], fields: tuple[_Field, _Field], size: tuple[int, int], levels: int
) -> bytes:
    """The receptive field of a position in an image (C, Y, X), moved inside at the border."""
    spans = []
    for p, field, width, pixels in zip(position, fields, size, codes.shape[-2:], strict=True):
        low = round(field.start + field.step * p - (width - 1) / 2)
        low = min(max(low, 0), pixels - width)
        spans.append(slice(low, low + width))
    return encode_image.photo(to_pixels(codes[:, spans[0], spans[1]], levels), PATCH_SIDE)


def _filter_images(weights: np.ndarray) -> tuple[bytes, ...]:
    """Filters (O, C, Y, X) as images, each on its own scale around mid grey; of many channels the mean."""
    shown = weights if weights.shape[1] in (1, 3) else weights.mean(1, keepdims=True)
    images = []
    for filter in shown[:MAX_FILTERS]:
        codes = 127.5 + 127.5 * filter / max(np.abs(filter).max(), 1e-12)
        images.append(encode_image.photo(np.moveaxis(codes.round().astype(np.uint8), 0, -1)))
    return tuple(images)
