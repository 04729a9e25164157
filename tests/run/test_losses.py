"""Losses and metrics by name: what each loss predicts, and the errors of wrong names."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from sklearn import metrics as oracle
from torch.nn import functional as F

import deepglass
from deepglass.errors import UserError
from deepglass.features.outputs.category import CategoryPrediction
from deepglass.features.outputs.multilabel import MultilabelPrediction
from deepglass.features.outputs.number import NumberPrediction
from deepglass.features.outputs.tags import TagsPrediction
from deepglass.nn.tokens import Field

SMALL: dict[str, Any] = {
    "network": {"trunk": "mlp", "width": 16, "depth": 1, "ensemble_size": 1},
    "training": {"threads": 1, "batch_size": 128},
    "steps": 80,
    "baselines": False,
}


def _field(values: torch.Tensor) -> Field:
    return Field(values, torch.ones(len(values), dtype=torch.bool))


def test_losses_of_numbers_equal_those_of_torch() -> None:
    torch.manual_seed(0)
    params, target = torch.randn(50, 1), torch.randn(50) * 2 + 3
    standard = (target - 3) / 2

    def loss(name: Any, quantile: float = 0.5) -> torch.Tensor:
        return NumberPrediction(params, 3.0, 2.0, name, quantile).loss(_field(target))

    assert torch.allclose(loss("absolute"), F.l1_loss(params[:, 0], standard, reduction="none"))
    assert torch.allclose(loss("huber"), F.huber_loss(params[:, 0], standard, reduction="none"), atol=1e-6)
    below, above = standard - params[:, 0], params[:, 0] - standard
    assert torch.allclose(loss("quantile", 0.9), torch.maximum(0.9 * below, 0.1 * above), atol=1e-6)
    counts = target.abs().round()
    prediction = NumberPrediction(params, 3.0, 2.0, "poisson")
    rates = prediction.mode()["value"]
    expected = [
        oracle.mean_poisson_deviance([y], [r]) / 2 / 3 for y, r in zip(counts.tolist(), rates.tolist(), strict=True)
    ]
    assert torch.allclose(prediction.loss(_field(counts)), torch.tensor(expected), atol=1e-5)
    mean = NumberPrediction(params, 3.0, 2.0, "poisson").ensemble_mean(2).mode()["value"]
    assert torch.allclose(mean, rates.reshape(-1, 2).mean(1), rtol=1e-5)


def test_the_focal_loss_is_that_of_its_paper() -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(40, 3), torch.randint(0, 3, (40,))
    p = logits.softmax(1)[torch.arange(40), labels]
    focal = CategoryPrediction(logits, gamma=2.0).loss(_field(labels + 1))
    assert torch.allclose(focal, -((1 - p) ** 2) * p.log(), atol=1e-6)


def test_labels_and_tags_have_the_focal_loss() -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(40, 3), torch.randint(0, 2, (40, 3))
    p = torch.where(labels > 0, logits.sigmoid(), 1 - logits.sigmoid())
    focal = MultilabelPrediction(logits, 2.0).loss(_field(labels))
    assert torch.allclose(focal, (-((1 - p) ** 2) * p.log()).mean(1), atol=1e-6)
    words, codes, mask = torch.randn(5, 7, 3).log_softmax(-1), torch.randint(1, 4, (5, 7)), torch.ones(5, 7, dtype=bool)
    p, weights = words.gather(-1, codes[..., None] - 1)[..., 0].exp(), torch.tensor([0.5, 1.0, 3.0])
    weighted = TagsPrediction(words, mask, weights.log(), 2.0)
    expected = (-((1 - p) ** 2) * p.log() * weights[codes - 1]).mean(1)
    assert torch.allclose(weighted.loss(Field(codes, mask)), expected, atol=1e-6)
    corrected = (words - weights.log()).softmax(-1)
    assert torch.allclose(weighted.mode()["log_probs"].exp(), corrected, atol=1e-6)


def test_class_weights_of_tags_find_more_of_the_rare_one(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    words = [[f"w{k}" for k in random.integers(0, 4, 6)] for _ in range(400)]
    tags = [["RARE" if word == "w0" and random.random() < 0.3 else "O" for word in row] for row in words]
    frame = pl.DataFrame({"words": words, "tags": tags})
    settings = {
        "kinds": {"words": "text"}, "network": {"width": 16}, "steps": 60, "training": {"threads": 1},
        "baselines": False,
    }  # fmt: skip
    share, means = {}, {}
    for name, weight in {"plain": None, "balanced": "balanced", "by name": {"RARE": 9}}.items():
        own = {"kind": "tags"} if weight is None else {"kind": "tags", "class_weight": weight, "loss": "focal"}
        run = deepglass.train(frame, outputs={"tags": own}, out=tmp_path / name, **settings)
        predicted = run.predict(frame)["tags"]
        share[name] = np.mean([tag == "RARE" for row in predicted for tag in row])
        means[name] = run.metrics["test"]["tags"]["log_loss"]
    assert share["plain"] < 0.02
    assert share["balanced"] > 0.15  # of each w0, a quarter of the words
    assert share["by name"] > 0.15
    assert means["balanced"] == pytest.approx(means["plain"], abs=0.1)  # the probabilities are those of the data


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"class_weight": {"RAR": 2}}, ["outputs.tags.class_weight", "'RARE'"]),
        ({"focal_gamma": 3}, ["outputs.tags.focal_gamma", "loss: focal"]),
        ({"loss": "huber"}, ["outputs.tags.loss", "cross_entropy, focal"]),
        ({"threshold": 0.3}, ["no setting 'threshold'"]),
    ],
)
def test_wrong_settings_of_tags(settings: dict[str, Any], says: list[str], tmp_path: Path) -> None:
    frame = pl.DataFrame({"words": [["a", "b"], ["b", "c"]] * 20, "tags": [["O", "RARE"], ["O", "O"]] * 20})
    with pytest.raises(UserError) as error:
        deepglass.train(
            frame, outputs={"tags": {"kind": "tags", **settings}}, kinds={"words": "text"}, out=tmp_path / "r", steps=1
        )
    assert all(word in str(error.value) for word in says), str(error.value)


def _frame(rows: int = 1000) -> pl.DataFrame:
    random = np.random.default_rng(0)
    x = random.uniform(-1, 1, rows)
    counts = random.poisson(np.exp(1 + x))
    return pl.DataFrame(
        {"x": x, "n": counts, "cost": np.exp(x + random.normal(0, 1, rows)), "c": np.where(x > 0, "a", "b")}
    )


def test_a_quantile_has_its_share_below(tmp_path: Path) -> None:
    outputs = {"cost": {"loss": "quantile", "quantile": 0.8, "metrics": ["mape", "median_absolute_error"]}}
    run = deepglass.train(_frame(), outputs=outputs, inputs=["x"], out=tmp_path / "run", **SMALL)
    below = (_frame()["cost"] <= run.predict(_frame())["cost"]).mean()
    assert below == pytest.approx(0.8, abs=0.06)
    test = _frame()[run.folder.split().filter(pl.col("split") == "test")["row"]]
    truth, predicted = test["cost"].to_numpy(), run.predict(test)["cost"].to_numpy()
    assert run.metrics["test"]["cost"]["mape"] == pytest.approx(oracle.mean_absolute_percentage_error(truth, predicted))
    assert deepglass.Run(tmp_path / "run").predict(test)["cost"].to_list() == predicted.tolist()


def test_poisson_predicts_positive_rates(tmp_path: Path) -> None:
    outputs = {"n": {"kind": "number", "loss": "poisson", "metrics": ["poisson_deviance"]}}
    run = deepglass.train(_frame(), outputs=outputs, inputs=["x"], out=tmp_path / "run", **SMALL)
    predicted = run.predict(_frame())["n"].to_numpy()
    assert predicted.min() > 0
    assert np.corrcoef(np.log(predicted), _frame()["x"])[0, 1] > 0.95
    assert predicted.mean() == pytest.approx(_frame()["n"].mean(), rel=0.1)
    assert run.metrics["test"]["n"]["poisson_deviance"] < 1.5


def test_focal_and_metrics_of_classes(tmp_path: Path) -> None:
    outputs = {"c": {"loss": "focal", "metrics": ["mcc"]}}
    run = deepglass.train(_frame(), outputs=outputs, inputs=["x"], out=tmp_path / "run", **SMALL)
    assert run.metrics["test"]["c"]["mcc"] > 0.8


@pytest.mark.parametrize(
    ("outputs", "says"),
    [
        ({"cost": {"loss": "hubber"}}, ["outputs.cost.loss", "'huber'"]),
        ({"cost": {"loss": "focal"}}, ["outputs.cost.loss", "squared", "'focal'"]),
        ({"c": {"loss": "huber"}}, ["outputs.c.loss", "cross_entropy"]),
        ({"cost": {"metrics": ["mapee"]}}, ["outputs.cost.metrics", "'mapee'", "'mape'"]),
        ({"c": {"metrics": ["mape"]}}, ["outputs.c.metrics", "'mape'", "mcc"]),
        ({"cost": {"quantile": 0.9}}, ["outputs.cost.quantile", "loss: quantile"]),
        ({"x": {"loss": "poisson"}}, ["'x'", "at least 0", "poisson", "others of 60: row 1 ("]),
    ],
)
def test_wrong_losses_and_metrics(outputs: dict[str, Any], says: list[str], tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        deepglass.train(_frame(60), outputs=outputs, out=tmp_path / "run", steps=1)
    assert all(word in str(error.value) for word in says), str(error.value)
    assert not (tmp_path / "run").exists()
