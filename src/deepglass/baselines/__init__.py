"""Baselines: what simple models reach on the same test rows, so that a network's figure means something."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from deepglass.data.table import Table
from deepglass.features.base import Feature
from deepglass.features.outputs.base import Output


def baselines(
    train: Table, test: Table, inputs: Sequence[Feature], output: Output, seconds: float = 10
) -> dict[str, dict[str, float]]:
    """As `simple.baselines` does; scikit-learn, which takes as long to load as torch, is loaded then and not before."""
    found: dict[str, dict[str, float]] = import_module("deepglass.baselines.simple").baselines(
        train, test, inputs, output, seconds
    )
    return found
