"""`Output`, the base class of kinds of prediction, and `Prediction`, the distribution that a head predicts.

    tokens --head--> params --prediction--> Prediction --loss   (training)
                                                       --mode--> tensors --decode--> the user's terms

`encode`, `decode`, `score` and `calibrate` are numpy. Only `head` and `prediction` need torch and import it when they
are called, so an exported model runs without it.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import numpy as np
import polars as pl

from deepglass.config import restore
from deepglass.errors import Code, SourceError, SpecError
from deepglass.features.base import FEATURES, Column, Feature, restore_kind
from deepglass.metrics.classes import ClassCurve
from deepglass.metrics.table import Metric
from deepglass.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor, nn

    from deepglass.nn.explanation_targets import ExplanationTarget
    from deepglass.nn.tokens import Field

PredictionArrays = dict[str, np.ndarray]
"""`Prediction.mode` as arrays, rows first, such as {"log_probs": (N, K)}; the output of an exported model."""

PredictionColumns = dict[str, "pl.Series | np.ndarray | list[Any]"]
"""Predictions as columns of a table: `value`, `confidence` and the like."""

Calibration = dict[str, Any]
"""Parameters fitted on the validation rows, such as a temperature; plain JSON."""


class PredictedRow(NamedTuple):
    """One row's prediction of an output, for explanations."""

    prediction: Any  # a `Prediction`
    mode: Any  # its `mode()`, as tensors
    decoded: Mapping[str, Any]  # the same in the user's terms
    calibration: Calibration


class Prediction(ABC):
    """The predicted distribution, from the params of a head.

    With an ensemble of M members the params have B * M rows. `loss` gets the target repeated M times, and
    `ensemble_mean(M)` averages the members.
    """

    needs_decoding: ClassVar[bool] = False  # `mode` runs a search of many steps, too slow for each evaluation

    @abstractmethod
    def loss(self, target: Field) -> Tensor:
        """Loss of each row, (B,) float. The caller masks out rows whose target is missing."""

    @abstractmethod
    def mode(self) -> dict[str, Tensor]:
        """The most likely value as tensors with rows first; `Output.decode` brings it into the user's terms.

        Values of different length are padded and have a `mask` (B, T). Never reads a target.
        """

    @abstractmethod
    def ensemble_mean(self, members: int) -> Prediction:
        """The mean of the ensemble's members, one prediction a row."""


