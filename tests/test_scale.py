"""Work that must not grow with the square of rows, columns or classes, counted instead of timed."""

import numpy as np
import polars as pl
import pytest

from deepglass import metrics
from deepglass.baselines import simple
from deepglass.data.sources import read
from deepglass.doctor import labels as label_checks
from deepglass.doctor.base import Target
from deepglass.doctor.leak import leak_score
from deepglass.features.outputs.category import CategoryOutput
from deepglass.metrics import calibration
from deepglass.prepare.columns import infer_columns
from deepglass.report.outputs import MAX_COMPARED_CLASSES, _confusion
from deepglass.spec.spec import Spec


def test_thousands_of_class_names_are_a_category() -> None:
    names = [f"class_{k}" for k in np.random.default_rng(0).integers(0, 3_000, 12_000)]
    table = read(pl.DataFrame({"x": np.arange(12_000) % 7 + 0.5, "name": names}))
    roles, _, _ = infer_columns(table, Spec.from_dict({"data": {"source": "t.csv"}, "outputs": ["name"]}))
    assert [r.kind for r in roles if r.name == "name"] == ["category"]
    texts = read(pl.DataFrame({"x": np.arange(12_000) + 0.5, "name": [f"word{k}" for k in range(12_000)]}))
    roles, _, _ = infer_columns(texts, Spec.from_dict({"data": {"source": "t.csv"}, "outputs": ["name"]}))
    assert [r.kind for r in roles if r.name == "name"] == ["text"]


def test_metrics_of_thousands_of_classes_need_no_square_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deepglass.metrics.classes.confusion_matrix", None)
    monkeypatch.setattr("deepglass.metrics.classes.MAX_BLOCK_VALUES", 10_000)  # several blocks
    random = np.random.default_rng(0)
    log_probs = np.log(random.dirichlet(np.ones(3_000), 40)).astype(np.float32)
    labels = random.integers(0, 3_000, 40)
    scores = metrics.classification(labels, log_probs)
    probs = np.exp(log_probs)
    assert scores["brier"] == pytest.approx(metrics.brier(labels, probs))
    assert scores["ece"] == pytest.approx(metrics.ece(labels, probs))


def test_the_most_likely_of_many_classes_are_those_of_a_stable_sort() -> None:
    random = np.random.default_rng(0)
    log_probs = -random.integers(0, 40, (30, 150)).astype(np.float32)  # with ties
    output = CategoryOutput(name="k", vocabulary_=tuple(map(str, range(150))), counts_=(1,) * 150, type_="string")
    decoded = [list(row["probabilities"]) for row in output.decode({"log_probs": log_probs})]
    order = np.argsort(-log_probs, axis=1, kind="stable")[:, :5]
    assert decoded == [[str(k) for k in row] for row in order]


def test_a_temperature_of_thousands_of_classes_is_fitted_to_some_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "MIN_FITTED_ROWS", 20)
    monkeypatch.setattr(calibration, "MAX_FITTED_VALUES", 3_000)
    fitted: list[int] = []
    original = calibration._log_temperature
    monkeypatch.setattr(
        calibration, "_log_temperature", lambda x, *others: (fitted.append(len(x)), original(x, *others))[1]
    )
    random = np.random.default_rng(0)
    calibration.fit_temperature(random.normal(size=(200, 100)), random.integers(0, 100, 200))
    assert max(fitted) == 30


def test_labels_of_thousands_of_classes_are_checked_of_the_most_frequent_ones() -> None:
    labels = np.repeat(np.arange(2_000), [20] * 50 + [1] * 1_950)
    checked = label_checks.checked_labels(labels, 2_000)
    assert len(checked) * len(np.unique(labels[checked])) <= label_checks.MAX_CHECKED_VALUES
    assert set(range(50)) <= set(labels[checked].tolist())
    assert len(label_checks.checked_labels(labels[:1000], 50)) == 1000


def test_more_than_a_thousand_classes_have_the_constant_baseline_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simple, "_MAX_CLASSES", 2)
    table = read(pl.DataFrame({"x": np.arange(90.0), "k": ["a", "b", "c"] * 30}))
    _, inputs, outputs = infer_columns(table, Spec.from_dict({"data": {"source": "t.csv"}, "outputs": ["k"]}))
    features = [f.fit([table[f.column]]) for f in (*inputs, *outputs)]
    assert set(simple.baselines(table, table, features[:-1], features[-1])) == {"constant"}


def test_a_confusion_matrix_is_limited_to_the_most_confused_classes() -> None:
    names = tuple(f"c{k}" for k in range(3_000))
    labels = np.arange(3_000)
    predicted = labels.copy()
    predicted[1_000:1_100] = 5
    compared, confusion = _confusion(labels, predicted, names)
    assert len(compared) == len(confusion) == MAX_COMPARED_CLASSES
    assert compared[-1] == "2,501 other classes"
    assert confusion[compared.index("c1050"), compared.index("c5")] == 1
    assert confusion.trace() == (labels == predicted).sum()


def test_leaks_of_thousands_of_classes_need_no_column_per_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(np, "eye", None)
    x = np.repeat(np.arange(500.0), 4)
    target = Target("y", "y", x, tuple(map(str, range(500))))
    assert leak_score(x, x, False, target).score > 0.96
    assert leak_score(np.random.default_rng(0).normal(size=2_000), x, False, target).score < 0.1
