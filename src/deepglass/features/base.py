"""What a kind of data is: `Feature`, the encoded `Column`, and the `Prediction` of a head.

    raw values --encode--> Column --batch--> Field --normalizer, encoder--> Tokens --trunk, head--> params
    params --prediction--> Prediction --loss (training)
                              --mode--> tensors --decode--> the user's terms

`encode`, `decode`, `score` and `calibrate` are numpy. Only `normalizer`, `encoder`, `head` and `prediction` need torch
and import it when they are called, so fitting, encoding and running an exported model do not load it.
"""

from __future__ import annotations

import dataclasses
import io
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple
from zipfile import ZipFile

import numpy as np
import polars as pl

from deepglass.errors import SourceError
from deepglass.metrics.table import Metric
from deepglass.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor, nn

    from deepglass.nn.explanation_targets import ExplanationTarget
    from deepglass.nn.tokens import Field
    from deepglass.nn.warp import Warp


class Media(NamedTuple):
    """A picture, sound or other file that is read when it is needed."""

    name: str  # what the user calls it, for messages
    path: Path
    member: str | None = None  # a file inside the zip at `path`

    def read(self) -> bytes:
        if self.member is None:
            return self.path.read_bytes()
        with ZipFile(self.path) as archive:
            return archive.read(self.member)

    def open(self) -> io.BytesIO:
        return io.BytesIO(self.read())


CLASSIFICATION_KINDS = ("category", "binary")
"""Kinds whose answer is one of some classes."""

Raw = pl.Series | np.ndarray | list[Media]
"""A column of raw values: a polars Series (null = missing), an array (N, ...) of numbers, or lazy files."""


def take_raw(raw: Raw, rows: np.ndarray) -> Raw:
    """Some rows of a raw column, in the order given."""
    if isinstance(raw, list):
        return [raw[i] for i in rows]
    return raw[rows]


class TypeGuess(NamedTuple):
    """How well a kind fits a column, from 0 (not at all) to 1 (certainly), and why."""

    score: float
    why: str


