"""The scikit-learn estimators: estimator checks, pipelines, searches, frames, copies."""

import copy
import pickle
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_diabetes, load_iris
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import deepglass
from deepglass.sklearn import DeepglassClassifier, DeepglassRegressor

TINY: dict[str, Any] = {
    "training.steps": 12,
    "training.learning_rate": 0.01,
    "network.depth": 1,
    "network.width": 64,
    "network.ensemble_size": 2,
}
SUBSET = "float32: with other rows beside it, a row's answer differs in the seventh digit, and 1e-7 is asked for"


def expected_failed_checks(estimator: Any) -> dict[str, str]:
    """The checks of scikit-learn that may fail, and why."""
    return {
        "check_methods_subset_invariance": SUBSET,
        "check_sample_weight_equivalence_on_dense_data": "a row of weight 2 is in as many batches as one of weight 1",
    }


@parametrize_with_checks(
    [DeepglassClassifier(settings=TINY), DeepglassRegressor(settings=TINY)],
    expected_failed_checks=expected_failed_checks,
)
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")  # a check that makes integers of NaN itself
def test_checks_of_scikit_learn(estimator: Any, check: Any) -> None:
    check(estimator)


def people(rows: int = 60) -> tuple[dict[str, Any], np.ndarray]:
    """Columns of several types, and a class that depends on two of them."""
    random = np.random.default_rng(0)
    age = random.integers(18, 80, rows).astype(float)
    job = random.choice(["baker", "smith", "clerk"], rows)
    joined = [date(2020, 1, 1) + timedelta(days=int(d)) for d in random.integers(0, 1000, rows)]
    rich = np.where((job == "smith") ^ (age > 60), "rich", "poor")
    age[3] = np.nan
    return {"age": age, "job": job.tolist(), "joined": joined}, rich


def frame_of(kind: str, columns: dict[str, Any]) -> Any:
    if kind == "polars":
        return pl.DataFrame(columns).with_columns(pl.col("job").cast(pl.Categorical))
    frame = pd.DataFrame(columns)
    frame["joined"] = pd.to_datetime(frame["joined"]).dt.as_unit("us")
    frame["job"] = frame["job"].astype("category")
    return frame


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_frames_keep_column_types(kind: str) -> None:
    columns, rich = people()
    frame = frame_of(kind, columns)
    model = DeepglassClassifier(random_state=0, settings={**TINY, "training.steps": 60}).fit(frame, rich)
    assert list(model.feature_names_in_) == ["age", "job", "joined"]
    assert model.n_features_in_ == 3
    assert {f.name: f.kind for f in model._predictor.inputs} == {"age": "number", "job": "category", "joined": "date"}
    assert model.score(frame, rich) > 0.8
    assert set(model.predict(frame)) <= {"rich", "poor"}
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[["job", "age", "joined"]])


def test_polars_and_pandas_give_the_same() -> None:
    columns, rich = people()
    probs = [
        DeepglassClassifier(random_state=0, settings=TINY).fit(f, rich).predict_proba(f)
        for f in (frame_of("pandas", columns), frame_of("polars", columns))
    ]
    np.testing.assert_array_equal(*probs)


def test_a_column_may_have_the_name_of_the_target() -> None:
    X, y = load_iris(return_X_y=True, as_frame=True)
    X = X.set_axis(["y", "y_", "a.b", "d"], axis=1)
    model = DeepglassClassifier(random_state=0, settings=TINY).fit(X, y)
    assert [f.name for f in model._predictor.inputs] == ["y", "y_", "a.b", "d"]
    assert model.score(X, y) > 0.6


def test_whole_numbers_are_numbers_unless_they_are_declared_categories() -> None:
    codes = np.arange(60) % 3
    frame = pd.DataFrame({"number": codes, "code": codes})
    frame["code"] = frame["code"].astype("category")
    model = DeepglassClassifier(random_state=0, settings=TINY).fit(frame, np.where(codes == 1, "a", "b"))
    assert {f.name: f.kind for f in model._predictor.inputs} == {"number": "number", "code": "category"}
    assert model.predict(frame).tolist() == np.where(codes == 1, "a", "b").tolist()


