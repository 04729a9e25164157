"""`Feature`, the base class of kinds of input data, and `Column`, its encoded values.

    raw values --encode--> Column --batch--> Field --normalizer, encoder--> Tokens

`fit` and `encode` are numpy. Only `normalizer` and `encoder` need torch and import it when called, so fitting and
encoding do not load it. `features.outputs` is the part from the network to predictions.
"""

from __future__ import annotations

import dataclasses
import io
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self, TypeVar
from zipfile import ZipFile

import numpy as np
import polars as pl

from deepglass.config import restore
from deepglass.errors import SourceError, SpecError
from deepglass.features._cell_statistics import Statistic, class_codes, scalar_series
from deepglass.files import open_file, read_file
from deepglass.registry import Registry

if TYPE_CHECKING:
    from torch import nn

    from deepglass.nn.tokens import Field
    from deepglass.nn.warp import Warp

T = TypeVar("T")


class Media(NamedTuple):
    """An image, audio or other file, read lazily."""

    name: str  # for messages
    path: Path
    member: str | None = None  # a file inside the zip at `path`

    def read(self) -> bytes:
        """The content of a regular file. Raises as `files.read_file`."""
        if self.member is None:
            return read_file(self.path, self.name)
        with open_file(self.path, self.name) as file, ZipFile(file) as archive:
            return archive.read(self.member)

    def open(self) -> io.BytesIO:
        return io.BytesIO(self.read())


Raw = pl.Series | np.ndarray | list[Media]
"""A column of raw values: a polars Series (null = missing), an array (N, ...) of numbers, or files."""


def take_raw(raw: Raw, rows: np.ndarray) -> Raw:
    """Some rows of a raw column, in the order given."""
    return [raw[i] for i in rows] if isinstance(raw, list) else raw[rows]


class TypeGuess(NamedTuple):
    """How well a kind fits a column, from 0 (not at all) to 1 (certainly), and the reason."""

    score: float
    why: str


