"""What a network looks for in pictures: its first filters, and the patches that later channels answer to most.

It listens to the modules of a forward pass and knows no network: wherever maps (B, C, Y, X) flow, the last map before
their size changes is a stage. What one place of a stage sees of the picture is measured by gradients. A full layer that
reads every pixel at once has filters as large as the picture, and no stages.

Source: Zeiler and Fergus, 2013, arXiv 1311.2901 (top patches); Luo et al., 2017, arXiv 1701.04128 (effective fields).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from deepglass.data.batches import Batch, Dataset
from deepglass.features._images import to_pixels
from deepglass.nn.feature_maps import FeatureMap, FeatureMapRecorder, stage_maps
from deepglass.nn.rbm import BoltzmannMachine
from deepglass.web import encode_image as draw

Run = Callable[[Batch], object]

PIXELS = 1_500_000  # of all pictures that are searched together
PICTURES = (48, 1024)  # at least and at most so many
SECONDS = 1.5  # a slow network looks at fewer
BATCH = 64
ASKED = 32  # pictures from whose gradients it is measured what a place sees
UNITS, PATCHES, FIRST = 8, 6, 64
ALIKE = 2  # channels of a map whose patches are mostly of one class; more would push others out
SAME = 0.9  # correlation of what a full layer reads with the picture, at least
FAINT = 0.05  # of the strongest gradient: what a place sees less of does not count


class ChannelPatches(NamedTuple):
    """One channel of a map: the parts of pictures that it answers to most, and what these have in common."""

    channel: int
    patches: tuple[bytes, ...]
    common: str = ""


@dataclass(frozen=True)
class LayerPatches:
    """A map inside the network.

    Args:
        name: the module that gives it.
        grid: its rows and columns.
        channels: how many it has.
        field: rows and columns of the picture that one place of it sees.
        units: some channels, the most choosy first.
    """

    name: str
    grid: tuple[int, int]
    channels: int
    field: tuple[int, int]
    units: tuple[ChannelPatches, ...]


@dataclass(frozen=True)
class Filters:
    """What a network looks for in pictures.

    Args:
        picture: the name of the input.
        size: its rows and columns.
        first: the first layer's filters as small pictures; mid grey is no weight.
        kernel: rows and columns of these filters.
        stages: from the first map to the coarsest.
        looked_at: how many pictures were searched for patches.
        units: how many filters the first layer has; 0: no more than are shown.
    """

    picture: str
    size: tuple[int, int]
    first: tuple[bytes, ...]
    kernel: tuple[int, int]
    stages: tuple[LayerPatches, ...] = ()
    looked_at: int = 0
    units: int = 0

    def without_rows(self) -> Filters:
        """The filters alone, which are weights."""
        return replace(self, stages=())


class _Field(NamedTuple):
    """What places of a map see, along one axis: place p sees `size` pixels around `start + step * p`."""

    start: float
    step: float
    size: int


def filters_of(
    network: nn.Module, run: Run, data: Dataset, picture: str, labels: Sequence[str] | None = None
) -> Filters | None:
    """First filters and top patches; None where neither a convolution nor a full layer reads this picture.

    Args:
        network: whose modules are listened to.
        run: calls the network on a batch, once.
        data: rows with pictures, of which some are looked at.
        picture: the name of the input.
        labels: the class of each row, where there is one, so that it can be said what patches have in common.
    """
    codes = data.columns[picture].values
    present = np.random.default_rng(0).permutation(np.flatnonzero(data.columns[picture].mask))  # frames of a film: any
    if not len(present):
        return None
    size = (codes.shape[-2], codes.shape[-1])
    network.eval()
    few = data.batch(torch.from_numpy(present[:ASKED]))
    recorder = FeatureMapRecorder(network, codes.shape[1:])
    with torch.enable_grad():
        maps = recorder.record(lambda: run(few), len(few), grad=True)
        if (
            recorder.first_conv is None
            or recorder.conv_input is None
            or all(m.name != recorder.first_conv for m in maps)
        ):
            return _of_full_layer(network, run, few, picture)
        stages = stage_maps(maps, recorder.first_conv)
        fields = [_fields(m.values, recorder.conv_input, last=i == len(stages) - 1) for i, m in enumerate(stages)]
    names = [m.name for m in stages]
    looked, best = _search(network, run, data, present, names, recorder)
    weights = _weights(network, recorder.first_conv)
    all_stages = tuple(
        _stage(m, field, best[m.name], codes[present[:looked]], labels and [labels[i] for i in present[:looked]])
        for m, field in zip(stages, fields, strict=True)
        if m.name in best
    )
    kernel = (weights.shape[-2], weights.shape[-1])
    visible_stages = tuple(s for s in all_stages if s.units)
    return Filters(picture, size, _filters(weights), kernel, visible_stages, looked, len(weights))


def _of_full_layer(network: nn.Module, run: Run, few: Batch, picture: str) -> Filters | None:
    """The units of the first layer that reads all pixels at once, those with the largest weights first."""
    codes = few.inputs[picture].values.flatten(1).float()  # (B, C * Y * X)
    heard: list[Tensor] = []

    def enter(module: nn.Module, args: tuple[Tensor, ...]) -> None:
        if not heard and _reads(args[0], codes):
            heard.append(_linear(module)[:, : codes.shape[1]])

    hooks = [
        m.register_forward_pre_hook(enter) for m in network.modules() if isinstance(m, nn.Linear | BoltzmannMachine)
    ]
    try:
        with torch.no_grad():
            run(few)
    finally:
        for hook in hooks:
            hook.remove()
    if not heard:
        return None
    weights = heard[0].detach().float().cpu().numpy()
    weights = weights[np.argsort(-np.square(weights).sum(1), kind="stable")]
    shape = tuple(few.inputs[picture].values.shape[1:])
    size = (shape[-2], shape[-1])
    return Filters(picture, size, _filters(weights.reshape(-1, *shape)), size, units=len(weights))


def _reads(inputs: Tensor, codes: Tensor) -> bool:
    """Whether what a layer was given begins with the picture's pixels, in whatever scale."""
    if not inputs.numel() or inputs.shape[-1] < codes.shape[1] or inputs.numel() != len(codes) * inputs.shape[-1]:
        return False
    pixels = inputs.reshape(len(codes), -1)[:, : codes.shape[1]].float()
    both = torch.corrcoef(torch.stack([pixels.flatten(), codes.to(pixels.device).flatten()]))
    return float(both[0, 1]) > SAME