def test_arrays_of_text_are_categories() -> None:
    columns, rich = people()
    X = np.array([[str(a), j] for a, j in zip(columns["age"], columns["job"], strict=True)])
    assert DeepglassClassifier(random_state=0, settings=TINY).fit(X, rich).predict(X[:2]).shape == (2,)


def test_pipelines_and_searches() -> None:
    columns, rich = people()
    frame = frame_of("pandas", columns).drop(columns="joined")
    numbers = ColumnTransformer([("number", StandardScaler(), ["age"]), ("word", OneHotEncoder(), ["job"])])
    pipe = make_pipeline(numbers, DeepglassClassifier(random_state=0, settings=TINY))
    grid = {"deepglassclassifier__settings": [TINY, {**TINY, "training.steps": 40}]}
    search = GridSearchCV(pipe, grid, cv=2, error_score="raise").fit(frame, rich)
    assert search.best_score_ > 0.5
    assert search.predict(frame).shape == (60,)


def test_cross_validation() -> None:
    X, y = load_iris(return_X_y=True)
    scores = cross_val_score(DeepglassClassifier(random_state=0, settings=TINY), X, y, cv=3, error_score="raise")
    assert scores.min() > 0.8


def test_the_same_seed_gives_the_same_and_none_does_not() -> None:
    X, y = load_diabetes(return_X_y=True)
    X, y = X[:50], y[:50]
    first, again, other = (DeepglassRegressor(random_state=s, settings=TINY).fit(X, y).predict(X) for s in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    free = [DeepglassRegressor(settings=TINY).fit(X, y).predict(X) for _ in range(2)]
    assert (free[0] != free[1]).any()


def test_global_random_states_are_unchanged() -> None:
    X, y = load_iris(return_X_y=True)
    before = np.random.get_state()[1].copy(), torch.get_rng_state()
    model = DeepglassClassifier(random_state=0, settings=TINY).fit(X, y)
    pickle.loads(pickle.dumps(model)).predict(X)
    np.testing.assert_array_equal(np.random.get_state()[1], before[0])
    assert torch.equal(torch.get_rng_state(), before[1])


def test_copies_predict_equally_and_a_clone_is_unfitted() -> None:
    X, y = load_iris(return_X_y=True)
    model = DeepglassClassifier(random_state=0, settings=TINY).fit(X, y)
    probs = model.predict_proba(X)
    packed = pickle.dumps(model)
    assert b"torch.nn" not in packed  # bytes of safetensors and JSON, no modules
    for other in (copy.deepcopy(model), pickle.loads(packed)):
        np.testing.assert_array_equal(other.predict_proba(X), probs)
    assert not hasattr(clone(model), "n_iter_")


def test_a_trained_estimator_can_be_saved_as_a_run(tmp_path: Path) -> None:
    X, y = load_iris(return_X_y=True)
    model = DeepglassClassifier(random_state=0, settings=TINY).fit(X, y)
    run = model.save(tmp_path / "iris")
    assert run.metrics["step"] == model.n_iter_ == 12
    answers = deepglass.predict(tmp_path / "iris", {f"column_{i}": X[:5, i - 1] for i in range(1, 5)})
    probs = model.predict_proba(X[:5])
    assert [a["y"]["confidence"] for a in answers] == pytest.approx(probs.max(1), abs=1e-5)
    with pytest.raises(deepglass.UserError, match="already-exists"):
        model.save(tmp_path / "iris")


@pytest.mark.parametrize("valid", [0.0, 0.1, 0.4])
def test_ten_rows_are_enough(valid: float) -> None:
    X, y = load_iris(return_X_y=True)
    model = DeepglassClassifier(valid=valid, random_state=0, settings=TINY).fit(X[::15], y[::15])
    probs = model.predict_proba(X)
    assert probs.shape == (150, 3)
    np.testing.assert_allclose(probs.sum(1), 1)
    with pytest.raises(ValueError, match="minimum of 10"):
        model.fit(X[::17], y[::17])


def test_several_numbers_at_once() -> None:
    X, _ = load_iris(return_X_y=True)
    model = DeepglassRegressor(random_state=0, settings={**TINY, "training.steps": 60}).fit(X[:, :2], X[:, 2:])
    assert model.predict(X[:, :2]).shape == (150, 2)
    assert model.score(X[:, :2], X[:, 2:]) > 0.7


def test_rejections_state_the_reason() -> None:
    X, y = load_iris(return_X_y=True)
    with pytest.raises(ValueError, match=r"\[unknown-key\] network: .*'wdth'.*did you mean 'width'"):
        DeepglassClassifier(settings={"network.wdth": 3}).fit(X, y)
    with pytest.raises(ValueError, match="more than one column 'a': rename"):
        DeepglassClassifier(settings=TINY).fit(
            pl.DataFrame(X[:, :2], schema=["a", "b"]).to_pandas()[["a", "a", "b"]], y
        )
    with pytest.raises(ValueError, match="only one class"):
        DeepglassClassifier().fit(X, np.zeros(150))
    with pytest.raises(ValueError, match=r"\[constant-target\]"):
        DeepglassRegressor(settings=TINY).fit(X, np.zeros(150))
    with pytest.raises(ValueError, match="y contains None"):
        DeepglassClassifier().fit(X, np.array([None, *y[1:]], dtype=object))


def test_flat_parameters_reach_the_run_and_a_search(tmp_path: Path) -> None:
    X, y = load_iris(return_X_y=True)
    flat = {"depth": 1, "width": 16, "epochs": 2, "learning_rate": 0.02, "weight_decay": 0.1, "batch_size": 50}
    run = DeepglassClassifier(network="mlp", random_state=0, **flat).fit(X, y).save(tmp_path / "run")
    assert run.spec.network.trunk == "mlp"
    assert {k: run.spec.network.settings[k] for k in ("depth", "width")} == {"depth": 1, "width": 16}
    plan = run.folder.plan()
    assert (plan.epochs, plan.learning_rate, plan.weight_decay, plan.batch_size) == (2, 0.02, 0.1, 50)
    search = GridSearchCV(DeepglassClassifier(random_state=0, epochs=3, width=16), {"depth": [0, 1]}, cv=2)
    assert search.fit(X, y).cv_results_["param_depth"].tolist() == [0, 1]
    assert DeepglassClassifier(epochs=2, settings={"training.epochs": 1}).fit(X, y).metrics_["step"] == 8


def test_nothing_is_recorded_and_no_report_written_unless_asked(tmp_path: Path) -> None:
    X, y = load_iris(return_X_y=True)
    plain = DeepglassClassifier(random_state=0, settings=TINY).fit(X, y)
    plain.save(tmp_path / "plain")
    names = {p.name for p in (tmp_path / "plain").iterdir()}
    assert not names & {"embeddings", "boundaries", "diagnostics.jsonl", "margins.safetensors", "report.html"}
    reported = DeepglassClassifier(random_state=0, settings=TINY, report=True).fit(X, y)
    reported.save(tmp_path / "reported")
    assert "<h2" in (tmp_path / "reported" / "report.html").read_text()
    assert {"embeddings", "diagnostics.jsonl"} <= {p.name for p in (tmp_path / "reported").iterdir()}
    np.testing.assert_array_equal(plain.predict_proba(X), reported.predict_proba(X))  # recording changes no bit


def test_intervals_cover_their_share_of_new_rows() -> None:
    random = np.random.default_rng(0)
    X = random.normal(size=(900, 2))
    y = X[:, 0] + random.normal(size=900)
    model = DeepglassRegressor(random_state=0, valid=0.4, settings=TINY).fit(X[:500], y[:500])
    for coverage in (0.5, 0.9):
        low, high = model.predict_interval(X[500:], coverage).T
        assert abs(((low <= y[500:]) & (y[500:] <= high)).mean() - coverage) < 0.08
    copied = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copied.predict_interval(X), model.predict_interval(X))
    with pytest.raises(ValueError, match=r"0\.999 needs 999 validation rows, there are 200"):
        model.predict_interval(X, 0.999)
    with pytest.raises(ValueError, match="between 0 and 1"):
        model.predict_interval(X, 90)
    two = DeepglassRegressor(random_state=0, valid=0.4, settings=TINY).fit(X, X)
    assert two.predict_interval(X[:5]).shape == (5, 2, 2)


