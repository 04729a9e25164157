"""Exponential moving average (EMA) of the weights of a network.

Built on `torch.optim.swa_utils.get_ema_multi_avg_fn`. `AveragedModel` itself does not fit: its decay is constant, while
ours grows with the number of steps, and the averaged network must stay a module of its own that predicts and exports.
"""

import copy

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


def ema_copy(module: nn.Module) -> nn.Module:
    """A frozen copy of a module in evaluation mode, to be moved by `ema_update`."""
    return copy.deepcopy(module).requires_grad_(False).eval()


@torch.no_grad()
def ema_update(average: nn.Module, module: nn.Module, decay: float) -> None:
    """One step of the EMA: average = decay * average + (1 - decay) * module. Integer buffers are copied.

    Args:
        decay: in [0, 1].
    """
    pairs = list(zip(average.state_dict().values(), module.state_dict().values(), strict=True))
    floats = [(a, b) for a, b in pairs if a.is_floating_point()]
    get_ema_multi_avg_fn(decay)([a for a, _ in floats], [b for _, b in floats], None)
    for a, b in pairs:
        if not a.is_floating_point():
            a.copy_(b)