def _linear(module: nn.Module) -> Tensor:
    assert isinstance(module, nn.Linear | BoltzmannMachine)
    return module.weight


# -- what a place sees -------------------------------------------------------------------------------------------


def _fields(values: Tensor, pixels: Tensor, *, last: bool) -> tuple[_Field, _Field]:
    """Rows and columns that each place sees: a picture each asks about another place of the diagonal."""
    B, _, Y, X = values.shape
    at = [np.linspace(0, side - 1, B).round().astype(int) for side in (Y, X)]
    rows = torch.arange(B)
    total = values[rows, :, torch.from_numpy(at[0]), torch.from_numpy(at[1])].float().sum()
    (grad,) = torch.autograd.grad(total, pixels, retain_graph=not last)
    strength = grad.abs().sum(1).cpu().numpy()  # (B, Y, X)
    return _field(strength.max(2), at[0], Y), _field(strength.max(1), at[1], X)


def _field(strength: np.ndarray, at: np.ndarray, side: int) -> _Field:
    """From what is seen along one axis, (B, pixels), by the places (B,)."""
    pixels = strength.shape[1]
    strong = strength > FAINT * strength.max(1, keepdims=True)
    reached = strong.any(1)
    low, high = strong.argmax(1), pixels - strong[:, ::-1].argmax(1)
    inside = reached & (low > 0) & (high < pixels)
    step = pixels / side
    if not reached.any():
        return _Field((step - 1) / 2, step, max(round(step), 1))
    if inside.sum() < 3 or len(np.unique(at[inside])) < 2:  # it sees nearly all, or there are few places
        width = int(np.quantile((high - low)[reached], 0.9))
        return _Field((step - 1) / 2, step, max(width, 1))
    middle = (low + high - 1)[inside] / 2
    slope, start = np.polyfit(at[inside], middle, 1)
    return _Field(float(start), float(slope), int(np.quantile((high - low)[inside], 0.9)))


# -- searching ---------------------------------------------------------------------------------------------------


class _Best(NamedTuple):
    """Of each picture and channel the highest value and where it is, (N, C) each."""

    value: np.ndarray
    place: np.ndarray


