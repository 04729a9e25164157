"""The regressor."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_array, check_consistent_length, column_or_1d

from deepglass.features.outputs._intervals import RegressionOutput
from deepglass.sklearn.base import Estimator, required


class DeepglassRegressor(RegressorMixin, Estimator):
    """A regressor for one or several targets, with intervals; the arguments are those of `Estimator`.

    Example:
        >>> from sklearn.datasets import load_diabetes
        >>> X, y = load_diabetes(return_X_y=True)
        >>> model = DeepglassRegressor(epochs=4, depth=2, random_state=0).fit(X, y)
        >>> model.predict_interval(X[:2], coverage=0.8).shape
        (2, 2)
    """

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> DeepglassRegressor:
        """Train on rows X (N, F) and targets y, (N,) or (N, K).

        Args:
            X: an array or a frame.
            y: the targets.
            sample_weight: weights of the rows, (N,), >= 0, in losses and metrics.

        Raises:
            ValueError: fewer than ten rows, a constant target, or an error of `train`, with its code.
        """
        table = self._table(X, reset=True)
        y = check_array(required(y, self), ensure_2d=False, dtype=np.float64, input_name="y", estimator=self)
        check_consistent_length(X, y)
        several = y.ndim == 2 and y.shape[1] > 1
        target = y if several else column_or_1d(y, warn=True)
        self._train(table, target, "vector" if several else "number", sample_weight, {})
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The predicted targets of each row, (N,) or (N, K) float64."""
        predictions = self._predictions(X)
        columns = self._output.prediction_columns(predictions)
        return np.array(columns["value"], dtype=np.float64)

    def predict_interval(self, X: Any, coverage: float = 0.9) -> np.ndarray:
        """Lower and upper bounds of each target, (N, 2) or (N, K, 2) float64, by conformal prediction.

        Args:
            X: rows (N, F).
            coverage: share of new rows whose target lies within, in (0, 1).

        Raises:
            ValueError: a coverage that needs more validation rows than there are.
        """
        if not 0 < coverage < 1:
            raise ValueError(f"predict_interval: expected a coverage between 0 and 1, got {coverage!r}")
        predictions, output = self._predictions(X), self._output
        assert isinstance(output, RegressionOutput)
        output = replace(output, confidence_level=coverage)
        calibration = {} if self._valid is None else output.calibrate(*self._valid)
        if not calibration:
            rows = 0 if self._valid is None else len(self._valid[1])
            least = int(np.ceil(coverage / (1 - coverage) - 1e-9))
            raise ValueError(
                f"predict_interval: a coverage of {coverage:g} needs {least} validation rows, there are {rows}; "
                "fit with more rows or a larger `valid`, or ask for a smaller coverage"
            )
        columns = output.prediction_columns(predictions, calibration)
        return np.stack([np.array(columns[bound], dtype=np.float64) for bound in ("low", "high")], axis=-1)
