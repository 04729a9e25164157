"""Feature visualisation: images that are optimised to maximise a channel or a class score.

Gradient ascent from noise on the mean activation. The gradient's high frequencies are damped, as with a Fourier
parametrisation; each step shifts the image at random (jitter), and a total variation penalty keeps it smooth.

Source: Olah, Mordvintsev and Schubert 2017, "Feature Visualization", Distill, doi 10.23915/distill.00007 (frequencies,
shifts); Mahendran and Vedaldi 2015, arXiv 1412.0035 (total variation).
"""

import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from deepglass.data.batches import Batch, Dataset
from deepglass.features._display import first_image
from deepglass.introspect.facts import LayerImages, OptimizedImage
from deepglass.nn.feature_maps import FeatureMap, FeatureMapRecorder
from deepglass.objectives.supervised import Supervised
from deepglass.prepare.prepared_data import PreparedData
from deepglass.run.context import RunContext
from deepglass.web import encode_image

NUM_IMAGES = 32  # real images that give the range of pixels and the channels with the largest variance
MAX_CHANNELS, MAX_CLASSES = 4, 10
MAX_STEPS, MAX_SECONDS = 48, 4.0  # a slow network makes fewer steps
STEP_SIZE = 0.08  # standard deviations of the pixels
MAX_SHIFT = 0.06  # of a side
TV_WEIGHT = 0.15  # of the total variation
LARGE_MAP = 25  # positions; in larger maps only activations above the mean count
MIN_SIDE, SHOWN_SIDE = 12, 128  # pixels


class _Target(NamedTuple):
    """What an image maximises: a channel of a layer, or, with an empty layer, a class."""

    layer: str
    unit: int
    name: str


