"""The maps (B, C, Y, X) that flow through a network, heard from its modules: no network is known by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np
from torch import Tensor, nn

from deepglass.data.batches import Batch
from deepglass.nn.tokens import Tokens

STAGES = 5

Run = Callable[[Batch], object]


class Map(NamedTuple):
    """A map that some module gave.

    Args:
        values: (B, C, Y, X).
        weights: how many modules with weights had been met by then.
        raw: it comes straight from such a module, before norm and activation.
    """

    name: str
    values: Tensor
    weights: int
    raw: bool


class Listener:
    """Collects the maps of a forward pass in their order, each module's first one."""

    def __init__(self, network: nn.Module, shape: tuple[int, ...]) -> None:
        self.network = network
        self.shape = shape
        self.first: str | None = None  # the convolution that reads the picture
        self.pixels: Tensor | None = None  # what it read
        self.maps: dict[str, Map] = {}
        self.weights = 0
        self.grid: tuple[int, int] | None = None  # of the last map that was met

    def hear(self, run: Run, batch: Batch, *, grad: bool = False, only: Sequence[str] | None = None) -> list[Map]:
        """The maps of a pass over the batch; with gradients only those that the picture has a part in."""
        self.maps, self.pixels, self.weights, self.grid = {}, None, 0, None
        rows = len(batch)
        hooks = []
        for name, module in self.network.named_modules():
            if only is None or name in only:
                hooks.append(module.register_forward_hook(self._leave(name, rows)))
            if grad and isinstance(module, nn.Conv2d):
                hooks.append(module.register_forward_pre_hook(self._enter(name)))
        # Weights need no gradient here, and then only what follows from the picture has one: not its neighbours' maps.
        learned = [p for p in self.network.parameters() if p.requires_grad]
        for parameter in learned:
            parameter.requires_grad_(False)
        try:
            run(batch)
        finally:
            for parameter in learned:
                parameter.requires_grad_(True)
            for hook in hooks:
                hook.remove()
        return [m for m in self.maps.values() if m.values.requires_grad or not grad]

    def _enter(self, name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], tuple[Tensor, ...] | None]:
        def enter(_: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
            if self.pixels is not None or args[0].ndim != 4 or tuple(args[0].shape[1:]) != self.shape:
                return None
            self.first = name
            self.pixels = args[0].detach().requires_grad_()
            return (self.pixels, *args[1:])

        return enter

    def _leave(self, name: str, rows: int) -> Callable[[nn.Module, object, object], None]:
        def leave(module: nn.Module, _: object, out: object) -> None:
            own = any(p.ndim > 1 for p in module.parameters(recurse=False)) and not any(True for _ in module.children())
            self.weights += own
            value = _picture_of(out, (self.shape[-2], self.shape[-1]), self.grid)
            self.grid = self.grid if value is None else (value.shape[-2], value.shape[-1])
            if value is not None and len(value) == rows and name not in self.maps:
                self.maps[name] = Map(name, value, self.weights, own)

        return leave


def _picture_of(out: object, picture: tuple[int, int], grid: tuple[int, int] | None) -> Tensor | None:
    """A module's output as maps, if it is one: of the picture's proportions, or tokens on the last map's grid."""
    if isinstance(out, Tokens):
        return out.image() if out.grid is not None and len(out.grid) == 2 else None
    if not isinstance(out, Tensor) or not out.is_floating_point():
        return None
    if out.ndim == 3 and grid is not None and out.shape[1] in (grid[0] * grid[1], grid[0] * grid[1] + 1):
        places = out[:, -grid[0] * grid[1] :]  # without a transformer's class token
        return places.transpose(1, 2).unflatten(2, grid)
    if out.ndim != 4:
        return None
    Y, X = out.shape[-2:]
    fits = picture[0] >= Y and picture[1] >= X and abs(Y * picture[1] / picture[0] - X) <= 1.5
    return out if fits else None  # others have their channels last


def stages_of(maps: Sequence[Map], first: str) -> list[Map]:
    """The first convolution's map, then the last map of each size on the way to the coarsest, where weights made it."""
    after = maps[[m.name for m in maps].index(first) :]
    runs = [list(run) for _, run in groupby(after, key=lambda m: m.values.shape[-2:])]
    areas = [run[0].values.shape[-2] * run[0].values.shape[-1] for run in runs]
    chosen = [after[0]]
    for run in runs[: areas.index(min(areas)) + 1]:  # a U-Net's way back up only spreads what is known
        made = [m for m in run if not m.raw and m.weights > chosen[-1].weights]
        chosen += made[-1:]
    if len(chosen) == 2:  # a transformer never changes the size: some of its blocks
        alike = (m for m in after if m.values.shape == chosen[1].values.shape and m.weights > chosen[0].weights)
        same = list({m.weights: m for m in alike if not m.raw}.values())
        places = np.unique(np.linspace(0, len(same) - 1, min(STAGES, len(same) + 1)).astype(int)[1:])
        chosen = [chosen[0], *(same[i] for i in places)]
    return chosen if len(chosen) <= STAGES else [chosen[0], *chosen[1 - STAGES :]]