@dataclass(frozen=True)
class Column:
    """Encoded values of one feature.

    Args:
        values: (N, ...) for values of one shape; (total, ...) laid end to end for ragged kinds.
        mask: (N,) bool, True = present.
        offsets: (N + 1,) int64, ragged kinds only: row i is `values[offsets[i]:offsets[i + 1]]`. A row of length 0
            whose mask is True is known to be empty.
        letterbox: (N, 6) float32, pictures only: top, left, height and width of what is seen, in pixels of the encoded
            picture, then height and width of the picture as it came.
    """

    values: np.ndarray
    mask: np.ndarray
    offsets: np.ndarray | None = None
    letterbox: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.mask)

    def take(self, rows: np.ndarray) -> Column:
        letterbox = None if self.letterbox is None else self.letterbox[rows]
        if self.offsets is None:
            return Column(self.values[rows], self.mask[rows], None, letterbox)
        lengths = np.diff(self.offsets)[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        index = np.repeat(self.offsets[rows] - offsets[:-1], lengths) + np.arange(offsets[-1])
        return Column(self.values[index], self.mask[rows], offsets, letterbox)


PredictionArrays = dict[str, np.ndarray]
"""A head's best answer as arrays with rows first, such as {"log_probs": (N, K)}; what an exported model returns."""

Calibration = dict[str, Any]
"""What was learned on the validation rows about confidence; plain JSON."""


class ClassCurve(NamedTuple):
    """The precision-recall curve of one class.

    Args:
        name: of the class.
        precision: at each recall.
        recall: ascending.
        area: below the curve: its average precision.
        positives: how many true ones there are.

    Shapes:
        precision, recall: (T,) float.
    """

    name: str
    precision: np.ndarray
    recall: np.ndarray
    area: float
    positives: int


class Prediction(ABC):
    """What a head's output means.

    With an ensemble of M members the head's rows are (B * M); `loss` is then given the target repeated, and
    `ensemble_mean(M)` mixes the members into one answer a row.
    """

    needs_decoding: ClassVar[bool] = False  # `mode` takes a search of many steps, too dear to be done again and again

    @abstractmethod
    def loss(self, target: Field) -> Tensor:
        """The loss of each row, (B,) float. Rows whose target is missing are masked out by the caller."""

    @abstractmethod
    def mode(self) -> dict[str, Tensor]:
        """The best answer as tensors with rows first; `Feature.decode` brings it into the user's terms.

        Answers of differing length are padded and have a `mask` (B, T); batches are padded to the longest of them.
        It never looks at a target.
        """

    @abstractmethod
    def ensemble_mean(self, members: int) -> Prediction:
        """The members of an ensemble mixed into one answer a row."""


@dataclass(frozen=True, kw_only=True)
class Feature(ABC):
    """One kind of data: its settings and, after `fit`, its learned fields (whose names end in `_`).

    Args:
        name: what it is called in spec, batch and answer.
        column: the source's column, when that is called something else.
    """

    name: str
    column: str = ""

    joint: ClassVar[bool] = False  # several inputs of this kind share one encoder: `joint_encoder`
    metric: ClassVar[Metric | None] = None  # the figure to watch; None: cannot be an output
    tabular: ClassVar[bool] = False  # as an input it is a cell of a table, cheap to encode and to replace
    ordered: ClassVar[bool] = False  # its encoded values have an order, as numbers and dates do
    has_classes: ClassVar[bool] = False  # an output predicts one of `class_names`: "log_probs" (N, K)
    has_axis: ClassVar[bool] = False  # values are single points of a numeric axis: `to_axis`, `from_axis`
    sequential: ClassVar[bool] = False  # a value has steps, with which an output may go along
    file_based: ClassVar[bool] = False  # a cell may be the path of a file
    dense: ClassVar[bool] = False  # as an output it reads the trunk's maps: `dense_head`
    uses_feature_maps: ClassVar[bool] = (
        False  # not spatial, but where the trunk has maps it has a use for them: `dense_head` too
    )
    trunk: ClassVar[str | None] = None  # the network that suits it as an output, where the inputs do not decide
    alignable: ClassVar[bool] = False  # as an output it may go step by step with an input: `align_to`
    longest_side: ClassVar[int | None] = None  # of pictures, in pixels, that suits it as an output where none is stated

    def __post_init__(self) -> None:
        if not self.column:
            object.__setattr__(self, "column", self.name)

    # -- from raw values to columns: numpy ---------------------------------------------------------------------

    @classmethod
    @abstractmethod
    def infer_type(cls, raw: Raw, name: str) -> TypeGuess | None:
        """How well this kind fits a column (a sample of its first rows), or None when it cannot hold it."""

    @abstractmethod
    def fit(self, chunks: Iterable[Raw]) -> Feature:
        """A copy with its learned fields, from the training rows."""

    @abstractmethod
    def encode(self, raw: Raw) -> Column:
        """Raw values as numbers: only what tensors cannot do themselves."""

    def as_output(self) -> Feature:
        """A copy as an answer needs it, where nothing else is asked for: a text is written in pieces, not as a bag."""
        return self

    def as_sequence(self) -> Feature:
        """A copy as a network needs it that reads in order: a text as its words, not as a bag."""
        return self

    def configure_output(self, inputs: Sequence[Feature]) -> Feature:
        """An answer's copy as these inputs suggest: what is heard is written along the sound."""
        return self

    def align_to(self, own: Column, inputs: Mapping[str, Column]) -> Feature:
        """An answer's copy that knows with which input, step by step, it is in line; both as encoded for training."""
        return self

    def count_anomalies(self, raw: Raw) -> dict[str, int]:
        """What is odd about new values, counted, such as {"unseen category": 3}."""
        return {}

    def unreadable(self, raw: Raw) -> dict[int, str]:
        """Rows that cannot be encoded, and why; they are left out before training and counted."""
        return {}

    def to_input_frame(self, column: Column, inputs: Mapping[str, Column]) -> Column:
        """Targets brought to where the encoded inputs stand, such as boxes into a letterbox."""
        return column

    def warp(self, field: Field, map: Warp) -> Field:
        """For a spatial kind: its values moved with the picture that they belong to."""
        raise NotImplementedError(f"a {self.kind} does not follow its picture")

    # -- into the network: torch -------------------------------------------------------------------------------

    @abstractmethod
    def encoder(self, dim: int) -> nn.Module:
        """A module from `Field` to `Tokens` of width `dim`; `normalizer` is its first layer. It has a `shape`."""

    @classmethod
    def joint_encoder(cls, features: Sequence[Any], dim: int) -> nn.Module:
        """For a joint kind: one module from a `Field` of (B, F) values and mask to `Tokens` (B, F, dim)."""
        raise NotImplementedError

    def normalizer(self, scale: str = "standard") -> nn.Module:
        """A module from raw codes to floats: "standard" (mean 0, deviation 1), "unit" (0..1), "signed" (-1..1)."""
        raise NotImplementedError(f"a {self.kind} has no numeric scale")

    # -- out of the network ------------------------------------------------------------------------------------

    def head(self, dim: int) -> nn.Module:
        """A module from `Tokens` of width `dim` to params."""
        raise NotImplementedError(f"a {self.kind} cannot be an output")

    def dense_head(self, dim: int, widths: Sequence[int], grid: tuple[int, int] | None = None) -> nn.Module:
        """For a spatial kind: a module from `Tokens` with maps of these widths, finest first, to params.

        Args:
            grid: rows and columns of the finest map, where they are known.
        """
        raise NotImplementedError

    def prediction(self, params: Any) -> Prediction:
        """What the params of `head` mean: a tensor, or a NamedTuple of tensors, rows first."""
        raise NotImplementedError(f"a {self.kind} cannot be an output")

    def score(self, best: PredictionArrays, truth: Column, calibration: Calibration | None = None) -> dict[str, float]:
        """Metrics over the rows whose truth is known."""
        raise NotImplementedError(f"a {self.kind} cannot be an output")

    def per_class(
        self, best: PredictionArrays, truth: Column, calibration: Calibration | None = None
    ) -> dict[str, dict[str, float]]:
        """Class -> metric -> value, with `rows` for its true ones; empty where single classes have no metrics."""
        return {}

    def precision_recall(self, best: PredictionArrays, truth: Column) -> list[ClassCurve]:
        """The precision-recall curve of each class with a true one; empty where there are no such curves."""
        return []

    def check_target(self, truth: Column, source: str) -> None:  # noqa: B027 - most kinds have nothing to refuse
        """Refuse training rows from which nothing can be learned, naming the source."""

    def target_warnings(self, truth: Column) -> list[str]:
        """Sentences about the training rows' answers, such as an imbalance of the classes."""
        return []

    def baseline(self, truth: Column) -> PredictionArrays:
        """The best answer (one row) that ignores the input, from the training rows: the first baseline."""
        raise NotImplementedError(f"a {self.kind} cannot be an output")

    def baseline_loss(self, truth: Column) -> float:
        """The mean loss of that constant answer, which makes the losses of several outputs comparable."""
        return 1.0

    def for_scoring(self, best: PredictionArrays, truth: Column) -> tuple[PredictionArrays, Column]:
        """What `score` needs of each row and no more: for kinds whose answers are large, when rows are drawn again."""
        return best, truth

    def selection_value(self, best: PredictionArrays, truth: Column) -> float | None:
        """How far from perfect answers are, 1 for a constant one; None: the mean loss beside the constant's says it."""
        return None

    def calibrate(self, best: PredictionArrays, truth: Column) -> Calibration:
        """What the validation rows teach about confidence; plain JSON."""
        return {}

    def decode(self, best: PredictionArrays, calibration: Calibration | None = None) -> list[dict[str, Any]]:
        """Answers in the user's terms, a dict a row with at least `value` and, where there is one, `confidence`."""
        raise NotImplementedError(f"a {self.kind} cannot be an output")

    def context(self, inputs: Mapping[str, Column]) -> PredictionArrays:
        """What `decode` needs of the inputs, such as their frames: arrays with rows first that join the best answer."""
        return {}

    # -- as a column -------------------------------------------------------------------------------------------

    def to_axis(self, column: Column) -> np.ndarray:
        """Positions (N,) float64 on the axis of a kind with `has_axis`, NaN for missing values."""
        raise NotImplementedError

    def from_axis(self, positions: np.ndarray) -> Column:
        """Encoded values at positions (N,) of the axis."""
        raise NotImplementedError

    @property
    def cell_axes(self) -> int:
        """Number of axes of a value that is given as an array or nested list; 0 for single values."""
        return 0

    # -- the rest ----------------------------------------------------------------------------------------------

    @property
    def kind(self) -> str:
        return FEATURES.name_of(type(self))

    def explanation_target(
        self, prediction: Any, best: Any, decoded: Mapping[str, Any], calibration: Calibration
    ) -> ExplanationTarget | None:
        """The scalars of a prediction for one row that an attribution method explains; None: there are none.

        Args:
            prediction: a `Prediction` of this output.
            best: its `mode()`, as tensors.
            decoded: the same in the user's terms.
        """
        return None

    @property
    def explainable(self) -> bool:
        """Whether `explanation_target` gives something."""
        return type(self).explanation_target is not Feature.explanation_target

    def predicted_classes(self, best: PredictionArrays, calibration: Calibration | None = None) -> np.ndarray:
        """The index of the predicted class of each row, (N,); for outputs with classes."""
        return best["log_probs"].argmax(1)

    def interval(self, answer: Mapping[str, Any]) -> tuple[float, float] | None:
        """Of a numeric prediction: values outside of it count as another prediction; None for other kinds."""
        return None

    def change_size(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """How large a change of an encoded value is: 1 for another class, standard deviations for a number.

        Shapes: before: (1, d); after: (N, d); returns: (N,).
        """
        return (np.nan_to_num(before) != np.nan_to_num(after)).any(1).astype(float)

    @property
    def fitted(self) -> bool:
        return all(getattr(self, f.name) is not None for f in dataclasses.fields(self) if f.name.endswith("_"))

    @property
    def row_bytes(self) -> int:
        """What a row takes in memory once it is encoded, for kinds where that is much."""
        return 0

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of an output's classes, in the order of its probabilities; empty for other kinds."""
        return ()

    def settings(self) -> dict[str, Any]:
        """The constructor's arguments that differ from their defaults, learned fields left out."""
        return {k: v for k, v in self._changed().items() if not k.endswith("_")}

    def state(self) -> dict[str, Any]:
        """Settings and learned fields as plain JSON; `from_state` is the way back."""
        return {"kind": self.kind, **self._changed()}

    def _changed(self) -> dict[str, Any]:
        fields = ((f.name, getattr(self, f.name), f.default) for f in dataclasses.fields(self))
        return {n: _plain(v) for n, v, default in fields if v != default and not (n == "column" and v == self.name)}


def from_state(state: dict[str, Any]) -> Feature:
    """A feature from what `Feature.state` wrote."""
    cls = FEATURES.get(state["kind"])
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in state.items() if k != "kind"}
    return cls(**values)


def infer_type(raw: Raw, name: str) -> tuple[str, str]:
    """The kind that fits a column best, and why.

    Raises:
        SourceError: `bad-value` where none can hold it, such as lists of different lengths.
    """
    guesses = ((cls.infer_type(raw, name), kind) for kind, cls in FEATURES)
    fitting = [(g, kind) for g, kind in guesses if g is not None]
    if not fitting:
        shown = next((repr(v) for v in sequence_of(raw[:100]) if v is not None), "no value at all")
        raise SourceError(
            "bad-value",
            f"column {name!r}: no kind of data fits its values, such as {shown[:60]}; leave it out "
            f"(--ignore {name}) or say what it is (--kind {name}=KIND, one of {', '.join(FEATURES.names())})",
        )
    best, kind = max(fitting, key=lambda pair: pair[0].score)
    return kind, best.why


def sequence_of(raw: Raw) -> Sequence[Any]:
    """A raw column as a plain list, None = missing."""
    if isinstance(raw, pl.Series):
        return raw.to_list()
    return list(raw)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    return value.item() if isinstance(value, np.generic) else value


FEATURES: Registry[Feature] = Registry("deepglass.features", "Feature", "feature kind")
