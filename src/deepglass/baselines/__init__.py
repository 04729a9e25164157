"""Baselines: the test metrics of simple models on the same rows."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module

import numpy as np

from deepglass.data.table import Table
from deepglass.features.base import Column, Feature
from deepglass.features.outputs.base import Output, PredictionArrays


def baselines(
    train: Table,
    test: Table,
    inputs: Sequence[Feature],
    output: Output,
    seconds: float = 10,
    compare: Callable[[PredictionArrays, Column], Mapping[str, float]] | None = None,
    weights: Sequence[np.ndarray | None] = (None, None),
) -> dict[str, dict[str, float]]:
    """See `simple.baselines`; scikit-learn takes as long to import as torch, and is imported on the first call."""
    results: dict[str, dict[str, float]] = import_module("deepglass.baselines.simple").baselines(
        train, test, inputs, output, seconds, compare, weights
    )
    return results
