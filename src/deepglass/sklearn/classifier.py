"""The classifier."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils import assert_all_finite
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, column_or_1d

from deepglass.features.outputs._classes import calibrated
from deepglass.sklearn.base import Estimator, required


class DeepglassClassifier(ClassifierMixin, Estimator):
    """A classifier with calibrated probabilities; the arguments are those of `Estimator`.

    Attributes:
        classes_: the classes, in the order of the columns of `predict_proba`.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> X, y = load_iris(return_X_y=True)
        >>> model = DeepglassClassifier(epochs=4, depth=2, random_state=0).fit(X, y)
        >>> model.predict_proba(X[:2]).shape
        (2, 3)
    """

    def fit(self, X: Any, y: Any) -> DeepglassClassifier:
        """Train on rows X (N, F) and classes y (N,).

        Raises:
            ValueError: fewer than ten rows, fewer than two classes, or an error of `train`, with its code.
        """
        table = self._table(X, reset=True)
        y = column_or_1d(required(y, self), warn=True)
        check_consistent_length(X, y)
        if any(label is None for label in y):
            raise ValueError("Input y contains None: leave out the rows without a class.")
        assert_all_finite(y, input_name="y")
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"DeepglassClassifier can't train when only one class is present: {self.classes_[0]!r}")
        of_output: Mapping[str, Any] = {}
        self._train(table, codes, "category", of_output)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probability of each of `classes_`, (N, K) float64."""
        log_probs = self._predictions(X)["log_probs"].astype(np.float64)
        calibration = self._predictor.calibration.get(self._output.name)
        probs = np.zeros((len(log_probs), len(self.classes_)))
        codes = [int(code) for code in self._output.class_names]  # a class without a training row has probability 0
        probs[:, codes] = np.exp(calibrated(log_probs, calibration))
        return probs / probs.sum(1, keepdims=True)

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each row, (N,)."""
        codes = self.predict_proba(X).argmax(1)
        return np.asarray(self.classes_[codes])
