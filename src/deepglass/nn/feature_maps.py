"""Feature maps (B, C, Y, X) of a forward pass, recorded by forward hooks for any network."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import groupby
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from deepglass.nn.frozen import frozen
from deepglass.nn.tokens import Tokens

MAX_STAGES = 5


class FeatureMap(NamedTuple):
    """The output of a module as a feature map.

    Args:
        name: of the module.
        values: (B, C, Y, X).
        depth: number of modules with weights that had run by then.
        pre_activation: whether it is the direct output of a module with weights, before norm and activation.
    """

    name: str
    values: Tensor
    depth: int
    pre_activation: bool


class FeatureMapRecorder:
    """Records the feature maps of a forward pass in order, the first one of each module.

    Args:
        network: hooks are set on its modules.
        shape: (C, Y, X) of the image.

    Attributes:
        first_conv: name of the convolution that reads the image; None where no convolution does.
        conv_input: its input, a leaf tensor with gradients.
    """

    def __init__(self, network: nn.Module, shape: tuple[int, ...]) -> None:
        self.network = network
        self.shape = shape
        self.first_conv: str | None = None
        self.conv_input: Tensor | None = None
        self.maps: dict[str, FeatureMap] = {}
        self.depth = 0
        self.grid: tuple[int, int] | None = None  # of the last feature map

    def record(
        self, forward: Callable[[], object], rows: int, *, grad: bool = False, only: Sequence[str] | None = None
    ) -> list[FeatureMap]:
        """The feature maps of one forward pass.

        Args:
            forward: runs the network once.
            rows: number of rows of the batch; outputs of another length are not recorded.
            grad: make the image a leaf, and return only maps that depend on it.
            only: names of the modules to record; None records all.
        """
        self.maps, self.conv_input, self.depth, self.grid = {}, None, 0, None
        # With frozen parameters only what depends on the image requires a gradient.
        with ExitStack() as hooks, frozen(self.network):
            for name, module in self.network.named_modules():
                if only is None or name in only:
                    hooks.enter_context(module.register_forward_hook(self._output_hook(name, rows)))
                if grad and isinstance(module, nn.Conv2d):
                    hooks.enter_context(module.register_forward_pre_hook(self._input_hook(name)))
            forward()
        return [m for m in self.maps.values() if m.values.requires_grad or not grad]

    def record_stages(self, forward: Callable[[], object], rows: int) -> list[FeatureMap]:
        """The last map of each size, differentiable; [] for a network without a convolution that reads the image."""
        with torch.enable_grad():
            maps = self.record(forward, rows, grad=True)
        first = self.first_conv
        return [] if first is None or all(m.name != first for m in maps) else _stage_maps(maps, first)

    def _input_hook(self, name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], tuple[Tensor, ...] | None]:
        def hook(_: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
            if self.conv_input is not None or args[0].ndim != 4 or tuple(args[0].shape[1:]) != self.shape:
                return None
            self.first_conv = name
            self.conv_input = args[0].detach().requires_grad_()
            return (self.conv_input, *args[1:])

        return hook

    def _output_hook(self, name: str, rows: int) -> Callable[[nn.Module, object, object], None]:
        def hook(module: nn.Module, _: object, out: object) -> None:
            weighted = any(p.ndim > 1 for p in module.parameters(recurse=False)) and not any(
                True for _ in module.children()
            )
            self.depth += weighted
            value = _as_map(out, (self.shape[-2], self.shape[-1]), self.grid)
            self.grid = self.grid if value is None else (value.shape[-2], value.shape[-1])
            if value is not None and len(value) == rows and name not in self.maps:
                self.maps[name] = FeatureMap(name, value, self.depth, weighted)

        return hook


def _as_map(out: object, image: tuple[int, int], grid: tuple[int, int] | None) -> Tensor | None:
    """The output as (B, C, Y, X) if it has the image's aspect ratio or is tokens on the last map's grid, else None."""
    if isinstance(out, Tokens):
        return out.image() if out.grid is not None and len(out.grid) == 2 else None
    if not isinstance(out, Tensor) or not out.is_floating_point():
        return None
    if out.ndim == 3 and grid is not None and out.shape[1] in (grid[0] * grid[1], grid[0] * grid[1] + 1):
        patches = out[:, -grid[0] * grid[1] :]  # without the class token
        return patches.transpose(1, 2).unflatten(2, grid)
    if out.ndim != 4:
        return None
    Y, X = out.shape[-2:]
    fits = image[0] >= Y and image[1] >= X and abs(Y * image[1] / image[0] - X) <= 1.5
    return out if fits else None  # channels-last tensors do not fit


def _stage_maps(maps: Sequence[FeatureMap], first: str) -> list[FeatureMap]:
    """One map per stage: the first convolution's, then the last one of each size down to the coarsest.

    Args:
        maps: in the order of the forward pass.
        first: name of the convolution that reads the image.
    """
    after = maps[[m.name for m in maps].index(first) :]
    runs = [list(run) for _, run in groupby(after, key=lambda m: m.values.shape[-2:])]
    areas = [run[0].values.shape[-2] * run[0].values.shape[-1] for run in runs]
    chosen = [after[0]]
    for run in runs[: areas.index(min(areas)) + 1]:  # the decoder of a U-Net is left out
        made = [m for m in run if not m.pre_activation and m.depth > chosen[-1].depth]
        chosen += made[-1:]
    if len(chosen) == 2:  # all blocks of a transformer have one size: take some of them, evenly spaced
        alike = (m for m in after if m.values.shape == chosen[1].values.shape and m.depth > chosen[0].depth)
        same = list({m.depth: m for m in alike if not m.pre_activation}.values())
        indices = np.unique(np.linspace(0, len(same) - 1, min(MAX_STAGES, len(same) + 1)).astype(int)[1:])
        chosen = [chosen[0], *(same[i] for i in indices)]
    return chosen if len(chosen) <= MAX_STAGES else [chosen[0], *chosen[1 - MAX_STAGES :]]
