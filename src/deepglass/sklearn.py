"""Scikit-learn estimators, for pipelines, grid searches and cross-validation.

    from deepglass import DeepglassClassifier
    cross_val_score(DeepglassClassifier(time=10), X, y)

`X` is an array, or a pandas or polars frame. Numeric columns have the kind number, categorical columns of a frame the
kind category; the kinds of others (text, dates, booleans, lists of numbers) are inferred. Missing values are allowed.
A fitted estimator holds its run as bytes; `save` writes it as a run folder. Not supported: `sample_weight`, sparse
matrices, multi-output classification.
"""

from __future__ import annotations

import zipfile
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from io import BytesIO
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import assert_all_finite, check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, check_consistent_length, check_is_fitted, column_or_1d, validate_data

from deepglass.api import train
from deepglass.data.sources import read
from deepglass.data.table import Table
from deepglass.device import RandomState
from deepglass.errors import UserError
from deepglass.features.base import Raw
from deepglass.features.outputs._classes import calibrated
from deepglass.features.outputs.base import PredictionArrays
from deepglass.run.folder import Folder
from deepglass.run.predictor import Predictor
from deepglass.run.run import Run
from deepglass.temporary import temporary_folder

MIN_ROWS = 10  # as `train` requires


class _Estimator(BaseEstimator):
    """Base class of both estimators: trains on (X, y) and predicts.

    Args:
        time: seconds of training, validation and calibration.
        epochs: passes over the training rows, instead of `time`; with neither, the number of rows decides, with early
            stopping.
        network: name of the trunk; None for the default of the data.
        valid: share of the rows, in (0, 1), held out to choose the best weights and to calibrate.
        random_state: seed; an int gives the same result each time, None another each time.
        settings: further settings by path, such as {"training.learning_rate": 1e-3, "kinds": {"zip": "category"}}.

    Attributes:
        metrics_: the content of the run's metrics.json.
        n_iter_: number of optimizer steps.
    """

    def __init__(
        self,
        time: float | None = None,
        epochs: int | None = None,
        network: str | None = None,
        valid: float = 0.1,
        random_state: int | np.random.RandomState | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.time = time
        self.epochs = epochs
        self.network = network
        self.valid = valid
        self.random_state = random_state
        self.settings = settings

    @abstractmethod
    def fit(self, X: Any, y: Any) -> _Estimator:
        """Train on rows X (N, F) and targets y."""

    def save(self, folder: str | Path, force: bool = False) -> Run:
        """Write the run as a folder, for `deepglass predict` and the other commands.

        Args:
            folder: the run folder to write.
            force: overwrite an existing run there.

        Raises:
            SpecError: `already-exists`.
        """
        check_is_fitted(self, "n_iter_")
        with Folder.create(Path(folder), force) as created:
            _unpack(self._packed, created.path)
        return Run(folder)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        tags.target_tags.required = True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the predictor, which is loaded again from the packed run when it is needed."""
        return {k: v for k, v in super().__getstate__().items() if k != "_predictor"}

    @cached_property
    def _predictor(self) -> Predictor:
        with temporary_folder() as folder, _own_randomness():
            _unpack(self._packed, folder)
            return _lenient(Predictor.load(Folder.open(folder)))

    def _train(self, table: Table, target: np.ndarray, kind: str) -> None:
        name = "y"
        while name in table.columns:
            name += "_"
        table = Table({**table.columns, name: target}, "(X, y)", kinds={**table.kinds, name: kind})
        seed = self._seed()
        split = {"test": 0.0, "valid": self.valid, "seed": seed}
        own = {"time": self.time, "epochs": self.epochs, "network.trunk": self.network}
        settings = {**own, **(self.settings or {})}
        with temporary_folder() as folder, _own_randomness():
            try:
                out = folder / "run"
                run = train(table, name, out=out, baselines=False, seed=seed, split=split, settings=settings)
            except UserError as error:
                raise ValueError(str(error)) from error  # as scikit-learn's estimators do
            self._packed = _pack(run.path)
            self.metrics_: dict[str, Any] = run.metrics
            self.__dict__["_predictor"] = _lenient(run.predictor)  # loaded before the folder is deleted
        self.n_iter_ = int(self.metrics_["step"])

    def _predictions(self, X: Any) -> PredictionArrays:
        """Predictions for new rows, as arrays."""
        check_is_fitted(self, "n_iter_")
        predictor = self._predictor
        return predictor.predict_arrays(self._table(X, reset=False))[predictor.outputs[0].name]

    def _table(self, X: Any, reset: bool) -> Table:
        """X as a table; its columns have the names that `fit` saw."""
        least = MIN_ROWS if reset else 1
        if isinstance(X, pl.DataFrame) or type(X).__module__.split(".")[0] == "pandas":
            validate_data(self, X, reset=reset, skip_check_array=True)
            if len(X) < least:
                raise ValueError(f"Found a frame with {len(X)} row(s) while a minimum of {least} is required.")
            if reset:
                self._names = [str(name) for name in X.columns]
            return _as_declared(read(X, columns=self._names), [str(dtype) for dtype in X.dtypes])
        array = validate_data(self, X, reset=reset, dtype=None, ensure_all_finite="allow-nan", ensure_min_samples=least)
        if reset:
            self._names = [f"column_{i}" for i in range(1, array.shape[1] + 1)]
        columns = {name: _column(array[:, i]) for i, name in enumerate(self._names)}
        return _as_declared(Table(columns, "X"), [])

    def _seed(self) -> int:
        if isinstance(self.random_state, Integral):
            return int(self.random_state)
        return check_random_state(self.random_state).randint(2**31 - 1)


class DeepglassClassifier(ClassifierMixin, _Estimator):
    """A classifier with calibrated probabilities; the arguments are those of `_Estimator`.

    Attributes:
        classes_: the classes, in the order of the columns of `predict_proba`.

    Example:
        >>> DeepglassClassifier(epochs=20).fit(X, y).predict_proba(X[:1])  # doctest: +SKIP
    """

    def fit(self, X: Any, y: Any) -> DeepglassClassifier:
        """Train on rows X (N, F) and classes y (N,).

        Raises:
            ValueError: fewer than ten rows, fewer than two classes, or an error of `train`, with its code.
        """
        table = self._table(X, reset=True)
        y = column_or_1d(_required(y, self), warn=True)
        check_consistent_length(X, y)
        if any(label is None for label in y):
            raise ValueError("Input y contains None: leave out the rows without a class.")
        assert_all_finite(y, input_name="y")
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"DeepglassClassifier can't train when only one class is present: {self.classes_[0]!r}")
        self._train(table, codes, "category")
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probability of each of `classes_`, (N, K) float64."""
        log_probs = self._predictions(X)["log_probs"].astype(np.float64)
        feature = self._predictor.outputs[0]
        calibration = self._predictor.calibration.get(feature.name)
        probs = np.zeros((len(log_probs), len(self.classes_)))
        codes = [int(code) for code in feature.class_names]  # a class without a training row has probability 0
        probs[:, codes] = np.exp(calibrated(log_probs, calibration))
        return probs / probs.sum(1, keepdims=True)

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each row, (N,)."""
        codes = self.predict_proba(X).argmax(1)
        return np.asarray(self.classes_[codes])


class DeepglassRegressor(RegressorMixin, _Estimator):
    """A regressor for one or several targets; the arguments are those of `_Estimator`.

    Example:
        >>> DeepglassRegressor(epochs=20).fit(X, y).predict(X[:1])  # doctest: +SKIP
    """

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def fit(self, X: Any, y: Any) -> DeepglassRegressor:
        """Train on rows X (N, F) and targets y, (N,) or (N, K).

        Raises:
            ValueError: fewer than ten rows, a constant target, or an error of `train`, with its code.
        """
        table = self._table(X, reset=True)
        y = check_array(_required(y, self), ensure_2d=False, dtype=np.float64, input_name="y", estimator=self)
        check_consistent_length(X, y)
        several = y.ndim == 2 and y.shape[1] > 1
        self._train(table, y if several else column_or_1d(y, warn=True), "vector" if several else "number")
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The predicted targets of each row, (N,) or (N, K) float64."""
        arrays = self._predictions(X)
        decoded = self._predictor.outputs[0].decode(arrays)
        return np.array([row["value"] for row in decoded], dtype=np.float64)


def _required(y: Any, estimator: BaseEstimator) -> Any:
    if y is None:
        raise ValueError(f"{type(estimator).__name__} requires y to be passed, but the target y is None")
    return y


def _as_declared(table: Table, dtypes: Sequence[str]) -> Table:
    """The table with kind number for numeric columns and kind category for categorical columns of a frame."""
    declared = [n for n, d in zip(table.names, dtypes) if d.lower().startswith(("category", "categorical", "enum"))]
    columns = dict(table.columns)
    for name, raw in table.columns.items():
        if isinstance(raw, pl.Series) and raw.dtype.is_numeric() and name not in declared:
            columns[name] = raw.cast(pl.Float64).to_numpy()
    numbers = [n for n, raw in columns.items() if isinstance(raw, np.ndarray) and raw.ndim == 1]
    kinds = dict.fromkeys(numbers, "number") | dict.fromkeys(declared, "category")
    return Table(columns, table.name, kinds={**table.kinds, **kinds})


def _column(values: np.ndarray) -> Raw:
    """A column of an array: numbers unchanged, others as a polars Series of one type."""
    if values.dtype.kind in "iuf":
        return values
    cells: Sequence[Any] = values.tolist()
    if any(not isinstance(v, str | int | float | bool | None) for v in cells):
        cells = [None if v is None else str(v) for v in cells]
    cells = [None if isinstance(v, float) and np.isnan(v) else v for v in cells]
    return pl.Series(cells, strict=False)


@contextmanager
def _own_randomness() -> Iterator[None]:
    """Restore the random states of Python, numpy and torch afterwards, since training seeds them."""
    states = RandomState.capture()
    try:
        yield
    finally:
        states.restore()


def _pack(folder: Path) -> bytes:
    """A run folder as the bytes of a zip, without its checkpoints."""
    content = BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(p for p in folder.iterdir() if p.is_file()):
            archive.write(path, path.name)
    return content.getvalue()


def _lenient(predictor: Predictor) -> Predictor:
    """The predictor with missing values wherever a column has none, as scikit-learn's estimators take them."""
    predictor.reader.missing = {}
    return predictor


def _unpack(packed: bytes, folder: Path) -> None:
    with zipfile.ZipFile(BytesIO(packed)) as archive:
        archive.extractall(folder)
