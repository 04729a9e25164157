"""Base class of both estimators: trains on (X, y) and predicts."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Container, Mapping
from functools import cached_property
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from deepglass.api import train
from deepglass.data.table import Table
from deepglass.errors import UserError
from deepglass.explain import load
from deepglass.features.outputs.base import Output, PredictionArrays
from deepglass.run.folder import Folder
from deepglass.run.predictor import Predictor
from deepglass.run.run import Run
from deepglass.sklearn.columns import array_table, frame_table, is_frame, is_pandas
from deepglass.sklearn.fit_recorder import FitRecorder
from deepglass.sklearn.packed_run import lenient, own_randomness, pack, unpack
from deepglass.spec.aliases import ALIASES
from deepglass.temporary import temporary_folder

MIN_ROWS = 10  # as `train` requires
SMALL_ROWS = 2_000  # up to so many rows a narrower network with a shorter schedule predicts as well, see `tables.md`
SMALL_WIDTH = 128


class Estimator(BaseEstimator):
    """A network that is trained on (X, y).

    Args:
        network: name of the trunk; None for the default of the data.
        depth: number of hidden layers or blocks; None for the network's default.
        width: units of each.
        epochs: passes over the training rows.
        time: seconds of training, validation and calibration, instead of `epochs`. With neither, the default network
            learns 2,000 or fewer rows of numbers and categories in 20 epochs (40 below 500 rows), with a width of 128;
            others by the network's defaults, with early stopping.
        batch_size: rows per step; None for one that follows from the number of rows.
        learning_rate: its peak; None for the network's default.
        weight_decay: None for the network's default.
        valid: share of the rows, in (0, 1), held out to choose the best weights and to calibrate.
        report: record what the report shows, and write it; `save` then writes a run with `report.html`.
        random_state: seed; an int gives the same result each time, None another each time.
        settings: further settings by path, such as {"training.clip": 1.0, "kinds": {"zip": "category"}}. They come
            before the other arguments.

    Attributes:
        metrics_: the content of the run's metrics.json.
        n_iter_: number of optimizer steps.
    """

    def __init__(
        self,
        *,
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
        self.network = network
        self.depth = depth
        self.width = width
        self.epochs = epochs
        self.time = time
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.valid = valid
        self.report = report
        self.random_state = random_state
        self.settings = settings

    @abstractmethod
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Estimator:
        """Train on rows X (N, F) and targets y, with weights of the rows (N,) in losses and metrics."""

    @property
    def partial_fit(self) -> Any:
        """Not supported.

        Raises:
            AttributeError: with what to do instead.
        """
        name = type(self).__name__
        raise AttributeError(
            f"{name} has no partial_fit, since the first rows fix the scales of the inputs and the classes. Fit it on "
            "all rows; or save it, and fit another with settings={'network.init_from': FOLDER} on further rows"
        )

    def explain(self, X: Any, fast: bool = False) -> Any:
        """The contribution of each input to the prediction of each row: a frame with a column an input.

        The contributions of a row add up to the difference between its prediction (of a class, its score) and that of
        average training rows; by Shapley values for tables, else by integrated gradients.

        Args:
            X: rows (N, F).
            fast: one forward and one backward pass a row.

        Returns:
            A pandas frame for a pandas frame, else a polars frame.
        """
        check_is_fitted(self, "n_iter_")
        explainer = load("explainer").Explainer(self._predictor, self._background, checks=False)
        with own_randomness():
            explanations = explainer.explain(self._table(X, reset=False), mode="fast" if fast else "full")
        columns = {f.name: np.zeros(len(explanations)) for f in self._predictor.inputs}
        only = next(iter(columns))
        for i, (explanation,) in enumerate(explanations):
            for part in explanation.parts:
                name = part.input or (part.name if part.name in columns else only)
                columns[name][i] += part.weight
        frame = pl.DataFrame(columns)
        return type(X)(frame.to_dict(as_series=False), index=X.index) if is_pandas(X) else frame

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
            unpack(self._packed, created.path)
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
        with temporary_folder() as folder, own_randomness():
            unpack(self._packed, folder)
            return lenient(Predictor.load(Folder.open(folder)))

    @property
    def _output(self) -> Output:
        return self._predictor.outputs[0]

    def _train(
        self, table: Table, target: np.ndarray, kind: str, sample_weight: Any, of_output: Mapping[str, Any]
    ) -> None:
        """Train on a table and its target.

        Args:
            kind: of the output.
            sample_weight: weights of the rows, (N,); None for 1.
            of_output: its settings.
        """
        name = _unused("y", table.columns)
        columns, weight_column = {**table.columns, name: target}, None
        if sample_weight is not None:
            weight_column = _unused("sample_weight", columns)
            columns[weight_column] = _check_sample_weight(sample_weight, target, dtype=np.float64)
        rows = Table(columns, "(X, y)", kinds={**table.kinds, name: kind})
        seed, recorder = self._seed(), FitRecorder()
        settings = {**self._own_settings(table), **{f"outputs.{name}.{k}": v for k, v in of_output.items()}}
        split = {"test": 0.0, "valid": self.valid, "seed": seed}
        with temporary_folder() as folder, own_randomness():
            try:
                run = train(
                    rows,
                    name,
                    out=folder / "run",
                    callbacks=[recorder],
                    progress=False,
                    sample_weight=weight_column,
                    baselines=self.report,
                    seed=seed,
                    split=split,
                    settings={**settings, **(self.settings or {})},
                )
            except UserError as error:
                raise ValueError(str(error)) from error  # as scikit-learn's estimators do
            self._packed = pack(run.path)
            self.metrics_: dict[str, Any] = run.metrics
            self.__dict__["_predictor"] = lenient(run.predictor)  # loaded before the folder is deleted
        self.n_iter_ = int(self.metrics_["step"])
        self._background = recorder.background
        self._valid = recorder.valid

    def _own_settings(self, table: Table) -> dict[str, Any]:
        """The arguments as settings, and those of the default network for a small table."""
        settings: dict[str, Any] = {
            "training.time": self.time,
            "training.epochs": self.epochs,
            "training.batch_size": self.batch_size,
            "training.learning_rate": self.learning_rate,
            "training.weight_decay": self.weight_decay,
            "training.record": self.report,
            "training.checkpoint": False,
            "network.trunk": self.network,
            "network.depth": self.depth,
            "network.width": self.width,
        }
        stated = _stated({**settings, **(self.settings or {})})
        is_plain = [*table.kinds] == table.names and {*table.kinds.values()} <= {"number", "category"}
        chosen = any(key.startswith(("network.trunk", "network.name", "objective")) for key in stated)
        if len(table) > SMALL_ROWS or not is_plain or chosen:
            return settings
        if not stated & {"training.time", "training.epochs", "training.steps"}:
            settings["training.epochs"] = 20 if len(table) >= 500 else 40
        if "network.width" not in stated:
            settings["network.width"] = SMALL_WIDTH
        return settings

    def _predictions(self, X: Any) -> PredictionArrays:
        """Predictions for new rows, as arrays."""
        check_is_fitted(self, "n_iter_")
        return self._predictor.predict_arrays(self._table(X, reset=False))[self._output.name]

    def _table(self, X: Any, reset: bool) -> Table:
        """X as a table; its columns have the names that `fit` saw."""
        least = MIN_ROWS if reset else 1
        if is_frame(X):
            if repeated := [name for name, n in Counter(map(str, X.columns)).items() if n > 1]:
                raise ValueError(f"X has more than one column {repeated[0]!r}: rename them, or leave all but one out")
            validate_data(self, X, reset=reset, skip_check_array=True)
            if len(X) < least:
                raise ValueError(f"Found a frame with {len(X)} row(s) while a minimum of {least} is required.")
            if reset:
                self._names = [str(name) for name in X.columns]
            return frame_table(X, self._names)
        array = validate_data(self, X, reset=reset, dtype=None, ensure_all_finite="allow-nan", ensure_min_samples=least)
        if reset:
            self._names = [f"column_{i}" for i in range(1, array.shape[1] + 1)]
        return array_table(array, self._names)

    def _seed(self) -> int:
        if isinstance(self.random_state, Integral):
            return int(self.random_state)
        return check_random_state(self.random_state).randint(2**31 - 1)


def _unused(name: str, names: Container[str]) -> str:
    """The name, with as many underscores behind it that it is no other one."""
    while name in names:
        name += "_"
    return name


def _stated(settings: Mapping[str, Any]) -> set[str]:
    """The paths of the settings that have a value, those inside of sections too."""
    paths = set()
    for key, value in settings.items():
        if isinstance(value, Mapping):
            paths |= {f"{key}.{inner}" for inner in value}
        elif value is not None:
            paths.add({"network": "network.trunk"}.get(key, ALIASES.get(key, key)))
    return paths


def required(y: Any, estimator: BaseEstimator) -> Any:
    """The targets, which must be there."""
    if y is None:
        raise ValueError(f"{type(estimator).__name__} requires y to be passed, but the target y is None")
    return y
