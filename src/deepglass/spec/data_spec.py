"""The section `data` of a spec: where the data are, how they are read, and how they are split."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator
from pydantic.dataclasses import dataclass

from deepglass.config import SECTION, construct
from deepglass.data.label_budget import LabelBudget
from deepglass.data.sources.base import SQLITE, SourceOptions
from deepglass.data.split import Split
from deepglass.data.transforms.base import TRANSFORMS
from deepglass.limits import check_limits
from deepglass.values import frozen, plain

SOURCES = ("source", "test", "unlabelled")
PATHS = (*SOURCES, "label_corrections")
Source = Any  # a path, a `sklearn:` or `data:` name, or a Python object that `data.sources.read` knows

_WITHOUT_PATH = ("data:", "sklearn:", "synthetic:", "gym:", "game:", "<")  # begin sources that are no files

Settings = Annotated[Mapping[Any, Any], AfterValidator(frozen)]


def no_settings() -> Mapping[Any, Any]:
    return frozen({})


def _as_tuple(value: Any) -> Any:
    """One path, or a list of them, as a tuple."""
    return () if value is None else (str(value),) if isinstance(value, str | Path) else value


@dataclass(frozen=True, config=SECTION)
class TransformSpec:
    """A table transform: a fitted step between source and features.

    Args:
        kind: `module:Class` of a `TableTransform`, or one of `deepglass`.
        settings: its arguments.
    """

    kind: str
    settings: Settings = field(default_factory=no_settings)


@dataclass(frozen=True, config=SECTION)
class DataSpec(SourceOptions):
    """Where the data are, how they are read, and how they are split.

    Args:
        source: the data: a path, relative to the spec's file, or a name such as sklearn:iris.
        split: settings of `data.split.Split`.
        columns: column names of a file without a header.
        filename_pattern: labels in file names, such as "{digit}_{speaker}_{take}".
        ignore: columns that are left out.
        drop: indices of rows that are left out, from 0; the other rows stay in their splits.
        fix: kinds of findings that are fixed before training, by additions to `drop` and `ignore`.
        test: a second source whose rows are the test rows.
        unlabelled: a third source, of rows without labels, for objectives that learn from them too.
        sample_weight: a column with the weight of each row, >= 0, in losses and metrics; it is no input.
        derive: new column -> SQL expression over columns of the same row, such as {profit: "price - cost"}. Columns
            that a target is derived from are no inputs unless the spec names them.
        history: settings of `data.transforms.history.EntityHistory`: each entity's own past as inputs.
        transforms: fitted table transforms, in the order in which they are applied, after the history.
        num_labels: number of labels that are used outside the test rows, or {"per_class": N}; the others are hidden.
        label_corrections: a file of new and corrected labels, as `deepglass label` writes it.
        correct_test_labels: also correct test rows; without it, metrics of runs before and after can be compared.
        data_root: folders of the data sets that `data:NAME` names, by default $DEEPGLASS_DATA. Data in other
            folders may name files in them as well.
        limits: other values of limits on files; `deepglass list limits` shows them.
    """

    source: Source = None
    split: Split = field(default_factory=Split)
    columns: tuple[str, ...] = ()
    filename_pattern: str | None = None
    ignore: tuple[str, ...] = ()
    drop: tuple[int, ...] = ()
    fix: tuple[str, ...] = ()
    test: Source = None
    unlabelled: Source = None
    sample_weight: str | None = None
    derive: Annotated[Mapping[str, str], AfterValidator(frozen)] = field(default_factory=no_settings)
    history: Annotated[Mapping[str, Any], AfterValidator(frozen)] = field(default_factory=no_settings)
    transforms: tuple[TransformSpec, ...] = ()
    num_labels: int | Annotated[Mapping[str, int], AfterValidator(frozen)] | None = None
    label_corrections: str | None = None
    correct_test_labels: bool = False
    data_root: Annotated[tuple[str, ...], BeforeValidator(_as_tuple)] = ()
    limits: Annotated[Mapping[str, Any], AfterValidator(frozen)] = field(default_factory=no_settings)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_limits(self.limits)
        if self.history:
            construct(TRANSFORMS.get("history", where="data.history"), plain(self.history), "data.history")
        if self.num_labels is not None:
            LabelBudget.of(self.num_labels)

    @property
    def table_transforms(self) -> dict[str, TransformSpec]:
        """Path of its settings -> table transform, in the order in which they are applied."""
        history = {"data.history": TransformSpec("history", self.history)} if self.history else {}
        return history | {f"data.transforms[{i}]": transform for i, transform in enumerate(self.transforms)}

    def with_paths(self, change: Callable[[Any], Any], data_root: tuple[str, ...]) -> DataSpec:
        """A copy with another spelling of each path.

        Args:
            change: of a source or path; None stays.
        """
        history = {k: change(v) if k == "former_names" else v for k, v in self.history.items()}
        paths = {k: change(getattr(self, k)) for k in PATHS}
        split = replace(self.split, file=change(self.split.file))
        return replace(self, data_root=data_root, split=split, history=history, **paths)


def anchored_source(source: Any, folder: Path) -> Any:
    """A source whose relative paths start from a folder."""
    if isinstance(source, list | tuple) and all(isinstance(path, str) for path in source):
        return [anchored_source(path, folder) for path in source]
    if isinstance(source, str) and source.startswith(SQLITE):
        database = source.removeprefix(SQLITE)
        return source if Path(database).is_absolute() else f"{SQLITE}{folder}/{database}"
    if not _is_path(source):
        return source
    path = Path(source).expanduser()
    return str(path if path.is_absolute() else folder / path)


def source_name(source: Any, names: dict[str, str]) -> Any:
    """A source with the names of its files instead of their paths.

    Args:
        names: path -> name, to which those of the source are added.
    """
    if isinstance(source, list | tuple) and all(isinstance(path, str) for path in source):
        return [source_name(path, names) for path in source]
    if isinstance(source, str) and source.startswith(SQLITE):
        path, colon, query = source.removeprefix(SQLITE).partition(":")
        return f"{SQLITE}{source_name(path, names)}{colon}{query}"
    if not _is_path(source):
        return source
    names[source] = Path(source).name
    return names[source]


def _is_path(source: Any) -> bool:
    return isinstance(source, str) and not source.startswith(_WITHOUT_PATH)