def test_explanations_are_a_column_an_input() -> None:
    random = np.random.default_rng(0)
    X = pd.DataFrame(random.normal(size=(120, 2)), columns=["price", "noise"], index=range(7, 127))
    model = DeepglassRegressor(random_state=0, settings={**TINY, "training.steps": 100}).fit(X, 3 * X["price"])
    explained = model.explain(X[:20])
    assert list(explained.columns) == ["price", "noise"]
    assert list(explained.index) == list(range(7, 27))
    assert np.corrcoef(explained["price"], X["price"][:20])[0, 1] > 0.95
    assert explained["price"].abs().mean() > 5 * explained["noise"].abs().mean()
    sums = explained.sum(axis=1).to_numpy() - model.predict(X[:20])
    assert np.ptp(sums) < 1e-3  # each row's add up to its difference from the same baseline
    fast = pickle.loads(pickle.dumps(model)).explain(X[:3], fast=True)
    assert fast.shape == (3, 2)
    unnamed = DeepglassRegressor(random_state=0, settings=TINY).fit(X.to_numpy(), X["price"])
    assert unnamed.explain(X[:3].to_numpy().tolist(), fast=True).shape == (3, 2)


def test_a_fit_in_parts_is_refused_with_what_to_do(tmp_path: Path) -> None:
    X, y = load_iris(return_X_y=True)
    model = DeepglassClassifier(random_state=0, settings=TINY)
    assert not hasattr(model, "partial_fit")
    with pytest.raises(AttributeError, match=r"no partial_fit.*network.init_from"):
        model.partial_fit(X[:50], y[:50], classes=[0, 1, 2])
    model.fit(X[::2], y[::2]).save(tmp_path / "first")
    further = DeepglassClassifier(random_state=1, settings={**TINY, "network.init_from": str(tmp_path / "first")})
    assert further.fit(X[1::2], y[1::2]).score(X, y) >= model.score(X, y) - 0.1


