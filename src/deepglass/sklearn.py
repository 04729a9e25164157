"""deepglass as scikit-learn estimators: in pipelines, in grid searches, in cross-validation.

    from deepglass import DeepglassClassifier
    cross_val_score(DeepglassClassifier(time=10), X, y)

`X` may be an array, a sparse-free matrix or a frame whose columns are numbers, text, dates or categories.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import polars as pl
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d, validate_data

from deepglass.api import train
from deepglass.run.run import Run

TARGET = "y"


class _Estimator(BaseEstimator):
    """What both estimators share: training on (X, y), and answering.

    Args:
        time: seconds of training, validation and calibration.
        epochs: passes over the rows, instead of a time; with neither, a rule and early stopping.
        network: a trunk's name.
        valid: share of the rows that training holds back to choose the best weights and to calibrate.
        random_state: the seed of initialisation and order.
        settings: further settings by path, such as {"training.learning_rate": 1e-3}.
    """

    _kind: str

    def __init__(
        self,
        time: float | None = None,
        epochs: int | None = None,
        network: str | None = None,
        valid: float = 0.1,
        random_state: int | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.time = time
        self.epochs = epochs
        self.network = network
        self.valid = valid
        self.random_state = random_state
        self.settings = settings

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        tags.non_deterministic = False
        return tags

    def _train(self, columns: dict[str, Any], target: np.ndarray) -> None:
        folder = Path(tempfile.mkdtemp(prefix="deepglass-"))
        self._cleanup = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        chosen: dict[str, Any] = {"kinds": {**self._kinds(columns), TARGET: self._kind}}
        chosen |= {"time": self.time} if self.time is not None else {}
        chosen |= {"epochs": self.epochs} if self.epochs is not None else {}
        chosen |= {"network.trunk": self.network} if self.network is not None else {}
        seed = 0 if self.random_state is None else int(self.random_state)
        run = train(
            {**columns, TARGET: target},
            TARGET,
            out=folder / "run",
            baselines=False,
            seed=seed,
            split={"test": 0.0, "valid": self.valid, "seed": seed},
            **chosen,
            **(self.settings or {}),
        )
        self.run_: Run = run
        run.predictor  # noqa: B018 - loaded now, so that the estimator does not need the folder
        self.n_iter_ = max(1, run.metrics["step"])

    def _columns(self, X: Any, reset: bool) -> dict[str, Any]:
        """X as named columns; frames keep their own types."""
        if hasattr(X, "columns") and hasattr(X, "dtypes"):
            validate_data(self, X, reset=reset, skip_check_array=True)
            return {str(name): pl.Series(str(name), np.asarray(X[name]), strict=False) for name in X.columns}
        array = validate_data(self, X, reset=reset, dtype=None, ensure_all_finite="allow-nan", ensure_min_samples=1)
        if array.dtype == object:
            return {
                _column(i): pl.Series(_column(i), array[:, i].tolist(), strict=False) for i in range(array.shape[1])
            }
        return {_column(i): array[:, i] for i in range(array.shape[1])}

    @staticmethod
    def _kinds(columns: Mapping[str, Any]) -> dict[str, str]:
        """Arrays of numbers are numbers, as everywhere in scikit-learn; other columns are recognised."""
        return {n: "number" for n, c in columns.items() if isinstance(c, np.ndarray) and c.dtype.kind in "iuf"}


class DeepglassClassifier(ClassifierMixin, _Estimator):
    """A classifier with calibrated probabilities.

    Example:
        >>> DeepglassClassifier(epochs=20).fit(X, y).predict_proba(X[:1])  # doctest: +SKIP
    """

    _kind = "category"

    def fit(self, X: Any, y: Any) -> DeepglassClassifier:
        """Train on rows X (N, F) and their classes y (N,)."""
        columns = self._columns(X, reset=True)
        y = column_or_1d(_required(y, self), warn=True)
        check_consistent_length(X, y)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"DeepglassClassifier can't train when only one class is present: {self.classes_[0]!r}")
        self._train(columns, codes)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probability of each of `classes_`, (N, K)."""
        check_is_fitted(self, "run_")
        predictor = self.run_.predictor
        feature = predictor.outputs[0]
        best = predictor.best(self._columns(X, reset=False))[feature.name]
        calibration = predictor.calibration.get(feature.name, {})
        log_probs = best["log_probs"].astype(np.float64) / calibration.get("temperature", 1.0)
        log_probs -= log_probs.max(1, keepdims=True)
        probs = np.exp(log_probs)
        order = [int(name) for name in feature.class_names]  # classes that only the held-back rows have get 0
        result = np.zeros((len(probs), len(self.classes_)))
        result[:, order] = probs / probs.sum(1, keepdims=True)
        return result

    def predict(self, X: Any) -> np.ndarray:
        """The likeliest class of each row, (N,)."""
        return cast(np.ndarray, self.classes_[self.predict_proba(X).argmax(1)])


class DeepglassRegressor(RegressorMixin, _Estimator):
    """A regressor for one number.

    Example:
        >>> DeepglassRegressor(epochs=20).fit(X, y).predict(X[:1])  # doctest: +SKIP
    """

    _kind = "number"

    def fit(self, X: Any, y: Any) -> DeepglassRegressor:
        """Train on rows X (N, F) and their numbers y (N,)."""
        columns = self._columns(X, reset=True)
        y = column_or_1d(_required(y, self), warn=True)
        check_consistent_length(X, y)
        y = y.astype(float)
        if not np.isfinite(y).all():
            raise ValueError("Input y contains NaN or infinity.")
        self._train(columns, y)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """A number for each row, (N,)."""
        check_is_fitted(self, "run_")
        answers = self.run_.predictor.predict(self._columns(X, reset=False))
        return np.array([row[TARGET]["value"] for row in answers], dtype=float)


def _column(i: int) -> str:
    return f"column_{i + 1}"


def _required(y: Any, estimator: BaseEstimator) -> Any:
    if y is None:
        raise ValueError(f"{type(estimator).__name__} requires y to be passed, but the target y is None")
    return y