def _search(
    network: nn.Module, run: Run, data: Dataset, present: np.ndarray, names: Sequence[str], recorder: FeatureMapRecorder
) -> tuple[int, dict[str, _Best]]:
    """How many pictures were looked at, and for each map the highest values in each."""
    area = recorder.shape[-2] * recorder.shape[-1]
    wanted = int(np.clip(PIXELS // area, *PICTURES))
    parts: dict[str, list[tuple[Tensor, Tensor]]] = {}
    looked, begun = 0, time.perf_counter()
    with torch.inference_mode():
        for rows in torch.from_numpy(present[:wanted]).split(BATCH):
            batch = data.batch(rows)
            for m in recorder.record(partial(run, batch), len(batch), only=names):
                peaks = m.values.float().flatten(2).max(2)
                parts.setdefault(m.name, []).append((peaks.values, peaks.indices))
            looked += len(rows)
            if time.perf_counter() - begun > SECONDS:
                break
    joined = {
        n: _Best(*(torch.cat([part[k] for part in peaks]).cpu().numpy() for k in (0, 1))) for n, peaks in parts.items()
    }
    return looked, joined


def _stage(
    m: FeatureMap, field: tuple[_Field, _Field], best: _Best, codes: np.ndarray, labels: Sequence[str] | None
) -> LayerPatches:
    _, C, Y, X = m.values.shape
    sees = (min(field[0].size, codes.shape[-2]), min(field[1].size, codes.shape[-1]))
    levels = _levels(codes)
    units: list[ChannelPatches] = []
    name_counts: Counter[str] = Counter()
    for channel in _choosy(best.value):
        top = np.argsort(-best.value[:, channel], kind="stable")[:PATCHES]
        common = _common([labels[i] for i in top]) if labels is not None else None
        if common is not None and name_counts[common.name] == ALIKE:
            continue
        name_counts += Counter([common.name] if common else [])
        patches = tuple(_patch(codes[i], divmod(int(best.place[i, channel]), X), field, sees, levels) for i in top)
        caption = f"{common.times} of {len(top)}: “{common.name}”" if common else ""
        units.append(ChannelPatches(channel, patches, caption))
        if len(units) == UNITS:
            break
    return LayerPatches(m.name, (Y, X), C, sees, tuple(units))


def _choosy(value: np.ndarray) -> list[int]:
    """Channels by how far their highest answers stand out, without those that like the same pictures as another."""
    spread = value.std(0)
    top = np.sort(value, 0)[-PATCHES:].mean(0)
    stands_out = np.where(spread > 1e-6, (top - value.mean(0)) / np.maximum(spread, 1e-6), -np.inf)
    chosen: list[int] = []
    liked: list[set[int]] = []
    for channel in np.argsort(-stands_out, kind="stable"):
        pictures = set(np.argsort(-value[:, channel], kind="stable")[:PATCHES].tolist())
        if np.isfinite(stands_out[channel]) and all(len(pictures & other) <= PATCHES // 2 for other in liked):
            chosen.append(int(channel))
            liked.append(pictures)
        if len(chosen) == 4 * UNITS:
            break
    return chosen


def _patch(
    codes: np.ndarray, place: tuple[int, int], field: tuple[_Field, _Field], sees: tuple[int, int], levels: int
) -> bytes:
    """What a place sees of a picture (C, Y, X), moved inside where it hangs over the border."""
    cuts = []
    for at, axis, size, pixels in zip(place, field, sees, codes.shape[-2:], strict=True):
        low = round(axis.start + axis.step * at - (size - 1) / 2)
        low = min(max(low, 0), pixels - size)
        cuts.append(slice(low, low + size))
    return draw.photo(to_pixels(codes[:, cuts[0], cuts[1]], levels), 96)


def _levels(codes: np.ndarray) -> int:
    """The largest code that pictures of this kind have: bytes unless all are very dark or have more."""
    most = int(codes.max(initial=1))
    return 255 if 63 < most < 256 else max(most, 1)


class _Common(NamedTuple):
    """The class of most of the pictures."""

    name: str
    times: int


def _common(labels: Sequence[str]) -> _Common | None:
    name, times = Counter(labels).most_common(1)[0]
    return _Common(name, times) if times > len(labels) / 2 else None


def _weights(network: nn.Module, name: str) -> np.ndarray:
    conv = network.get_submodule(name)
    assert isinstance(conv, nn.Conv2d)
    return conv.weight.detach().float().cpu().numpy()


def _filters(weights: np.ndarray) -> tuple[bytes, ...]:
    """Filters (O, C, Y, X) as pictures, each on its own scale around mid grey; of many channels their mean is shown."""
    shown = weights if weights.shape[1] in (1, 3) else weights.mean(1, keepdims=True)
    pictures = []
    for one in shown[:FIRST]:
        codes = 127.5 + 127.5 * one / max(np.abs(one).max(), 1e-12)
        pictures.append(draw.photo(np.moveaxis(codes.round().astype(np.uint8), 0, -1)))
    return tuple(pictures)
