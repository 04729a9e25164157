"""The feature maps (B, C, Y, X) of a forward pass, recorded by hooks on any network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np
from torch import Tensor, nn

from deepglass.nn.tokens import Tokens

MAX_STAGES = 5


class FeatureMap(NamedTuple):
    """The output of one module as a map.

    Args:
        values: (B, C, Y, X).
        weights: number of modules with weights that ran until then, this one included.
        raw: whether a module with weights gave it, before normalisation and activation.
    """

    name: str
    values: Tensor
    weights: int
    raw: bool


class FeatureMapRecorder:
    """Records the feature maps of a forward pass in their order, the first of each module.

    Args:
        network: whose modules are recorded.
        shape: (C, Y, X) of the input image as the first convolution reads it.

    Attributes:
        first: name of the convolution that reads the image, known after a pass with gradients.
        pixels: what it read, (B, C, Y, X), a leaf of the graph.
    """

    def __init__(self, network: nn.Module, shape: tuple[int, ...]) -> None:
        self.network = network
        self.shape = shape
        self.first: str | None = None
        self.pixels: Tensor | None = None
        self.maps: dict[str, FeatureMap] = {}
        self.weights = 0
        self.grid: tuple[int, int] | None = None  # of the last map

    def record(
        self, run: Callable[[], object], rows: int, *, grad: bool = False, only: Sequence[str] | None = None
    ) -> list[FeatureMap]:
        """The maps of one forward pass.

        Args:
            run: makes the pass.
            rows: B, rows of the batch.
            grad: keep only maps that the image has an influence on, with a graph back to `pixels`.
            only: names of modules; None: all.
        """
        self.maps, self.pixels, self.weights, self.grid = {}, None, 0, None
        hooks = []
        for name, module in self.network.named_modules():
            if only is None or name in only:
                hooks.append(module.register_forward_hook(self._forward_hook(name, rows)))
            if grad and isinstance(module, nn.Conv2d):
                hooks.append(module.register_forward_pre_hook(self._pre_hook(name)))
        # Without gradients of the weights only what depends on the image has one, not the maps of other inputs.
        trainable = [p for p in self.network.parameters() if p.requires_grad]
        for parameter in trainable:
            parameter.requires_grad_(False)
        try:
            run()
        finally:
            for parameter in trainable:
                parameter.requires_grad_(True)
            for hook in hooks:
                hook.remove()
        return [m for m in self.maps.values() if m.values.requires_grad or not grad]

    def _pre_hook(self, name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], tuple[Tensor, ...] | None]:
        def hook(_: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
            if self.pixels is not None or args[0].ndim != 4 or tuple(args[0].shape[1:]) != self.shape:
                return None
            self.first = name
            self.pixels = args[0].detach().requires_grad_()
            return (self.pixels, *args[1:])

        return hook

    def _forward_hook(self, name: str, rows: int) -> Callable[[nn.Module, object, object], None]:
        def hook(module: nn.Module, _: object, out: object) -> None:
            own = any(p.ndim > 1 for p in module.parameters(recurse=False)) and not any(True for _ in module.children())
            self.weights += own
            values = _as_map(out, (self.shape[-2], self.shape[-1]), self.grid)
            self.grid = self.grid if values is None else (values.shape[-2], values.shape[-1])
            if values is not None and len(values) == rows and name not in self.maps:
                self.maps[name] = FeatureMap(name, values, self.weights, own)

        return hook


def _as_map(out: object, image: tuple[int, int], grid: tuple[int, int] | None) -> Tensor | None:
    """A module's output as a map (B, C, Y, X); None where it is none.

    Args:
        image: height and width; a map has the same proportions.
        grid: of the last map; tokens on this grid are a map too.
    """
    if isinstance(out, Tokens):
        return out.image() if out.grid is not None and len(out.grid) == 2 else None
    if not isinstance(out, Tensor) or not out.is_floating_point():
        return None
    if out.ndim == 3 and grid is not None and out.shape[1] in (grid[0] * grid[1], grid[0] * grid[1] + 1):
        tokens = out[:, -grid[0] * grid[1] :]  # without a transformer's class token
        return tokens.transpose(1, 2).unflatten(2, grid)
    if out.ndim != 4:
        return None
    Y, X = out.shape[-2:]
    fits = image[0] >= Y and image[1] >= X and abs(Y * image[1] / image[0] - X) <= 1.5
    return out if fits else None  # others have their channels last


def stages_of(maps: Sequence[FeatureMap], first: str) -> list[FeatureMap]:
    """The first convolution's map, then the last map of each resolution down to the coarsest; at most `MAX_STAGES`."""
    after = maps[[m.name for m in maps].index(first) :]
    runs = [list(run) for _, run in groupby(after, key=lambda m: m.values.shape[-2:])]
    areas = [run[0].values.shape[-2] * run[0].values.shape[-1] for run in runs]
    chosen = [after[0]]
    for run in runs[: areas.index(min(areas)) + 1]:  # a U-Net's decoder only upsamples
        candidates = [m for m in run if not m.raw and m.weights > chosen[-1].weights]
        chosen += candidates[-1:]
    if len(chosen) == 2:  # a transformer keeps one resolution: some of its blocks
        alike = (m for m in after if m.values.shape == chosen[1].values.shape and m.weights > chosen[0].weights)
        same = list({m.weights: m for m in alike if not m.raw}.values())
        at = np.unique(np.linspace(0, len(same) - 1, min(MAX_STAGES, len(same) + 1)).astype(int)[1:])
        chosen = [chosen[0], *(same[i] for i in at)]
    return chosen if len(chosen) <= MAX_STAGES else [chosen[0], *chosen[1 - MAX_STAGES :]]
