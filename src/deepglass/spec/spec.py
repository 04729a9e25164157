"""The declaration of a run: what the data are, what goes in and out, the network, the kind of learning, the training.

A spec is a YAML file or a dict; `Spec.read` checks it against the dataclasses below, whose fields are its schema.
Nothing changes a spec: `resolved` values are stored beside it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

import yaml
from pydantic.dataclasses import dataclass

from deepglass.config import SECTION, construct
from deepglass.data.environments import PREFIX as GYM
from deepglass.data.label_budget import LabelBudget
from deepglass.data.split import Split
from deepglass.errors import SourceError, SpecError
from deepglass.training.settings import TrainingSettings
from deepglass.values import read_yaml

SOURCES = ("source", "test", "unlabelled")
PATHS = (*SOURCES, "data_root", "label_corrections")
Source = Any  # a path, a `sklearn:` or `data:` name, or a Python object that `data.sources.read` knows


@dataclass(frozen=True, config=SECTION)
class DataSpec:
    """Where the data are and how they are divided.

    Args:
        source: relative to the spec's file.
        split: the settings of `data.split.Split`.
        columns: names for a file without a header.
        filename_pattern: how file names carry labels, such as "{digit}_{speaker}_{take}".
        ignore: columns that are left out.
        drop: places of rows that are left out, counted from 0; the others stay in the parts where they would be.
        fix: kinds of findings that are mended before training; what that means is added to `drop` and `ignore`.
        test: a second source whose rows are the test rows.
        unlabelled: a further source, of rows without an answer, for kinds of learning that learn from them too.
        transforms: fitted steps between source and features, {"kind": "module:Class", ...its settings} each, in order.
        num_labels: how many answers outside the test rows are kept, or {"per_class": N}; the others are hidden, to see
            how much is learned from few.
        label_corrections: a file of new and corrected labels, as `deepglass label` writes it.
        correct_test_labels: whether it also corrects test rows; without it they stay as they are, so that metrics of
            runs before and after can be compared.
        data_root: the folder of the sets that `data:NAME` names; else $DEEPGLASS_DATA.
        delimiter, encoding, header, quote, missing, sheet: as in `data.sources.SourceOptions`, where the recognition
            errs.
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
    transforms: tuple[Mapping[str, Any], ...] = ()
    num_labels: int | Mapping[str, int] | None = None
    label_corrections: str | None = None
    correct_test_labels: bool = False
    data_root: str | None = None
    delimiter: str | None = None
    encoding: str | None = None
    header: bool | None = None
    quote: str | None = None
    missing: tuple[str, ...] = ()
    sheet: str | None = None

    def __post_init__(self) -> None:
        if self.num_labels is not None:
            LabelBudget.of(self.num_labels)