@dataclass(frozen=True)
class Column:
    """Encoded values of one feature.

    Args:
        values: (N, ...) for values of one shape; (total, ...) concatenated for ragged kinds.
        mask: (N,) bool, True = present.
        offsets: (N + 1,) int64, ragged kinds only: row i is `values[offsets[i]:offsets[i + 1]]`. A row of length 0
            with mask True is present and empty.
        letterbox: (N, 6) float32, images only: top, left, height and width of the image inside the encoded one, in
            pixels, then height and width of the image file.
        weight: (N,) float32 of the row in losses and metrics, targets only; None: all have the same.
    """

    values: np.ndarray
    mask: np.ndarray
    offsets: np.ndarray | None = None
    letterbox: np.ndarray | None = None
    weight: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.mask)

    def take(self, rows: np.ndarray) -> Column:
        letterbox, weight = (None if a is None else a[rows] for a in (self.letterbox, self.weight))
        if self.offsets is None:
            return Column(self.values[rows], self.mask[rows], None, letterbox, weight)
        lengths = np.diff(self.offsets)[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        index = np.repeat(self.offsets[rows] - offsets[:-1], lengths) + np.arange(offsets[-1])
        return Column(self.values[index], self.mask[rows], offsets, letterbox, weight)

    @property
    def present_weight(self) -> np.ndarray | None:
        """The weights of the rows that are present; None where all have the same."""
        return None if self.weight is None else self.weight[self.mask]


@dataclass(frozen=True, kw_only=True)
class Feature(ABC):
    """A kind of input data: its settings and, after `fit`, its learned fields, whose names end in `_`.

    Args:
        name: of the feature, in spec, batch and predictions.
        column: column of the table; empty for the name.
        columns: of the table, for a feature that reads several; raw values are then a Series of structs with these
            fields, or a list of dicts where a column holds files.
    """

    name: str
    column: str = ""
    columns: tuple[str, ...] = ()

    joint: ClassVar[bool] = False  # inputs of this kind share one encoder: `joint_encoder`
    tabular: ClassVar[bool] = False  # a cell of a table, cheap to encode and to replace
    ordered: ClassVar[bool] = False  # encoded values have an order, as numbers and dates do
    has_classes: ClassVar[bool] = False  # one of `class_names`; as an output "log_probs" (N, K)
    has_axis: ClassVar[bool] = False  # values are points of a numeric axis: `to_axis`, `from_axis`
    sequential: ClassVar[bool] = False  # a value has steps that an output may be aligned with
    file_based: ClassVar[bool] = False  # a cell may be the path of a file
    dense: ClassVar[bool] = False  # values lie in an image: `warp`, and as an output `Output.dense_head`
    is_image: ClassVar[bool] = False  # encoded values are (N, C, Y, X): `pixels`
    is_audio: ClassVar[bool] = False  # encoded values are samples; has `frames` and `rate_`, as `Audio` has
    is_text: ClassVar[bool] = False  # running text, whose words can be counted and compared
    is_time: ClassVar[bool] = False  # a point in time
    has_entries: ClassVar[bool] = False  # a value is a vector of entries: `part_names`
    parallel: ClassVar[tuple[str, ...]] = ()  # learned fields of the same length, such as classes and their counts

    def __post_init__(self) -> None:
        if not self.column:
            object.__setattr__(self, "column", self.name)
        elif self.columns and self.column != self.name:
            raise ValueError(f"expected column or columns, got both: {self.column!r} and {', '.join(self.columns)}")

    @property
    def source_columns(self) -> tuple[str, ...]:
        """Columns of the table that the feature reads."""
        return self.columns or (self.column,)

    # -- from raw values to columns: numpy ---------------------------------------------------------------------

    @classmethod
    @abstractmethod
    def infer_type(cls, raw: Raw, name: str) -> TypeGuess | None:
        """How well this kind fits a column (a sample of its first rows); None if it cannot hold the values."""

    @abstractmethod
    def fit(self, chunks: Iterable[Raw]) -> Self:
        """A copy with learned fields, from the training rows; the same for any division into chunks."""

    @abstractmethod
    def encode(self, raw: Raw) -> Column:
        """Raw values as numeric arrays."""

    def as_sequence(self) -> Self:
        """A copy for a sequence network: a text as words instead of a bag of n-grams."""
        return self

    def adapted(self, raw: Raw) -> tuple[Self, str]:
        """The feature with another text format, where new rows are written otherwise than the training rows.

        Returns:
            the feature, and what to tell the user; itself and "" if the format of training reads the rows best.
        """
        return self, ""

    def count_anomalies(self, raw: Raw) -> dict[str, int]:
        """Counts of anomalous values in new rows, such as {"unseen category": 3}."""
        return {}

    def unreadable(self, raw: Raw) -> dict[int, str]:
        """Row -> why it cannot be encoded; such rows are left out and reported before training."""
        return {}

    def alterations(self, raw: Raw) -> dict[int, str]:
        """Row -> what reading it changes, or what is lost in it, for files that are unlike the others."""
        return {}

    @classmethod
    def statistics(cls, raw: Raw) -> list[Statistic]:
        """Numbers that describe each cell, for data checks, slices and the map; the codes of a kind with classes."""
        series = scalar_series(raw) if cls.has_classes else None
        return [] if series is None else [class_codes(series)]

    # -- into the network: torch -------------------------------------------------------------------------------

    @abstractmethod
    def encoder(self, dim: int) -> nn.Module:
        """A module from `Field` to `Tokens` of width `dim`, with `normalizer` as its first layer and a `shape`."""

    @classmethod
    def joint_encoder(cls, features: Sequence[Any], dim: int) -> nn.Module:
        """For joint kinds: one module from a `Field` of (B, F) values and mask to `Tokens` (B, F, dim)."""
        raise NotImplementedError

    def normalizer(self, scale: str = "standard") -> nn.Module:
        """A module from codes to floats: "standard" (mean 0, std 1), "unit" (0 to 1), "signed" (-1 to 1)."""
        raise NotImplementedError(f"a {self.kind} has no numeric scale")

    def warp(self, field: Field, map: Warp) -> Field:
        """For dense kinds: the values transformed like their image."""
        raise NotImplementedError(f"a {self.kind} is not transformed with an image")

    # -- as a column -------------------------------------------------------------------------------------------

    def to_axis(self, column: Column) -> np.ndarray:
        """Positions (N,) float64 on the axis of a kind with `has_axis`, NaN for missing values."""
        raise NotImplementedError

    def from_axis(self, positions: np.ndarray) -> Column:
        """Encoded values at positions (N,) of the axis."""
        raise NotImplementedError

    @property
    def cell_axes(self) -> int:
        """Number of axes of a value as an array or nested list; 0 for single values."""
        return 0

    def change_size(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """Size of a change of an encoded value: 1 for another class, standard deviations for a number.

        Shapes: before: (1, d); after: (N, d); returns: (N,).
        """
        return (np.nan_to_num(before) != np.nan_to_num(after)).any(1).astype(float)

    def pixels(self, codes: np.ndarray) -> np.ndarray:
        """Of a kind with `is_image`: an encoded value (C, Y, X) as pixels for people, (Y, X, 1 or 3) uint8."""
        raise NotImplementedError(f"a {self.kind} is no image")

    def part_names(self) -> tuple[str, ...]:
        """Of a kind with `has_entries`: the name of each entry, for explanations."""
        raise NotImplementedError(f"a {self.kind} has no entries")

    @property
    def row_bytes(self) -> int:
        """Memory of an encoded row in bytes, for kinds with large rows."""
        return 0

    @property
    def class_names(self) -> tuple[str, ...]:
        """Class names in the order of their codes; empty for kinds without classes."""
        return ()

    def bad_value(self, problem: str) -> SourceError:
        """The error for values that this feature cannot hold."""
        return SourceError("bad-value", f"column {self.column!r}: {problem}")

    def bad_type(self, expected: str, raw: Raw) -> SourceError:
        return self.bad_value(f"expected {expected}, not {'files' if isinstance(raw, list) else raw.dtype}")

    # -- settings and state ------------------------------------------------------------------------------------

    @property
    def kind(self) -> str:
        return FEATURES.name_of(type(self))

    @property
    def fitted(self) -> bool:
        return all(getattr(self, f.name) is not None for f in dataclasses.fields(self) if f.name.endswith("_"))

    def check_learned(self, where: str) -> None:
        """Check learned fields from a file: none is absent, and those that are parallel have one length.

        Args:
            where: the place of the feature in the file, for messages.

        Raises:
            SpecError: `bad-value`.
        """
        for field in dataclasses.fields(self):
            if field.name.endswith("_") and getattr(self, field.name) is None:
                raise SpecError("bad-value", f"{where}.{field.name}: expected a learned value, got none")
        lengths = {name: len(getattr(self, name)) for name in self.parallel}
        if len(set(lengths.values())) > 1:
            counts = ", ".join(f"{name} {length}" for name, length in lengths.items())
            raise SpecError("bad-value", f"{where}: expected lists of one length, got {counts}")

    def settings(self) -> dict[str, Any]:
        """The constructor's arguments that differ from their defaults, without learned fields."""
        return {k: v for k, v in self._changed().items() if not k.endswith("_")}

    def state(self) -> dict[str, Any]:
        """Settings and learned fields as plain JSON; `from_state` reads it."""
        return {"kind": self.kind, **self._changed()}

    def _changed(self) -> dict[str, Any]:
        fields = ((f.name, getattr(self, f.name), f.default) for f in dataclasses.fields(self))
        return {n: _plain(v) for n, v, default in fields if v != default and not (n == "column" and v == self.name)}


def from_state(state: Mapping[str, Any], where: str = "feature") -> Feature:
    """A feature from its `state`.

    Args:
        where: the place of the state in its file, for messages.

    Raises:
        SpecError: `unknown-name`, `unknown-key` or `bad-value`, with the path of the field.
    """
    return restore_kind(FEATURES, state, where)


def restore_kind(registry: Registry[T], state: Mapping[str, Any], where: str) -> T:
    """An object of a registry's class from its kind and fields; arguments and errors as of `from_state`."""
    if not isinstance(state, Mapping) or "kind" not in state:
        raise SpecError("bad-value", f"{where}: expected a kind and its fields, got {state!r}")
    cls = registry.get(state["kind"], where=f"{where}.kind")
    return restore(cls, {k: v for k, v in state.items() if k != "kind"}, where)


def infer_type(raw: Raw, name: str) -> tuple[str, str]:
    """The kind that fits a column best, and the reason.

    Raises:
        SourceError: `bad-value` if no kind can hold the values, such as lists of different lengths.
    """
    candidates = ((cls.infer_type(raw, name), kind) for kind, cls in FEATURES)
    guesses = [(g, kind) for g, kind in candidates if g is not None]
    if not guesses:
        example = next((repr(v) for v in sequence_of(raw[:100]) if v is not None), "no value")
        raise SourceError(
            "bad-value",
            f"column {name!r}: no kind of data fits its values, such as {example[:60]}; leave it out "
            f"(--ignore {name}) or set its kind (--kind {name}=KIND, one of {', '.join(FEATURES.names())})",
        )
    guess, kind = max(guesses, key=lambda pair: pair[0].score)
    return kind, guess.why


def sequence_of(raw: Raw) -> Sequence[Any]:
    """A raw column as a plain list, None = missing."""
    return raw.to_list() if isinstance(raw, pl.Series) else list(raw)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    return value.item() if isinstance(value, np.generic) else value


FEATURES: Registry[Feature] = Registry("deepglass.features", "Feature", "feature kind")