@dataclass(frozen=True, kw_only=True)
class Output(Feature):
    """A kind of prediction: encoding of the target, head, loss, metrics, calibration and decoding.

    Each output also inherits the input feature of its kind, whose `fit` and `encode` it uses for its targets.
    """

    metric: ClassVar[Metric]  # the metric that reports show first
    uses_feature_maps: ClassVar[bool] = False  # takes `dense_head` where the trunk has feature maps, else `head`
    trunk: ClassVar[str | None] = None  # the trunk for this output, where the inputs do not decide
    alignable: ClassVar[bool] = False  # may have one value for each step of an input: `align_to`
    longest_side: ClassVar[int | None] = None  # default `max_side` of input images, in pixels
    weighs_metrics: ClassVar[bool] = False  # `score` uses the rows' weights
    calibration_fields: ClassVar[type | None] = None  # NamedTuple of what `calibrate` fits; None: any

    @property
    def kind(self) -> str:
        return OUTPUTS.name_of(type(self))

    # -- targets: numpy ----------------------------------------------------------------------------------------

    def configure_output(self, inputs: Sequence[Feature]) -> Self:
        """A copy with the defaults that suit these inputs, before fitting."""
        return self

    def align_to(self, target: Column, inputs: Mapping[str, Column]) -> Self:
        """A copy aligned with the input that has one step for each of the target, from encoded training rows."""
        return self

    def to_input_frame(self, column: Column, inputs: Mapping[str, Column]) -> Column:
        """Targets in the coordinates of the encoded inputs, such as boxes in a letterbox."""
        return column

    def check_target(self, truth: Column, source: str) -> None:
        """Raises: SourceError: the training rows have no usable target; names the source."""

    def unusable_targets(self, truth: Column) -> tuple[np.ndarray, str]:
        """Rows with a target that the output's settings exclude, (N,) bool, and what they expect instead."""
        return np.zeros(len(truth), bool), ""

    def target_error(self, code: Code, source: str, expected: str, got: str = "") -> SourceError:
        """The error for a target that cannot be learned from the training rows."""
        text = f"{source}: expected {expected} in {self.column!r} of the training rows"
        return SourceError(code, f"{text}, got {got}" if got else text)

    def notes(self) -> list[str]:
        """What its settings change in training and prediction, for the user."""
        return []

    def calibration_notes(self, calibration: Calibration) -> list[str]:
        """What the calibration decides, for the user."""
        return []

    def target_warnings(self, truth: Column) -> list[str]:
        """Warnings about the training rows' targets, such as a class imbalance."""
        return []

    # -- head and prediction: torch ----------------------------------------------------------------------------

    def head(self, dim: int) -> nn.Module:
        """A module from `Tokens` of width `dim` to params. A dense output has `dense_head` instead."""
        raise NotImplementedError(f"{self.kind} has a dense head")

    def dense_head(self, dim: int, widths: Sequence[int], grid: tuple[int, int] | None = None) -> nn.Module:
        """A module from `Tokens` with feature maps of these widths, finest first, to params.

        Args:
            grid: rows and columns of the finest map, where they are known.
        """
        raise NotImplementedError(f"{self.kind} has no dense head")

    @abstractmethod
    def prediction(self, params: Any) -> Prediction:
        """The prediction of a head's params: a tensor, or a NamedTuple of tensors, rows first."""

    # -- metrics, calibration, decoding: numpy -----------------------------------------------------------------

    @abstractmethod
    def score(self, mode: PredictionArrays, truth: Column, calibration: Calibration | None = None) -> dict[str, float]:
        """Metrics over the rows with a target; each name stands in `metrics.table`."""

    def per_class(
        self, mode: PredictionArrays, truth: Column, calibration: Calibration | None = None
    ) -> dict[str, dict[str, float]]:
        """Metrics of each class; empty for kinds without."""
        return {}

    def precision_recall(self, mode: PredictionArrays, truth: Column) -> list[ClassCurve]:
        """Precision-recall curve of each class with a positive row; empty for kinds without."""
        return []

    @abstractmethod
    def baseline(self, truth: Column) -> PredictionArrays:
        """The constant prediction (one row) with the least loss on the training rows."""

    def baseline_loss(self, truth: Column) -> float:
        """Mean loss of the constant prediction; makes the losses of several outputs comparable."""
        return 1.0

    def for_scoring(self, mode: PredictionArrays, truth: Column) -> tuple[PredictionArrays, Column]:
        """Only what `score` needs of each row, for bootstrap intervals of large predictions."""
        return mode, truth

    def row_scores(self, mode: PredictionArrays, truth: Column, rows: np.ndarray) -> tuple[str, np.ndarray] | None:
        """A metric and its value for each row, (N,), where `score` is too slow or undefined for a single row.

        Args:
            rows: a sample of the labelled rows, enough where each row is expensive; the values of others are NaN.
        """
        return None

    def selection_value(self, mode: PredictionArrays, truth: Column) -> float | None:
        """Value for model selection, lower is better, 1 for a constant prediction; None takes the relative loss."""
        return None

    def calibrate(self, mode: PredictionArrays, truth: Column) -> Calibration:
        """Calibration fitted on the validation rows."""
        return {}

    @property
    def calibration_length(self) -> int | None:
        """Number of items of the lists in a calibration; None for any."""
        return None

    def restore_calibration(self, values: Calibration, where: str) -> Calibration:
        """A stored calibration, checked: its fields, their types, finite numbers, and the length of its lists.

        Raises:
            SpecError: `bad-value` or `unknown-key`, with the path of the field.
        """
        if values:
            restore(self.calibration_fields or dict[str, Any], values, where)
        expected = self.calibration_length
        for name, value in values.items():
            if isinstance(value, list) and expected is not None and len(value) != expected:
                raise SpecError("bad-value", f"{where}.{name}: expected {expected} numbers, got {len(value)}")
        return values

    @abstractmethod
    def decode(self, mode: PredictionArrays, calibration: Calibration | None = None) -> list[dict[str, Any]]:
        """Predictions in the user's terms: a dict a row with `value` and mostly `confidence`."""

    def prediction_columns(self, mode: PredictionArrays, calibration: Calibration | None = None) -> PredictionColumns:
        """The same as columns of a table: the parts of `decode` that are single values or lists, for many rows."""
        rows = self.decode(mode, calibration)
        names = dict.fromkeys(name for row in rows for name, value in row.items() if not isinstance(value, Mapping))
        return {name: [row.get(name) for row in rows] for name in names}

    def class_probabilities(self, mode: PredictionArrays, calibration: Calibration | None = None) -> np.ndarray | None:
        """Calibrated probability of each class, (N, K); None for outputs without classes."""
        return None

    def context(self, inputs: Mapping[str, Column]) -> PredictionArrays:
        """Arrays of the inputs that `decode` needs beside the prediction, such as letterboxes; rows first."""
        return {}

    def predicted_classes(self, mode: PredictionArrays, calibration: Calibration | None = None) -> np.ndarray:
        """Index of the predicted class of each row, (N,); for outputs with classes."""
        return mode["log_probs"].argmax(1)

    def interval(self, decoded: Mapping[str, Any]) -> tuple[float, float] | None:
        """Of a decoded number: values outside are another prediction; None for other kinds."""
        return None

    def explanation_target(self, row: PredictedRow) -> ExplanationTarget | None:
        """The scalars of a prediction for one row that an attribution method explains; None: there are none."""
        return None

    @property
    def explainable(self) -> bool:
        """Whether `explanation_target` is implemented."""
        return type(self).explanation_target is not Output.explanation_target


def as_output(feature: Feature) -> Output:
    """The output of a feature's kind with its settings and learned fields, for objectives that generate their inputs.

    Raises:
        SpecError: `bad-value`: the kind has no output.
    """
    if isinstance(feature, Output):
        return feature
    values = {f.name: getattr(feature, f.name) for f in dataclasses.fields(feature)}
    return output_class(feature.kind, f"inputs.{feature.name}")(**values)


def output_class(kind: str, where: str, advice: str = "") -> type[Output]:
    """The class of an output kind.

    Args:
        where: path in the spec, for messages.
        advice: what to do, for messages.

    Raises:
        SpecError: `unknown-name`; `bad-value` for a kind of inputs only.
    """
    if kind in FEATURES.names() and kind not in OUTPUTS.names():
        raise SpecError(
            "bad-value",
            f"{where}: a {kind} cannot be an output; {advice or 'expected one of ' + ', '.join(OUTPUTS.names())}",
        )
    return OUTPUTS.get(kind, where=where)


def output_from_state(state: Mapping[str, Any], where: str = "output") -> Output:
    """An output from its `state`; arguments and errors as of `features.base.from_state`."""
    return restore_kind(OUTPUTS, state, where)


OUTPUTS: Registry[Output] = Registry("deepglass.features.outputs", "Output", "output kind")
