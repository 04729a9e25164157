"""The classifier."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils import assert_all_finite
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_consistent_length, column_or_1d

from deepglass.sklearn.base import Estimator, required


class DeepglassClassifier(ClassifierMixin, Estimator):
    """A classifier with calibrated probabilities.

    Args:
        class_weight: factors of the classes in the loss, "balanced" or {class: factor}. `predict_proba` is corrected
            for them; `predict` gives the class of the largest probability times its factor.
        network, depth, width, epochs, time, batch_size, learning_rate, weight_decay, valid, report, random_state,
            settings: as for `Estimator`.

    Attributes:
        classes_: the classes, in the order of the columns of `predict_proba`.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> X, y = load_iris(return_X_y=True)
        >>> model = DeepglassClassifier(epochs=4, depth=2, random_state=0).fit(X, y)
        >>> model.predict_proba(X[:2]).shape
        (2, 3)
    """

    def __init__(
        self,
        *,
        class_weight: Literal["balanced"] | Mapping[Any, float] | None = None,
        network: str | None = None,
        depth: int | None = None,
        width: int | None = None,
        epochs: int | None = None,
        time: float | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        weight_decay: float | None = None,
        valid: float = 0.1,
        report: bool = False,
        random_state: int | np.random.RandomState | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(
            network=network,
            depth=depth,
            width=width,
            epochs=epochs,
            time=time,
            batch_size=batch_size,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            valid=valid,
            report=report,
            random_state=random_state,
            settings=settings,
        )
        self.class_weight = class_weight

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> DeepglassClassifier:
        """Train on rows X (N, F) and classes y (N,).

        Args:
            X: an array or a frame.
            y: the classes.
            sample_weight: weights of the rows, (N,), >= 0, in losses and metrics.

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
        if sample_weight is not None:
            present = np.unique(codes[_check_sample_weight(sample_weight, codes) > 0])
            if len(present) < 2:
                raise ValueError("DeepglassClassifier: fewer than two classes have rows of a weight above 0")
        weights = self._class_weights()
        self._train(table, codes, "category", sample_weight, {} if weights is None else {"class_weight": weights})
        return self

    def _class_weights(self) -> str | dict[str, float] | None:
        """The class weights, of the codes of the classes."""
        if not isinstance(self.class_weight, Mapping):
            return self.class_weight
        codes = {label: str(code) for code, label in enumerate(self.classes_.tolist())}
        if unknown := [label for label in self.class_weight if label not in codes]:
            raise ValueError(f"class_weight: there is no class {unknown[0]!r} in y; its classes are {[*codes]}")
        return {codes[label]: weight for label, weight in self.class_weight.items()}

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probability of each of `classes_`, (N, K) float64."""
        predictions = self._predictions(X)
        probs = np.zeros((len(predictions["log_probs"]), len(self.classes_)))
        shares = self._output.class_probabilities(predictions, self._calibration)
        assert shares is not None
        probs[:, self._codes] = shares  # a class without a training row has probability 0
        return probs / probs.sum(1, keepdims=True)

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each row, (N,); with class weights that of the largest weighted probability."""
        predictions = self._predictions(X)
        predicted = self._output.predicted_classes(predictions, self._calibration)
        return np.asarray(self.classes_[self._codes[predicted]])

    @property
    def _codes(self) -> np.ndarray:
        """The code of each class of the network, (K,)."""
        return np.array([int(code) for code in self._output.class_names])

    @property
    def _calibration(self) -> Any:
        return self._predictor.calibration.get(self._output.name)