@dataclass(frozen=True, config=SECTION)
class Spec:
    """A run, declared.

    Args:
        inputs, outputs: column names, or dicts of a feature's settings ("name", "kind", "column", ...); no inputs
            means every column that is left.
        network: {"trunk": name, ...its settings}; no trunk means the default for these inputs.
        objective: {"name": name, ...its settings}.
    """

    data: DataSpec
    inputs: tuple[Mapping[str, Any], ...] = ()
    outputs: tuple[Mapping[str, Any], ...] = ()
    network: Mapping[str, Any] = field(default_factory=dict)
    objective: Mapping[str, Any] = field(default_factory=lambda: {"name": "supervised"})
    training: TrainingSettings = field(default_factory=TrainingSettings)
    kinds: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def read(path: Path) -> Spec:
        """A spec from a YAML file.

        Raises:
            SourceError: `not-found`, `unreadable-file`.
            SpecError: with the path of the setting, or the lines of a key that stands twice.
        """
        try:
            content = read_yaml(path.read_text(), str(path))
        except FileNotFoundError:
            raise SourceError("not-found", f"{path}: there is no such file") from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise SourceError("unreadable-file", f"{path}: not a YAML file ({' '.join(str(error).split())})") from error
        if not isinstance(content, dict):
            raise SpecError(
                "bad-value", f"{path}: expected keys such as data and outputs, got {type(content).__name__}"
            )
        return Spec.from_dict(content, path.parent)

    @staticmethod
    def from_dict(content: Mapping[str, Any], folder: Path | None = None) -> Spec:
        """A spec from plain values; `folder` is what relative paths start from."""
        values = dict(content)
        data = values.pop("data", {})
        data = dict(data) if isinstance(data, Mapping) else {"source": data}
        for key in PATHS:
            if folder is not None:
                data[key] = _relative(data.get(key), folder)
        split = data.pop("split", {})
        if not isinstance(split, Mapping):
            raise SpecError("bad-value", f"data.split: expected settings such as {{test: 0.1}}, got {split!r}")
        if "transforms" in data:
            data["transforms"] = _features(data["transforms"], "data.transforms", "kind")
        data_spec = construct(DataSpec, {**data, "split": construct(Split, split, "data.split")}, "data")
        training = construct(TrainingSettings, values.pop("training", None) or {}, "training")
        named = {
            "inputs": _features(values.pop("inputs", None), "inputs"),
            "outputs": _features(values.pop("outputs", None), "outputs"),
            "network": _network(values.pop("network", None), folder),
            "objective": {
                "name": usual(data.get("source")),
                **_named(values.pop("objective", None), "name", "objective"),
            },
        }
        return construct(Spec, {**values, "data": data_spec, "training": training, **named}, "spec")

    def anchored(self) -> Spec:
        """The same with absolute paths, so that it means the same from another folder."""
        data = {k: _relative(getattr(self.data, k), Path.cwd()) for k in PATHS}
        network = _network(self.network, Path.cwd())
        return dataclasses.replace(self, data=dataclasses.replace(self.data, **data), network=network)

    def to_dict(self) -> dict[str, Any]:
        """The spec as plain values; defaults are left out."""
        data = {k: _named_source(getattr(self.data, k)) for k in SOURCES if getattr(self.data, k) is not None}
        data |= _changed(self.data, but=(*SOURCES, "split"))
        split = _changed(self.data.split)
        plain: dict[str, Any] = {"data": {**data, "split": split} if split else data}
        for key in ("inputs", "outputs"):
            features = [_short(f) for f in getattr(self, key)]
            plain |= {key: features} if features else {}
        plain |= {k: dict(v) for k in ("network", "objective", "kinds") if (v := getattr(self, k))}
        training = _changed(self.training)
        return plain | ({"training": training} if training else {})


def usual(source: Source) -> str:
    """The kind of learning where nobody names one."""
    return "ppo" if isinstance(source, str) and source.startswith(GYM) else "supervised"


def _relative(source: Source, folder: Path) -> Source:
    if not isinstance(source, str) or source.startswith(("data:", "sklearn:", "synthetic:", "gym:", "game:", "<")):
        return source
    path = Path(source).expanduser()
    return str(path if path.is_absolute() else folder / path)


def _features(values: Any, where: str, key: str = "name") -> tuple[dict[str, Any], ...]:
    if values is None:
        return ()
    if isinstance(values, str | Mapping):
        values = [values]
    if not isinstance(values, Sequence):
        raise SpecError("bad-value", f"{where}: expected a list of columns, got {values!r}")
    features = []
    for i, value in enumerate(values):
        if not isinstance(value, str | Mapping) or (isinstance(value, Mapping) and key not in value):
            raise SpecError(
                "bad-value", f"{where}[{i}]: expected a column's name or {{name: ..., kind: ...}}, got {value!r}"
            )
        features.append({key: value} if isinstance(value, str) else dict(value))
    return tuple(features)


def _named(value: Any, key: str, where: str) -> dict[str, Any]:
    if value is None:
        return {}
    if isinstance(value, str):
        return {key: value}
    if isinstance(value, Mapping):
        return dict(value)
    raise SpecError("bad-value", f"{where}: expected a name or {{{key}: ...}}, got {value!r}")


def _network(value: Any, folder: Path | None) -> dict[str, Any]:
    """The network's settings; the run that it starts with lies in `folder`, as the sources do."""
    network = _named(value, "trunk", "network")
    if folder is not None and isinstance(network.get("init_from"), str):
        network["init_from"] = _relative(network["init_from"], folder)
    return network


def _changed(settings: Any, but: Sequence[str] = ()) -> dict[str, Any]:
    """The fields of a dataclass that differ from their defaults, as plain values."""
    default = type(settings)()
    pairs = ((f.name, getattr(settings, f.name)) for f in dataclasses.fields(settings) if f.name not in but)
    return {n: list(v) if isinstance(v, tuple) else v for n, v in pairs if v != getattr(default, n)}


def _short(feature: Mapping[str, Any]) -> Any:
    return feature["name"] if len(feature) == 1 else dict(feature)


def _named_source(source: Source) -> str:
    return source if isinstance(source, str) else f"<{type(source).__name__}>"
