"""Activation functions by name. All are elementwise: x (..., D) float -> the same shape."""

from collections.abc import Callable

from torch import nn

from deepglass.errors import SpecError, near_miss

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "mish": nn.Mish,
    "softplus": nn.Softplus,
    "identity": nn.Identity,
}
"""Name -> class.

Source:
    relu: Nair & Hinton, 2010. leaky_relu: Maas et al., 2013. elu: Clevert et al., 2015, arXiv 1511.07289.
    selu: Klambauer et al., 2017, arXiv 1706.02515 (meant for `lecun_normal` weights).
    gelu: Hendrycks & Gimpel, 2016, arXiv 1606.08415. silu: the same; Ramachandran et al., 2017, arXiv 1710.05941.
    mish: Misra, 2019, arXiv 1908.08681.
"""


def activation(name: str | Callable[[], nn.Module]) -> nn.Module:
    """A new activation module, by name or from a factory.

    Example:
        >>> activation("relu")
        ReLU()

    Raises:
        SpecError: `unknown-name`, with the near miss.
    """
    if not isinstance(name, str):
        return name()
    if name not in ACTIVATIONS:
        raise SpecError("unknown-name", f"no activation {name!r}{near_miss(name, ACTIVATIONS, show=len(ACTIVATIONS))}")
    return ACTIVATIONS[name]()
