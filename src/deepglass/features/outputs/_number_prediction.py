"""The prediction of a number, and its losses."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from deepglass.constraints import FunctionName
from deepglass.features.outputs._target_transforms import TargetTransform
from deepglass.features.outputs.base import Prediction

if TYPE_CHECKING:
    from torch import Tensor

    from deepglass.nn.tokens import Field

NumberLoss = Literal["squared", "absolute", "huber", "poisson", "quantile"]
MAX_LOG_RATE = 20.0  # of a rate divided by the mean; its exponential is finite


class NumberPrediction(Prediction):
    """Mean of a Normal of fixed scale, or the best value of another loss.

    Shapes:
        params: (B, 1), standardised after the transformation, or with loss "poisson" the logarithm of the rate divided
            by the mean; (B, 2) with the logarithm of the scale of the interval.

    Source: the Huber loss is that of Huber, 1964; the quantile loss that of Koenker and Bassett, 1978.
    """

    def __init__(
        self,
        params: Tensor,
        mean: float,
        std: float,
        loss: NumberLoss | FunctionName = "squared",
        quantile: float = 0.5,
        transform: TargetTransform | None = None,
        own_loss: Callable[[Tensor, Tensor], Tensor] | None = None,
    ) -> None:
        self.params, self.mean, self.std, self.loss_name, self.quantile = params, mean, std, loss, quantile
        self.transform, self.own_loss = transform, own_loss

    def loss(self, target: Field) -> Tensor:
        if self.loss_name == "poisson":
            return self._deviance(target.values.reshape(-1) / self.mean)
        values = target.values.reshape(-1)
        if self.transform is not None:
            values = self.transform.forward_tensor(values)
        if self.own_loss is not None:
            return self.own_loss(self.params[:, 0] * self.std + self.mean, values)
        standard = (values - self.mean) / self.std
        error = self.params[:, 0] - standard
        if self.loss_name == "squared":
            return error.square()
        size = error.abs()
        if self.loss_name == "absolute":
            return size
        if self.loss_name == "huber":
            return _huber(size)
        return (self.quantile - (error > 0).to(error.dtype)) * -error

    def _deviance(self, y: Tensor) -> Tensor:
        """Half the Poisson deviance of targets in units of the mean, (B,)."""
        log_rate = self.params[:, 0].float().clamp(-MAX_LOG_RATE, MAX_LOG_RATE)
        return log_rate.exp() - y + y.xlogy(y) - y * log_rate

    def mode(self) -> dict[str, Tensor]:
        if self.loss_name == "poisson":
            value = {"value": self.params[:, 0].float().clamp(-MAX_LOG_RATE, MAX_LOG_RATE).exp() * self.mean}
        else:
            value = {"value": self.params[:, 0].float() * self.std + self.mean}
        if self.transform is not None:
            value = {"value": self.transform.inverse_tensor(value["value"])}
        return value | ({"scale": self.params[:, 1].float().exp()} if self.params.shape[1] > 1 else {})

    def ensemble_mean(self, members: int) -> NumberPrediction:
        import torch

        # Column by column: the mean of two columns at once has other rounding errors than that of one.
        columns = [column.contiguous().reshape(-1, members).mean(1) for column in self.params.unbind(1)]
        if self.loss_name == "poisson":  # the mean of the rates, not of their logarithms
            columns[0] = self.params[:, 0].float().reshape(-1, members).logsumexp(1) - math.log(members)
        return NumberPrediction(
            torch.stack(columns, 1), self.mean, self.std, self.loss_name, self.quantile, self.transform, self.own_loss
        )


def _huber(size: Tensor) -> Tensor:
    """Half the square up to 1, linear beyond."""
    return size.clamp_max(1) * (size - 0.5 * size.clamp_max(1))
