"""Weight initialisation by name, in place.

A weight is a parameter with two axes or more of a dense, convolutional or recurrent layer. `fan_in` is the number of
inputs of one output, `fan_out` the number of outputs of one input. Biases become zero; norms and embeddings keep their
own initialisation.
"""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from deepglass.errors import SpecError, near_miss

Fill = Callable[[Tensor], object]

_LAYERS = (
    nn.Linear,
    nn.Bilinear,
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
    nn.MultiheadAttention,
    nn.RNNBase,
    nn.RNNCellBase,
)


INITIALISATIONS: dict[str, Fill | None] = {
    "default": None,
    "xavier_uniform": nn.init.xavier_uniform_,
    "xavier_normal": nn.init.xavier_normal_,
    "he_uniform": lambda weight: nn.init.kaiming_uniform_(weight, nonlinearity="relu"),
    "he_normal": lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="relu"),
    "lecun_normal": lambda weight: nn.init.normal_(weight, std=1 / math.sqrt(weight[0].numel())),  # fan-in
    "orthogonal": nn.init.orthogonal_,
    "zeros": nn.init.zeros_,  # a lesson: the units of a layer get equal gradients and stay equal
    "normal": lambda weight: nn.init.normal_(weight, std=0.02),  # GPT-2's deviation
}
"""Name -> function that fills a weight; `default` keeps the initialisation of each layer.

Source:
    xavier: Glorot & Bengio, 2010, eq. 12 and 16 (for tanh). he: He et al., 2015, arXiv 1502.01852, eq. 10 (for relu).
    lecun: LeCun et al., 1998, "Efficient BackProp" (for selu). orthogonal: Saxe et al., 2013, arXiv 1312.6120.
"""


def initialise(module: nn.Module, name: str | Fill = "default") -> nn.Module:
    """Initialise all weights of a module in place, and set the biases of its layers to zero.

    Args:
        module: with all its submodules.
        name: one of `INITIALISATIONS`, or a function that fills one weight.

    Example:
        >>> initialise(nn.Linear(4, 2), "he_normal").bias
        Parameter containing:
        tensor([0., 0.], requires_grad=True)

    Raises:
        SpecError: `unknown-name`, with the near miss.
    """
    if isinstance(name, str) and name not in INITIALISATIONS:
        raise SpecError("unknown-name", f"no initialisation {name!r}{near_miss(name, INITIALISATIONS)}")
    fill = INITIALISATIONS[name] if isinstance(name, str) else name
    if fill is None:
        return module
    with torch.no_grad():
        for parameter, is_bias in _layer_parameters(module):
            nn.init.zeros_(parameter) if is_bias else fill(parameter)
    return module


def _layer_parameters(module: nn.Module) -> Iterator[tuple[Tensor, bool]]:
    """Weights and biases of the known layers, each once, in module order, and whether it is a bias."""
    visited: set[int] = set()
    for layer in module.modules():
        if not isinstance(layer, _LAYERS):
            continue
        for name, parameter in layer.named_parameters(recurse=False):
            if id(parameter) not in visited:
                visited.add(id(parameter))
                yield parameter, parameter.ndim < 2 or "bias" in name
