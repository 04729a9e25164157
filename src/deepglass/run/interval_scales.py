"""The scales that the width of intervals of numbers and vectors follows, fitted to the validation rows."""

from collections.abc import Sequence

import numpy as np
import torch

from deepglass.data.batches import Dataset
from deepglass.features.outputs._intervals import RegressionOutput
from deepglass.metrics.interval_scale import MAX_ENTRIES, MAX_ROWS, ScaleFit, fit_scale
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
        truth = valid.truth[name]
        rows = np.flatnonzero(truth.mask & ~np.isnan(truth.values.reshape(len(truth), -1)).any(1))
        if not len(rows) or len(head.scale_bias) > MAX_ENTRIES:
            continue
        if len(rows) > MAX_ROWS:
            rows = np.sort(np.random.default_rng(0).choice(rows, MAX_ROWS, replace=False))
        embeddings = _embeddings(objective, valid.subset(rows), batch_size)
        residuals = output.residuals(*output.pairs({n: a[rows] for n, a in arrays.items()}, truth.take(rows)))
        fits = [fit_scale(embeddings, r, output.confidence_level) for r in residuals.reshape(len(rows), -1).T]
        _set_scales(head, fits)
        if any(fits):
            everywhere = _embeddings(objective, valid, batch_size) if len(rows) < len(valid) else embeddings
            arrays["scale"] = _scales(fits, everywhere, rows).reshape(arrays["value"].shape)


def _embeddings(objective: Supervised, rows: Dataset, batch_size: int) -> np.ndarray:
    """Input of the heads, (N, D), the mean over ensemble members."""
    members = objective.network.ensemble_size
    with inference(objective):
        parts = [
            objective.embed(batch).reshape(len(batch), members, -1).mean(1).cpu() for batch in rows.batches(batch_size)
        ]
    return torch.cat(parts).numpy()


def _scales(fits: Sequence[ScaleFit | None], embeddings: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The scales of all rows, (N, d) float32; cross-fitted for those that they were fitted to, 1 without a fit."""
    scales = np.ones((len(embeddings), len(fits)))
    for entry, fit in enumerate(fits):
        if fit is not None:
            scales[:, entry] = fit.scale(embeddings)
            scales[rows, entry] = fit.scales
    return scales.astype(np.float32)


def _set_scales(head: ScaledHead, fits: Sequence[ScaleFit | None]) -> None:
    """The scale of each output of a head, 1 where there is none."""
    with torch.no_grad():
        for entry, fit in enumerate(fits):
            weight, bias = (fit.scale.weight, fit.scale.bias) if fit is not None else (0.0, 0.0)
            head.scale_weight[entry] = torch.as_tensor(weight)
            head.scale_bias[entry] = bias
