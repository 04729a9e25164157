"""Pictures made so that a unit or a class answers strongly: what it would like to see.

From noise uphill along the gradient of the unit's mean answer. The gradient's fine frequencies count less, as if the
picture were drawn in the Fourier basis; before each step the picture is shifted at random, and neighbouring pixels are
held together, so that no single pixel decides.

Source: Olah, Mordvintsev and Schubert 2017, "Feature Visualization", Distill, doi 10.23915/distill.00007 (frequencies,
shifts); Mahendran and Vedaldi 2015, arXiv 1412.0035 (total variation).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from deepglass.data.batches import Batch, Dataset
from deepglass.features._display import first_image, to_pixels
from deepglass.introspect.facts import LayerImages, OptimizedImage
from deepglass.nn.feature_maps import FeatureMap, FeatureMapRecorder, stage_maps
from deepglass.objectives.base import Objective
from deepglass.objectives.supervised import Supervised
from deepglass.prepare.prepared_data import PreparedData
from deepglass.web import encode_image as draw

ASKED = 32  # pictures from which pixels' range and lively units are known
UNITS, CLASSES = 4, 10
STEPS, SECONDS = 48, 4.0  # a slow network takes fewer steps
RATE = 0.08  # of the pixels' deviation, a step
SHIFT = 0.06  # of a side, at most
TOGETHER = 0.15  # weight of the total variation
MANY = 25  # places of a map
SMALLEST = 12  # pixels; smaller pictures show nothing


class _Wish(NamedTuple):
    """What a picture is to please: a channel of a map, or, with an empty layer, a class."""

    layer: str
    unit: int
    name: str


def feature_visualizations(prepared: PreparedData, objective: Objective, device: str) -> tuple[LayerImages, ...]:
    """Units of the first, a middle and the last stage, then the classes; empty where no convolution reads a picture."""
    picture = first_image(prepared.inputs)
    if picture is None or not isinstance(objective, Supervised):
        return ()
    rows = prepared.rows("test") if len(prepared.rows("test")) >= ASKED // 2 else prepared.rows("train")
    data = prepared.dataset(rows[:ASKED], device)
    codes = data.columns[picture.name].values
    if not data.columns[picture.name].mask.all() or codes.ndim != 4 or codes.shape[1] not in (1, 3):
        return ()
    if min(codes.shape[-2:]) < SMALLEST:
        return ()
    objective.eval()
    recorder = FeatureMapRecorder(objective, codes.shape[1:])
    with torch.enable_grad():
        batch = data.batch(torch.arange(len(data)))
        maps = recorder.record(lambda: objective.forward_pass(batch), len(batch), grad=True)
    if recorder.first_conv is None or recorder.conv_input is None or all(m.name != recorder.first_conv for m in maps):
        return ()
    stages = stage_maps(maps, recorder.first_conv)
    stages = [stages[i] for i in sorted({0, len(stages) // 2, len(stages) - 1})]
    wishes = [w for m in stages for w in _lively(m)] + _classes(prepared)
    pixels = recorder.conv_input.detach()
    made, led = _made(objective, data, recorder, wishes, pixels)
    wishes, made = (
        [w for w, found in zip(wishes, led, strict=True) if found],
        made[torch.tensor(led, device=made.device)],
    )
    bytes_ = _codes(made, codes, pixels)
    levels = picture.levels_ or 255
    shown = [OptimizedImage(w.name, draw.photo(to_pixels(c, levels), 128)) for w, c in zip(wishes, bytes_, strict=True)]
    return _by_layer(wishes, shown)


def _by_layer(wishes: Sequence[_Wish], shown: Sequence[OptimizedImage]) -> tuple[LayerImages, ...]:
    layers: dict[str, list[OptimizedImage]] = {}
    for wish, vision in zip(wishes, shown, strict=True):
        layers.setdefault(wish.layer, []).append(vision)
    return tuple(LayerImages(layer.removeprefix("network."), tuple(found)) for layer, found in layers.items())


def _lively(m: FeatureMap) -> list[_Wish]:
    """The channels that differ most from picture to picture."""
    spread = m.values.detach().float().mean((2, 3)).std(0)
    chosen = spread.argsort(descending=True)[:UNITS].tolist()
    return [_Wish(m.name, k, f"channel {k}") for k in sorted(chosen) if float(spread[k]) > 0]


def _classes(prepared: PreparedData) -> list[_Wish]:
    named = next((f for f in prepared.outputs if f.has_classes), None)
    names = named.class_names[:CLASSES] if named is not None else ()
    return [_Wish("", k, str(name)) for k, name in enumerate(names)]


# -- uphill --------------------------------------------------------------------------------------------------------


def _made(
    objective: Supervised, data: Dataset, recorder: FeatureMapRecorder, wishes: Sequence[_Wish], real: Tensor
) -> tuple[Tensor, list[bool]]:
    """Pictures (N, C, Y, X) as the first convolution reads them, and which of them a gradient led anywhere."""
    generator = torch.Generator().manual_seed(0)
    middle, spread = real.mean((0, 2, 3), keepdim=True), real.std((0, 2, 3), keepdim=True).clamp_min(1e-3)
    low, high = real.amin((0, 2, 3), keepdim=True), real.amax((0, 2, 3), keepdim=True)
    N, (C, Y, X) = len(wishes), real.shape[1:]
    noise = torch.randn(N, C, Y, X, generator=generator).to(real.device)
    seen = (middle + 0.3 * spread * _smooth(noise)).clamp(low, high)
    batch = data.batch(torch.zeros(N, dtype=torch.long))
    most = max(1, round(SHIFT * min(Y, X)))
    silent = torch.ones(N, 1, 1, 1, dtype=torch.bool, device=real.device)
    begun = time.perf_counter()
    for _ in range(STEPS):
        shift = torch.randint(-most, most + 1, (2,), generator=generator).tolist()
        pictures = seen.detach().requires_grad_()
        with torch.enable_grad():
            liked = _liked(objective, batch, recorder, wishes, pictures.roll(shift, (2, 3)))
            (grad,) = torch.autograd.grad(liked.sum(), pictures)
            apart = _variation(pictures / spread).sum()
            (rough,) = torch.autograd.grad(apart, pictures)
        step = _unit(_smooth(grad)) - TOGETHER * _unit(rough)
        seen = (seen + RATE * spread * step).clamp(low, high)
        silent = grad.abs().amax((1, 2, 3), keepdim=True) == 0  # nothing leads uphill from here: try elsewhere
        noise = torch.randn(N, C, Y, X, generator=generator).to(real.device)
        seen = torch.where(silent, (middle + 1.5 * spread * _smooth(noise)).clamp(low, high), seen)
        if time.perf_counter() - begun > SECONDS:
            break
    return seen.detach(), [not s for s in silent.flatten().tolist()]


def _liked(
    objective: Supervised, batch: Batch, recorder: FeatureMapRecorder, wishes: Sequence[_Wish], pictures: Tensor
) -> Tensor:
    """How much each picture pleases its own wish, (N,)."""
    assert recorder.first_conv is not None
    scores: list[Tensor] = []

    def run() -> None:
        params = next(iter(objective.network(batch.inputs).values()))
        if isinstance(params, Tensor) and params.ndim == 2:
            scores.append(params.unflatten(0, (len(batch), -1)).mean(1))

    layers = list({w.layer for w in wishes if w.layer})
    with _given(objective.get_submodule(recorder.first_conv), pictures):
        maps = {m.name: m.values for m in recorder.record(run, len(batch), only=layers)}
    liked = pictures.sum((1, 2, 3)) * 0  # of a wish that nothing answers
    for layer in dict.fromkeys(w.layer for w in wishes):
        asked = [(n, w.unit) for n, w in enumerate(wishes) if w.layer == layer]
        rows, units = torch.tensor(asked, device=pictures.device).T
        if layer in maps:
            liked = liked.index_add(0, rows, _answers(maps[layer][rows, units]))
        elif not layer and scores and max(asked)[1] < scores[0].shape[1]:
            liked = liked.index_add(0, rows, scores[0][rows, units] - scores[0][rows].mean(1))
    return liked


def _answers(values: Tensor) -> Tensor:
    """How strongly channels (N, Y, X) answer: of many places those that stand out, which an even map has none of."""
    if values[0].numel() < MANY:
        return values.mean((1, 2))
    return (values - values.mean((1, 2), keepdim=True)).relu().mean((1, 2))


@contextmanager
def _given(module: nn.Module, pictures: Tensor) -> Iterator[None]:
    """The module reads these pictures whatever it is given."""
    hook = module.register_forward_pre_hook(lambda _, args: (pictures.to(args[0].dtype), *args[1:]))
    try:
        yield
    finally:
        hook.remove()


def _smooth(pictures: Tensor) -> Tensor:
    """Each frequency divided by its root, (N, C, Y, X): half of what natural pictures do, so that strokes remain."""
    Y, X = pictures.shape[-2:]
    up, across = torch.fft.fftfreq(Y, device=pictures.device), torch.fft.rfftfreq(X, device=pictures.device)
    size = (up[:, None] ** 2 + across[None] ** 2).sqrt().clamp_min(1 / max(Y, X))
    return _unit(torch.fft.irfft2(torch.fft.rfft2(pictures) / size.sqrt(), s=(Y, X)))


def _unit(pictures: Tensor) -> Tensor:
    """Each picture with a deviation of one around zero."""
    return pictures / pictures.square().mean((1, 2, 3), keepdim=True).sqrt().clamp_min(1e-12)


def _variation(pictures: Tensor) -> Tensor:
    down, right = pictures[:, :, 1:] - pictures[:, :, :-1], pictures[..., 1:] - pictures[..., :-1]
    return down.square().mean((1, 2, 3)) + right.square().mean((1, 2, 3))


def _codes(made: Tensor, codes: np.ndarray, pixels: Tensor) -> np.ndarray:
    """Pixels as codes again: the straight line between the two is read off real pictures, channel by channel."""
    found = np.empty(made.shape, np.float32)
    for c in range(made.shape[1]):
        x = pixels[:, c].float().cpu().numpy().ravel()
        slope, start = np.polyfit(x, codes[:, c].astype(np.float32).ravel(), 1) if x.std() > 0 else (1.0, 0.0)
        found[:, c] = slope * made[:, c].float().cpu().numpy() + start
    return np.clip(found.round(), 0, max(int(codes.max()), 1)).astype(codes.dtype)
