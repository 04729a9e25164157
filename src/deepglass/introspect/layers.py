"""The layers of a network, as a forward pass meets them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from deepglass.metrics.summaries import Histogram
from deepglass.networks.network import Network, key_of
from deepglass.nn.recurrent import Recurrent

BINS = 24
DRAWN = 100_000  # weights of a layer that are counted for its histogram, spread over all
_BENDS = ("activation", "pooling")  # modules of torch.nn without weights that are told


class Layer(NamedTuple):
    """A layer of the network.

    Args:
        name: its path.
        kind: its class.
        shape: what it gives, without the batch.
        then: activations and poolings behind it.
        spread: of its weights.
        ends: the inputs that it reads, or the output that it answers, where it is at an end.
    """

    name: str
    kind: str
    shape: tuple[int | str, ...]
    parameters: int
    then: tuple[str, ...] = ()
    spread: Histogram | None = None
    ends: tuple[str, ...] = ()

    @property
    def is_norm(self) -> bool:
        """Whether it normalises: batch, layer, group or RMS norm."""
        return "Norm" in self.kind


def trace(network: nn.Module, run: Callable[[], object]) -> tuple[Layer, ...]:
    """Each module that holds parameters itself, with the shape that it gives without the batch.

    Args:
        network: the module whose layers are wanted.
        run: calls the network once, on a few rows.

    A layer that is met several times is listed once; one with layers inside comes after them, since it gives what it
    gives when they are done; those that are never met come last, without a shape.
    """
    names = {m: n for n, m in network.named_modules() if any(True for _ in m.parameters(recurse=False))}
    shapes: dict[nn.Module, tuple[int, ...]] = {}
    then: dict[nn.Module, list[str]] = {}
    bent: set[nn.Module] = set()

    def leave(module: nn.Module, _: object, out: object) -> None:
        shapes.setdefault(module, _shape(out))

    def bend(module: nn.Module, _: object, out: object) -> None:
        if shapes and module not in bent:
            bent.add(module)
            then.setdefault(next(reversed(shapes)), []).append(type(module).__name__)

    hooks = [m.register_forward_hook(leave) for m in names]
    hooks += [m.register_forward_hook(bend) for m in network.modules() if type(m).__module__.endswith(_BENDS)]
    try:
        with torch.no_grad():
            run()
    finally:
        for hook in hooks:
            hook.remove()
    order = [*shapes, *(m for m in names if m not in shapes)]
    ends = _ends(network)
    backwards = {d for m in network.modules() if isinstance(m, Recurrent) for layer in m.layers for d in layer[1:]}
    return tuple(
        Layer(
            names[m],
            type(m).__name__ + (" backwards" if m in backwards else ""),
            shapes.get(m, ()),
            sum(p.numel() for p in m.parameters(recurse=False)),
            tuple(then.get(m, ())),
            _spread(list(m.parameters(recurse=False))),
            next((names_ for path, names_ in ends.items() if f"{names[m]}.".startswith(f"{path}.")), ()),
        )
        for m in order
    )


def _shape(out: object) -> tuple[int, ...]:
    """The shape of the first tensor of what a layer gives, such as the values of tokens."""
    if isinstance(out, Tensor):
        return tuple(out.shape[1:])
    return _shape(out[0]) if isinstance(out, tuple) and out else ()


def _spread(parameters: Sequence[nn.Parameter]) -> Histogram | None:
    """How a layer's weights are spread: its largest parameter's."""
    values = max(parameters, key=lambda p: p.numel()).detach().float().flatten()
    if not values.numel() or values.is_meta:
        return None
    sample = values[:: -(-values.numel() // DRAWN)].cpu().numpy()
    sample = sample[np.isfinite(sample)].astype(
        np.float64
    )  # bins of weights that hardly differ are too small for float32
    if not len(sample) or sample.min() == sample.max():
        return None
    counts, _ = np.histogram(sample, BINS)
    return Histogram(float(sample.min()), float(sample.max()), tuple(counts.tolist()))


def _ends(network: nn.Module) -> dict[str, tuple[str, ...]]:
    """The path of each encoder and head -> the inputs that it reads, the output that it answers."""
    features: dict[str, tuple[str, ...]] = {}
    for path, module in network.named_modules():
        if isinstance(module, Network):
            start = f"{path}." if path else ""
            for i, group in enumerate(module.groups):
                features[f"{start}encoders.{i}"] = tuple(f.name for f in group)
            for name in module.features:
                features[f"{start}heads.{key_of(name)}"] = (name,)
    return features
