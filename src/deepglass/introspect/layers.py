"""The layers of a network in the order of a forward pass."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from deepglass.metrics.summaries import Histogram
from deepglass.networks.network import Network, key_of
from deepglass.nn.recurrent import Recurrent

NUM_BINS = 24  # of a histogram
MAX_WEIGHTS = 100_000  # of a layer in its histogram, evenly spread
WITHOUT_WEIGHTS = ("activation", "pooling")  # modules of torch.nn that are named after the layer before them


class Layer(NamedTuple):
    """A layer of the network.

    Args:
        name: its path.
        kind: name of its class.
        shape: of its output, without the batch.
        then: activations and poolings that follow it.
        spread: histogram of its weights.
        ends: names of the inputs of an encoder, or of the output of a head.
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
    """Each module with parameters of its own, with the shape of its output.

    A layer that runs several times is listed once, a layer with layers inside after them, and layers that do not run
    last, without a shape.

    Args:
        run: runs the network once, on a few rows.
    """
    names = {m: n for n, m in network.named_modules() if any(True for _ in m.parameters(recurse=False))}
    shapes: dict[nn.Module, tuple[int, ...]] = {}
    then: dict[nn.Module, list[str]] = {}
    followers: set[nn.Module] = set()

    def record_shape(module: nn.Module, _: object, out: object) -> None:
        shapes.setdefault(module, _shape(out))

    def record_follower(module: nn.Module, _: object, out: object) -> None:
        if shapes and module not in followers:
            followers.add(module)
            then.setdefault(next(reversed(shapes)), []).append(type(module).__name__)

    with ExitStack() as hooks, torch.no_grad():
        for module in names:
            hooks.enter_context(module.register_forward_hook(record_shape))
        for module in network.modules():
            if type(module).__module__.endswith(WITHOUT_WEIGHTS):
                hooks.enter_context(module.register_forward_hook(record_follower))
        run()
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
            _histogram(list(m.parameters(recurse=False))),
            next((end for path, end in ends.items() if f"{names[m]}.".startswith(f"{path}.")), ()),
        )
        for m in order
    )


def _shape(out: object) -> tuple[int, ...]:
    """The shape of the first tensor of an output, such as the values of tokens."""
    if isinstance(out, Tensor):
        return tuple(out.shape[1:])
    return _shape(out[0]) if isinstance(out, tuple) and out else ()


def _histogram(parameters: Sequence[nn.Parameter]) -> Histogram | None:
    """Histogram of the largest parameter; None where all its values are equal."""
    values = max(parameters, key=lambda p: p.numel()).detach().float().flatten()
    if not values.numel() or values.is_meta:
        return None
    sample = values[:: -(-values.numel() // MAX_WEIGHTS)].double().cpu().numpy()  # bins may be too small for float32
    sample = sample[np.isfinite(sample)]
    if not len(sample) or sample.min() == sample.max():
        return None
    counts, _ = np.histogram(sample, NUM_BINS)
    return Histogram(float(sample.min()), float(sample.max()), tuple(counts.tolist()))


def _ends(network: nn.Module) -> dict[str, tuple[str, ...]]:
    """Path of each encoder and head -> names of its inputs, or of its output."""
    features: dict[str, tuple[str, ...]] = {}
    for path, module in network.named_modules():
        if isinstance(module, Network):
            start = f"{path}." if path else ""
            for i, group in enumerate(module.groups):
                features[f"{start}encoders.{i}"] = tuple(f.name for f in group)
            for name in module.features:
                features[f"{start}heads.{key_of(name)}"] = (name,)
    return features
