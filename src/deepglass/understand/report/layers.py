"""The layers of a network, as a forward pass meets them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from deepglass.understand.report.facts import Layer


def trace(network: nn.Module, run: Callable[[], object]) -> tuple[Layer, ...]:
    """Each module that holds parameters itself, with the shape that it gives without the batch.

    Args:
        network: the module whose layers are wanted.
        run: calls the network once, on a few rows.

    A layer that is met several times is listed once; those that are never met come last, without a shape.
    """
    names = {m: n for n, m in network.named_modules() if any(True for _ in m.parameters(recurse=False))}
    shapes: dict[nn.Module, tuple[int, ...]] = {}
    # A module's hook runs after those of its parts: the order in which they are entered is kept apart.
    entered: dict[nn.Module, None] = {}

    def enter(module: nn.Module, _: object) -> None:
        entered.setdefault(module)

    def leave(module: nn.Module, _: object, out: object) -> None:
        shapes.setdefault(module, _shape(out))

    hooks = [h for m in names for h in (m.register_forward_pre_hook(enter), m.register_forward_hook(leave))]
    try:
        with torch.no_grad():
            run()
    finally:
        for hook in hooks:
            hook.remove()
    order = [*entered, *(m for m in names if m not in entered)]
    return tuple(Layer(names[m], type(m).__name__, shapes.get(m, ()), _size(m)) for m in order)


def _shape(out: object) -> tuple[int, ...]:
    """The shape of the first tensor of what a layer gives, such as the values of tokens."""
    if isinstance(out, Tensor):
        return tuple(out.shape[1:])
    return _shape(out[0]) if isinstance(out, tuple) and out else ()


def _size(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters(recurse=False))
