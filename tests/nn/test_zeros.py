"""Initialisation with zeros: the units of a layer get equal gradients and stay equal."""

import polars as pl
import pytest
import torch

import deepglass


@pytest.mark.parametrize(("initialisation", "units"), [("zeros", 1), ("default", 8)])
def test_units_stay_equal_after_an_initialisation_with_zeros(tmp_path, initialisation, units):
    rows = pl.DataFrame({"x": [i % 11 for i in range(80)], "y": [i % 7 for i in range(80)]})
    rows = rows.with_columns(z=pl.col("x") * 1.0 - pl.col("y"))
    network = {"trunk": "mlp", "width": 8, "depth": 1, "ensemble_size": 1, "activation": "sigmoid", "dropout": 0.0}
    run = deepglass.train(
        rows,
        "z",
        network={**network, "initialisation": initialisation},
        steps=60,
        out=tmp_path / "run",
        baselines=False,
        kinds={"x": "number", "y": "number"},
        training={"threads": 1, "record": False, "optimizer": "momentum", "learning_rate": 0.1},
    )
    weight = run.network.trunk.body[0].linear.weight.detach()
    assert weight.abs().max() > 1e-3, "they learn"
    assert len(torch.unique((weight * 1e4).round(), dim=0)) == units
