"""Numpy forward pass of small multilayer perceptrons, for agents.

A policy runs at each environment step on few rows, where the overhead of torch exceeds the arithmetic. The arrays are
views of the network's parameters and follow their updates. Other networks have no numpy form.
"""

from collections.abc import Callable

import numpy as np
from torch import Tensor, nn

from deepglass.networks.network import Network
from deepglass.networks.trunks.mlp import Mlp
from deepglass.nn.encoders_heads import LinearHead, Rescale, VectorEncoder
from deepglass.nn.tabular import Dropout, EnsembleLinear

ArrayFunction = Callable[[np.ndarray], np.ndarray]

_ACTIVATIONS: dict[type[nn.Module], ArrayFunction] = {
    nn.Tanh: np.tanh,
    nn.ReLU: lambda x: np.maximum(x, 0),
    nn.Identity: lambda x: x,
    Dropout: lambda x: x,  # agents are always in evaluation mode
}


def numpy_trunk(network: Network) -> ArrayFunction | None:
    """Encoder and trunk: observations (N, d) float32 -> input of the heads, (N, D); None for other networks."""
    (encoder, *others), trunk = network.encoders, network.trunk
    if others or not isinstance(encoder, VectorEncoder) or type(trunk) is not Mlp or trunk.ensemble_size > 1:
        return None
    assert isinstance(encoder.rescale, Rescale)
    shift, scale = _array(encoder.rescale.shift), _array(encoder.rescale.scale)
    layers = [numpy_linear(encoder.linear)]
    assert isinstance(trunk.body, nn.Sequential)
    for module in trunk.body:
        if isinstance(module, EnsembleLinear):
            layers.append(_affine(_array(module.linear.weight), _array(module.bias)[0]))
        elif type(module) in _ACTIVATIONS:
            layers.append(_ACTIVATIONS[type(module)])
        else:
            return None
    if any(p.device.type != "cpu" for p in network.parameters()):
        return None

    def forward(observations: np.ndarray) -> np.ndarray:
        x = ((observations - shift) / scale).clip(-10, 10)
        for layer in layers:
            x = layer(x)
        return x

    return forward


def numpy_head(network: Network) -> ArrayFunction | None:
    """The only head, from the output of `numpy_trunk` to the parameters of the prediction."""
    (head,) = network.heads.values()
    return numpy_linear(head.linear) if type(head) is LinearHead else None


def numpy_linear(layer: nn.Module) -> ArrayFunction:
    """A linear layer."""
    assert isinstance(layer, nn.Linear)
    return _affine(_array(layer.weight), _array(layer.bias))


def _affine(weight: np.ndarray, bias: np.ndarray) -> ArrayFunction:
    return lambda x: x @ weight.T + bias


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy()