def feature_visualizations(context: RunContext) -> tuple[LayerImages, ...]:
    """Channels of the first, a middle and the last stage, then classes; empty without a convolutional network."""
    prepared, objective, device = context.data, context.objective, context.device
    image = first_image(prepared.inputs)
    if image is None or not isinstance(objective, Supervised):
        return ()
    rows = prepared.rows("test") if len(prepared.rows("test")) >= NUM_IMAGES // 2 else prepared.rows("train")
    data = prepared.dataset(rows[:NUM_IMAGES], device)
    codes = data.columns[image.name].values
    if not data.columns[image.name].mask.all() or codes.ndim != 4 or codes.shape[1] not in (1, 3):
        return ()
    if min(codes.shape[-2:]) < MIN_SIDE:
        return ()
    objective.eval()
    recorder = FeatureMapRecorder(objective, codes.shape[1:])
    batch = data.batch(torch.arange(len(data)))
    stages = recorder.record_stages(lambda: objective.forward_pass(batch), len(batch))
    if not stages or recorder.conv_input is None:
        return ()
    stages = [stages[i] for i in sorted({0, len(stages) // 2, len(stages) - 1})]
    targets = [t for m in stages for t in _varying_channels(m)] + _classes(prepared)
    pixels = recorder.conv_input.detach()
    images, converged = _optimize(objective, data, recorder, targets, pixels)
    targets = [t for t, ok in zip(targets, converged, strict=True) if ok]
    images = images[torch.tensor(converged, device=images.device)]
    layers: dict[str, list[OptimizedImage]] = {}
    for target, optimized in zip(targets, _codes(images, codes, pixels), strict=True):
        encoded = encode_image.photo(image.pixels(optimized), SHOWN_SIDE)
        layers.setdefault(target.layer, []).append(OptimizedImage(target.name, encoded))
    return tuple(LayerImages(layer.removeprefix("network."), tuple(shown)) for layer, shown in layers.items())


def _varying_channels(m: FeatureMap) -> list[_Target]:
    """The channels whose mean activation varies most between images."""
    spread = m.values.detach().float().mean((2, 3)).std(0)
    chosen = spread.argsort(descending=True)[:MAX_CHANNELS].tolist()
    return [_Target(m.name, k, f"channel {k}") for k in sorted(chosen) if float(spread[k]) > 0]


def _classes(prepared: PreparedData) -> list[_Target]:
    named = next((f for f in prepared.outputs if f.has_classes), None)
    names = named.class_names[:MAX_CLASSES] if named is not None else ()
    return [_Target("", k, str(name)) for k, name in enumerate(names)]


# -- gradient ascent -----------------------------------------------------------------------------------------------


def _optimize(
    objective: Supervised, data: Dataset, recorder: FeatureMapRecorder, targets: Sequence[_Target], real: Tensor
) -> tuple[Tensor, list[bool]]:
    """Images (N, C, Y, X) as the first convolution reads them, and which of them had a gradient."""
    generator = torch.Generator().manual_seed(0)
    middle, spread = real.mean((0, 2, 3), keepdim=True), real.std((0, 2, 3), keepdim=True).clamp_min(1e-3)
    low, high = real.amin((0, 2, 3), keepdim=True), real.amax((0, 2, 3), keepdim=True)
    N, (C, Y, X) = len(targets), real.shape[1:]
    noise = torch.randn(N, C, Y, X, generator=generator).to(real.device)
    images = (middle + 0.3 * spread * _smooth(noise)).clamp(low, high)
    batch = data.batch(torch.zeros(N, dtype=torch.long))
    reach = max(1, round(MAX_SHIFT * min(Y, X)))
    silent = torch.ones(N, 1, 1, 1, dtype=torch.bool, device=real.device)
    started = time.perf_counter()
    for _ in range(MAX_STEPS):
        shift = torch.randint(-reach, reach + 1, (2,), generator=generator).tolist()
        leaf = images.detach().requires_grad_()
        with torch.enable_grad():
            score = _scores(objective, batch, recorder, targets, leaf.roll(shift, (2, 3)))
            (gradient,) = torch.autograd.grad(score.sum(), leaf)
            (roughness,) = torch.autograd.grad(_total_variation(leaf / spread).sum(), leaf)
        step = _unit(_smooth(gradient)) - TV_WEIGHT * _unit(roughness)
        images = (images + STEP_SIZE * spread * step).clamp(low, high)
        silent = gradient.abs().amax((1, 2, 3), keepdim=True) == 0  # without a gradient: start again
        noise = torch.randn(N, C, Y, X, generator=generator).to(real.device)
        images = torch.where(silent, (middle + 1.5 * spread * _smooth(noise)).clamp(low, high), images)
        if time.perf_counter() - started > MAX_SECONDS:
            break
    return images.detach(), [not s for s in silent.flatten().tolist()]


def _scores(
    objective: Supervised, batch: Batch, recorder: FeatureMapRecorder, targets: Sequence[_Target], images: Tensor
) -> Tensor:
    """The score of each image for its own target, (N,)."""
    assert recorder.first_conv is not None
    scores: list[Tensor] = []

    def run() -> None:
        params = next(iter(objective.network(batch.inputs).values()))
        if isinstance(params, Tensor) and params.ndim == 2:
            scores.append(params.unflatten(0, (len(batch), -1)).mean(1))

    layers = list({t.layer for t in targets if t.layer})
    first = objective.get_submodule(recorder.first_conv)
    with first.register_forward_pre_hook(lambda _, args: (images.to(args[0].dtype), *args[1:])):
        maps = {m.name: m.values for m in recorder.record(run, len(batch), only=layers)}
    result = images.sum((1, 2, 3)) * 0  # a target without an activation keeps 0
    for layer in dict.fromkeys(t.layer for t in targets):
        indices = [(n, t.unit) for n, t in enumerate(targets) if t.layer == layer]
        rows, units = torch.tensor(indices, device=images.device).T
        if layer in maps:
            result = result.index_add(0, rows, _activation(maps[layer][rows, units]))
        elif not layer and scores and max(indices)[1] < scores[0].shape[1]:
            result = result.index_add(0, rows, scores[0][rows, units] - scores[0][rows].mean(1))
    return result


def _activation(values: Tensor) -> Tensor:
    """Mean activation of channels (N, Y, X); in large maps of the positions above the mean."""
    if values[0].numel() < LARGE_MAP:
        return values.mean((1, 2))
    return (values - values.mean((1, 2), keepdim=True)).relu().mean((1, 2))


def _smooth(images: Tensor) -> Tensor:
    """Each frequency divided by its square root, (N, C, Y, X): half the slope of natural images keeps edges."""
    Y, X = images.shape[-2:]
    up, across = torch.fft.fftfreq(Y, device=images.device), torch.fft.rfftfreq(X, device=images.device)
    size = (up[:, None] ** 2 + across[None] ** 2).sqrt().clamp_min(1 / max(Y, X))
    return _unit(torch.fft.irfft2(torch.fft.rfft2(images) / size.sqrt(), s=(Y, X)))


def _unit(images: Tensor) -> Tensor:
    """Each image divided by its root mean square."""
    return images / images.square().mean((1, 2, 3), keepdim=True).sqrt().clamp_min(1e-12)


def _total_variation(images: Tensor) -> Tensor:
    down, right = images.diff(dim=2), images.diff(dim=3)
    return down.square().mean((1, 2, 3)) + right.square().mean((1, 2, 3))


def _codes(images: Tensor, codes: np.ndarray, pixels: Tensor) -> np.ndarray:
    """Network inputs as codes of the feature, by a line per channel that is fitted to real images."""
    values = np.empty(images.shape, np.float32)
    for c in range(images.shape[1]):
        x = pixels[:, c].float().cpu().numpy().ravel()
        slope, start = np.polyfit(x, codes[:, c].astype(np.float32).ravel(), 1) if x.std() > 0 else (1.0, 0.0)
        values[:, c] = slope * images[:, c].float().cpu().numpy() + start
    return np.clip(values.round(), 0, max(int(codes.max()), 1)).astype(codes.dtype)
