"""A short way through small networks: the same weights by numpy, for agents that are asked at each step.

For sixteen rows most of the time goes into what is around the multiplications. The arrays are views of the network's
own parameters and so follow them; other networks than perceptrons over a vector are asked in the ordinary way.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from torch import Tensor, nn

from deepglass.networks.network import Network
from deepglass.networks.trunks.mlp import Mlp
from deepglass.nn.encoders_heads import LinearHead, Rescale, VectorEncoder
from deepglass.nn.tabular import Dropout, EnsembleLinear

Function = Callable[[np.ndarray], np.ndarray]

_BENDS: dict[type[nn.Module], Function] = {
    nn.Tanh: np.tanh,
    nn.ReLU: lambda x: np.maximum(x, 0),
    nn.Identity: lambda x: x,
    Dropout: lambda x: x,  # agents never leave anything out
}


def quick_way(network: Network) -> Function | None:
    """From what is seen, (N, d) float32, to what the heads read, (N, D); None where there is no short way."""
    (encoder, *others), trunk = network.encoders, network.trunk
    if others or not isinstance(encoder, VectorEncoder) or type(trunk) is not Mlp or trunk.ensemble_size > 1:
        return None
    assert isinstance(encoder.rescale, Rescale)
    shift, scale = _array(encoder.rescale.shift), _array(encoder.rescale.scale)
    layers = [linear(encoder.linear)]
    assert isinstance(trunk.body, nn.Sequential)
    for module in trunk.body:
        if isinstance(module, EnsembleLinear):
            layers.append(_affine(_array(module.linear.weight), _array(module.bias)[0]))
        elif type(module) in _BENDS:
            layers.append(_BENDS[type(module)])
        else:
            return None
    if any(p.device.type != "cpu" for p in network.parameters()):
        return None

    def way(seen: np.ndarray) -> np.ndarray:
        x = ((seen - shift) / scale).clip(-10, 10)
        for layer in layers:
            x = layer(x)
        return x

    return way


def quick_head(network: Network) -> Function | None:
    """From what `quick_way` gives to the params of the only head."""
    (head,) = network.heads.values()
    return linear(head.linear) if type(head) is LinearHead else None


def linear(layer: nn.Module) -> Function:
    """A linear layer by numpy."""
    assert isinstance(layer, nn.Linear)
    return _affine(_array(layer.weight), _array(layer.bias))


def _affine(weight: np.ndarray, bias: np.ndarray) -> Function:
    return lambda x: x @ weight.T + bias


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy()
