"""Batch normalisation over the rows of all processes.

torch's own (`SyncBatchNorm`) needs a GPU.
"""

from typing import Any

import torch
from torch import Tensor

from deepglass.training.distributed.processes import ProcessGroup


def batch_norm(
    x: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    momentum: float,
    eps: float,
    processes: ProcessGroup,
) -> Tensor:
    """`torch.nn.functional.batch_norm` in training, with the statistics of all processes; arguments as there.

    Shapes:
        x: (b, C, ...) -> the same.
    """
    statistics = _statistics(x, processes)
    mean, variance = statistics[0], statistics[1]
    count = float(statistics[2, 0])
    if running_mean is not None and running_var is not None:
        with torch.no_grad():
            running_mean.lerp_(mean.to(running_mean.dtype), momentum)
            running_var.lerp_((variance * (count / max(count - 1, 1))).to(running_var.dtype), momentum)
    y: Tensor = _BatchNorm.apply(x, mean, (variance + eps).rsqrt(), count, processes)
    shape = (1, -1, *(1 for _ in x.shape[2:]))
    y = y if weight is None else y * weight.view(shape)
    y = y if bias is None else y + bias.view(shape)
    return y.to(x.dtype)


@torch.no_grad()
def _statistics(x: Tensor, processes: ProcessGroup) -> Tensor:
    """Mean, variance and number of the values of each channel, (3, C) float64."""
    axes = [0, *range(2, x.ndim)]
    variance, mean = torch.var_mean(x.double(), axes, correction=0)
    count = torch.full_like(mean, x.numel() // x.shape[1])
    sums = processes.total(torch.stack([count, count * mean]))
    joint = sums[1] / sums[0]
    squares = processes.total(count * (variance + (mean - joint).square()))
    return torch.stack([joint, squares / sums[0], sums[0]])


class _BatchNorm(torch.autograd.Function):
    """(x - mean) / std with the statistics of all processes, whose gradient takes those of all processes in turn."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, mean: Tensor, scale: Tensor, count: float, processes: ProcessGroup) -> Tensor:
        dtype = torch.promote_types(x.dtype, torch.float32)
        shape = (1, -1, *(1 for _ in x.shape[2:]))
        y = (x.to(dtype) - mean.to(dtype).view(shape)) * scale.to(dtype).view(shape)
        ctx.save_for_backward(y, scale)
        ctx.count, ctx.processes, ctx.dtype = count, processes, x.dtype
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None]:
        y, scale = ctx.saved_tensors
        (gradient,) = gradients
        axes, shape = [0, *range(2, y.ndim)], (1, -1, *(1 for _ in y.shape[2:]))
        sums = ctx.processes.total(torch.stack([gradient.double().sum(axes), (gradient * y).double().sum(axes)]))
        mean, slope = (sums / ctx.count).to(gradient.dtype)
        x = (gradient - mean.view(shape) - y * slope.view(shape)) * scale.to(gradient.dtype).view(shape)
        return x.to(ctx.dtype), None, None, None, None
