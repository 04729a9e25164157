"""The scales of number outputs, which the width of their intervals follows: fitted to the validation rows."""

import numpy as np
import torch

from deepglass.data.batches import Dataset
from deepglass.features.outputs._intervals import RegressionOutput
from deepglass.metrics.interval_scale import MAX_ROWS, ScaleFit, fit_scale
from deepglass.networks.network import key_of
from deepglass.nn.encoders_heads import ScaledHead
from deepglass.objectives.base import Evaluation, Objective, inference
from deepglass.objectives.supervised import Supervised


def fit_interval_scales(objective: Objective, valid: Dataset, evaluation: Evaluation, batch_size: int) -> None:
    """Fit the scale of each head that has one; `evaluation` gets the cross-fitted scales of its rows.

    Args:
        evaluation: of the validation rows.
    """
    if not isinstance(objective, Supervised):
        return
    network = objective.network
    for name, arrays in evaluation.predictions.items():
        head, output = network.heads[key_of(name)], network.features[name]
        if not isinstance(head, ScaledHead) or not isinstance(output, RegressionOutput):
            continue
        rows = np.flatnonzero(valid.truth[name].mask)
        if len(rows) > MAX_ROWS:
            rows = np.sort(np.random.default_rng(0).choice(rows, MAX_ROWS, replace=False))
        embeddings = _embeddings(objective, valid.subset(rows), batch_size)
        true, value = output.pairs({n: a[rows] for n, a in arrays.items()}, valid.truth[name].take(rows))
        fit = fit_scale(embeddings, output.residuals(true, value), output.confidence_level)
        _set_scale(head, fit)
        if fit is not None:
            scales = fit.scale(_embeddings(objective, valid, batch_size)) if len(rows) < len(valid) else fit.scales
            scales[rows] = fit.scales
            arrays["scale"] = scales.astype(np.float32)


def _embeddings(objective: Supervised, rows: Dataset, batch_size: int) -> np.ndarray:
    """Input of the heads, (N, D), the mean over ensemble members."""
    members = objective.network.ensemble_size
    with inference(objective):
        parts = [
            objective.embed(batch).reshape(len(batch), members, -1).mean(1).cpu() for batch in rows.batches(batch_size)
        ]
    return torch.cat(parts).numpy()


def _set_scale(head: ScaledHead, fit: ScaleFit | None) -> None:
    """A scale of 1 where there is none."""
    weight, bias = (fit.scale.weight, fit.scale.bias) if fit is not None else (0.0, 0.0)
    with torch.no_grad():
        head.scale_weight[0] = torch.as_tensor(weight)
        head.scale_bias[0] = bias