def test_bulk_predictions_are_those_of_single_rows() -> None:
    X, y = load_iris(return_X_y=True)
    model = DeepglassClassifier(random_state=0, settings=TINY).fit(X, y)
    many = np.tile(X, (20, 1))
    rows = np.concatenate([model.predict_proba(many[i : i + 1]) for i in range(0, 3000, 300)])
    np.testing.assert_allclose(model.predict_proba(many)[::300], rows, atol=1e-6)


def test_weights_of_rows_and_classes() -> None:
    random = np.random.default_rng(0)
    X = random.normal(size=(400, 1))
    y = np.where(X[:, 0] + random.normal(size=400) > 1.5, "rare", "common")
    settings = {**TINY, "training.steps": 60}
    plain = DeepglassClassifier(random_state=0, settings=settings).fit(X, y)
    for class_weight in ("balanced", {"rare": 8.0}):
        weighted = DeepglassClassifier(class_weight=class_weight, random_state=0, settings=settings).fit(X, y)
        assert (weighted.predict(X) == "rare").mean() > (plain.predict(X) == "rare").mean() + 0.1
        share = weighted.predict_proba(X)[:, 1].mean()  # probabilities stay those of the data
        assert abs(share - (y == "rare").mean()) < 0.08
    with pytest.raises(ValueError, match="class_weight: there is no class 'rear' in y"):
        DeepglassClassifier(class_weight={"rear": 2.0}).fit(X, y)
    target = np.where(np.arange(400) % 2, 1.0, -1.0)
    model = DeepglassRegressor(random_state=0, settings=settings).fit(
        X, target, sample_weight=np.where(target > 0, 9, 1)
    )
    assert model.predict(X).mean() > 0.5
    with pytest.raises(ValueError, match=r"\[bad-value\].*sample_weight.*-1"):
        DeepglassRegressor(settings=settings).fit(X, target, sample_weight=np.full(400, -1.0))
